// A file that one machine has open, as others meet it: who is refused, who is not, and who gets it afterwards. What
// several processes do is in test/faults; the protocol, in every order, in test/backends/threads.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  linkSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { type DiskFile, Machine, MemoryError, type OpenFileOptions, fileSystem } from '../../src/memory.ts'
import { thisThread } from '../../src/backends/threads/lock-owners.ts'
import type { HolderData } from './file-lock-worker.ts'
import type { RemoverData } from './file-lock-remover.ts'
import { PAGE, failsWith } from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-lock-'))
after(() => rmSync(folder, { recursive: true }))

let count = 0

function newFile(): string {
  const path = join(folder, `file-${count++}`)
  writeFileSync(path, new Uint8Array(PAGE))
  return path
}

/** Two machines in this thread, which are given up in the end. */
function withMachines(body: (first: Machine, second: Machine) => void): void {
  const machines = [0, 1].map(() => Machine.create({ memory: '1MiB', cpus: 2 }))
  try {
    body(machines[0]!, machines[1]!)
  } finally {
    for (const machine of machines) machine.detach()
  }
}

const WRITE: OpenFileOptions = { mode: 'r+' }

describe('two machines in one thread', () => {
  test('the second is refused, by an error that says who has the file and what to do', () => {
    withMachines((first, second) => {
      const path = newFile()
      first.openFile(path, WRITE)
      assert.throws(
        () => second.openFile(path, WRITE),
        (error: unknown) => {
          assert.ok(error instanceof MemoryError)
          assert.deepEqual([error.errno, error.code, error.call], ['EBUSY', 'EBUSY', 'open'])
          assert.ok(error.message.includes(path))
          assert.match(error.message, new RegExp(`open for writing in a machine of process ${process.pid};`))
          assert.match(error.message, /\{ lock: false \}/)
          return true
        },
      )
      failsWith('EBUSY', () => second.openFile(path))
      failsWith('EBUSY', () => second.openFile(path, { mode: 'w+' }))
      failsWith('EBUSY', () => second.swapOn(path, { size: '64KiB' }))
      assert.equal(readFileSync(path).length, PAGE, 'nobody has emptied it')
      failsWith('EBUSY', () => Machine.create({ memory: '1MiB', cpus: 1, swap: { path, size: '64KiB' } }))
      // The same machine may, as often as it likes.
      first.openFile(path, WRITE).close()
      first.openFile(path).close()
    })
  })

  test('a file is free when it is closed and not mapped, or when the machine is given up', () => {
    withMachines((first, second) => {
      const path = newFile()
      const space = first.createAddressSpace()
      const file = first.openFile(path, WRITE)
      const again = first.openFile(path, WRITE)
      const address = space.mmap(PAGE, { file, shared: true })
      space.writeUint32(address, 111)
      file.close()
      failsWith('EBUSY', () => second.openFile(path, WRITE))
      again.close()
      failsWith('EBUSY', () => second.openFile(path, WRITE))
      space.munmap(address, PAGE)
      const theirs = second.openFile(path, WRITE)
      assert.equal(new Uint32Array(theirs.read(0, 4).buffer)[0], 111)
      failsWith('EBUSY', () => first.openFile(path, WRITE))
      second.detach()
      first.openFile(path, WRITE)
    })
  })

  test('many that read, or one that writes', () => {
    withMachines((first, second) => {
      const path = newFile()
      const reading = [first.openFile(path), second.openFile(path)] as [DiskFile, DiskFile]
      failsWith('EBUSY', () => first.openFile(path, WRITE))
      reading[1].close()
      const writing = first.openFile(path, WRITE)
      failsWith('EBUSY', () => second.openFile(path))
      writing.close()
      reading[0].close()
      second.openFile(path, WRITE).close()
    })
  })

  test('by whichever name: the file is known by its inode', () => {
    withMachines((first, second) => {
      const path = newFile()
      first.openFile(path, WRITE)
      linkSync(path, `${path}-hard`)
      symlinkSync(path, `${path}-symbolic`)
      failsWith('EBUSY', () => second.openFile(`${path}-hard`, WRITE))
      failsWith('EBUSY', () => second.openFile(`${path}-symbolic`, WRITE))
      first.openFile(`${path}-hard`, WRITE)
      renameSync(path, `${path}-renamed`)
      failsWith('EBUSY', () => second.openFile(`${path}-renamed`, WRITE))
      writeFileSync(path, 'another')
      second.openFile(path, WRITE).close()
    })
  })

  test('who knows better is not locked, and locks nobody', () => {
    withMachines((first, second) => {
      const path = newFile()
      const locked = first.openFile(path, WRITE)
      const theirs = second.openFile(path, { ...WRITE, lock: false })
      locked.close()
      first.openFile(path, WRITE).close()
      theirs.close()
    })
  })

  test('a storage says whether its files are those of the operating system', () => {
    withMachines((first, second) => {
      const path = newFile()
      first.setStorage({ ...fileSystem })
      first.openFile(path, WRITE)
      failsWith('EBUSY', () => second.openFile(path, WRITE))
      second.setStorage({ ...fileSystem, lockable: false })
      second.openFile(path, WRITE).close()
    })
  })

  test('a swap file is kept from others until it is given up', () => {
    withMachines((first, second) => {
      const path = newFile()
      first.swapOn(path, { size: '64KiB' })
      failsWith('EBUSY', () => second.openFile(path))
      failsWith('EBUSY', () => second.swapOn(path, { size: '64KiB' }))
      first.swapOff()
      second.swapOn(path, { size: '64KiB' })
      second.swapOff()
    })
  })

  test('a file that could not be opened is not held', () => {
    withMachines((first, second) => {
      const path = newFile()
      let asked = 0
      first.setStorage({
        ...fileSystem,
        identify(descriptor) {
          const file = fileSystem.identify(descriptor)
          // Once it is locked, its size is asked for anew.
          return ++asked === 1 ? file : { ...file, size: 2 ** 50 }
        },
      })
      failsWith('EFBIG', () => first.openFile(path, WRITE))
      assert.equal(asked, 2)
      second.openFile(path, WRITE).close()
    })
  })
})

/** Starts a thread that opens the file; returns it with what came of it. */
async function startHolder(data: HolderData): Promise<[Worker, string]> {
  const worker = new Worker(new URL('./file-lock-worker.ts', import.meta.url), { workerData: data })
  const [answer] = (await once(worker, 'message')) as [string]
  return [worker, answer]
}

describe('machines in several threads', () => {
  test('of two threads with a machine each, one has the file; when it is terminated, at once another', async () => {
    const path = newFile()
    const [one, answer] = await startHolder({ path, machine: null })
    assert.equal(answer, 'open')
    const [other, refusal] = await startHolder({ path, machine: null })
    assert.equal(refusal, 'EBUSY')
    const machine = Machine.create({ memory: '1MiB', cpus: 1 })
    failsWith('EBUSY', () => machine.openFile(path, WRITE))
    await one.terminate()
    machine.openFile(path, WRITE)
    machine.detach()
    await other.terminate()
  })

  test('a machine keeps what a thread of it has opened, though that is terminated', async () => {
    const path = newFile()
    const machine = Machine.create({ memory: '1MiB', cpus: 2 })
    const [worker, answer] = await startHolder({ path, machine: machine.handle })
    assert.equal(answer, 'open')
    await worker.terminate()
    const other = Machine.create({ memory: '1MiB', cpus: 1 })
    failsWith('EBUSY', () => other.openFile(path, WRITE))
    machine.openFile(path, WRITE).close()
    machine.detach()
    other.openFile(path, WRITE)
    other.detach()
  })

  for (const until of ['written', 'end'] as const) {
    const how = until === 'end' ? 'ends' : 'is terminated'
    test(`what a thread has open is closed when it ${how}, and on disk then`, async () => {
      const path = newFile()
      const machine = Machine.create({ memory: '1MiB', cpus: 2 })
      const other = Machine.create({ memory: '1MiB', cpus: 1 })
      const [worker, answer] = await startHolder({ path, machine: machine.handle, until })
      assert.equal(answer, 'open')
      const exited = once(worker, 'exit')
      if (until === 'written') {
        failsWith('EBUSY', () => other.openFile(path, WRITE))
        await worker.terminate()
      }
      await exited
      const file = other.openFile(path, WRITE)
      assert.equal(readFileSync(path)[0], 7)
      file.close()
      const { files } = machine.usage()
      assert.equal(files, 0, 'also files in memory')
      machine.detach()
      other.detach()
    })
  }

  test('what a terminated thread has written to a mapped file stays, and is on disk when asked', async () => {
    const path = newFile()
    const machine = Machine.create({ memory: '1MiB', cpus: 2 })
    const space = machine.createAddressSpace()
    const at = space.mmap(PAGE, { file: machine.openFile(path), shared: true, protection: 'r' })
    const [worker, answer] = await startHolder({ path, machine: machine.handle, until: 'written' })
    assert.equal(answer, 'open')
    await worker.terminate()
    assert.equal(space.readUint8(at), 7)
    space.msync(at, PAGE)
    assert.equal(readFileSync(path)[0], 7)
    machine.detach()
  })

  test('what a thread that detaches has open is closed', async () => {
    withMachines((first, second) => {
      const path = newFile()
      const [one, again] = [first.openFile(path, WRITE), first.openFile(path, WRITE)]
      one.write(0, new Uint8Array([7]))
      one.close()
      failsWith('EBUSY', () => second.openFile(path, WRITE))
      first.detach()
      assert.throws(() => again.read(0, 1))
      const attached = Machine.attach(first.handle)
      assert.equal(attached.usage().files, 0)
      assert.equal(second.openFile(path, WRITE).read(0, 1)[0], 7)
      attached.detach()
    })
  })

  test('a file whose opener is ended in the middle of opening it is not held', async () => {
    const path = newFile()
    const machine = Machine.create({ memory: '1MiB', cpus: 2 })
    const [worker, answer] = await startHolder({ path, machine: machine.handle, until: 'opening' })
    assert.equal(answer, 'opening')
    const other = Machine.create({ memory: '1MiB', cpus: 1 })
    failsWith('EBUSY', () => other.openFile(path, WRITE))
    await worker.terminate()
    other.openFile(path, WRITE)
    failsWith('EBUSY', () => machine.openFile(path, WRITE))
    other.detach()
    machine.detach()
  })
})

describe('a number of an inode that the file system gives to another file', () => {
  test('a file that is removed, and kept by a mapping alone, is no other that has its number later', async (context) => {
    const path = newFile()
    const machine = Machine.create({ memory: '1MiB', cpus: 2 })
    const [worker, answer] = await startHolder({ path, machine: machine.handle })
    assert.equal(answer, 'open')
    await worker.terminate()
    assert.equal(machine.usage().files, 1, 'the mapped one')
    const { ino } = statSync(path)
    rmSync(path)
    const next = Array.from({ length: 100 }, newFile).find((one) => statSync(one).ino === ino)
    if (next === undefined) return context.skip('this file system does not use the number again')
    writeFileSync(next, new Uint8Array(PAGE).fill(5))
    const other = Machine.create({ memory: '1MiB', cpus: 1 })
    const file = other.openFile(next, WRITE)
    assert.equal(file.read(0, 1)[0], 5)
    failsWith('EBUSY', () => machine.openFile(next, WRITE))
    other.detach()
    const ours = machine.openFile(next, WRITE)
    assert.equal(ours.read(0, 1)[0], 5)
    ours.close()
    machine.detach({ discard: true })
  })

  test('a file that was removed while it was open is free before its number is', async () => {
    const awaited = new Int32Array(new SharedArrayBuffer(4)).fill(4)
    const workers = Array.from({ length: 4 }, () => {
      const data: RemoverData = { folder, rounds: 100, awaited }
      return new Worker(new URL('./file-lock-remover.ts', import.meta.url), { workerData: data })
    })
    const answers = await Promise.all(workers.map((worker) => once(worker, 'message')))
    assert.deepEqual(answers.flat(), [0, 0, 0, 0], 'how often another file was taken for it')
  })
})

test('what a thread has left in the lock folder that died is removed by the next', async (context) => {
  if (process.platform !== 'linux') return context.skip('elsewhere nobody knows which threads live')
  const module = new URL('../../src/backends/threads/lock-owners.ts', import.meta.url).href
  const source = `import(${JSON.stringify(module)}).then(({ thisThread }) =>
    require('node:worker_threads').parentPort.postMessage(thisThread()))`
  const worker = new Worker(source, { eval: true })
  // Its end may come with what it has said.
  const [said, ended] = [once(worker, 'message'), once(worker, 'exit')]
  const [dead] = (await said) as [string]
  await ended
  const living = thisThread()
  // Of a process whose number another has by now.
  const replaced = living.replace(/^(\d+)-\d+-/, '$1-1-')
  assert.notEqual(living, replaced)
  const folderOfLocks = `/dev/shm/faultline-${process.getuid!()}`
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  machine.openFile(newFile()).close()
  const left = [dead, replaced, living].flatMap((maker) => [`states-test.${maker}`, `machine-test.${maker}`])
  for (const name of left) writeFileSync(join(folderOfLocks, name), '')
  try {
    machine.openFile(newFile()).close()
    const names = readdirSync(folderOfLocks)
    assert.deepEqual(
      left.filter((name) => names.includes(name)),
      [`states-test.${living}`, `machine-test.${living}`],
    )
    assert.deepEqual(
      names.filter((name) => name.includes(living) && !left.includes(name)),
      [],
      'and its own drafts go at once',
    )
  } finally {
    for (const name of left) rmSync(join(folderOfLocks, name), { force: true })
  }
  machine.detach()
})
