// What is no handle, or one of something else, is refused before the kernel is entered; and what a caller has set on
// objects, on the prototype of all objects, or answers later, does not count.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  AddressSpace,
  DiskFile,
  KernelReentryError,
  Machine,
  MemoryFile,
  type Storage,
  fileSystem,
} from '../../src/index.ts'

const PAGE = 4096
const never = (value: unknown): never => value as never

test('handles that are none', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const space = machine.createAddressSpace()
  const file = machine.createFile({ size: PAGE })
  for (const nothing of [undefined, null, 7, 'handle', {}, space.handle.machine]) {
    assert.throws(() => AddressSpace.attach(never(nothing)), { name: /Error$/, code: /^ERR_/ })
    assert.throws(() => MemoryFile.attach(never(nothing)), { name: 'TypeError', code: /^ERR_/ })
    assert.throws(() => DiskFile.attach(never(nothing)), { name: 'TypeError', code: /^ERR_/ })
  }
  assert.throws(() => Machine.attach(never({ kind: 'faultline-machine' })), {
    name: 'TypeError',
    code: /^ERR_/,
  })
  for (const wrong of [0, -5, 0.5, NaN, 2 ** 40, '16', undefined]) {
    assert.throws(() => AddressSpace.attach({ ...space.handle, mm: never(wrong) }), /^(Type|Range)Error/)
    // Of a number that there may be, it is found out when the address space is used.
    if (wrong !== 2 ** 40)
      assert.throws(() => AddressSpace.attach({ ...space.handle, generation: never(wrong) }), /Error/)
    assert.throws(() => MemoryFile.attach({ ...file.handle, file: never(wrong) }), /^(Type|Range)Error/)
    assert.throws(() => MemoryFile.attach({ ...file.handle, generation: never(wrong) }), /Error/)
  }
  assert.throws(() => DiskFile.attach(never(file.handle)), TypeError)
  space.writeUint8(space.mmap(PAGE), 1)
  machine.detach()
})

test('a closed file whose caller says that it is open is not mapped', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const space = machine.createAddressSpace()
  const file = machine.createFile({ size: PAGE })
  file.close()
  Object.defineProperties(file, { assertOpen: { value: () => {} }, closed: { value: false } })
  assert.throws(() => space.mmap(PAGE, { file }), { errno: 'EBADF' })
  machine.detach()
})

test('what all objects inherit is no option', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const space = machine.createAddressSpace()
  const all = Object.prototype as { shared?: boolean; anything?: number }
  try {
    all.shared = true
    all.anything = 1
    space.mmap(PAGE)
    space.mmap(PAGE, { protection: 'r' })
    assert.deepEqual(
      space.maps().map(({ shared }) => shared),
      [false, false],
    )
  } finally {
    delete all.shared
    delete all.anything
  }
  machine.detach()
})

test('a storage that does later what it is asked for has not done it; one that detaches its thread is refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-handles-'))
  const path = join(folder, 'file')
  writeFileSync(path, new Uint8Array(PAGE))
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const file = machine.openFile(path, { mode: 'r+' })
  file.write(0, new Uint8Array([1]))
  machine.setStorage({ ...fileSystem, sync: (() => Promise.resolve()) as Storage['sync'] })
  assert.throws(() => file.sync(), { errno: 'EIO' })
  let refused: unknown
  machine.setStorage({
    ...fileSystem,
    write(...given) {
      try {
        machine.detach({ discard: true })
      } catch (error) {
        refused = error
      }
      return fileSystem.write(...given)
    },
  })
  file.write(0, new Uint8Array([2]))
  file.sync()
  assert.ok(refused instanceof KernelReentryError)
  file.close()
  machine.detach()
  rmSync(folder, { recursive: true })
})
