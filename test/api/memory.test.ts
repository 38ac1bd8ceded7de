// Running out of memory is a typed error that leaves everything consistent, and nothing that was taken is lost.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  ADDRESS_LIMIT,
  BusError,
  ConfigurationError,
  Machine,
  MemoryError,
  OutOfMemory,
  SegmentationFault,
} from '../../src/memory.ts'
import { extent, isTurn } from '../extent.ts'
import { Random } from '../reference/random.ts'
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
        { ...configuration, memory: 256 * PAGE, overcommit: 'always' },
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
        { ...configuration, memory: 256 * PAGE, overcommit: 'always' },
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
        { ...configuration, memory: 256 * PAGE, overcommit: 'always' },
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

test('random calls while frames and kernel memory run out keep the mappings sound and leave nothing behind', () => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  for (const [index, design] of designNames.entries()) {
    if (!isTurn(index, seed)) continue
    let exhausted = 0
    for (let repeat = 0; repeat < extent(2, 6); repeat++) {
      try {
        exhausted += exhaust(design, Random.derive(seed, repeat))
      } catch (error) {
        throw new Error(`${design}, seed ${seed}, repeat ${repeat}`, { cause: error })
      }
    }
    assert.ok(exhausted > 0, `${design}, seed ${seed}: memory never ran out`)
  }
})

/** Returns how many accesses found no memory. */
function exhaust(design: string, random: Random): number {
  const memory = (18 + random.below(40)) * PAGE
  const machine = Machine.create({
    memory,
    cpus: 1,
    design,
    kernelHeap: '400KiB',
    config: { SLUB_DEBUG: true },
  })
  const before = inUse(machine)
  const space = machine.createAddressSpace({ maxMapCount: 1_000_000 })
  const file = machine.createFile({ size: 40 * PAGE })
  let exhausted = 0
  for (let step = 0; step < 3000; step++) {
    // Some of it far apart, so that page tables run out too.
    const address = at(random.below(200) * (random.oneIn(6) ? 513 : 1))
    const length = (1 + random.below(12)) * PAGE
    const protection = random.pick(['rw', 'r', 'none', 'rwx'] as const)
    try {
      switch (random.below(14)) {
        case 0:
        case 1:
          space.mmap(length, { address, fixed: true, protection })
          break
        case 2:
          space.mmap(length, {
            address,
            fixed: true,
            shared: random.oneIn(2),
            file,
            offset: random.below(28) * PAGE,
          })
          break
        case 3:
          if (random.oneIn(4)) space.munmap(address, length)
          break
        case 4:
          space.mprotect(address, length, protection)
          break
        case 5:
          space.madvise(
            address,
            length,
            random.pick(['dontneed', 'random', 'normal', 'dontfork', 'populate-write'] as const),
          )
          break
        case 6: {
          const options = random.oneIn(2)
            ? { mayMove: true, fixed: at(random.below(300)) }
            : { mayMove: true }
          space.mremap(address, PAGE, (1 + random.below(2)) * PAGE, options)
          break
        }
        case 7:
          space.mmap(length, { shared: true })
          break
        default:
          space.writeUint32(address + 4 * random.below(1000), step + 1)
      }
    } catch (error) {
      if (error instanceof OutOfMemory) exhausted++
      else if (
        !(error instanceof MemoryError || error instanceof SegmentationFault || error instanceof BusError)
      )
        throw error
    }
    if (step % 100 !== 0) continue
    let last = 0
    for (const { start, end } of space.maps()) {
      assert.ok(start >= last && end > start, 'mappings out of order')
      last = end
    }
  }
  space.munmap(0x10000, ADDRESS_LIMIT - 0x10000)
  assert.deepEqual(space.maps(), [])
  assert.deepEqual(space.rss, { anonymous: 0, file: 0 })
  space.destroy()
  file.close()
  assert.deepEqual(inUse(machine), before)
  machine.detach()
  return exhausted
}

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
    assert.throws(make({ kernelHeap: 2 ** 32 + 4 }), /kernelHeap: 4294967300 bytes are more than 4 GiB/)
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
