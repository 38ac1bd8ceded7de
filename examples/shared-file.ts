// Four worker threads count in one file on disk. Then a copy of an address space, which takes microseconds.
import { AddressSpace, Machine } from 'faultline'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { Worker, isMainThread, workerData } from 'node:worker_threads'

const COUNTERS = 1024

if (isMainThread) {
  const machine = Machine.create({ memory: '64MiB', cpus: 5 })
  const space = machine.createAddressSpace()
  const path = `counters-${process.pid}.bin`
  const file = machine.openFile(path, { mode: 'w+', size: COUNTERS * 4096 })
  const counters = space.mmap(file.size, { file, shared: true }) // one page cache for all threads
  const workers = Array.from({ length: 4 }, () => {
    return new Worker(new URL(import.meta.url), { workerData: { space: space.handle, counters } })
  })
  await Promise.all(workers.map((worker) => once(worker, 'exit')))
  space.msync(counters, file.size) // throws where the disk has failed
  console.log(`on disk, counter 7 is ${readFileSync(path).readUInt32LE(7 * 4096)}`)
  file.close()
  rmSync(path)

  const note = space.mmap(4096) // private memory: the two spaces share each page until one of them writes to it
  space.writeUint32(note, 1)
  const snapshot = space.fork()
  space.writeUint32(note, 2)
  console.log(`the note is ${space.readUint32(note)}, and ${snapshot.readUint32(note)} in the snapshot`)
  snapshot.destroy()
} else {
  const space = AddressSpace.attach(workerData.space)
  for (let n = 0; n < COUNTERS; n++) space.addUint32(workerData.counters + n * 4096, 1)
}
