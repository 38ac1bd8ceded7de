// Heaps and records: which blocks there are, what is refused, and what a fork, a snapshot and a limit make of it.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import { type AddressSpace, type Heap, defineRecord } from '../../src/memory.ts'
import { PAGE, failsWith, withSpace } from './support.ts'

const SPAN = 65_536
const MIB = 2 ** 20

/** Numbers that look like any, from a seed. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state / 2 ** 32
  }
}

interface Block {
  readonly address: number
  readonly size: number
  readonly byte: number
}

const holds = (space: AddressSpace, { address, size, byte }: Block): void =>
  assert.ok(
    space.read(address, size).every((each) => each === byte),
    `the block of ${size} bytes at ${address}`,
  )

/** Blocks of any size come and go; each is filled with a byte of its own, and has it when it goes. */
function atRandom(space: AddressSpace, heap: Heap, turns: number, seed: number): Block[] {
  const random = numbers(seed)
  const next = (below: number): number => Math.floor(random.next().value * below)
  const live: Block[] = []
  for (let turn = 0; turn < turns; turn++) {
    if (live.length > 0 && next(100) < 48) {
      const [block] = live.splice(next(live.length), 1)
      holds(space, block!)
      heap.free(block!.address)
      continue
    }
    const size = 1 + (next(20) === 0 ? next(300_000) : next(10) === 0 ? next(20_000) : next(300))
    const block = { address: heap.allocate(size), size, byte: next(256) }
    assert.equal(block.address % 16, 0)
    assert.ok(heap.sizeOf(block.address) >= size)
    space.fill(block.address, heap.sizeOf(block.address), block.byte)
    live.push(block)
  }
  return live
}

describe('a heap', () => {
  it('gives each byte to one block, of any size', () => {
    withSpace(
      (space, machine) => {
        const heap = space.createHeap({ maximum: '64MiB' })
        const live = atRandom(space, heap, 6000, 1)
        const { blocks, allocated } = heap.usage()
        assert.equal(blocks, live.length)
        assert.equal(
          allocated,
          live.reduce((sum, { address }) => sum + heap.sizeOf(address), 0),
        )
        for (const block of live) {
          holds(space, block)
          heap.free(block.address)
        }
        heap.trim()
        const { mapped, free, ...rest } = heap.usage()
        assert.deepEqual(rest, { blocks: 0, allocated: 0 })
        assert.equal(free, mapped)
        assert.ok(mapped > 0)
        // What is left are words: of blocks, some pages.
        assert.ok(space.rss.anonymous * PAGE < 2 * MIB, `${space.rss.anonymous} pages`)
        assert.ok(machine.usage().framesFree > 0)
      },
      { memory: '64MiB' },
    )
  })

  it('wastes a fifth at most of what is larger than 128 bytes and smaller than 16 KiB', () => {
    withSpace((space) => {
      const heap = space.createHeap()
      for (let size = 1; size <= 16_384; size += size < 1024 ? 1 : 97) {
        const given = heap.sizeOf(heap.allocate(size))
        assert.ok(given >= size && given - size < Math.max(16, given / 5 + 16), `${size}: ${given}`)
      }
      assert.equal(heap.sizeOf(heap.allocate(0)), 16)
      assert.equal(heap.allocate(4096) % PAGE, 0)
      assert.equal(heap.allocate(100_000) % PAGE, 0)
    })
  })

  it('refuses what is no block', () => {
    withSpace((space) => {
      const heap = space.createHeap({ maximum: '1MiB' })
      const other = space.createHeap({ maximum: '1MiB' })
      const small = heap.allocate(100)
      const large = heap.allocate(3 * SPAN)
      const elsewhere = other.allocate(100)
      const refused = (address: number, text: RegExp): void => {
        for (const call of ['free', 'sizeOf'] as const) {
          assert.throws(() => heap[call](address), {
            name: 'MemoryError',
            errno: 'EINVAL',
            call,
            message: text,
          })
        }
      }
      refused(small + 1, /is within a block, or between blocks/)
      refused(small + 16, /is within a block/)
      refused(large + 16, /is within a block/)
      refused(large + SPAN, /is within a block/)
      refused(elsewhere, /is not of this heap/)
      refused(0, /is not of this heap/)
      refused(heap.address, /is not of this heap/)
      refused(small + 112, /was freed before, or never allocated/)
      refused(large + 3 * SPAN, /was freed before, or never allocated/)
      heap.free(small)
      heap.free(large)
      refused(small, /was freed before/)
      refused(large, /was freed before/)
      assert.deepEqual(heap.usage().blocks, 0)
      heap.free(heap.allocate(100))
      other.free(elsewhere)
      assert.throws(() => heap.free('1' as never), { code: 'ERR_INVALID_ARG_TYPE' })
      assert.throws(() => heap.allocate(-1), { code: 'ERR_OUT_OF_RANGE' })
      assert.throws(() => heap.allocate(1.5), { code: 'ERR_OUT_OF_RANGE' })
    })
  })

  it('gives a block another size, with the bytes that both have', () => {
    withSpace((space) => {
      const heap = space.createHeap({ maximum: '4MiB' })
      let address = heap.allocate(10)
      space.write(
        address,
        Uint8Array.from({ length: 10 }, (_, index) => index + 1),
      )
      let size = 10
      for (const next of [16, 17, 100, 5000, 70_000, 300_000, 299_000, 90_000, 33, 20, 9, 0]) {
        const kept = heap.sizeOf(address) >= next && heap.sizeOf(address) < 2 * next
        const moved = heap.reallocate(address, next)
        assert.equal(moved === address, kept, `${size} to ${next}`)
        if (!kept) failsWith('EINVAL', () => heap.sizeOf(address))
        address = moved
        size = Math.min(10, next, size)
        assert.ok(heap.sizeOf(address) >= next)
        assert.deepEqual([...space.read(address, size)], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].slice(0, size))
      }
      assert.equal(heap.usage().blocks, 1)
    })
  })

  it('leaves a block as it was where another size is not to be had', () => {
    withSpace((space) => {
      const heap = space.createHeap({ maximum: '1MiB' })
      const address = heap.allocate(600_000)
      space.fill(address, 600_000, 7)
      assert.throws(() => heap.reallocate(address, 900_000), { name: 'OutOfMemory' })
      holds(space, { address, size: 600_000, byte: 7 })
      heap.free(address)
      failsWith('EINVAL', () => heap.reallocate(address, 10))
      assert.throws(() => heap.reallocate(address, 10), /^MemoryError: reallocate: EINVAL/)
      assert.equal(heap.usage().blocks, 0)
    })
  })

  it('is full at its maximum, and gives back what is freed', () => {
    withSpace((space) => {
      const heap = space.createHeap({ maximum: 4 * SPAN })
      failsWith('ENOMEM', () => heap.allocate(4 * SPAN + 1))
      const whole = heap.allocate(4 * SPAN)
      failsWith('ENOMEM', () => heap.allocate(1))
      heap.free(whole)
      const blocks: number[] = []
      for (let n = 0; n < 16; n++) blocks.push(heap.allocate(16_384))
      failsWith('ENOMEM', () => heap.allocate(16_384))
      failsWith('ENOMEM', () => heap.allocate(16))
      // Of each span one is freed: no other size fits, this one does.
      for (let n = 0; n < 16; n += 4) heap.free(blocks[n]!)
      failsWith('ENOMEM', () => heap.allocate(16))
      const again = [0, 4, 8, 12].map(() => heap.allocate(16_384))
      assert.deepEqual(again.toSorted(), [0, 4, 8, 12].map((n) => blocks[n]!).toSorted())
      for (const block of new Set(blocks)) heap.free(block)
      heap.trim()
      heap.free(heap.allocate(4 * SPAN))
    })
  })

  it('gives memory back beyond what it is to retain', () => {
    withSpace((space) => {
      const keeping = space.createHeap({ retain: '1MiB' })
      const giving = space.createHeap({ retain: 0 })
      const rssAfter = (heap: Heap): number => {
        const before = space.rss.anonymous
        const block = heap.allocate(MIB)
        space.fill(block, MIB, 1)
        heap.free(block)
        return space.rss.anonymous - before
      }
      assert.ok(rssAfter(giving) < 16)
      assert.ok(rssAfter(keeping) >= 256)
      keeping.trim()
      assert.ok(space.rss.anonymous < 32)
    })
  })

  it('takes what a limit leaves, and is as it was where that is too little', () => {
    withSpace((space) => {
      const heap = space.createHeap({ maximum: '8MiB' })
      const { data } = space.mapped
      space.setLimit('data', data + 3 * SPAN)
      const block = heap.allocate(2 * SPAN)
      assert.equal(heap.usage().mapped, 2 * SPAN)
      failsWith('ENOMEM', () => heap.allocate(2 * SPAN))
      heap.free(heap.allocate(SPAN))
      space.setLimit('data', Infinity)
      heap.free(heap.allocate(2 * SPAN))
      heap.free(block)
    })
  })

  it('runs out of frames and goes on', () => {
    withSpace(
      (space, machine) => {
        const hog = space.mmap(4 * MIB, { noReserve: true })
        const heap = space.createHeap({ maximum: '2MiB' })
        const blocks: number[] = []
        let taken = 0
        try {
          for (; taken < 4 * MIB; taken += PAGE) space.writeUint8(hog + taken, 1)
        } catch {
          // Not one frame is left.
        }
        const allocateAll = (): void => {
          for (let size = 16; size <= 16_384; size *= 2)
            for (let n = 0; n < 40; n++) blocks.push(heap.allocate(size))
        }
        failsWith('ENOMEM', allocateAll)
        space.munmap(hog, 4 * MIB)
        allocateAll()
        for (const block of blocks) heap.free(block)
        heap.trim()
        const { free, mapped } = heap.usage()
        assert.ok(free <= mapped && machine.usage().framesFree > 0)
        heap.free(heap.allocate(MIB))
      },
      { memory: '2MiB' },
    )
  })

  it('is found by its address, and no other is', () => {
    withSpace((space) => {
      const heap = space.createHeap({ maximum: '1MiB' })
      assert.equal(space.openHeap(heap.address), heap)
      assert.match(inspect(heap), /^Heap \(0x[\da-f]+\)$/)
      const page = space.mmap(PAGE)
      const refuses = (wrong: number): void =>
        assert.throws(() => space.openHeap(wrong), { name: 'RangeError', code: 'ERR_INVALID_ARG_VALUE' })
      for (const wrong of [page, heap.address + PAGE, heap.address + 4, 0, -PAGE, 2 ** 44]) refuses(wrong)
      assert.throws(() => space.openHeap('x' as never), { code: 'ERR_INVALID_ARG_TYPE' })
      assert.throws(() => space.createHeap({ maximum: 0 }), { code: 'ERR_OUT_OF_RANGE' })
      assert.throws(() => space.createHeap({ maximum: 'much' }), { name: 'RangeError' })
      assert.throws(() => space.createHeap({ max: 1 } as never), /did you mean maximum/)
      const { address } = heap
      heap.destroy()
      refuses(address)
      assert.deepEqual(
        space.maps().map(({ start }) => start),
        [page],
      )
    })
  })

  it('has a root for the program', () => {
    withSpace((space) => {
      const heap = space.createHeap()
      const [one, two] = [heap.allocate(16), heap.allocate(50_000)]
      assert.equal(heap.root, 0)
      heap.root = one
      assert.equal(heap.root, one)
      assert.equal(heap.compareExchangeRoot(two, 0), one)
      assert.equal(heap.compareExchangeRoot(one, two), one)
      assert.equal(heap.root, two)
      heap.root = 0
      assert.equal(heap.root, 0)
      for (const wrong of [8, one + 4, heap.address + 2 ** 40]) {
        failsWith('EINVAL', () => {
          heap.root = wrong
        })
      }
    })
  })

  it('is another in a fork, and the same in a snapshot', () => {
    withSpace((space) => {
      const heap = space.createHeap({ maximum: '8MiB' })
      const before = atRandom(space, heap, 400, 2)
      const child = space.fork()
      using snapshot = space.snapshot()
      const theirs = child.openHeap(heap.address)
      assert.deepEqual(theirs.usage().blocks, before.length)
      assert.notEqual(theirs, heap)
      const after = atRandom(child, theirs, 400, 3)
      for (const block of before) {
        holds(space, block)
        holds(child, block)
        assert.ok(snapshot.read(block.address, block.size).every((byte) => byte === block.byte))
        theirs.free(block.address)
      }
      for (const block of after) holds(child, block)
      assert.equal(theirs.usage().blocks, after.length)
      assert.equal(heap.usage().blocks, before.length)
      for (const block of after) theirs.free(block.address)
      theirs.trim()
      // No span is left with a CPU of the other address space.
      assert.equal(theirs.usage().free, theirs.usage().mapped)
      for (const block of before) heap.free(block.address)
      child.destroy()
    })
  })
})

describe('a record', () => {
  const Person = defineRecord({
    id: 'uint32',
    age: 'uint8',
    balance: 'bigInt64',
    height: 'float64',
    name: 24,
    next: 'reference',
    flags: 'int16',
    total: 'bigUint64',
    small: 'int8',
    wide: 'uint16',
    change: 'int32',
    weight: 'float32',
  })

  it('has each field at a multiple of its size', () => {
    const { offsets, size } = Person
    assert.deepEqual(offsets, {
      id: 0,
      age: 4,
      balance: 8,
      height: 16,
      name: 24,
      next: 48,
      flags: 52,
      total: 56,
      small: 64,
      wide: 66,
      change: 68,
      weight: 72,
    })
    assert.equal(size, 76)
  })

  it('is read and written in memory', () => {
    withSpace((space) => {
      const heap = space.createHeap({ maximum: '1MiB' })
      space.fill(heap.allocate(Person.size), Person.size, 0xff)
      const text = new TextEncoder()
      const ann = Person.create(heap, { id: 7, name: text.encode('Ann'), balance: -5n })
      const bob = Person.create(heap, { next: ann.address, height: 1.5, total: 2n ** 64n - 1n })
      heap.root = bob.address
      const found = Person.at(space.openHeap(heap.address), heap.root)
      const next = Person.at(heap, found.next)
      assert.deepEqual(
        [found.height, found.total, found.id, found.name.join('')],
        [1.5, 2n ** 64n - 1n, 0, '0'.repeat(24)],
      )
      assert.deepEqual(
        [next.id, next.balance, Buffer.from(next.name).toString()],
        [7, -5n, `Ann${'\0'.repeat(21)}`],
      )
      next.name = text.encode('B')
      assert.equal(Buffer.from(next.name).toString(), `B${'\0'.repeat(23)}`)
      for (const [field, value] of [
        ['flags', -3],
        ['small', -128],
        ['wide', 65_535],
        ['change', -7],
        ['weight', 0.5],
        ['age', 9],
      ] as const) {
        next[field] = value
        assert.equal(next[field], value)
      }
      space.addUint32(next.addressOf('id'), 1)
      assert.equal(next.id, 8)
      // Jest gives each test file a realm of its own.
      next.name = runInNewContext('Uint8Array.of(67)') as Uint8Array
      assert.equal(Buffer.from(next.name).toString(), `C${'\0'.repeat(23)}`)
      next.next = 0
      assert.equal(next.next, 0)
      const Pair = defineRecord({ id: 'uint32', count: 'bigInt64' })
      const pair = Pair.create(heap, { id: 7, count: 5n })
      assert.equal(inspect(pair), `Record (0x${pair.address.toString(16)}) { id: 7, count: 5n }`)
      const { id, weight } = JSON.parse(
        JSON.stringify({ ...bob.toJSON(), balance: 0, total: 0 }),
      ) as typeof bob
      assert.deepEqual([id, weight], [0, 0])
      ann.free()
      failsWith('EINVAL', () => ann.free())
    })
  })

  it('refuses what it cannot hold', () => {
    withSpace((space) => {
      const heap = space.createHeap({ maximum: '1MiB' })
      const person = Person.create(heap)
      const { blocks } = heap.usage()
      assert.throws(() => (person.age = 256), { code: 'ERR_OUT_OF_RANGE' })
      assert.throws(() => (person.change = 2 ** 31), { code: 'ERR_OUT_OF_RANGE' })
      assert.throws(() => (person.name = new Uint8Array(25)), {
        message: 'name: a Uint8Array of 25 bytes is not a Uint8Array of at most 24 bytes',
      })
      failsWith('EINVAL', () => (person.next = 8))
      assert.throws(() => Person.create(heap, { id: -1 }), { code: 'ERR_OUT_OF_RANGE' })
      assert.throws(() => Person.create(heap, { nam: 1 } as never), /did you mean name/)
      const One = defineRecord({ a: 'uint32' })
      assert.throws(() => One.create(heap, { z: 1 } as never), /no field 'z': there are a$/)
      assert.throws(() => person.addressOf('none' as never), { code: 'ERR_INVALID_ARG_VALUE' })
      assert.equal(heap.usage().blocks, blocks)
      assert.throws(() => defineRecord({ x: 'word' as never }), { code: 'ERR_INVALID_ARG_TYPE' })
      assert.throws(() => defineRecord({ free: 'int8' }), /a record has it for something else/)
      assert.throws(() => defineRecord({ x: -1 }), { code: 'ERR_OUT_OF_RANGE' })
      for (const other of [undefined, null, space, {}]) {
        assert.throws(() => One.create(other as never), /^TypeError: heap: .* is not a heap/)
        assert.throws(() => One.at(other as never, 16), /^TypeError: heap: .* is not a heap/)
      }
      assert.throws(() => One.create(heap, null as never), /^TypeError: values: null/)
      assert.throws(() => One.create(heap).addressOf(undefined as never), /^TypeError: field: undefined/)
      for (const reference of [1n, Symbol('reference'), {}])
        assert.throws(() => heap.addressOf(reference as never), { code: 'ERR_INVALID_ARG_TYPE' })
      assert.throws(() => heap.addressOf(-1), { code: 'ERR_OUT_OF_RANGE' })
    })
  })
})
