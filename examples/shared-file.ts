// A file on disk that four worker threads count in, and a copy of the address space that costs microseconds.
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
  const counters = space.mmap(file.size, { file, shared: true }) // one page cache for all threads and address spaces
  const workers = Array.from({ length: 4 }, () => {
    return new Worker(new URL(import.meta.url), { workerData: { space: space.handle, counters } })
  })
  await Promise.all(workers.map((worker) => once(worker, 'exit')))
  space.msync(counters, file.size) // throws if the disk has failed; nothing written is forgotten then
  console.log(`on disk, counter 7 is ${readFileSync(path).readUInt32LE(7 * 4096)}`)

  const notes = space.mmap(64 * 4096) // private memory: a copy shares each page until one side writes to it
  for (let page = 0; page < 64; page++) space.writeUint32(notes + page * 4096, 1)
  const microseconds: number[] = []
  for (let round = 1; round <= 101; round++) {
    space.writeUint32(notes, round)
    const begun = performance.now()
    const snapshot = space.fork()
    microseconds.push((performance.now() - begun) * 1000)
    space.writeUint32(notes, 0)
    if (snapshot.readUint32(notes) !== round) throw new Error('a snapshot has changed')
    snapshot.destroy()
  }
  console.log(`a snapshot took ${microseconds.sort((a, b) => a - b)[50]!.toFixed(0)} µs, the median of 101`)
  file.close()
  rmSync(path)
} else {
  const space = AddressSpace.attach(workerData.space)
  for (let n = 0; n < COUNTERS; n++) space.addUint32(workerData.counters + n * 4096, 1)
}
