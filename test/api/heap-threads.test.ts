// A heap that several threads use, some of which are ended, and forks of it in the middle of that.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { type AddressSpace, type Heap, Machine } from '../../src/memory.ts'
import { type HeapWork, SLOTS, exchange, take } from './heap-worker.ts'
import { inUse } from './support.ts'

/** As it is before a machine replaces it: nobody hears of it. */
const { terminate } = Worker.prototype

interface World {
  readonly space: AddressSpace
  readonly heap: Heap
  readonly slots: number
  readonly done: Int32Array
  start(seed: number, turns: number, holds?: boolean): Worker
}

/** Runs `body`, then holds the heap to having no block but those that threads have lost which were ended. */
async function withHeap(body: (world: World) => Promise<number>): Promise<void> {
  const machine = Machine.create({ memory: '64MiB', cpus: 4 })
  const before = inUse(machine)
  const space = machine.createAddressSpace()
  const heap = space.createHeap({ maximum: '32MiB', retain: '256KiB' })
  const slots = space.mmap(4 * SLOTS)
  const done = new Int32Array(new SharedArrayBuffer(4))
  const lost = await body({
    space,
    heap,
    slots,
    done,
    start(seed, turns, holds = false) {
      const workerData: HeapWork = {
        space: space.handle,
        heap: heap.address,
        slots,
        seed,
        turns,
        done,
        holds,
      }
      return new Worker(new URL('heap-worker.ts', import.meta.url), { workerData })
    },
  })
  empty(space, heap, slots)
  const { blocks } = heap.usage()
  assert.ok(blocks <= lost, `${blocks} blocks are left, ${lost} may be`)
  space.destroy()
  assert.deepEqual(inUse(machine), before)
  machine.detach()
}

function empty(space: AddressSpace, heap: Heap, slots: number): void {
  for (let slot = 0; slot < SLOTS; slot++) take(heap, space.exchangeUint32(slots + 4 * slot, 0))
}

/** Waits until threads have laid down so many blocks. */
async function until(done: Int32Array, count: number): Promise<void> {
  for (let seen = Atomics.load(done, 0); seen < count; seen = Atomics.load(done, 0))
    await Atomics.waitAsync(done, 0, seen).value
}

const ends = (workers: readonly Worker[]): Promise<unknown> =>
  Promise.all(workers.map((worker) => once(worker, 'exit')))

test('threads free what others have allocated', () =>
  withHeap(async ({ heap, slots, done, start }) => {
    const workers = [1, 2].map((seed) => start(seed, 20_000))
    await until(done, 100)
    exchange(heap, slots, 20_000, 3, done)
    await ends(workers)
    assert.equal(Atomics.load(done, 0), 60_000)
    return 0
  }))

test('threads are ended in the middle of it, and the others go on', () =>
  withHeap(async ({ heap, slots, done, start }) => {
    const rounds = 12
    const lasting = start(1, 40_000)
    const end = ends([lasting])
    await until(done, 1)
    for (let round = 0; round < rounds; round++) {
      const mortal = start(10 + round, Infinity)
      await until(done, Atomics.load(done, 0) + 500 + 7 * round)
      await mortal.terminate()
      // It may be the one who puts things right.
      exchange(heap, slots, 50, 100 + round, done)
    }
    await end
    // What it had in its hands: the block that it was about to lay down, or had taken up.
    return 2 * rounds
  }))

test('forks in the middle of it have a heap of their own that is right', () =>
  withHeap(async ({ space, heap, slots, done, start }) => {
    const workers = [1, 2].map((seed) => start(seed, 30_000))
    const end = ends(workers)
    await until(done, 1000)
    let counts = 0
    for (let round = 0; round < 40; round++) {
      const child = space.fork()
      const theirs = child.openHeap(heap.address)
      const { blocks } = theirs.usage()
      counts += blocks
      // What two threads had in their hands is nobody's here.
      empty(child, theirs, slots)
      assert.ok(theirs.usage().blocks <= 4, `${theirs.usage().blocks} of ${blocks}`)
      exchange(theirs, slots, 300, round, new Int32Array(new SharedArrayBuffer(4)))
      empty(child, theirs, slots)
      assert.ok(theirs.usage().blocks <= 4)
      child.destroy()
    }
    assert.ok(counts > 0)
    await end
    return 0
  }))

for (const [how, end] of [
  ['is terminated', (worker: Worker) => worker.terminate()],
  ['is ended unannounced', (worker: Worker) => Reflect.apply(terminate, worker, [])],
] as const) {
  test(`the lock of a thread that ${how} goes to the next`, () =>
    withHeap(async ({ heap, start }) => {
      const worker = start(1, 1, true)
      assert.deepEqual(await once(worker, 'message'), ['has the lock'])
      await end(worker)
      // It ended before it had a span; who comes next grows the heap as it would have.
      heap.free(heap.allocate(100))
      assert.equal(heap.usage().mapped, 16 * 65_536)
      return 0
    }))
}
