// Wrong arguments and wrong objects: each is refused with a typed error, and the machine goes on.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Machine,
  MemoryError,
  MemoryFile,
  AddressSpace,
  ConfigurationError,
  SegmentationFault,
} from '../../src/memory.ts'

const PAGE = 4096

function withMachine(body: (space: AddressSpace, machine: Machine, at: number) => void): void {
  const machine = Machine.create({ memory: '4MiB', cpus: 2, config: { SLUB_DEBUG: true } })
  const before = machine.usage()
  const space = machine.createAddressSpace()
  const at = space.mmap(4 * PAGE)
  body(space, machine, at)
  assert.equal(space.readUint8(at), 0, 'the machine goes on')
  space.destroy()
  const { heapWordsUsed: _, ...after } = machine.usage()
  const { heapWordsUsed: __, ...expected } = before
  assert.deepEqual(after, expected)
  machine.detach()
}

const never = (value: unknown): never => value as never

test('values and addresses that are no numbers are refused before the kernel is entered', () => {
  withMachine((space, machine, at) => {
    const reads = {
      valueOf: () => {
        space.readUint8(at)
        return 0
      },
    }
    assert.throws(() => space.writeUint8(at, never(BigInt(5))), TypeError)
    assert.throws(() => space.writeUint8(at, never(Symbol('x'))), TypeError)
    assert.throws(() => space.fill(at, 5, never(BigInt(5))), TypeError)
    assert.throws(() => space.readUint8(never(reads)), TypeError)
    assert.throws(() => space.read(never(String(at)), 4), TypeError)
    assert.throws(() => space.mmap(PAGE, { address: never(BigInt(5)) }), TypeError)
    assert.throws(() => space.brk(never(BigInt(5))), TypeError)
    assert.throws(() => space.write(at, never('bytes')), TypeError)
    assert.throws(() => space.touch(at, never('q')), RangeError)
    assert.throws(() => space.mmap(PAGE, { protection: never('toString') }), RangeError)
    assert.throws(() => space.setBrk(-PAGE), RangeError)
    assert.throws(() => space.setBrk(Number.NaN), TypeError)
    assert.throws(() => space.writeUint8(at, never(reads)), TypeError)
    assert.equal(machine.usage().addressSpaces, 1)
  })
})

test('lengths that are none are refused, and those beyond the address space do not run in circles', () => {
  withMachine((space, _machine, at) => {
    const refused = (call: () => unknown): void => assert.throws(call, MemoryError)
    assert.throws(() => space.mremap(at, never(undefined), 8 * PAGE, { mayMove: true }), TypeError)
    assert.throws(() => space.mremap(at + 2 * PAGE, -PAGE, 8 * PAGE, { mayMove: true }), RangeError)
    refused(() => space.mremap(at, 2 ** 45, PAGE))
    refused(() => space.mremap(at, PAGE, 2 ** 45, { mayMove: true }))
    assert.throws(() => space.mprotect(at, Number.NaN, 'r'), RangeError)
    assert.throws(() => space.madvise(at, -PAGE, 'dontneed'), RangeError)
    refused(() => space.munmap(at, 2 ** 45))
    assert.throws(() => space.residentPages(at, Number.NaN), RangeError)
  })
})

test('a file that is closed, of another machine, or none at all is not mapped', () => {
  withMachine((space, machine) => {
    const closed = machine.createFile({ size: PAGE })
    const { handle } = closed
    closed.close()
    assert.throws(() => space.mmap(PAGE, { file: closed }), /EBADF/)
    assert.throws(() => MemoryFile.attach(handle), /EBADF/)
    const elsewhere = Machine.create({ memory: '1MiB', cpus: 1 })
    assert.throws(() => space.mmap(PAGE, { file: elsewhere.createFile({ size: PAGE }) }), TypeError)
    elsewhere.detach()
    assert.throws(() => space.mmap(PAGE, { file: never({ pointer: 64 }) }), TypeError)
    const held = machine.createFile({ size: PAGE, contents: new Uint8Array([9]) })
    MemoryFile.attach(held.handle).close()
    assert.equal(held.read(0, 1)[0], 9, 'who attached does not close it for the creator')
    held.close()
    assert.throws(() => machine.createFile({ size: 2 ** 23, contents: new Uint8Array(2 ** 23) }), MemoryError)
  })
})

test('a thread has one object for an address space, and loses it with the machine', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const space = machine.createAddressSpace()
  const at = space.mmap(PAGE)
  assert.equal(AddressSpace.attach(space.handle), space)
  assert.throws(() => AddressSpace.attach(never({})), TypeError)
  assert.throws(() => Machine.attach(never({})), TypeError)
  space.leave()
  space.writeUint8(at, 1)
  machine.detach()
  assert.throws(() => space.readUint8(at), ConfigurationError)
  assert.throws(() => space.munmap(at, PAGE), ConfigurationError)
})

test('an access to the last addresses and beyond is a fault of the program', () => {
  withMachine((space) => {
    for (const address of [-1, 2 ** 43 - PAGE, 2 ** 43, 2 ** 52, 2 ** 1000]) {
      assert.throws(() => space.readUint8(address), SegmentationFault, String(address))
      assert.throws(() => space.writeUint32(address, 1), SegmentationFault, String(address))
    }
  })
})
