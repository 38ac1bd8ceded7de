// The limits of an address space, as setrlimit sets them, and what a machine lets be committed.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type AddressSpace, ConfigurationError, Machine, type MachineOptions } from '../../src/memory.ts'
import { ARENA, at, configurations, failsWith, faults, mapAt, PAGE, shape, withSpace } from './support.ts'

const designs = configurations.filter(({ rwsem }) => rwsem === 'xadd')

function everywhere(
  name: string,
  body: (space: AddressSpace, machine: Machine) => void,
  options: Partial<MachineOptions> = {},
): void {
  test(name, () => {
    for (const configuration of designs) withSpace(body, { ...options, ...configuration })
  })
}

describe('limits', () => {
  test('are those of Linux by default, and what they were set to', () => {
    const machine = Machine.create({ memory: '1MiB', cpus: 1 })
    const usual = machine.createAddressSpace()
    const limits = ['as', 'data', 'stack', 'memlock'] as const
    const mebibyte = 2 ** 20
    assert.deepEqual(
      limits.map((limit) => usual.getLimit(limit)),
      [Infinity, Infinity, 8 * mebibyte, 8 * mebibyte],
    )
    const space = machine.createAddressSpace({
      asLimit: 7 * mebibyte + 5,
      dataLimit: 0,
      stackLimit: 5000,
      memlockLimit: Infinity,
    })
    assert.deepEqual(
      limits.map((limit) => space.getLimit(limit)),
      [7 * mebibyte + 5, 0, 5000, Infinity],
    )
    for (const limit of limits) {
      for (const bytes of [0, 1, 4095, 4096, 2 ** 40 + 1, Infinity]) {
        space.setLimit(limit, bytes)
        assert.equal(space.getLimit(limit), bytes)
      }
    }
    machine.detach()
  })

  test('that are none are refused', () => {
    withSpace((space, machine) => {
      for (const wrong of [-1, 1.5, NaN, -Infinity])
        assert.throws(() => space.setLimit('as', wrong), RangeError)
      for (const wrong of [null, undefined])
        assert.throws(() => space.setLimit('as', wrong as never), TypeError)
      assert.throws(() => space.setLimit('nproc' as 'as', 1), RangeError)
      assert.throws(() => space.getLimit('toString' as 'as'), RangeError)
      for (const name of ['asLimit', 'dataLimit', 'memlockLimit']) {
        assert.throws(() => machine.createAddressSpace({ [name]: -1 }), RangeError)
      }
      failsWith('EINVAL', () => space.mlock(-1, 1))
      assert.throws(() => space.mlock(0.5, 1), TypeError)
      assert.throws(() => space.munlock(0, NaN), RangeError)
      failsWith('ENOMEM', () => space.mlock(2 ** 43, PAGE))
    })
  })

  everywhere('a fork has those of its parent', (space) => {
    space.setLimit('as', 9 * PAGE)
    space.setLimit('data', 8 * PAGE + 1)
    space.setLimit('memlock', 0)
    space.setLimit('stack', Infinity)
    const child = space.fork()
    for (const limit of ['as', 'data', 'stack', 'memlock'] as const)
      assert.equal(child.getLimit(limit), space.getLimit(limit))
    child.setLimit('as', 1)
    assert.equal(space.getLimit('as'), 9 * PAGE)
    child.destroy()
  })
})

describe('the limit of all that is mapped', () => {
  everywhere('holds for mmap, mremap, brk and stacks, whatever the protection', (space) => {
    space.setBrk(at(100))
    space.setLimit('as', 8 * PAGE + 4095)
    mapAt(space, 0, 2, { protection: 'none' })
    mapAt(space, 500, 2, { growsDown: true })
    mapAt(space, 4, 3, { protection: 'r', shared: true })
    failsWith('ENOMEM', () => mapAt(space, 8, 2, { protection: 'none' }))
    failsWith('ENOMEM', () => space.mremap(at(0), 2 * PAGE, 4 * PAGE))
    failsWith('ENOMEM', () => space.mremap(at(0), 2 * PAGE, 4 * PAGE, { mayMove: true }))
    assert.equal(space.brk(at(102)), at(100))
    faults('SEGV_MAPERR', at(498), 'w', () => space.writeUint8(at(498), 1))
    space.writeUint8(at(499), 1)
    failsWith('ENOMEM', () => space.mmap(PAGE))
    assert.equal(space.mapped.total, 8 * PAGE)
    space.munmap(at(0), 1)
    assert.equal(space.brk(at(101)), at(101))
  })

  everywhere('does not count what a fixed mapping replaces, which stays if it is refused', (space) => {
    mapAt(space, 0, 4)
    space.fill(at(0), 4 * PAGE, 5)
    space.setLimit('as', 4 * PAGE)
    failsWith('ENOMEM', () => mapAt(space, 2, 3, { protection: 'r' }))
    assert.deepEqual(space.read(at(0), 4 * PAGE), new Uint8Array(4 * PAGE).fill(5))
    mapAt(space, 2, 2, { protection: 'r' })
    assert.deepEqual(shape(space, ARENA), ['0-2 rw', '2-4 r'])
  })

  everywhere('below what is mapped already keeps it, and lets it move but not twice', (space) => {
    mapAt(space, 0, 4)
    space.setLimit('as', 0)
    space.mremap(at(0), 4 * PAGE, 4 * PAGE, { mayMove: true, fixed: at(8) })
    failsWith('ENOMEM', () =>
      space.mremap(at(8), PAGE, PAGE, { mayMove: true, fixed: at(20), dontUnmap: true }),
    )
    failsWith('ENOMEM', () => space.mremap(at(8), PAGE, PAGE, { mayMove: true, dontUnmap: true }))
    space.mprotect(at(8), 4 * PAGE, 'r')
    space.mremap(at(8), 4 * PAGE, 2 * PAGE)
    assert.equal(space.mapped.total, 2 * PAGE)
  })
})

describe('the limit of data', () => {
  everywhere('holds for what is private and can be written, and for nothing else', (space, machine) => {
    const file = machine.createFile({ size: 4 * PAGE })
    space.setLimit('data', 3 * PAGE)
    mapAt(space, 0, 4, { protection: 'r' })
    mapAt(space, 4, 4, { shared: true })
    mapAt(space, 8, 4, { protection: 'rx', file })
    mapAt(space, 500, 4, { growsDown: true })
    assert.deepEqual(
      { ...space.mapped },
      { total: 16 * PAGE, data: 0, stack: 4 * PAGE, executable: 4 * PAGE, locked: 0 },
    )
    failsWith('ENOMEM', () => mapAt(space, 20, 4, { file }))
    mapAt(space, 20, 2, { file })
    failsWith('ENOMEM', () => space.mremap(at(20), 2 * PAGE, 4 * PAGE))
    assert.equal(space.mapped.data, 2 * PAGE)
    file.close()
  })

  everywhere('is asked when memory becomes writable: what is before has changed by then', (space) => {
    mapAt(space, 0, 2, { protection: 'r' })
    mapAt(space, 2, 2, { protection: 'rx' })
    space.setLimit('data', 3 * PAGE)
    failsWith('ENOMEM', () => space.mprotect(at(0), 4 * PAGE, 'rw'))
    assert.deepEqual(shape(space, ARENA), ['0-2 rw', '2-4 rx'])
    space.mprotect(at(2), PAGE, 'rw')
    space.mprotect(at(0), 2 * PAGE, 'r')
    assert.equal(space.mapped.data, PAGE)
  })

  everywhere('is asked of the heap by the byte, and of what is mapped of it', (space) => {
    space.setBrk(at(0))
    space.setLimit('data', 2 * PAGE + 10)
    assert.equal(space.brk(at(2, 11)), at(0))
    assert.equal(space.brk(at(2, 10)), at(0), 'two pages and ten bytes take three pages')
    assert.equal(space.brk(at(2)), at(2))
    space.munmap(at(0), PAGE)
    assert.equal(space.brk(at(2, 11)), at(2), 'where the heap ends counts, whatever is mapped')
  })
})

describe('the limit of a stack', () => {
  everywhere('is how large one may become, in whole pages', (space) => {
    space.setLimit('stack', 6 * PAGE - 1)
    mapAt(space, 500, 2, { growsDown: true })
    space.writeUint8(at(497), 1)
    faults('SEGV_MAPERR', at(496), 'w', () => space.writeUint8(at(496), 1))
    space.setLimit('stack', 6 * PAGE)
    space.writeUint8(at(496), 1)
  })
})

describe('what may be committed', () => {
  const committed = (machine: Machine): number => machine.usage().pagesCommitted

  everywhere(
    'is counted for what is private and was writable once, and for shared memory',
    (space, machine) => {
      mapAt(space, 0, 4)
      assert.equal(committed(machine), 4)
      mapAt(space, 10, 4, { protection: 'r' })
      mapAt(space, 20, 4, { noReserve: true })
      assert.equal(committed(machine), 4)
      mapAt(space, 30, 5, { shared: true })
      mapAt(space, 40, 5, { shared: true, noReserve: true })
      assert.equal(committed(machine), 9)
      space.munmap(at(30), 3 * PAGE)
      assert.equal(committed(machine), 9, 'shared memory counts as a whole, while any of it is mapped')
      space.munmap(at(33), 2 * PAGE)
      assert.equal(committed(machine), 4)
      space.mprotect(at(10), 2 * PAGE, 'rw')
      assert.equal(committed(machine), 6)
      space.writeUint8(at(10), 1)
      space.mprotect(at(10), 2 * PAGE, 'r')
      assert.equal(committed(machine), 6, 'there may be pages in it')
      space.mprotect(at(0), 4 * PAGE, 'r')
      assert.equal(committed(machine), 2, 'it was never touched')
      const child = space.fork()
      assert.equal(committed(machine), 4)
      child.destroy()
      space.mremap(at(10), 2 * PAGE, 3 * PAGE, { mayMove: true, fixed: at(60) })
      assert.equal(committed(machine), 3)
      space.mremap(at(60), 3 * PAGE, 3 * PAGE, { mayMove: true, fixed: at(70), dontUnmap: true })
      assert.equal(committed(machine), 6)
      space.setBrk(at(100))
      space.brk(at(102))
      assert.equal(committed(machine), 8)
      mapAt(space, 500, 1, { growsDown: true })
      space.writeUint8(at(497), 1)
      assert.equal(committed(machine), 12)
    },
  )

  everywhere(
    'by the heuristic, only a single call is refused, that wants more than there is',
    (space, machine) => {
      const pages = machine.memory / PAGE
      failsWith('ENOMEM', () => space.mmap((pages + 1) * PAGE))
      failsWith('ENOMEM', () => space.mmap((pages + 1) * PAGE, { shared: true }))
      space.mmap(4 * pages * PAGE, { protection: 'r' })
      space.mmap(4 * pages * PAGE, { noReserve: true })
      for (let round = 0; round < 3; round++) space.mmap(pages * PAGE)
      assert.equal(committed(machine), 3 * pages)
    },
    { memory: '1MiB' },
  )

  test('can be without end', () => {
    withSpace((space) => void space.mmap(2 ** 40), { memory: '1MiB', overcommit: 'always' })
  })

  test('which mapping is too large for a copy of the space, a fork says', () => {
    withSpace(
      (space) => {
        space.mmap(2 ** 40, { noReserve: true })
        const first = space.mmap(2 ** 19)
        space.mmap(2 ** 20, { address: first - 2 ** 20, fixed: true })
        const start = (first - 2 ** 20).toString(16)
        assert.throws(() => space.snapshot(), {
          message: `fork: ENOMEM (the mapping at 0x${start} has 1572864 bytes, of which memory and swap have 1048576)`,
        })
      },
      { memory: '1MiB' },
    )
  })

  everywhere(
    'with a limit, all calls together stay below it, and those refused leave nothing behind',
    (space, machine) => {
      assert.equal(machine.usage().commitLimitPages, 20)
      space.setBrk(at(100))
      mapAt(space, 0, 10)
      failsWith('ENOMEM', () => mapAt(space, 20, 10))
      mapAt(space, 20, 9, { noReserve: true })
      assert.equal(committed(machine), 19, 'there is no memory without a promise')
      for (const refused of [
        () => mapAt(space, 40, 1),
        () => mapAt(space, 40, 1, { shared: true }),
        () => space.mremap(at(0), 10 * PAGE, 11 * PAGE),
        () => space.mremap(at(0), 10 * PAGE, 11 * PAGE, { mayMove: true, fixed: at(60) }),
        () => space.mremap(at(0), PAGE, PAGE, { mayMove: true, fixed: at(60), dontUnmap: true }),
        () => space.fork(),
      ]) {
        failsWith('ENOMEM', refused)
        assert.equal(committed(machine), 19)
      }
      assert.equal(space.brk(at(101)), at(100))
      mapAt(space, 50, 4, { protection: 'r' })
      failsWith('ENOMEM', () => space.mprotect(at(50), 4 * PAGE, 'rw'))
      mapAt(space, 2, 6)
      assert.equal(committed(machine), 19, 'what a mapping replaces makes room for it')
      failsWith('ENOMEM', () => mapAt(space, 8, 4))
      assert.equal(committed(machine), 19)
      space.mremap(at(0), 2 * PAGE, 2 * PAGE, { mayMove: true, fixed: at(70) })
      assert.equal(committed(machine), 19)
      space.munmap(at(0), 10 * PAGE)
      mapAt(space, 500, 1, { growsDown: true })
      assert.equal(committed(machine), 12)
      faults('SEGV_MAPERR', at(492), 'w', () => space.writeUint8(at(492), 1))
      space.writeUint8(at(493), 1)
      assert.equal(committed(machine), 19)
    },
    { overcommit: 'never', overcommitKbytes: 20 * 4 + 3 },
  )

  test('is a share of the memory, unless it is told', () => {
    const limitOf = (options: Partial<MachineOptions>): number => {
      const machine = Machine.create({ memory: '1MiB', cpus: 1, ...options })
      const { commitLimitPages } = machine.usage()
      machine.detach()
      return commitLimitPages
    }
    assert.equal(limitOf({}), 128)
    assert.equal(limitOf({ overcommitRatio: 80 }), 204)
    assert.equal(limitOf({ overcommitRatio: 0 }), 0)
    assert.equal(limitOf({ overcommitRatio: 80, overcommitKbytes: 100 }), 25)
  })

  test('is refused where it makes no sense', () => {
    const make = (options: object) => () => Machine.create({ memory: '1MiB', cpus: 1, ...options })
    for (const wrong of [
      { overcommit: 'sometimes' },
      { overcommitRatio: -1 },
      { overcommitRatio: 1.5 },
      { overcommitKbytes: 0 },
      { overcommitKbytes: 2 ** 31 },
    ]) {
      assert.throws(make(wrong), ConfigurationError)
    }
  })
})
