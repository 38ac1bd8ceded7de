// Threads for ends.test.ts.

import { Worker, parentPort, workerData } from 'node:worker_threads'
import { AddressSpace, type AddressSpaceHandle } from '../../src/memory.ts'

export interface EndsData {
  readonly space: AddressSpaceHandle
  readonly base: number
  readonly role: 'detaches' | 'reads' | 'starts another' | 'works' | 'buries another'
  /** 1: it is to detach, or has been ordered to stop; 2: it has detached. */
  readonly turn: Int32Array
}

/** As it is before a machine replaces it. */
const { terminate } = Worker.prototype
const { space: handle, base, role, turn } = workerData as EndsData
const space = AddressSpace.attach(handle)
space.readUint32(base)
if (role === 'detaches') {
  parentPort!.postMessage('is attached')
  Atomics.wait(turn, 0, 0)
  try {
    space.machine.detach()
  } finally {
    // The other thread waits for it, and hears nothing else.
    Atomics.store(turn, 0, 2)
    Atomics.notify(turn, 0)
  }
  Atomics.wait(turn, 0, 2)
} else if (role === 'reads') parentPort!.postMessage('has read')
else if (role === 'starts another') {
  const data: EndsData = { space: handle, base, role: 'works', turn }
  const inner = new Worker(new URL(import.meta.url), { workerData: data })
  inner.on('message', (message) => parentPort!.postMessage(message))
} else if (role === 'buries another') {
  const data: EndsData = { space: handle, base, role: 'reads', turn }
  const inner = new Worker(new URL(import.meta.url), { workerData: data })
  inner.once('message', () => {
    const { compareExchange } = Atomics
    Atomics.compareExchange = ((array: Int32Array, index: number, value: number, other: number) => {
      const before = compareExchange(array, index, value, other)
      // In the middle of the burial, with whatever it has just taken.
      if (new Error().stack!.includes('retireCpu')) {
        Atomics.compareExchange = compareExchange
        parentPort!.postMessage('buries')
        Atomics.wait(turn, 0, 0)
      }
      return before
    }) as typeof Atomics.compareExchange
    // Unannounced: that it has ended is heard from its event.
    void Reflect.apply(terminate, inner, [])
  })
} else {
  parentPort!.postMessage('is at work')
  for (;;) space.munmap(space.mmap(65536), 65536)
}
