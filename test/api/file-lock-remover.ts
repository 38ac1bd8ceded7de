// A thread that opens files of its own, removes them while they are open, and closes them or gives its machine up. It
// says how often it was refused one, as another thread's file had had its number.

import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, threadId, workerData } from 'node:worker_threads'
import { Machine, MemoryError } from '../../src/memory.ts'

export interface RemoverData {
  readonly folder: string
  readonly rounds: number
  /** [0]: how many threads are still to come. */
  readonly awaited: Int32Array
}

const { folder, rounds, awaited } = workerData as RemoverData
const newMachine = () => Machine.create({ memory: '1MiB', cpus: 1 })

let machine = newMachine()
let refused = 0
// All begin together.
if (Atomics.sub(awaited, 0, 1) === 1) Atomics.notify(awaited, 0)
for (let left = Atomics.load(awaited, 0); left > 0; left = Atomics.load(awaited, 0))
  Atomics.wait(awaited, 0, left)
for (let round = 0; round < rounds; round++) {
  const path = join(folder, `removed-${threadId}-${round}`)
  writeFileSync(path, new Uint8Array(4096))
  try {
    const file = machine.openFile(path, { mode: 'r+' })
    rmSync(path)
    if (round % 2 === 0) file.close()
    else {
      machine.detach()
      machine = newMachine()
    }
  } catch (error) {
    if (!(error instanceof MemoryError) || error.errno !== 'EBUSY') throw error
    refused++
    rmSync(path)
  }
}
machine.detach()
parentPort!.postMessage(refused)
