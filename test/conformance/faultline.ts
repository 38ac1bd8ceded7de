// The conformance suite on Faultline: the twin of linux.c, with the same windows, files and answers.

import {
  type AddressSpace,
  BusError,
  type DesignName,
  Machine,
  MemoryError,
  type MemoryFile,
  SegmentationFault,
} from '../../src/index.ts'
import type { Peer } from './linux.ts'
import { perform, type Step } from './operations.ts'
import {
  ARENA_PAGES,
  files,
  HEAP_PAGES,
  HEAP_POSITION,
  hex,
  LIMIT_POSITION,
  mix,
  PAGE,
  type World,
} from './world.ts'

const ARENA = 0x3ff_ffff_c000
const ARENA_END = ARENA + ARENA_PAGES * PAGE
const LIMIT = 2 ** 43 - PAGE
const LOWEST = 0x10000
const STACK_LIMIT = 24 * PAGE
const MEMLOCK_LIMIT = 8 * 2 ** 20
/** Above the arena, as on the other side, where also the heap's place within a page table comes from. */
const HEAP_BASE = 0x500_0000_0000
const PAGE_TABLE_BYTES = 2 ** 21
/** Writable memory outside of the windows. */
const DATA_BYTES = 512 * PAGE

const contents = files.map(({ filled }, number) =>
  Uint8Array.from({ length: filled }, (_, byte) => (byte * 11 + (byte >> 9) + number) & 0xff),
)

/** An address space of one design in which sequences are performed, each in the state that the first one met. */
export class Subject {
  readonly design: DesignName
  readonly #heap: number
  readonly #memlockMost: number
  #machine: Machine | null = null
  #space: AddressSpace | null = null
  #surroundings = ''

  /** @param peer the other side */
  constructor(design: DesignName, { heapStart, memlockMost }: Pick<Peer, 'heapStart' | 'memlockMost'>) {
    this.design = design
    this.#heap = HEAP_BASE + (heapStart % PAGE_TABLE_BYTES)
    this.#memlockMost = memlockMost
  }

  /** The lines that linux.c would print. An error that is none of a program's is one more line, and the last. */
  run(steps: readonly Step[]): string[] {
    const lines: string[] = []
    const machine = (this.#machine ??= Machine.create({ memory: '16MiB', cpus: 1, design: this.design }))
    const space = (this.#space ??= this.#createSpace(machine))
    const open = files.map(({ size }, number) => machine.createFile({ size, contents: contents[number]! }))
    const world = this.#worldOf(machine, space, open)
    try {
      const before = { mappings: '', resident: '' }
      for (const step of steps) lines.push(`${performStep(world, step)}|${changes(world, before)}`)
      lines.push(contentsOf(world))
      this.#clear(space)
      for (const file of open) file.close()
    } catch (error) {
      lines.push(`error: ${String(error)}`)
      this.close()
    }
    return lines
  }

  close(): void {
    this.#machine?.detach()
    this.#machine = null
    this.#space = null
  }

  /** A page at each end of a window that merges with nothing, and behind it all that is to be no choice. */
  #createSpace(machine: Machine): AddressSpace {
    const heapEnd = this.#heap + HEAP_PAGES * PAGE
    const space = machine.createAddressSpace({ stackLimit: STACK_LIMIT })
    space.setBrk(this.#heap)
    for (const fence of [ARENA - PAGE, ARENA_END, heapEnd]) {
      space.mmap(PAGE, { address: fence, fixed: 'noreplace', protection: 'none', shared: true })
    }
    // As the other side has, so that it is not the size of the heap which meets a limit.
    const data = ARENA_END + PAGE
    space.mmap(DATA_BYTES, { address: data, fixed: 'noreplace' })
    // Below the heap is the program's data, from which a stack keeps away.
    space.mmap(PAGE, { address: this.#heap - PAGE, fixed: 'noreplace', shared: true })
    for (const [start, end] of [
      [LOWEST, ARENA - PAGE],
      [data + DATA_BYTES, this.#heap - PAGE],
      [heapEnd + PAGE, LIMIT],
    ] as const) {
      space.mmap(end - start, { address: start, fixed: 'noreplace', protection: 'none', noReserve: true })
    }
    this.#surroundings = space
      .maps()
      .map(({ start, end }) => `${start}-${end}`)
      .join()
    return space
  }

  /** Unmaps what a sequence has left, which must be all that it had. */
  #clear(space: AddressSpace): void {
    space.munlockall()
    space.setLimit('as', Infinity)
    space.setLimit('data', Infinity)
    space.setLimit('stack', STACK_LIMIT)
    space.setLimit('memlock', MEMLOCK_LIMIT)
    space.munmap(ARENA, ARENA_PAGES * PAGE)
    space.munmap(this.#heap, HEAP_PAGES * PAGE)
    space.setBrk(this.#heap)
    const { anonymous, file } = space.rss
    if (anonymous !== 0 || file !== 0)
      throw new Error(`${anonymous} and ${file} pages resident of an empty space`)
    const mapped = space
      .maps()
      .map(({ start, end }) => `${start}-${end}`)
      .join()
    if (mapped !== this.#surroundings) throw new Error('something outside of the windows has changed')
  }

  #worldOf(machine: Machine, space: AddressSpace, open: readonly MemoryFile[]): World {
    const heap = this.#heap
    const heapEnd = heap + HEAP_PAGES * PAGE
    const countsOnce = this.design === 'classic'
    return {
      space,
      files: open,
      sizes: space.mapped,
      memlockMost: this.#memlockMost,
      address(position) {
        if (position >= LIMIT_POSITION) return LIMIT + (position - LIMIT_POSITION)
        if (position >= HEAP_POSITION) return heap + (position - HEAP_POSITION)
        return ARENA + position
      },
      position(address) {
        if (address >= LIMIT) return LIMIT_POSITION + (address - LIMIT)
        if (address >= heap && address < heapEnd + PAGE) return HEAP_POSITION + (address - heap)
        return address - ARENA
      },
      faults: () => (countsOnce ? machine.counters()['pgfault']! : null),
    }
  }
}

function performStep(world: World, step: Step): string {
  const before = world.faults()
  let result: string
  try {
    result = perform(world, step)
  } catch (error) {
    if (error instanceof SegmentationFault || error instanceof BusError)
      return `${error.code}@${world.position(error.address).toString(16)}`
    if (error instanceof MemoryError) return error.errno
    throw error
  }
  return result.endsWith(' ') && before !== null ? `${result}${world.faults()! - before}` : result
}

interface Seen {
  start: number
  end: number
  text: string
}

function mappingsOf(world: World): Seen[] {
  const heap = world.address(HEAP_POSITION)
  const list: Seen[] = []
  for (const { start, end, protection, shared, offset } of world.space.maps()) {
    const inside =
      (start >= ARENA && start < ARENA_END) || (start >= heap && start < heap + HEAP_PAGES * PAGE)
    if (!inside) continue
    const letters = ['r', 'w', 'x'].map((letter) => (protection.includes(letter) ? letter : '-')).join('')
    const range = `${hex(world.position(start))}-${hex(world.position(end))}`
    list.push({
      start,
      end,
      text: `${range} ${protection === 'none' ? '---' : letters}${shared ? 's' : 'p'} ${hex(offset)}`,
    })
  }
  return list
}

function changes(world: World, before: { mappings: string; resident: string }): string {
  const list = mappingsOf(world)
  const mappings = list.map(({ text }) => text).join(',')
  const resident = list
    .map(({ start, end }) =>
      world.space
        .residentPages(start, end - start)
        .map((each) => (each ? '1' : '0'))
        .join(''),
    )
    .join(',')
  const line = `${mappings === before.mappings ? '=' : mappings}|${resident === before.resident ? '=' : resident}`
  before.mappings = mappings
  before.resident = resident
  return line
}

function contentsOf(world: World): string {
  const { space } = world
  const sums: string[] = []
  const bytes = new Uint8Array(PAGE)
  const words = new Uint32Array(bytes.buffer)
  for (const { start, end, text } of mappingsOf(world)) {
    if (text.includes(' ---')) space.mprotect(start, end - start, 'r')
    for (let page = start; page < end; page += PAGE) {
      try {
        space.readInto(page, bytes)
        let sum = 0
        for (const word of words) sum = mix(sum, word)
        sums.push(hex(sum))
      } catch (error) {
        if (!(error instanceof SegmentationFault || error instanceof BusError)) throw error
        sums.push(`${error.code}@${hex(world.position(error.address))}`)
      }
    }
  }
  return sums.join(',')
}
