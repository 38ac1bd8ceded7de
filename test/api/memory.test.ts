// Running out of memory is a typed error that leaves everything consistent, and nothing that was taken is lost.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ConfigurationError, Machine, MemoryError, OutOfMemory } from '../../src/index.ts'
import { ARENA, at, configurations, designNames, inUse, mapAt, PAGE, withSpace } from './support.ts'

for (const configuration of configurations) {
  describe(`lack of memory: ${configuration.design}, ${configuration.rwsem}`, () => {
    test('a write that finds no frame fails, what was written stays, and giving pages up makes room', () => {
      withSpace(
        (space) => {
          const pages = 400
          mapAt(space, 0, pages)
          let written = 0
          assert.throws(
            () => {
              for (; written < pages; written++) space.writeUint32(at(written), written + 1)
            },
            (error: unknown) => error instanceof OutOfMemory && error.errno === 'ENOMEM',
          )
          assert.ok(written > 50, `${written} pages`)
          for (let page = 0; page < written; page++) assert.equal(space.readUint32(at(page)), page + 1)
          assert.equal(space.rss.anonymous, written)
          space.madvise(at(0), 8 * PAGE, 'dontneed')
          for (let page = 0; page < 4; page++) space.writeUint32(at(written + page), 5)
          assert.equal(space.readUint32(at(8)), 9)
        },
        { ...configuration, memory: 256 * PAGE },
      )
    })

    test('again and again: exhausted, given back, and never a frame less', () => {
      withSpace(
        (space, machine) => {
          const counts: number[] = []
          for (let round = 0; round < 4; round++) {
            mapAt(space, 0, 400)
            let written = 0
            try {
              for (; written < 400; written++) space.writeUint8(at(written), 1)
            } catch (error) {
              assert.ok(error instanceof OutOfMemory)
            }
            counts.push(written)
            space.munmap(at(0), 400 * PAGE)
            machine.usage()
          }
          assert.deepEqual(new Set(counts).size, 1, counts.join(', '))
        },
        { ...configuration, memory: 256 * PAGE },
      )
    })

    test('a copy of a file page that finds no frame fails, and the file page is still read', () => {
      withSpace(
        (space, machine) => {
          const file = machine.createFile({ size: 150 * PAGE, contents: new Uint8Array(150 * PAGE).fill(3) })
          mapAt(space, 0, 150, { file })
          let copied = 0
          assert.throws(() => {
            for (; copied < 150; copied++) space.writeUint8(at(copied), 4)
          }, OutOfMemory)
          assert.equal(space.readUint8(at(copied)), 3)
          assert.equal(space.readUint8(at(copied - 1)), 4)
          space.munmap(at(0), 150 * PAGE)
          file.close()
        },
        { ...configuration, memory: 256 * PAGE },
      )
    })

    test('page tables that find no kernel memory fail the access, and nothing is left of the attempt', () => {
      withSpace(
        (space) => {
          const apart = 512 * 512 * PAGE // a table of two levels for each page
          let made = 0
          for (; made < 900; made++) space.mmap(PAGE, { address: 0x10000000 + made * apart, fixed: true })
          let written = 0
          assert.throws(() => {
            for (; written < made; written++) space.writeUint32(0x10000000 + written * apart, written)
          }, OutOfMemory)
          for (let index = 0; index < written; index++)
            assert.equal(space.readUint32(0x10000000 + index * apart), index)
        },
        { ...configuration, memory: 1024 * PAGE, kernelHeap: '1MiB' },
      )
    })
  })
}

test('mappings without end run out of kernel memory as a typed error, and unmapping gives all of it back', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 1, kernelHeap: '1MiB' })
  const before = inUse(machine)
  const space = machine.createAddressSpace({ maxMapCount: 10_000_000 })
  let made = 0
  assert.throws(
    () => {
      for (; made < 1_000_000; made++) {
        space.mmap(PAGE, {
          address: ARENA + made * PAGE,
          fixed: true,
          protection: made % 2 === 0 ? 'r' : 'rw',
        })
      }
    },
    (error: unknown) => error instanceof MemoryError && error.errno === 'ENOMEM',
  )
  assert.ok(made > 100, String(made))
  assert.equal(space.maps().length, made)
  space.munmap(ARENA, (made / 2) * PAGE - ((made / 2) % 1) * PAGE)
  mapAt(space, -100, 1)
  space.destroy()
  assert.deepEqual(inUse(machine), before)
})

test('a space and its files give everything back', () => {
  const machine = Machine.create({ memory: '8MiB', cpus: 1 })
  const before = inUse(machine)
  for (let round = 0; round < 5; round++) {
    const file = machine.createFile({ size: 20 * PAGE + 1, contents: new Uint8Array(100).fill(1) })
    const space = machine.createAddressSpace()
    mapAt(space, 0, 300)
    space.fill(at(0), 300 * PAGE, round)
    mapAt(space, 100, 20, { file, shared: true })
    mapAt(space, 600, 20, { file })
    space.fill(at(100), 20 * PAGE, 9)
    space.fill(at(600), 10 * PAGE, 8)
    mapAt(space, 2000, 1, { growsDown: true })
    space.writeUint8(at(1900), 1)
    space.mmap(10 * PAGE, { shared: true, populate: true })
    space.mremap(at(0), 10 * PAGE, 20 * PAGE, { mayMove: true })
    space.destroy()
    file.close()
    assert.deepEqual(inUse(machine), before, `round ${round}`)
  }
})

describe('machines that cannot be', () => {
  test('say so', () => {
    const make = (options: object) => () => Machine.create({ memory: '1MiB', cpus: 1, ...options })
    assert.throws(make({ design: 'nonsense' }), ConfigurationError)
    assert.throws(
      make({ rwsem: 'nonsense' }),
      (error) => error instanceof ConfigurationError || error instanceof RangeError,
    )
    const refused = (error: unknown) => error instanceof ConfigurationError || error instanceof RangeError
    assert.throws(make({ cpus: 0 }), refused)
    assert.throws(make({ cpus: 257 }), refused)
    assert.throws(make({ cpus: 1.5 }), refused)
    assert.throws(make({ memory: 1000 }), refused)
    assert.throws(make({ memory: 4096 }), refused)
    assert.throws(make({ memory: 'much' }), refused)
    assert.throws(make({ memory: 2 ** 33 }), refused)
    assert.throws(make({ memory: NaN }), refused)
    assert.throws(make({ kernelHeap: 4096 }), refused)
  })

  test('speculation where the architecture does not support it is an error for a speculative design only', () => {
    const config = { ARCH_SUPPORTS_SPECULATIVE_PAGE_FAULT: false }
    for (const design of designNames) {
      const make = () => Machine.create({ memory: '1MiB', cpus: 1, design, config })
      if (design === 'classic') make().detach()
      else assert.throws(make, ConfigurationError)
    }
  })
})
