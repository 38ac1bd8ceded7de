// The conformance suite on Faultline: the twin of linux.c, with the same windows, files and answers.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import {
  AddressSpace,
  BusError,
  type DesignName,
  type DiskFile,
  type KernelConfig,
  Machine,
  SegmentationFault,
} from '../../src/memory.ts'
import { isControl, perform, type Step, workHalf } from './operations.ts'
import { detachHelpers, type Helper, helper } from './threads.ts'
import type { Peer } from './linux.ts'
import {
  ARENA,
  ARENA_PAGES,
  files,
  type Half,
  HEAP_PAGES,
  HEAP_POSITION,
  hex,
  LIMIT,
  MAX_PROCESSES,
  mix,
  PAGE,
  type Processes,
  READ_ONLY,
  type Result,
  resultOf,
  type Setting,
  type World,
  worldOf,
} from './world.ts'

const ARENA_END = ARENA + ARENA_PAGES * PAGE
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

let readOnlyPath: string | undefined

/** Makes the file that nobody may write to. */
function writeReadOnly(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'faultline-'))
  process.once('exit', () => rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'read-only')
  writeFileSync(file, contents[READ_ONLY - 1]!)
  return file
}

/** An address space of one design in which sequences are performed, each in the state that the first one met. */
export class Subject {
  readonly design: DesignName
  readonly #heap: number
  readonly #threads: number
  readonly #memlockMost: number
  readonly #config: Partial<KernelConfig>
  #machine: Machine | null = null
  #space: AddressSpace | null = null
  #surroundings = ''

  /** @param peer the other side, which decides whether this one has protection keys, and maps the zero page */
  constructor(design: DesignName, peer: Omit<Peer, 'run'>) {
    const { heapStart, threads, memlockMost, executeOnly, forbidsZeroPage } = peer
    this.design = design
    this.#heap = HEAP_BASE + (heapStart % PAGE_TABLE_BYTES)
    this.#threads = threads
    this.#memlockMost = memlockMost
    this.#config = {
      X86_INTEL_MEMORY_PROTECTION_KEYS: executeOnly,
      MM_FORBIDS_ZEROPAGE: forbidsZeroPage,
    }
  }

  /** The lines that linux.c would print. An error that is none of a program's is one more line, and the last. */
  run(steps: readonly Step[]): string[] {
    const machine = (this.#machine ??= Machine.create({
      memory: '40MiB',
      cpus: this.#threads,
      design: this.design,
      config: this.#config,
    }))
    const space = (this.#space ??= this.#createSpace(machine))
    const open = files.map(({ size }, number) =>
      number === READ_ONLY - 1
        ? this.#readOnly(machine)
        : machine.createFile({ size, contents: contents[number]! }),
    )
    const setting = { heap: this.#heap, sizes: space.mapped, memlockMost: this.#memlockMost }
    const sequence = new Sequence(machine, space, open, setting, this.#threads)
    try {
      for (const step of steps) sequence.perform(step)
      sequence.end()
      this.#clear(space)
      for (const file of open) file.close()
    } catch (error) {
      sequence.lines.push(`error: ${String(error)}`)
      this.close()
    }
    return sequence.lines
  }

  /** It is on disk, and all of it is cached: read twice, so that no page is marked for read-ahead. */
  #readOnly(machine: Machine): DiskFile {
    readOnlyPath ??= writeReadOnly()
    const file = machine.openFile(readOnlyPath)
    for (let time = 0; time < 2; time++) file.read(0, file.size)
    return file
  }

  close(): void {
    if (this.#machine === null) return
    detachHelpers(this.#machine)
    this.#machine.detach()
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
}

/** A process, and what its last line told. */
interface Process {
  readonly number: number
  readonly parent: Process | null
  readonly world: World
  readonly before: { mappings: string; resident: string }
  /** The other threads that have worked in it. */
  readonly threads: Set<number>
}

/** The processes and threads of one sequence. */
class Sequence implements Processes {
  readonly lines: string[] = []
  readonly #machine: Machine
  readonly #files: World['files']
  readonly #setting: Setting
  readonly #threads: number
  #alive: Process[]
  #made = 1
  #current: Process
  #thread = 0

  constructor(
    machine: Machine,
    space: AddressSpace,
    open: World['files'],
    setting: Setting,
    threads: number,
  ) {
    this.#machine = machine
    this.#files = open
    this.#setting = setting
    this.#threads = threads
    const world = worldOf(space, open, setting, this)
    this.#current = {
      number: 0,
      parent: null,
      world,
      before: { mappings: '', resident: '' },
      threads: new Set(),
    }
    this.#alive = [this.#current]
  }

  perform(step: Step): void {
    const performer = this.#current
    const { world } = performer
    const before = this.#faults()
    const here = this.#thread === 0 || isControl(step)
    const { text, signal } = here ? resultOf(world, () => perform(world, step)) : this.#performThere(step)
    const faults = this.#faults()
    const taken = faults.all - before.all - (signal ? 1 : 0)
    const major = faults.major - before.major
    const told = `${taken - major}${major === 0 ? '' : `+${major}`}`
    // A line is that of the process that performed the step; behind a fork, of the one that goes on.
    const teller = step[0] === 'fork' ? this.#current : performer
    const state = changes(teller.world, teller.before)
    this.lines.push(`${text.endsWith(' ') ? text + told : text}|${state}`)
    if (step[0] === 'exit' && performer !== this.#current) this.#destroy(performer)
  }

  /** All tell what they hold, the youngest first. The first is left then, and in it nobody but this thread. */
  end(): void {
    for (const each of this.#alive.toReversed()) {
      const list = mappingsOf(each.world)
      const mappings = list.map(({ text }) => text).join(',')
      this.lines.push(`${mappings}|${residentOf(each.world, list)}|${contentsOf(each.world)}`)
      if (each.parent === null) this.#leave(each)
      else this.#destroy(each)
    }
  }

  fork(childGoesOn: boolean): string {
    if (this.#made === MAX_PROCESSES) return 'EAGAIN'
    const parent = this.#current
    const child: Process = {
      number: this.#made++,
      parent,
      world: worldOf(this.#copyOf(parent), this.#files, this.#setting, this),
      before: { ...parent.before },
      threads: new Set(),
    }
    this.#alive.push(child)
    if (childGoesOn) this.#current = child
    return String(child.number)
  }

  exit(): string {
    const leaving = this.#current
    const held = contentsOf(leaving.world)
    if (leaving.parent === null) return held
    this.#current = this.#alive.includes(leaving.parent) ? leaving.parent : this.#alive[0]!
    return held
  }

  choose(which: number): string {
    this.#current = this.#alive[which % this.#alive.length]!
    return String(this.#current.number)
  }

  thread(which: number): string {
    this.#thread = which % this.#threads
    return '0'
  }

  together(halves: readonly [Half, Half]): void {
    const { space } = this.#current.world
    const other = this.#threads === 1 ? null : this.#helper(1)
    other?.begin({ kind: 'half', space: space.handle, half: halves[1] })
    workHalf(space, halves[0])
    if (other === null) workHalf(space, halves[1])
    else other.finish()
  }

  /** Made by the thread that goes on. */
  #copyOf({ world }: Process): AddressSpace {
    if (this.#thread === 0) return world.space.fork()
    const reply = this.#helper(this.#thread).ask({ kind: 'fork', space: world.space.handle })
    if (reply.kind !== 'forked') throw new Error(reply.kind)
    return AddressSpace.attach(reply.space)
  }

  #performThere(step: Step): Result {
    const reply = this.#helper(this.#thread).ask({
      kind: 'step',
      space: this.#current.world.space.handle,
      files: this.#files.map(({ handle }) => handle),
      setting: this.#setting,
      step,
    })
    if (reply.kind !== 'result') throw new Error(reply.kind)
    return reply.result
  }

  #helper(number: number): Helper {
    this.#current.threads.add(number)
    return helper(number)
  }

  #leave({ world, threads }: Process): void {
    for (const number of threads) helper(number).ask({ kind: 'leave', spaces: [world.space.handle] })
  }

  #destroy(process: Process): void {
    this.#leave(process)
    process.world.space.destroy()
    this.#alive = this.#alive.filter((each) => each !== process)
  }

  /** Faults that were handled: tries without the mmap lock that succeeded, and those under it, failed ones included. */
  #faults(): { all: number; major: number } {
    const counters = this.#machine.counters()
    const { spf_attempt: tried, spf_abort: aborted, classic_fault: classic, pgmajfault: major } = counters
    return { all: tried! - aborted! + classic!, major: major! }
  }
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

function residentOf(world: World, list: readonly Seen[]): string {
  return list
    .map(({ start, end }) =>
      world.space
        .residentPages(start, end - start)
        .map((each) => (each ? '1' : '0'))
        .join(''),
    )
    .join(',')
}

function changes(world: World, before: Process['before']): string {
  const list = mappingsOf(world)
  const mappings = list.map(({ text }) => text).join(',')
  const resident = residentOf(world, list)
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
    // What can be written, can be read.
    if (/ --[-x]/.test(text)) space.mprotect(start, end - start, 'r')
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
