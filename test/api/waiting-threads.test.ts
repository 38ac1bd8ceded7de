// Threads that wait for a word of memory when another dies inside the kernel: each is told, and none waits for ever.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { CpuLostError, Machine } from '../../src/memory.ts'
import { PAGE, until } from './support.ts'
/** As it is before a machine replaces it. */
const { terminate } = Worker.prototype
const library = new URL('../../src/memory.ts', import.meta.url).href

/** A thread that has the space, and does `body`. */
function inThread(workerData: Record<string, unknown>, body: string): Worker {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.library).then(({ AddressSpace, Machine }) => {
      const { base } = workerData
      const space = AddressSpace.attach(workerData.space)
      ${body}
    })`
  return new Worker(code, { eval: true, workerData: { library, ...workerData } })
}

test('all threads that wait are told that the machine is lost', async () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 4 })
  const space = machine.createAddressSpace()
  const base = space.mmap(PAGE)
  space.writeUint32(base, 0)
  const waiters = [0, 8].map((at) =>
    inThread(
      { space: space.handle, base },
      `space.addUint32(base + 16, 1)
      try {
        parentPort.postMessage(space.${at === 0 ? 'waitUint32(base, 0)' : 'waitBigUint64(base + 8, 0n)'})
      } catch (error) {
        parentPort.postMessage(error.name)
      }`,
    ),
  )
  const told = waiters.map((waiter) => once(waiter, 'message'))
  await until(() => space.loadUint32(base + 16) === 2, waiters)
  // It is ended, unannounced, in an operation of its storage, which is one in the middle of a call.
  const victim = inThread(
    { space: space.handle, base, path: import.meta.filename },
    `const { machine } = space
    import(workerData.library).then(({ fileSystem }) => {
      const file = machine.openFile(workerData.path)
      const read = () => {
        parentPort.postMessage('reads')
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      }
      machine.setStorage({ ...fileSystem, read })
      file.read(0, 1)
    })`,
  )
  await once(victim, 'message')
  await Reflect.apply(terminate, victim, [])
  assert.deepEqual(await Promise.all(told), [['CpuLostError'], ['CpuLostError']])
  assert.throws(() => space.waitUint32(base, 0), CpuLostError)
  assert.throws(() => space.notify(base), CpuLostError)
  machine.detach({ discard: true })
})

test('a thread that is terminated as it waits costs nothing, and wakes are for the others', async () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 3 })
  const space = machine.createAddressSpace()
  const base = space.mmap(PAGE)
  space.writeUint32(base, 0)
  const wait = `space.addUint32(base + 16, 1); parentPort.postMessage(space.waitUint32(base, 0))`
  const [first, second] = [
    inThread({ space: space.handle, base }, wait),
    inThread({ space: space.handle, base }, wait),
  ]
  await until(() => space.loadUint32(base + 16) === 2, [first, second])
  await first.terminate()
  const told = once(second, 'message')
  let woken = 0
  await until(() => (woken = space.notify(base)) !== 0, [second])
  assert.equal(woken, 1)
  assert.deepEqual(await told, ['ok'])
  assert.equal(space.notify(base), 0)
  space.destroy()
  machine.detach()
})
