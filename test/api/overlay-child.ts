// What a machine does with files of overlayfs, in the folder where it runs: `lower.bin`, four pages of 1, is in a lower
// layer, everything else in the upper one. Run by overlay.test.ts; fails by its exit code.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { AddressSpace, Machine, fileSystem } from '../../src/memory.ts'
import type { HolderData, Mapped } from './file-lock-worker.ts'
import { PAGE, failsWith } from './support.ts'

const LOWER = 'lower.bin'
const newMachine = () => Machine.create({ memory: '1MiB', cpus: 2 })

/** A worker of `machine` opens and maps the file, and is terminated: only the mapping keeps the file then. */
async function keptByMapping(machine: Machine, path: string, mode: 'r' | 'r+'): Promise<Mapped> {
  const data: HolderData = { path, machine: machine.handle, mode, until: 'mapped' }
  const worker = new Worker(new URL('./file-lock-worker.ts', import.meta.url), { workerData: data })
  const [answer] = (await once(worker, 'message')) as [unknown]
  assert.equal(typeof answer, 'object', String(answer))
  await worker.terminate()
  return answer as Mapped
}

const tests = {
  removed: async (mode: 'r' | 'r+') => {
    const path = `removed-${mode}`
    writeFileSync(path, new Uint8Array(PAGE).fill(1))
    const machine = newMachine()
    await keptByMapping(machine, path, mode)
    assert.equal(machine.usage().files, 1, 'the mapped one')
    const { ino } = statSync(path)
    rmSync(path)
    const next = Array.from({ length: 100 }, (_, n) => {
      writeFileSync(`${path}-${n}`, new Uint8Array(PAGE).fill(5))
      return `${path}-${n}`
    }).find((one) => statSync(one).ino === ino)
    if (next === undefined) return 'the number is not used again'
    const file = machine.openFile(next, { mode: 'r+' })
    assert.equal(file.read(0, 1)[0], 5, 'the new file, not the removed one')
    file.write(0, new Uint8Array([6]))
    file.close()
    assert.deepEqual([...readFileSync(next).subarray(0, 2)], [6, 5])
    machine.detach({ discard: true })
    return 'used again'
  },

  copied: () => {
    const machine = newMachine()
    const space = machine.createAddressSpace()
    const reader = machine.openFile(LOWER)
    const at = space.mmap(4 * PAGE, { file: reader, shared: true, protection: 'r' })
    assert.equal(space.readUint8(at), 1)
    const before = statSync(LOWER)
    const other = newMachine()
    failsWith('EBUSY', () => other.openFile(LOWER, { mode: 'r+' }))
    other.detach()
    const writer = machine.openFile(LOWER, { mode: 'r+' })
    const after = statSync(LOWER)
    assert.equal(after.ino, before.ino)
    assert.notEqual(after.birthtimeMs, before.birthtimeMs, 'copied')
    assert.equal(machine.usage().files, 1, 'it is one file')
    writer.write(0, new Uint8Array([2]))
    assert.equal(space.readUint8(at), 2)
    assert.equal(reader.read(0, 1)[0], 2)
    assert.equal(space.readUint8(at + PAGE), 1, 'read from disk since')
    const again = machine.openFile(LOWER)
    assert.equal(again.read(0, 1)[0], 2)
    for (const file of [again, writer, reader]) file.close()
    space.destroy()
    machine.detach()
    assert.equal(readFileSync(LOWER)[0], 2)
    return 'one'
  },

  'attributes changed': async () => {
    const machine = newMachine()
    // Nobody has a descriptor: the thread that reads the mapping finds the file by its path.
    const { space, address } = await keptByMapping(machine, 'second.bin', 'r')
    const before = statSync('second.bin').birthtimeMs
    chmodSync('second.bin', 0o600)
    assert.notEqual(statSync('second.bin').birthtimeMs, before, 'copied')
    assert.equal(AddressSpace.attach(space).readUint8(address), 1)
    const file = machine.openFile('second.bin', { mode: 'r+' })
    assert.equal(machine.usage().files, 1)
    file.close()
    machine.detach()
    return 'one'
  },

  'copied while it is opened': () => {
    const machine = newMachine()
    let writer: ReturnType<Machine['openFile']> | null = null
    let asked = 0
    machine.setStorage({
      ...fileSystem,
      identify(descriptor) {
        const file = fileSystem.identify(descriptor)
        // Once the file is locked, and before it is looked for in the kernel.
        if (++asked === 2) writer = machine.openFile('third.bin', { mode: 'r+' })
        return file
      },
    })
    const reader = machine.openFile('third.bin')
    assert.equal(machine.usage().files, 1)
    writer!.write(0, new Uint8Array([3]))
    assert.equal(reader.read(0, 1)[0], 3)
    machine.detach()
    return 'one'
  },
}

assert.equal(await tests.removed('r'), 'used again')
assert.equal(await tests.removed('r+'), 'used again')
assert.equal(tests.copied(), 'one')
assert.equal(await tests['attributes changed'](), 'one')
assert.equal(tests['copied while it is opened'](), 'one')
console.log('as documented')
