// What is read around a miss: a byte of pages is read or written at random through a mapping of 64 MiB in 16 MiB of
// memory, all over the file or nine of ten in a tenth of it, without advice and with 'random'; beside Linux:
// bench/peers/read-around.c. It counts pages that the process reads, so it needs Linux. It is started by `npm run
// bench:read-around`.

import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'

// What is measured is what users run: the built form, whose kernel is one file.
const built = new URL('../dist/index.js', import.meta.url).href
const { Machine } = (await import(built)) as typeof import('../src/index.ts')

const PAGE = 4096
const PAGES = 16_384
const ACCESSES = 5000
const WINDOWS = 6

const folder = mkdtempSync(join(os.tmpdir(), 'faultline-bench-'))
const path = join(folder, 'file')
const descriptor = openSync(path, 'w')
ftruncateSync(descriptor, PAGES * PAGE)
closeSync(descriptor)
try {
  for (const writes of [false, true])
    for (const advice of ['normal', 'random'] as const)
      for (const skewed of [false, true]) tell(writes, advice, skewed)
} finally {
  rmSync(folder, { recursive: true })
}

function tell(writes: boolean, advice: 'normal' | 'random', skewed: boolean): void {
  const machine = Machine.create({ memory: '16MiB', cpus: 1 })
  const space = machine.createAddressSpace()
  const file = machine.openFile(path, { mode: 'r+' })
  const start = space.mmap(file.size, { file, shared: true })
  space.madvise(start, file.size, advice)
  const next = generator()
  const windows = Array.from({ length: WINDOWS }, () => {
    const before = pagesRead()
    for (let n = 0; n < ACCESSES; n++) {
      let page = next() % PAGES
      if (skewed && next() % 10 !== 0) page %= Math.floor(PAGES / 10)
      if (writes) space.writeUint8(start + page * PAGE, 1)
      else space.readUint8(start + page * PAGE)
    }
    return ((pagesRead() - before) / ACCESSES).toFixed(2)
  })
  const what = `${writes ? 'written' : 'read'}, ${skewed ? 'skewed' : 'uniform'}`
  console.log(`${what}, advice ${advice}: ${windows.join(', ')} pages an access`)
  space.destroy()
  file.close()
}

/** xorshift32. */
function generator(): () => number {
  let state = 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

/** What the process has read so far by system calls, in pages. */
function pagesRead(): number {
  return Number(/^rchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))![1]) / PAGE
}
