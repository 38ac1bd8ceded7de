// The operations of the conformance suite: how each is drawn, and what it does on Faultline.
//
// Principles: a step is the name of an operation and numbers, the same that linux.c gets; so that it can be printed,
// sent and shrunk. An operation is one entry here and one there. Addresses are positions, see linux.c.

import * as fc from 'fast-check'
import { type AddressSpace, MemoryFile, type Protection } from '../../src/memory.ts'
import {
  ARENA_PAGES,
  FIRST_TABLE,
  fileSizes,
  type Half,
  HEAP_POSITION,
  hex,
  LIMIT_POSITION,
  mix,
  PAGE,
  READ_ONLY,
  TABLE_PAGES,
  WORKED_ON,
  type World,
} from './world.ts'

export type Step = readonly [name: string, ...numbers: number[]]

interface Operation {
  /** How often it is drawn beside the others. */
  readonly weight: number
  readonly numbers: fc.Arbitrary<number[]>
  /**
   * Performs it and returns what linux.c prints. A space at the end asks for the number of faults behind it. Signals
   * and errors are thrown.
   */
  perform(world: World, ...numbers: number[]): string
}

// ---------------------------------------------------------------------------------------------------------------------
// What is drawn

/** Pages where operations happen, and how many there are from each to the end of its neighbourhood. */
interface Place {
  readonly page: number
  readonly room: number
}

function places(first: number, count: number): fc.Arbitrary<Place> {
  return fc.nat(count - 1).map((page) => ({ page: first + page, room: count - page }))
}

/** Pages of most places. */
const NEIGHBOURHOOD = 12
/** Close together, over the border of two page tables. */
const dense = places(0, NEIGHBOURHOOD)
/** As far above that as a stack has to keep from it. */
const high = places(274, 36)
/** Where the kernel puts what may be anywhere. */
const top = places(ARENA_PAGES - 12, 12)
const heap = places(HEAP_POSITION / PAGE, 12)
const place = fc.oneof(
  { weight: 16, arbitrary: dense },
  { weight: 1, arbitrary: high },
  { weight: 2, arbitrary: top },
  { weight: 1, arbitrary: heap },
)

const rarely = <T>(weight: number, usual: fc.Arbitrary<T>, rare: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: rare })

/** Bytes taken off a length, so that lengths are not always whole pages. */
const short = rarely(4, fc.constant(0), fc.integer({ min: 1, max: PAGE - 1 }))
const pages = rarely(2, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 9 }))
/** Added to a position that should begin a page. */
const skew = rarely(40, fc.constant(0), fc.integer({ min: 1, max: PAGE - 1 }))
const withinPage = fc.oneof(fc.nat(PAGE - 1), fc.integer({ min: PAGE - 8, max: PAGE - 1 }), fc.constant(0))

/** All that one page table covers. */
const wholeTable = fc.constantFrom(FIRST_TABLE, FIRST_TABLE + TABLE_PAGES)
/** Many pages: a whole page table or more. */
const large = fc.oneof(
  wholeTable.map((page) => [page * PAGE, TABLE_PAGES * PAGE]),
  fc
    .tuple(fc.nat(11), fc.integer({ min: 40, max: ARENA_PAGES - 12 }))
    .map(([page, count]) => [page * PAGE, count * PAGE]),
)

/** Position and length of a few whole pages, sometimes wrong. */
const narrow = rarely(
  40,
  fc
    .tuple(place, pages, short, skew)
    .map(([at, count, less, off]) => [
      at.page * PAGE + off,
      Math.max(1, Math.min(count, at.room) * PAGE - less - off),
    ]),
  fc.oneof(
    place.map((at) => [at.page * PAGE, 0]),
    pages.map((count) => [LIMIT_POSITION, count * PAGE]),
  ),
)

const range = rarely(20, narrow, large)

const beyondAll = 2 ** 48
const protection = fc.oneof({ weight: 2, arbitrary: fc.constant(3) }, { weight: 3, arbitrary: fc.nat(7) })
const value = fc.nat(0xffffffff)
const width = fc.constantFrom(1, 2, 4, 8)
const byteLength = rarely(3, fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 3 * PAGE }))
const anywhere = fc.tuple(place, withinPage).map(([at, within]) => at.page * PAGE + within)
const word = fc.tuple(place, fc.nat(PAGE / 4 - 1)).map(([at, within]) => at.page * PAGE + within * 4)
const fileNumber = fc.integer({ min: 1, max: fileSizes.length })
const writtenFile = fc.integer({ min: 1, max: READ_ONLY - 1 })
const limitedBytes = fc.tuple(fc.nat(24), short).map(([count, less]) => Math.max(1, count * PAGE - less))
const freeBytes = rarely(4, limitedBytes, fc.constantFrom(0, -PAGE, 2 ** 30))
const rangeOf = (file: fc.Arbitrary<number>): fc.Arbitrary<number[]> =>
  fc
    .tuple(file, fc.nat(fileSizes[2]! - 1), fc.integer({ min: 1, max: PAGE }))
    .map(([number, offset, length]) => {
      const size = fileSizes[number - 1]!
      return [number, offset % size, Math.min(length, size - (offset % size))]
    })

// ---------------------------------------------------------------------------------------------------------------------
// What is performed

/** Where the other page table begins. */
const otherTable = (position: number): number =>
  (position === FIRST_TABLE * PAGE ? FIRST_TABLE + TABLE_PAGES : FIRST_TABLE) * PAGE

const FIXED = 1
const NOREPLACE = 2
const POPULATE = 4
const NORESERVE = 8
const GROWSDOWN = 16
const SHARED = 32
const HINT = 64
const LOCKED = 128

// Of the first two, the limit is told as how much there may be beyond what is mapped.
const LIMIT_AS = 0
const LIMIT_DATA = 1
const LIMIT_STACK = 2
const LIMIT_MEMLOCK = 3
const LIMIT_MEMLOCK_MOST = 4

const MAYMOVE = 1
const MOVE_FIXED = 2
const DONTUNMAP = 4

const protections: readonly Protection[] = ['none', 'r', 'w', 'rw', 'x', 'rx', 'wx', 'rwx']

/** Linux's numbers. */
const advice = {
  0: 'normal',
  1: 'random',
  2: 'sequential',
  3: 'willneed',
  4: 'dontneed',
  8: 'free',
  10: 'dontfork',
  11: 'dofork',
  12: 'mergeable',
  13: 'unmergeable',
  14: 'hugepage',
  15: 'nohugepage',
  16: 'dontdump',
  17: 'dodump',
  18: 'wipeonfork',
  19: 'keeponfork',
  20: 'cold',
  21: 'pageout',
  22: 'populate-read',
  23: 'populate-write',
  24: 'dontneed-locked',
} as const

const syncModes = ['sync', 'async', 'invalidate'] as const

/** Operations on aligned words, and whether linux.c can tell what was there before. */
const atomics = [
  { name: 'sub', tells: true },
  { name: 'and', tells: false },
  { name: 'or', tells: false },
  { name: 'xor', tells: false },
  { name: 'exchange', tells: true },
  { name: 'load', tells: true },
  { name: 'store', tells: false },
] as const

/** 64 bits made of 32. */
const wide = (number: number): bigint => (BigInt(~number >>> 0) << BigInt(32)) | BigInt(number)

/** A file that can be written. */
function writable(world: World, number: number): MemoryFile {
  const file = world.files[number - 1]!
  if (!(file instanceof MemoryFile)) throw new Error(`file ${number} can only be read`)
  return file
}

function seeded(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) bytes[at] = (seed + at * 7) & 0xff
  return bytes
}

function hashOf(bytes: Uint8Array): string {
  let hash = 0
  for (const byte of bytes) hash = mix(hash, byte)
  return hex(hash)
}

const position = (world: World, address: number): string => world.position(address).toString(16)

/** Every operation, under the name that linux.c knows it by. */
const operations: Readonly<Record<string, Operation>> = {
  mmap: {
    weight: 14,
    numbers: fc
      .tuple(
        range,
        protection,
        fc.constantFrom(FIXED, FIXED, FIXED, FIXED, NOREPLACE, HINT, 0),
        fc.tuple(
          ...[POPULATE, NORESERVE, GROWSDOWN].map((flag) => rarely(6, fc.constant(0), fc.constant(flag))),
          rarely(14, fc.constant(0), fc.constant(LOCKED)),
        ),
        fc.oneof(
          { weight: 6, arbitrary: fc.constant([0, 0]) },
          { weight: 1, arbitrary: fc.constant([SHARED, 0]) },
          { weight: 2, arbitrary: fileNumber.map((number) => [0, number]) },
          { weight: 2, arbitrary: fileNumber.map((number) => [SHARED, number]) },
        ),
        fc.nat(9).map((page) => page * PAGE),
        rarely(60, fc.constant('right'), fc.constantFrom('offset', 'length')),
      )
      .map(([[at, length], access, placed, flags, [shared, number], offset, wrong]) => [
        at!,
        wrong === 'length' ? beyondAll : length!,
        access,
        flags.reduce((all, flag) => all | flag, placed | shared!),
        number!,
        wrong === 'offset' ? offset + 100 : offset,
      ]),
    perform(world, at, length, access, flags, number, offset) {
      const placed = (flags & (FIXED | NOREPLACE | HINT)) !== 0
      const mapped = world.space.mmap(length, {
        protection: protections[access]!,
        ...(placed ? { address: world.address(at) } : {}),
        ...((flags & NOREPLACE) !== 0 ? { fixed: 'noreplace' } : { fixed: (flags & FIXED) !== 0 }),
        populate: (flags & POPULATE) !== 0,
        noReserve: (flags & NORESERVE) !== 0,
        growsDown: (flags & GROWSDOWN) !== 0,
        shared: (flags & SHARED) !== 0,
        locked: (flags & LOCKED) !== 0,
        ...(number === 0 ? {} : { file: world.files[number - 1]! }),
        offset,
      })
      return position(world, mapped)
    },
  },
  munmap: {
    weight: 6,
    numbers: rarely(
      60,
      range,
      range.map(([at]) => [at!, beyondAll]),
    ),
    perform(world, at, length) {
      world.space.munmap(world.address(at), length)
      return '0'
    },
  },
  mprotect: {
    weight: 10,
    numbers: fc.tuple(range, protection).map(([at, access]) => [...at, access]),
    perform(world, at, length, access) {
      world.space.mprotect(world.address(at), length, protections[access]!)
      return '0'
    },
  },
  madvise: {
    weight: 9,
    numbers: fc
      .tuple(range, fc.constantFrom(...(Object.keys(advice).map(Number) as (keyof typeof advice)[])))
      .map(([at, number]) => [...at, number]),
    perform(world, at, length, number) {
      world.space.madvise(world.address(at), length, advice[number as keyof typeof advice])
      return '0 '
    },
  },
  mremap: {
    weight: 8,
    numbers: fc
      .tuple(
        range,
        rarely(20, fc.integer({ min: 1, max: 9 }), fc.constant(0)),
        short,
        rarely(20, fc.constantFrom(0, MAYMOVE, MAYMOVE | MOVE_FIXED, MAYMOVE | DONTUNMAP, 7), fc.nat(7)),
        place,
        rarely(40, skew, fc.constant(LIMIT_POSITION)),
        fc.boolean(),
        rarely(20, fc.constant(false), fc.constant(true)),
      )
      .map(([[at, old], count, less, flags, to, off, same, copies]) => {
        // Shared memory is mapped a second time then.
        const length = copies ? 0 : old
        const keeps = less === 0 && ((flags & DONTUNMAP) !== 0 || ((flags & MOVE_FIXED) !== 0 && same))
        const resized = keeps ? length! : Math.max(0, count * PAGE - less)
        const room = Math.ceil(resized / PAGE)
        if (room > NEIGHBOURHOOD) return [at!, length!, resized, flags, otherTable(at!)]
        const target = off === LIMIT_POSITION ? off : (to.page - Math.max(0, room - to.room)) * PAGE + off
        return [at!, length!, resized, flags, target]
      }),
    perform(world, at, oldLength, newLength, flags, target) {
      const moved = world.space.mremap(world.address(at), oldLength, newLength, {
        mayMove: (flags & MAYMOVE) !== 0,
        dontUnmap: (flags & DONTUNMAP) !== 0,
        ...((flags & MOVE_FIXED) === 0 ? {} : { fixed: world.address(target) }),
      })
      return position(world, moved)
    },
  },
  mlock: {
    weight: 4,
    numbers: fc
      .tuple(range, rarely(3, fc.constant(0), fc.constant(1)))
      .map(([at, onFault]) => [...at, onFault]),
    perform(world, at, length, onFault) {
      world.space.mlock(world.address(at), length, { onFault: onFault !== 0 })
      return '0'
    },
  },
  munlock: {
    weight: 2,
    numbers: range,
    perform(world, at, length) {
      world.space.munlock(world.address(at), length)
      return '0'
    },
  },
  mlockall: {
    weight: 2,
    numbers: rarely(4, fc.constantFrom(2, 2, 3, 6), fc.nat(7)).map((flags) => [flags]),
    perform(world, flags) {
      const [current, future, onFault] = [1, 2, 4].map((flag) => (flags & flag) !== 0)
      world.space.mlockall({ current: current!, future: future!, onFault: onFault! })
      return '0'
    },
  },
  munlockall: {
    weight: 1,
    numbers: fc.constant([]),
    perform(world) {
      world.space.munlockall()
      return '0'
    },
  },
  msync: {
    weight: 2,
    numbers: fc.tuple(range, fc.nat(2)).map(([at, mode]) => [...at, mode]),
    perform(world, at, length, mode) {
      world.space.msync(world.address(at), length, syncModes[mode])
      return '0'
    },
  },
  rss: {
    weight: 3,
    numbers: fc.constant([]),
    perform(world) {
      const { anonymous, file } = world.space.rss
      return `${anonymous},${file}`
    },
  },
  sizes: {
    weight: 2,
    numbers: fc.constant([]),
    perform(world) {
      const { mapped } = world.space
      return (['total', 'data', 'stack', 'executable', 'locked'] as const)
        .map((size) => (mapped[size] - world.sizes[size]) / PAGE)
        .join()
    },
  },
  limit: {
    weight: 3,
    numbers: fc.oneof(
      { weight: 4, arbitrary: fc.tuple(fc.constantFrom(LIMIT_AS, LIMIT_DATA), freeBytes) },
      { weight: 1, arbitrary: fc.tuple(fc.constant(LIMIT_STACK), limitedBytes) },
      { weight: 4, arbitrary: fc.tuple(fc.constant(LIMIT_MEMLOCK), rarely(4, limitedBytes, fc.constant(0))) },
      { weight: 1, arbitrary: fc.constant<number[]>([LIMIT_MEMLOCK_MOST, 0]) },
    ),
    perform(world, which, bytes) {
      const { space } = world
      if (which === LIMIT_AS) space.setLimit('as', space.mapped.total + bytes)
      else if (which === LIMIT_DATA) space.setLimit('data', space.mapped.data + bytes)
      else if (which === LIMIT_STACK) space.setLimit('stack', bytes)
      else if (which === LIMIT_MEMLOCK) space.setLimit('memlock', bytes)
      else space.setLimit('memlock', world.memlockMost)
      return '0'
    },
  },
  mincore: {
    weight: 2,
    numbers: range,
    perform(world, at, length) {
      return world.space
        .residentPages(world.address(at), length)
        .map((resident) => (resident ? '1' : '0'))
        .join('')
    },
  },
  brk: {
    weight: 4,
    numbers: rarely(
      3,
      fc.integer({ min: 0, max: 12 * PAGE }),
      fc.integer({ min: -PAGE, max: 40 * PAGE }),
    ).map((bytes) => [bytes]),
    perform: (world, bytes) => position(world, world.space.brk(world.address(HEAP_POSITION) + bytes)),
  },
  load: {
    weight: 8,
    numbers: fc.tuple(anywhere, width),
    perform(world, at, bytes) {
      const { space } = world
      const address = world.address(at)
      if (bytes === 1) return `${hex(space.readUint8(address))} `
      if (bytes === 2) return `${hex(space.readUint16(address))} `
      if (bytes === 4) return `${hex(space.readUint32(address))} `
      return `${space.readBigUint64(address).toString(16)} `
    },
  },
  store: {
    weight: 12,
    numbers: fc.tuple(anywhere, width, value),
    perform(world, at, bytes, number) {
      const { space } = world
      const address = world.address(at)
      if (bytes === 1) space.writeUint8(address, number & 0xff)
      else if (bytes === 2) space.writeUint16(address, number & 0xffff)
      else if (bytes === 4) space.writeUint32(address, number)
      else space.writeBigUint64(address, wide(number))
      return '0 '
    },
  },
  read: {
    weight: 3,
    numbers: fc.tuple(anywhere, byteLength),
    perform: (world, at, length) => `${hashOf(world.space.read(world.address(at), length))} `,
  },
  write: {
    weight: 4,
    numbers: fc.tuple(anywhere, byteLength, fc.nat(255)),
    perform(world, at, length, seed) {
      world.space.write(world.address(at), seeded(length, seed))
      return '0 '
    },
  },
  fill: {
    weight: 2,
    numbers: fc.tuple(anywhere, byteLength, fc.nat(255)),
    perform(world, at, length, byte) {
      world.space.fill(world.address(at), length, byte)
      return '0 '
    },
  },
  add: {
    weight: 2,
    numbers: fc.tuple(word, value),
    perform: (world, at, number) => `${hex(world.space.addUint32(world.address(at), number))} `,
  },
  exchange: {
    weight: 2,
    numbers: fc.tuple(word, rarely(1, fc.constant(0), value), value),
    perform: (world, at, expected, number) =>
      `${hex(world.space.compareExchangeUint32(world.address(at), expected, number))} `,
  },
  atomic: {
    weight: 3,
    numbers: fc
      .tuple(word, fc.nat(atomics.length - 1), fc.constantFrom(4, 8), value)
      .map(([at, kind, bytes, number]) => [at - (at % bytes), kind, bytes, number]),
    perform(world, at, kind, bytes, number) {
      const { space } = world
      const address = world.address(at)
      const { name, tells } = atomics[kind]!
      let found: number | bigint | void
      if (bytes === 4)
        found = name === 'load' ? space.loadUint32(address) : space[`${name}Uint32`](address, number)
      else
        found =
          name === 'load' ? space.loadBigUint64(address) : space[`${name}BigUint64`](address, wide(number))
      return `${tells ? found!.toString(16) : '0'} `
    },
  },
  // By the kernel, as read(2) and write(2) do.
  copied: {
    weight: 4,
    numbers: fc.tuple(anywhere, fc.nat(1), fc.nat(255)),
    perform(world, at, direction, byte) {
      const { space } = world
      const address = world.address(at)
      space.touch(address, direction === 1 ? 'w' : 'r', 'kernel')
      if (direction === 0) return `${hex(space.readUint8(address))} `
      space.writeUint8(address, byte)
      return `${hex(byte)} `
    },
  },
  execute: {
    weight: 3,
    // An instruction has up to 15 bytes and may not reach over the page.
    numbers: fc.tuple(place, fc.nat(PAGE - 16)).map(([at, within]) => [at.page * PAGE + within]),
    perform(world, at) {
      world.space.touch(world.address(at), 'x')
      return '0 '
    },
  },
  truncate: {
    weight: 2,
    numbers: fc.tuple(
      writtenFile,
      fc.oneof(
        fc.nat(9).map((count) => count * PAGE),
        fc.nat(9 * PAGE),
      ),
    ),
    perform(world, number, bytes) {
      writable(world, number).truncate(bytes)
      return '0'
    },
  },
  'file-write': {
    weight: 2,
    numbers: fc.tuple(rangeOf(writtenFile), fc.nat(255)).map(([at, seed]) => [...at, seed]),
    perform(world, number, offset, length, seed) {
      const file = writable(world, number)
      const within = Math.max(0, Math.min(length, file.size - offset))
      if (within > 0) file.write(offset, seeded(length, seed).subarray(0, within))
      return String(within)
    },
  },
  // On pages of a mapping of its own, so that it does not matter which of its threads is first.
  together: {
    weight: 2,
    numbers: fc
      .tuple(place, fc.integer({ min: 1, max: 9 }), fc.nat(3), fc.nat(8), fc.nat(255))
      .map(([at, count, kind, begin, seed]) => [
        at.page * PAGE,
        Math.min(count, at.room, 8),
        kind,
        begin,
        seed,
      ]),
    perform(world, at, count, kind, begin, seed) {
      const file = world.files[WORKED_ON - 1]!
      if (kind >= 2 && file.size <= (count - 1) * PAGE) return 'EFBIG'
      const start = world.space.mmap(count * PAGE, {
        address: world.address(at),
        fixed: true,
        shared: kind % 2 === 1,
        ...(kind < 2 ? {} : { file }),
      })
      const half = { start, count, begin, seed }
      world.processes.together([
        { ...half, odd: 0 },
        { ...half, odd: 1 },
      ])
      return '0'
    },
  },
  fork: {
    weight: 4,
    numbers: fc.nat(1).map((who) => [who]),
    perform: (world, who) => world.processes.fork(who === 1),
  },
  exit: { weight: 1, numbers: fc.constant([]), perform: (world) => world.processes.exit() },
  switch: {
    weight: 5,
    numbers: fc.nat(59).map((which) => [which]),
    perform: (world, which) => world.processes.choose(which),
  },
  thread: {
    weight: 4,
    numbers: fc.oneof(fc.constant(0), fc.nat(11)).map((which) => [which]),
    perform: (world, which) => world.processes.thread(which),
  },
  'file-read': {
    weight: 1,
    numbers: rangeOf(fileNumber),
    perform(world, number, offset, length) {
      const bytes = world.files[number - 1]!.read(offset, length)
      return `${bytes.length}:${hashOf(bytes)}`
    },
  },
}

/** What one of the two threads of `together` does: writes to every second page, and counts in a word of the first. */
export function workHalf(space: AddressSpace, { start, count, begin, odd, seed }: Half): void {
  for (let done = 0; done < count; done++) {
    const page = (done + begin) % count
    if (page % 2 !== odd) continue
    const at = start + page * PAGE
    space.writeUint8(at + seed, (space.readUint8(at + seed + 1) + seed + page) & 0xff)
    space.addUint32(start + PAGE - 4, seed)
  }
}

/** Whether the step says who goes on, and so is not performed by a thread. */
export function isControl([name]: Step): boolean {
  return ['together', 'fork', 'exit', 'switch', 'thread'].includes(name)
}

/** Performs a step on Faultline, see {@link Operation.perform}. */
export function perform(world: World, [name, ...numbers]: Step): string {
  return operations[name]!.perform(world, ...numbers)
}

const step: fc.Arbitrary<Step> = fc.oneof(
  ...Object.entries(operations).map(([name, { weight, numbers }]) => ({
    weight,
    arbitrary: numbers.map((drawn): Step => [name, ...drawn]),
  })),
)

/** What sequences begin with, so that what follows finds something: large mappings in fixed places. */
const beginning: fc.Arbitrary<Step> = operations['mmap']!.numbers.map(
  ([at, length, access, flags, number, offset]): Step => {
    const first = at! >= LIMIT_POSITION ? 0 : at! - (at! % PAGE)
    const fixed = (flags! & ~(HINT | NOREPLACE)) | FIXED
    const room = first < 12 * PAGE ? 12 * PAGE - first : PAGE
    return [
      'mmap',
      first,
      Math.max(Math.min(length!, room), room),
      access!,
      fixed,
      number!,
      offset! - (offset! % PAGE),
    ]
  },
)

/** Sequences of up to `calls` steps. */
export function sequences(calls: number): fc.Arbitrary<Step[]> {
  return fc
    .tuple(
      fc.array(beginning, { maxLength: 3, size: 'max' }),
      fc.array(step, { minLength: 1, maxLength: calls, size: 'max' }),
    )
    .map((parts) => parts.flat().slice(0, calls))
}
