// What a thread keeps of address spaces and files that another has destroyed or closed, and when it is told that it has
// waited for one.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { type AddressSpace, Machine } from '../../src/memory.ts'
import type { BorderData } from './border-worker.ts'

const PAGE = 4096

const control = new Int32Array(new SharedArrayBuffer(4))

function startWorker(task: BorderData['task'], space: AddressSpace): Worker {
  const workerData: BorderData = { task, space: space.handle, control }
  return new Worker(new URL('./border-worker.ts', import.meta.url), { workerData })
}

test('snapshots that are made here and destroyed there are not kept', async () => {
  const machine = Machine.create({ memory: '16MiB', cpus: 2 })
  const space = machine.createAddressSpace()
  space.writeUint8(space.mmap(PAGE), 1)
  const worker = startWorker('destroy', space)
  let most = 0
  for (let round = 0; round < 200; round++) {
    const snapshot = space.fork()
    // Registered with the snapshot, and gone with it.
    const notifier = snapshot.registerNotifier()
    worker.postMessage(snapshot.handle)
    await once(worker, 'message')
    assert.throws(() => notifier.sequence, { errno: 'ESRCH' })
    assert.throws(() => snapshot.maps(), { errno: 'ESRCH' })
    most = Math.max(most, machine.spaces.size)
  }
  assert.ok(most <= 10, `${most} address spaces are remembered, where there is one`)
  assert.equal(machine.spaces.get(space.handle.generation), space)
  assert.equal(machine.usage().addressSpaces, 1)
  // As many as there are, they are all remembered.
  const children = Array.from({ length: 50 }, () => space.fork())
  for (const child of children) assert.equal(machine.spaces.get(child.handle.generation), child)
  for (const child of children) child.destroy()
  await worker.terminate()
  machine.detach()
})

test('a file that is closed here while it is used there is not freed under the call', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-border-'))
  const path = join(folder, 'file')
  writeFileSync(path, new Uint8Array(2 * PAGE))
  const machine = Machine.create({ memory: '1MiB', cpus: 2, config: { SLUB_DEBUG: true } })
  const space = machine.createAddressSpace()
  const worker = startWorker('use', space)
  context.after(() => worker.terminate())
  for (let round = 0; round < 40; round++) {
    const file =
      round % 2 === 0 ? machine.createFile({ size: 2 * PAGE }) : machine.openFile(path, { mode: 'r+' })
    const used = Atomics.load(control, 0)
    worker.postMessage(file.handle)
    const answer = once(worker, 'message')
    Atomics.wait(control, 0, used, 10_000)
    file.close()
    assert.deepEqual(await answer, ['EBADF'])
  }
  assert.equal(machine.usage().files, 0)
  await worker.terminate()
  machine.detach()
  rmSync(folder, { recursive: true })
})

test('an observer is told outside the kernel: it may use the machine, and what it throws is its own', async (context) => {
  const machine = Machine.create({ memory: '16MiB', cpus: 2 })
  const space = machine.createAddressSpace()
  const at = space.mmap(PAGE)
  const worker = startWorker('map', space)
  context.after(() => worker.terminate())
  const thrown: unknown[] = []
  process.setUncaughtExceptionCaptureCallback((error) => thrown.push(error))
  const seen = { waits: 0 }
  space.observe({
    mmapLockWait(write, nanoseconds) {
      // What it does itself may have to wait, for reading, and is told as well.
      if (!write) return
      assert.ok(nanoseconds > 0)
      // A call and an access, in the middle of what would have been a call.
      assert.ok(space.maps().length > 0)
      space.writeUint32(at, ++seen.waits)
      throw new Error('of the observer')
    },
  })
  // Until it had to wait once: the other thread has the lock most of the time.
  while (seen.waits === 0) space.munmap(space.mmap(PAGE), PAGE)
  space.observe(null)
  const told = seen.waits
  for (let round = 0; round < 100; round++) space.munmap(space.mmap(PAGE), PAGE)
  assert.equal(seen.waits, told)
  assert.equal(space.readUint32(at), told)
  await new Promise(setImmediate)
  process.setUncaughtExceptionCaptureCallback(null)
  await worker.terminate()
  // What it had waited for before it was no longer observed may have been told since.
  assert.deepEqual(
    thrown.map((error) => (error as Error).message),
    Array.from({ length: seen.waits }, () => 'of the observer'),
  )
  if (!isLost(machine)) machine.detach()
})

/** Whether the thread was ended in the middle of a call in such a way that the machine is lost. */
function isLost(machine: Machine): boolean {
  try {
    machine.usage()
    return false
  } catch {
    machine.detach({ discard: true })
    return true
  }
}
