// Threads for ends.test.ts.

import { Worker, parentPort, workerData } from 'node:worker_threads'
import { AddressSpace, type AddressSpaceHandle } from '../../src/index.ts'

export interface EndsData {
  readonly space: AddressSpaceHandle
  readonly base: number
  readonly role: 'detaches' | 'reads' | 'starts another' | 'works'
  /** 1: it is to detach; 2: it has. */
  readonly turn: Int32Array
}

const { space: handle, base, role, turn } = workerData as EndsData
const space = AddressSpace.attach(handle)
space.readUint32(base)
if (role === 'detaches') {
  parentPort!.postMessage('is attached')
  Atomics.wait(turn, 0, 0)
  space.machine.detach()
  Atomics.store(turn, 0, 2)
  Atomics.notify(turn, 0)
  Atomics.wait(turn, 0, 2)
} else if (role === 'reads') parentPort!.postMessage('has read')
else if (role === 'starts another') {
  const data: EndsData = { space: handle, base, role: 'works', turn }
  const inner = new Worker(new URL(import.meta.url), { workerData: data })
  inner.on('message', (message) => parentPort!.postMessage(message))
} else {
  parentPort!.postMessage('is at work')
  for (;;) space.munmap(space.mmap(65536), 65536)
}
