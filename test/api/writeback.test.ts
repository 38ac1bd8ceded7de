// Files are written back by a thread in the background: what it writes, what it promises, and that it is in nobody's
// way.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker, setEnvironmentData } from 'node:worker_threads'
import {
  ConfigurationError,
  Machine,
  MemoryError,
  type WritebackOptions,
  fileSystem,
} from '../../src/memory.ts'
import { CONTROL, FAILED, TO_FAIL, WRITTEN } from './flusher-storage.ts'

const PAGE = 4096
const folder = mkdtempSync(join(tmpdir(), 'faultline-writeback-'))
after(() => rmSync(folder, { recursive: true }))
const control = new Int32Array(new SharedArrayBuffer(12))
setEnvironmentData(CONTROL, control)
afterEach(() => control.fill(0))

let files = 0

/** A file of 16 pages, mapped. */
function mapped(writeback: boolean | WritebackOptions, cpus = 1) {
  const path = join(folder, `${files++}`)
  writeFileSync(path, new Uint8Array(16 * PAGE))
  const machine = Machine.create({ memory: '1MiB', cpus, writeback })
  const file = machine.openFile(path, { mode: 'r+' })
  const space = machine.createAddressSpace()
  const base = space.mmap(file.size, { file, shared: true })
  const onDisk = (page: number): number => readFileSync(path).readUint32LE(page * PAGE)
  return { path, machine, file, space, base, onDisk }
}

const storage = new URL('./flusher-storage.ts', import.meta.url).href
const soon: WritebackOptions = { dirtyExpireMs: 0, dirtyWritebackMs: 1, storage }
const never: WritebackOptions = { dirtyExpireMs: 86_400_000, dirtyWritebackMs: 86_400_000, storage }

/** Sleeps until a word of what the storage tells is no longer `value`. */
async function changes(word: number, value = 0): Promise<void> {
  await (Atomics.waitAsync(control, word, value).value as Promise<unknown>)
}

/** Keeps the process alive where only another thread will go on. */
async function alive<T>(work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1000)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}

describe('the thread that writes files back', () => {
  it('writes what has been dirty for long, without a call', async () => {
    const { machine, space, base, onDisk } = mapped(soon)
    space.writeUint32(base + PAGE, 7)
    await alive(() => changes(WRITTEN))
    assert.equal(onDisk(1), 7)
    machine.detach()
  })

  it('writes all when much is dirty, before its time', async () => {
    const { machine, space, base } = mapped({ ...never, dirtyBackgroundRatio: 1 })
    // Each CPU counts 32 at a time.
    const file = machine.openFile(join(folder, 'more'), { mode: 'w+', size: 64 * PAGE })
    const more = space.mmap(file.size, { file, shared: true })
    await space.msyncAsync(base, PAGE)
    for (let page = 0; page < 64; page++) space.writeUint32(more + page * PAGE, page + 1)
    await alive(() => changes(WRITTEN))
    machine.detach()
  })

  it('begins at once with msync async', async () => {
    const { machine, space, base, onDisk } = mapped(never)
    space.writeUint32(base, 5)
    space.msync(base, PAGE, 'async')
    await alive(() => changes(WRITTEN))
    assert.equal(onDisk(0), 5)
    machine.detach()
  })

  it('does what msyncAsync asks for, one after the other, and leaves the thread to go on', async () => {
    const { machine, space, base, onDisk } = mapped(never)
    const turns: number[] = []
    const promises = Array.from({ length: 4 }, async (_, page) => {
      space.writeUint32(base + page * PAGE, page + 1)
      await space.msyncAsync(base + page * PAGE, PAGE)
      assert.equal(onDisk(page), page + 1)
      turns.push(page)
    })
    assert.deepEqual(turns, [])
    await Promise.all(promises)
    assert.deepEqual(turns, [0, 1, 2, 3])
    assert.ok(control[WRITTEN]! >= 1)
    await assert.rejects(space.msyncAsync(base + 32 * PAGE, PAGE), { code: 'ENOMEM' })
    assert.throws(() => void space.msyncAsync(base + 1, PAGE), { code: 'EINVAL' })
    machine.detach()
  })

  it('tells an error once to each who has opened the file, and writes the page at the next turn', async () => {
    const { path, machine, file, space, base, onDisk } = mapped(soon)
    const again = machine.openFile(path, { mode: 'r+' })
    control[TO_FAIL] = 1
    space.writeUint32(base, 9)
    await alive(() => changes(FAILED))
    await alive(() => changes(WRITTEN))
    for (const each of [file, again]) {
      assert.throws(
        () => each.sync(),
        (error) => error instanceof MemoryError && error.code === 'ENOSPC',
      )
      each.sync()
    }
    space.msync(base, PAGE)
    assert.equal(onDisk(0), 9)
    machine.detach()
  })

  it('tells msync, which stands for what its thread has opened', async () => {
    const { machine, file, space, base } = mapped(never)
    control[TO_FAIL] = 1
    space.writeUint32(base, 9)
    await assert.rejects(space.msyncAsync(base, PAGE), { code: 'ENOSPC' })
    space.msync(base, PAGE)
    file.sync()
    file.close()
    machine.detach()
  })

  it('has a CPU that no other thread gets, and goes with the last thread', async () => {
    const { machine, space, base } = mapped(true)
    assert.equal(machine.cpus, 1)
    const code = `const { workerData } = require('node:worker_threads')
      import(workerData.module).then(({ AddressSpace }) => AddressSpace.attach(workerData.space))`
    const workerData = { module: new URL('../../src/memory.ts', import.meta.url).href, space: space.handle }
    const worker = new Worker(code, { eval: true, workerData })
    const [error] = (await once(worker, 'error')) as [Error]
    assert.match(error.message, /all 1 CPUs of the machine are taken/)
    await space.msyncAsync(base, PAGE)
    machine.detach()
    assert.throws(() => Machine.create({ memory: '1MiB', cpus: 256, writeback: true }), ConfigurationError)
  })

  it('uses no other storage than the program knows of', () => {
    const { machine } = mapped(true)
    assert.throws(() => machine.setStorage(fileSystem), ConfigurationError)
    machine.detach()
    const { machine: other } = mapped(soon)
    other.setStorage(fileSystem)
    other.detach()
    for (const wrong of [{ dirtyExpireMs: -1 }, { dirtyWritebackMs: 0 }, { dirtyBackgroundRatio: 101 }])
      assert.throws(() => mapped(wrong), RangeError)
  })

  it('is not needed: without it, and after the thread has ended that made it, msyncAsync writes itself', async () => {
    const { machine, space, base, onDisk } = mapped(false)
    space.writeUint32(base, 3)
    await space.msyncAsync(base, PAGE)
    assert.equal(onDisk(0), 3)
    machine.detach()
    const path = join(folder, 'of a worker')
    const code = `const { workerData, parentPort } = require('node:worker_threads')
      import(workerData.module).then(({ Machine }) => {
        const machine = Machine.create({ memory: '1MiB', cpus: 2, writeback: true })
        const file = machine.openFile(workerData.path, { mode: 'w+', size: 4096 })
        const space = machine.createAddressSpace()
        const base = space.mmap(4096, { file, shared: true })
        parentPort.postMessage({ space: space.handle, base })
        parentPort.once('message', () => {})
      })`
    const module = new URL('../../src/memory.ts', import.meta.url).href
    const worker = new Worker(code, { eval: true, workerData: { module, path } })
    const [made] = (await once(worker, 'message')) as [{ space: never; base: number }]
    const { AddressSpace } = await import('../../src/memory.ts')
    const shared = AddressSpace.attach(made.space)
    worker.postMessage('end')
    await once(worker, 'exit')
    shared.writeUint32(made.base, 4)
    await shared.msyncAsync(made.base, PAGE)
    assert.equal(readFileSync(path).readUint32LE(0), 4)
    shared.machine.detach()
  })
})

describe('a program that is killed', () => {
  for (const way of ['sync', 'async']) {
    it(`has on disk what it was told of, by msync ${way}`, async () => {
      for (const acknowledged of [1, 7, 40]) {
        const path = join(folder, `killed ${way} ${acknowledged}`)
        const program = fileURLToPath(new URL('./writeback-child.ts', import.meta.url))
        const child = spawn(process.execPath, [...process.execArgv, program, path, '100000', way])
        let told = ''
        child.stdout.on('data', (chunk) => {
          told += String(chunk)
          if (told.split('\n').length > acknowledged) child.kill('SIGKILL')
        })
        let complaint = ''
        child.stderr.on('data', (chunk) => (complaint += String(chunk)))
        await once(child, 'close')
        const safe = told.split('\n').length - 1
        assert.ok(safe >= acknowledged, complaint)
        const bytes = readFileSync(path)
        for (let n = 0; n < safe; n++) {
          const record = bytes.subarray(n * 64, n * 64 + 64)
          assert.ok(
            record.every((byte) => byte === (n % 255) + 1),
            `record ${n} of ${safe}`,
          )
        }
      }
    })
  }
})
