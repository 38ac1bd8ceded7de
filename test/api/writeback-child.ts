// A program that is killed: it says a record is safe when it is, by msync or by msyncAsync, and goes on.

import { writeSync } from 'node:fs'
import { Machine } from '../../src/memory.ts'

const [, , path, records, way] = process.argv as string[] & { 2: string; 3: string }
const machine = Machine.create({
  memory: '1MiB',
  cpus: 1,
  writeback: { dirtyExpireMs: 0, dirtyWritebackMs: 1, dirtyBackgroundRatio: 1 },
})
const file = machine.openFile(path, { mode: 'w+', size: Number(records) * 64 })
const space = machine.createAddressSpace()
const base = space.mmap(file.size, { file, shared: true })
for (let n = 0; n < Number(records); n++) {
  const at = base + n * 64
  space.withRange(at, 64, 'rw', (bytes) => void bytes.fill((n % 255) + 1))
  const page = at - (at % 4096)
  if (way === 'async') await space.msyncAsync(page, 4096)
  else space.msync(page, 4096)
  writeSync(1, `${n}\n`)
}
