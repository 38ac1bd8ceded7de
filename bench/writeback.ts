// What is left for msync where a thread writes files back in the background: `npm run bench:writeback`, with
//
//   --rounds 7 --pages 4096
//
// A program writes pages of a file, computes in between, and has the file synchronised at the end: on a machine that
// has such a thread, on one that has none, in turn. Told are the medians of the rounds with their range: how long
// writing and computing took, how long msync did, and how many pages it had to write. Exit code 0: all contents were
// right.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

// What is measured is what users run: the built form, whose kernel is one file.
const built = (module: string): string => new URL(`../dist/${module}`, import.meta.url).href
const { Machine } = (await import(built('memory.js'))) as typeof import('../src/memory.ts')
const { spread } = (await import(built('workloads/index.js'))) as typeof import('../src/workloads/index.ts')

const PAGE = 4096
const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, pages: { type: 'string', default: '4096' } },
})
const [rounds, pages] = [Number(values.rounds), Number(values.pages)]
const folder = mkdtempSync(join(os.tmpdir(), 'faultline-writeback-'))

/** Some microseconds of it. */
function compute(seed: number): number {
  let value = seed
  for (let n = 0; n < 20_000; n++) value = (Math.imul(value, 1_664_525) + 1_013_904_223) | 0
  return value >>> 0
}

interface Run {
  readonly workMs: number
  readonly syncMs: number
  readonly left: number
}

async function run(background: boolean): Promise<Run> {
  const path = join(folder, 'file')
  const machine = Machine.create({
    memory: '64MiB',
    cpus: 1,
    writeback: background ? { dirtyBackgroundRatio: 1, dirtyExpireMs: 0, dirtyWritebackMs: 20 } : false,
  })
  const file = machine.openFile(path, { mode: 'w+', size: pages * PAGE })
  const space = machine.createAddressSpace()
  const base = space.mmap(file.size, { file, shared: true })
  // Also the thread has come by then.
  await space.msyncAsync(base, PAGE)
  const begun = performance.now()
  for (let page = 0; page < pages; page++) space.writeUint32(base + page * PAGE, compute(page))
  const written = performance.now()
  const before = machine.counters()['pgpgout']!
  space.msync(base, file.size)
  const syncMs = performance.now() - written
  const left = machine.counters()['pgpgout']! - before
  space.destroy()
  file.close()
  machine.detach()
  const bytes = readFileSync(path)
  for (let page = 0; page < pages; page++)
    if (bytes.readUInt32LE(page * PAGE) !== compute(page)) throw new Error(`page ${page} is not on disk`)
  return { workMs: written - begun, syncMs, left }
}

const results: Record<string, Run[]> = { without: [], with: [] }
try {
  for (let round = -1; round < rounds; round++) {
    for (const [name, runs] of Object.entries(results)) {
      const result = await run(name === 'with')
      if (round >= 0) runs.push(result)
    }
  }
} finally {
  rmSync(folder, { recursive: true })
}
console.log(`${pages} pages, median (range) of ${rounds} rounds, ${os.cpus()[0]?.model}`)
for (const [name, runs] of Object.entries(results)) {
  const text = (of: (run: Run) => number): string => {
    const { median, min, max } = spread(runs.map(of))
    return `${median.toFixed(0)} (${min.toFixed(0)}–${max.toFixed(0)})`
  }
  console.log(
    `  ${name.padEnd(8)} work ${text((each) => each.workMs)} ms, msync ${text((each) => each.syncMs)} ms, which wrote ${text((each) => each.left)} pages`,
  )
}
