// Threads for heap-threads.test.ts: blocks that one thread allocates and another frees.

import assert from 'node:assert/strict'
import { parentPort, workerData } from 'node:worker_threads'
import { AddressSpace, type AddressSpaceHandle, type Heap } from '../../src/memory.ts'
import { Random } from '../reference/random.ts'

export interface HeapWork {
  readonly space: AddressSpaceHandle
  readonly heap: number
  /** Where threads lay blocks down for each other: references. */
  readonly slots: number
  readonly seed: number
  readonly turns: number
  /** How often threads have laid something down. */
  readonly done: Int32Array
  /** It is to end while it has the lock of the heap: where the heap grows. */
  readonly holds?: boolean
}

export const SLOTS = 32

/** The first word of a block has its size, the last one its reference. */
function stamp(heap: Heap, address: number, size: number): void {
  heap.space.writeUint32(address, size)
  heap.space.writeUint32(address + size - 4, heap.referenceTo(address))
}

/** Frees a block which nobody else has touched since it was stamped. */
export function take(heap: Heap, reference: number): void {
  if (reference === 0) return
  const address = heap.addressOf(reference)
  const size = heap.space.readUint32(address)
  assert.equal(heap.space.readUint32(address + size - 4), reference)
  heap.free(address)
}

/** Allocates blocks, lays them down, and frees what it finds there. */
export function exchange(heap: Heap, slots: number, turns: number, seed: number, done: Int32Array): void {
  const random = new Random(seed)
  for (let turn = 0; turn < turns; turn++) {
    const size = random.below(30) === 0 ? 65_536 * (1 + random.below(3)) : 16 << random.below(11)
    const address = heap.allocate(size)
    stamp(heap, address, size)
    take(heap, heap.space.exchangeUint32(slots + 4 * random.below(SLOTS), heap.referenceTo(address)))
    Atomics.add(done, 0, 1)
    Atomics.notify(done, 0)
  }
}

if (parentPort !== null && workerData !== null) {
  const { space: handle, heap, slots, turns, seed, done, holds = false } = workerData as HeapWork
  const space = AddressSpace.attach(handle)
  if (holds) {
    AddressSpace.prototype.mprotect = () => {
      parentPort!.postMessage('has the lock')
      Atomics.wait(done, 0, 0)
    }
  }
  exchange(space.openHeap(heap), slots, turns, seed, done)
  space.machine.detach()
}
