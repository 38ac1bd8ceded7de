// Threads that are ended, and calls for which there is no room on the stack: what is left of them.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { Machine } from '../../src/memory.ts'
import type { EndsData } from './ends-worker.ts'

const PAGE = 4096
const CPU_STOP = 8

function start(data: EndsData): Worker {
  return new Worker(new URL('ends-worker.ts', import.meta.url), { workerData: data })
}

test('an order to stop that comes when the thread has left the CPU does not stop who comes next', async () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 2 })
  const space = machine.createAddressSpace()
  const base = space.mmap(PAGE)
  const turn = new Int32Array(new SharedArrayBuffer(4))
  const worker = start({ space: space.handle, base, role: 'detaches', turn })
  await once(worker, 'message')
  // Between the look whether it has a CPU and the order, it gives the CPU back.
  const { or } = Atomics
  Atomics.or = ((array: Int32Array, index: number, value: number) => {
    if (value === CPU_STOP) {
      Atomics.or = or
      Atomics.store(turn, 0, 1)
      Atomics.notify(turn, 0)
      while (Atomics.load(turn, 0) !== 2) Atomics.wait(turn, 0, 1)
    }
    return or(array, index, value)
  }) as typeof Atomics.or
  await worker.terminate()
  Atomics.or = or
  const next = start({ space: space.handle, base, role: 'reads', turn })
  const [message] = await once(next, 'message')
  assert.equal(message, 'has read')
  await next.terminate()
  machine.detach()
})

test('a worker that is terminated takes those along that it has started, and the machine goes on', async () => {
  for (let round = 0; round < 3; round++) {
    const machine = Machine.create({ memory: '4MiB', cpus: 3 })
    const space = machine.createAddressSpace()
    const base = space.mmap(PAGE)
    const turn = new Int32Array(new SharedArrayBuffer(4))
    const worker = start({ space: space.handle, base, role: 'starts another', turn })
    await once(worker, 'message')
    await worker.terminate()
    space.munmap(space.mmap(PAGE, { populate: true }), PAGE)
    machine.detach()
  }
})

test('a worker that is terminated while it buries another finishes that first', async () => {
  const machine = Machine.create({ memory: '4MiB', cpus: 3 })
  const space = machine.createAddressSpace()
  const base = space.mmap(PAGE)
  const turn = new Int32Array(new SharedArrayBuffer(4))
  const worker = start({ space: space.handle, base, role: 'buries another', turn })
  const [message] = await once(worker, 'message')
  assert.equal(message, 'buries')
  const { or } = Atomics
  Atomics.or = ((array: Int32Array, index: number, value: number) => {
    const before = or(array, index, value)
    if (value === CPU_STOP) {
      Atomics.or = or
      Atomics.store(turn, 0, 1)
      Atomics.notify(turn, 0)
    }
    return before
  }) as typeof Atomics.or
  await worker.terminate()
  Atomics.or = or
  space.munmap(space.mmap(PAGE, { populate: true }), PAGE)
  // Both CPUs are free again.
  for (let n = 0; n < 2; n++) {
    const next = start({ space: space.handle, base, role: 'reads', turn })
    assert.deepEqual(await once(next, 'message'), ['has read'])
  }
  machine.detach({ discard: true })
})

/** Calls `body` where the stack is used up, and again on the way back, until there is room for it. */
function atTheEndOfTheStack(body: () => void): void {
  let refusals = 0
  let done = false
  const deeper = (): void => {
    try {
      deeper()
    } catch (error) {
      assert.ok(error instanceof RangeError, String(error))
      if (done) return
      refusals++
      body()
      done = true
    }
  }
  deeper()
  assert.ok(done && refusals > 1)
}

test('what is refused for want of stack has not happened, and can be done again', () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-ends-'))
  const path = join(folder, 'file')
  writeFileSync(path, new Uint8Array(PAGE))
  try {
    let machine!: Machine
    atTheEndOfTheStack(() => (machine = Machine.create({ memory: '1MiB', cpus: 2 })))
    atTheEndOfTheStack(() => machine.createAddressSpace().destroy())
    atTheEndOfTheStack(() => machine.createFile({ size: 10, contents: new Uint8Array(10) }).close())
    atTheEndOfTheStack(() => machine.openFile(path, { mode: 'r+' }).close())
    const file = machine.openFile(path, { mode: 'r+' })
    file.write(0, new Uint8Array([7]))
    atTheEndOfTheStack(() => file.close())
    assert.equal(readFileSync(path)[0], 7)
    const { files, addressSpaces } = machine.usage()
    assert.deepEqual([files, addressSpaces], [0, 0])
    const { handle } = machine
    atTheEndOfTheStack(() => machine.detach())
    atTheEndOfTheStack(() => Machine.attach(handle))
    assert.equal(Machine.attach(handle).cpu, 0)
    Machine.attach(handle).detach()
    const other = Machine.create({ memory: '1MiB', cpus: 1 })
    other.openFile(path, { mode: 'r+' }).close()
    other.detach()
  } finally {
    rmSync(folder, { recursive: true })
  }
})
