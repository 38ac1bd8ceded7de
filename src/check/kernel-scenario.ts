// Scenarios of the kernel: what CPUs do with one address space, and what must hold afterwards. Stepped with the kernel.
//
// A thread is a list of calls and accesses. What they return, together with what can be seen of the address space
// afterwards, must be what some sequential order of them gives; the subject finds these orders out by running them. The
// state of the kernel itself is held to its invariants, and taking everything down must give everything back.

import {
  type AccessKind,
  BusError,
  CACHE_ANON_VMA,
  CACHE_FILE,
  CACHE_MM,
  CACHE_MMU_NOTIFIER,
  CACHE_PAGE_TABLE,
  CACHE_PERCPU_RWSEM,
  CACHE_RADIX_NODE,
  CACHE_RANGE_NODE,
  CACHE_VMA,
  Header,
  type KernelConfig,
  MADV,
  MAP_FIXED,
  MMU_NOTIFIER_WORDS,
  MM_ANON_PAGES,
  MM_FILE_PAGES,
  MM_SHMEM_PAGES,
  MM_SWAPENTS,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  Mm,
  MmuNotifier,
  OVERCOMMIT_ALWAYS,
  PAGE_SIZE,
  PAGE_STRUCT_WORDS,
  PG_SWAPCACHE,
  PTE_FRAME_SHIFT,
  PTE_LOCKED,
  PTE_PRESENT,
  PTE_SPECIAL,
  PTE_SWAP,
  PTE_WRITE,
  Page,
  PerCpu,
  SLAB_CPU_WORDS,
  SegmentationFault,
  SlabCpu,
  type Task,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  VmEvent,
  Vma,
  Zone,
  addInt32,
  brk,
  cacheLineAlign,
  createFile,
  createMm,
  destroyMm,
  errnoName,
  forkMm,
  getMmCounter,
  heapAlloc,
  joinMm,
  kernelEnter,
  kernelExit,
  leaveMm,
  loadAlignedInt32,
  madvise,
  mlock,
  mmap,
  mprotect,
  mremap,
  munlock,
  munmap,
  oomReap,
  perCpuBase,
  graceBarrier,
  putFile,
  registerMmuNotifier,
  secondaryLoadInt32,
  secondaryStoreInt32,
  setStartOfHeap,
  slabInUse,
  storeAlignedInt32,
  syncMmRss,
  unregisterMmuNotifier,
} from '../kernel/index.ts'
import { type KernelMachine, type MachineChoice, bootMachine } from './kernel-machine.ts'

/** What an operation gave: a value, or the name of an error or signal. */
export type Outcome = number | string
export type Operation = (cpu: ScenarioCpu) => Outcome

export interface KernelScenarioDescription {
  readonly title: string
  /** What each thread does; thread n runs on CPU n. */
  readonly threads: readonly (readonly Operation[])[]
  /** Prepares the address space, on the CPU of the first thread. */
  readonly setup?: (cpu: ScenarioCpu, all: readonly ScenarioCpu[]) => void
  /** Pages whose contents and mapping are looked at in the end. */
  readonly pages: readonly number[]
  readonly config?: Partial<KernelConfig>
}

/** A scenario on a machine of one kind, as the subject runs it. */
export interface KernelScenarioRun {
  readonly machine: KernelMachine
  readonly threads: readonly (() => void)[]
  /** Results of the operations of each thread. */
  readonly results: Outcome[][]
  /** Runs one operation of a thread, as its thread would. */
  perform(thread: number, operation: number): void
  /** What can be seen of the address space. */
  observe(): string
  /** Holds the kernel to its invariants, then takes everything down. Throws if something is wrong. */
  finish(): void
}

export class ScenarioCpu {
  readonly task: Task
  readonly mm: number

  constructor(task: Task, mm: number) {
    this.task = task
    this.mm = mm
  }

  /** Maps `pages` pages at `page`; what was there goes away. */
  mapPages(page: number, pages: number, protection = 'rw', stack = false): Outcome {
    kernelEnter(this.task)
    const flags = protectionFlags(protection) | (stack ? VM_GROWSDOWN : 0)
    const result = mmap(this.task, this.mm, page, pages, flags, MAP_FIXED, 0, 0)
    kernelExit(this.task)
    return outcomeOf(result)
  }

  /**
   * Maps `pages` pages at `page` that are more than memory could hold, of which few will be touched
   * (`vm.overcommit_memory = 1`). For a set-up: throws when it cannot.
   */
  mapMany(page: number, pages: number): void {
    this.task.heap[Header.overcommitMemory] = OVERCOMMIT_ALWAYS
    const result = this.mapPages(page, pages)
    if (result !== page) throw new Error(`${pages} pages cannot be mapped: ${result}`)
  }

  /** Maps a new file of `pages` pages, all holes, at `page`. Nothing but the mapping keeps the file. */
  mapFile(page: number, pages: number, protection = 'rw', shared = false): Outcome {
    kernelEnter(this.task)
    const file = createFile(this.task, pages, PAGE_SIZE, 0)
    const flags = protectionFlags(protection) | (shared ? VM_SHARED : 0)
    const result = mmap(this.task, this.mm, page, pages, flags, MAP_FIXED, file, 0)
    putFile(this.task, file)
    kernelExit(this.task)
    return outcomeOf(result)
  }

  /** Moves `pages` pages at `page` to `to`; what was there goes away. The mapping at `page` stays if `kept`, empty. */
  move(page: number, pages: number, to: number, kept = false): Outcome {
    kernelEnter(this.task)
    const flags = MREMAP_MAYMOVE | MREMAP_FIXED | (kept ? MREMAP_DONTUNMAP : 0)
    const result = mremap(this.task, this.mm, page, pages, pages, flags, to)
    kernelExit(this.task)
    return outcomeOf(result)
  }

  /** Forks, looks what the child has in the first words of some pages, and has the child exit. */
  fork(...pages: readonly number[]): Outcome {
    const { task } = this
    kernelEnter(task)
    const child = forkMm(task, this.mm)
    if (child !== 0) joinMm(task, child)
    kernelExit(task)
    if (child === 0) return 'ENOMEM'
    const seen = new ScenarioCpu(task, child)
    const contents = pages.map((page) => seen.load(page)).join(' ')
    kernelEnter(task)
    destroyMm(task, child)
    kernelExit(task)
    return `child: ${contents}`
  }

  /** Forks; the child is this CPU's to use, and to have exit. */
  forkAndKeep(): ScenarioCpu {
    const { task } = this
    kernelEnter(task)
    const child = forkMm(task, this.mm)
    joinMm(task, child)
    kernelExit(task)
    return new ScenarioCpu(task, child)
  }

  unmap(page: number, pages: number): Outcome {
    kernelEnter(this.task)
    const result = munmap(this.task, this.mm, page, page + pages)
    kernelExit(this.task)
    return outcomeOf(result)
  }

  protect(page: number, pages: number, protection: string): Outcome {
    kernelEnter(this.task)
    const result = mprotect(this.task, this.mm, page, page + pages, protectionFlags(protection))
    kernelExit(this.task)
    return outcomeOf(result)
  }

  /** Locks pages in memory, which brings them in, unless that is left to faults. */
  lock(page: number, pages: number, onFault = false): Outcome {
    kernelEnter(this.task)
    const result = mlock(this.task, this.mm, page, page + pages, onFault)
    kernelExit(this.task)
    return outcomeOf(result)
  }

  unlock(page: number, pages: number): Outcome {
    kernelEnter(this.task)
    const result = munlock(this.task, this.mm, page, page + pages)
    kernelExit(this.task)
    return outcomeOf(result)
  }

  discard(page: number, pages: number): Outcome {
    kernelEnter(this.task)
    const result = madvise(this.task, this.mm, page, page + pages, MADV.dontneed)
    kernelExit(this.task)
    return outcomeOf(result)
  }

  /** The heap begins at `page`. */
  startHeap(page: number): void {
    kernelEnter(this.task)
    setStartOfHeap(this.task, this.mm, page)
    kernelExit(this.task)
  }

  /** Makes the heap `pages` pages long. */
  heap(pages: number): Outcome {
    kernelEnter(this.task)
    const result = brk(this.task, this.mm, pages * PAGE_SIZE)
    kernelExit(this.task)
    return result / PAGE_SIZE
  }

  /** This CPU uses the address space no more. */
  leave(): void {
    kernelEnter(this.task)
    leaveMm(this.task, this.mm)
    kernelExit(this.task)
  }

  /** This CPU, which has left, uses it again. */
  join(): Outcome {
    kernelEnter(this.task)
    joinMm(this.task, this.mm)
    kernelExit(this.task)
    return 'joined'
  }

  /** This CPU in an address space of its own. */
  newSpace(): ScenarioCpu {
    kernelEnter(this.task)
    const mm = createMm(this.task, 65530, 2048)
    joinMm(this.task, mm)
    kernelExit(this.task)
    return new ScenarioCpu(this.task, mm)
  }

  /** The address space, which no other CPU uses, goes away. */
  exit(): Outcome {
    kernelEnter(this.task)
    destroyMm(this.task, this.mm)
    kernelExit(this.task)
    return 'gone'
  }

  /** Has the OOM reaper take the private memory. */
  reap(): Outcome {
    kernelEnter(this.task)
    const reaped = oomReap(this.task, this.mm)
    kernelExit(this.task)
    return reaped ? 'reaped' : 'busy'
  }

  /** Registers an observer; there is one at a time. */
  register(): Outcome {
    kernelEnter(this.task)
    const result = registerMmuNotifier(this.task, this.mm)
    kernelExit(this.task)
    return result < 0 ? errnoName(-result) : 'registered'
  }

  unregister(): Outcome {
    kernelEnter(this.task)
    unregisterMmuNotifier(this.task, this.observer())
    kernelExit(this.task)
    return 'unregistered'
  }

  /** Loads through the observer. */
  observe(page: number, word = 0): Outcome {
    try {
      return secondaryLoadInt32(this.task, this.observer(), page * PAGE_SIZE + word * 4)
    } catch (error) {
      return signalOf(error)
    }
  }

  /** Stores through the observer. */
  storeObserved(page: number, value: number, word = 0): Outcome {
    try {
      secondaryStoreInt32(this.task, this.observer(), page * PAGE_SIZE + word * 4, value)
      return 'stored'
    } catch (error) {
      return signalOf(error)
    }
  }

  private observer(): number {
    return Atomics.load(this.task.heap, this.mm + Mm.mmuNotifiers)
  }

  /** How many files this CPU has given up for good. */
  filesFreed(): Outcome {
    const { heap, base } = this.task
    return heap[base + PerCpu.slabs + CACHE_FILE * SLAB_CPU_WORDS + SlabCpu.freed]!
  }

  /** Faults that this CPU has counted as handled. */
  pageFaults(): Outcome {
    return this.task.heap[this.task.base + PerCpu.vmEvents + VmEvent.pgfault]!
  }

  load(page: number, word = 0): Outcome {
    try {
      return loadAlignedInt32(this.task, this.mm, page * PAGE_SIZE + word * 4)
    } catch (error) {
      return signalOf(error)
    }
  }

  store(page: number, value: number, word = 0): Outcome {
    try {
      storeAlignedInt32(this.task, this.mm, page * PAGE_SIZE + word * 4, value)
      return 'stored'
    } catch (error) {
      return signalOf(error)
    }
  }

  /** Adds atomically; returns what was there. */
  add(page: number, value: number, word = 0): Outcome {
    try {
      return addInt32(this.task, this.mm, page * PAGE_SIZE + word * 4, value)
    } catch (error) {
      return signalOf(error)
    }
  }
}

function protectionFlags(protection: string): number {
  let flags = 0
  for (const letter of protection as Iterable<AccessKind>) {
    if (letter === 'r') flags |= VM_READ
    else if (letter === 'w') flags |= VM_WRITE
    else if (letter === 'x') flags |= VM_EXEC
  }
  return flags
}

function outcomeOf(result: number): Outcome {
  return result < 0 ? errnoName(-result) : result
}

function signalOf(error: unknown): string {
  if (error instanceof SegmentationFault || error instanceof BusError) return error.code
  throw error
}

/** Something that the kernel promises does not hold. */
export class KernelInvariantBroken extends Error {
  override readonly name = 'KernelInvariantBroken'
}

function must(holds: boolean, problem: string): void {
  if (!holds) throw new KernelInvariantBroken(problem)
}

/** Says what a scenario is; returns what makes it run on a machine of a kind. */
export function kernelScenario(
  description: KernelScenarioDescription,
): (choice: Pick<MachineChoice, 'design' | 'rwsem' | 'rss' | 'published'>) => KernelScenarioRun {
  return (choice) => {
    const { threads, setup, config = {} } = description
    const machine = bootMachine({ ...choice, cpus: threads.length, frames: 80 * threads.length, config })
    const cpus = machine.tasks.map((task) => new ScenarioCpu(task, machine.mm))
    setup?.(cpus[0]!, cpus)
    const results: Outcome[][] = threads.map(() => [])
    const perform = (thread: number, operation: number): void => {
      results[thread]!.push(threads[thread]![operation]!(cpus[thread]!))
    }
    return {
      machine,
      threads: threads.map((operations, thread) => () => {
        for (let operation = 0; operation < operations.length; operation++) perform(thread, operation)
      }),
      results,
      perform,
      observe: () => observe(cpus[0]!, description.pages),
      finish: () => {
        checkKernel(machine)
        tearDown(machine)
      },
    }
  }
}

export interface PrimitiveScenarioDescription {
  readonly title: string
  /** Words of shared memory, all zero, that the threads get the place of; it begins a cache line. */
  readonly words: number
  /** Prepares them, on the CPU of the first thread. */
  readonly setup?: (cpu: Task, at: number) => void
  /** What each thread does inside the kernel, and returns; thread n runs on CPU n. */
  readonly threads: readonly ((cpu: Task, at: number) => Outcome)[]
  readonly config?: Partial<KernelConfig>
  /** Frames of memory, the zero page included; enough, unless it is said. */
  readonly frames?: number
}

/**
 * The same for what the kernel is built from: locks, RCU, reference counts. What is plain data to the threads, the race
 * detector holds them to; what the words are in the end, and what the threads return, some sequential order must give.
 */
export function primitiveScenario(
  description: PrimitiveScenarioDescription,
): (choice: Pick<MachineChoice, 'design' | 'rwsem' | 'rss'>) => KernelScenarioRun {
  return (choice) => {
    const { threads, words, setup, config = {} } = description
    const frames = description.frames ?? 80 * threads.length
    const machine = bootMachine({ ...choice, cpus: threads.length, frames, config })
    const { heap, tasks } = machine
    const at = heapAlloc(heap, cacheLineAlign(words))
    setup?.(tasks[0]!, at)
    const results: Outcome[][] = threads.map(() => [])
    const perform = (thread: number): void => {
      const task = tasks[thread]!
      kernelEnter(task)
      results[thread]!.push(threads[thread]!(task, at))
      kernelExit(task)
    }
    return {
      machine,
      threads: threads.map((_, thread) => () => perform(thread)),
      results,
      perform,
      observe: () => heap.slice(at, at + words).join(' '),
      finish: () => {
        checkKernel(machine)
        tearDown(machine)
      },
    }
  }
}

/**
 * The mappings and the contents of the pages. Not which pages are resident: a fault may bring in a page for an access
 * that is then refused, since the fault and the access that is tried again are two things.
 */
function observe(cpu: ScenarioCpu, pages: readonly number[]): string {
  const { task, mm } = cpu
  const { heap } = task
  const maps: string[] = []
  for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
    const flags = heap[vma + Vma.vmFlags]! & (VM_READ | VM_WRITE | VM_EXEC)
    maps.push(`${heap[vma + Vma.vmStart]!.toString(16)}-${heap[vma + Vma.vmEnd]!.toString(16)}:${flags}`)
  }
  const contents: string[] = []
  for (const page of pages) contents.push(`${cpu.load(page, 0)},${cpu.load(page, 1)}`)
  return `${joinMappings(maps).join(' ')} | ${contents.join(' ')}`
}

/** Neighbours that are alike may be one mapping or two: that depends on who came first to an anon_vma. */
function joinMappings(maps: readonly string[]): string[] {
  const joined: string[] = []
  for (const map of maps) {
    const last = joined.at(-1)
    const [range, flags] = map.split(':')
    const [start, end] = range!.split('-')
    const [lastRange, lastFlags] = (last ?? ':').split(':')
    if (last !== undefined && lastFlags === flags && lastRange!.split('-')[1] === start)
      joined[joined.length - 1] = `${lastRange!.split('-')[0]}-${end}:${flags}`
    else joined.push(map)
  }
  return joined
}

/** The page table, the VMAs, the counters and the TLBs agree. */
function checkKernel(machine: KernelMachine): void {
  const { heap, tasks, mm } = machine
  checkAddressSpace(tasks[0]!, mm)
  for (const task of tasks) {
    must(task.interruptsEnabled, `CPU ${task.id} is left with interrupts disabled`)
    must(task.rcuNesting === 0, `CPU ${task.id} is left inside an RCU read-side critical section`)
    checkTlb(heap, mm, task)
  }
}

/**
 * The page table, the VMAs and the counters of an address space agree, and so do the references on its pages, none of
 * which another address space maps. Nobody is at work.
 */
export function checkAddressSpace(cpu: Task, mm: number): void {
  const { heap } = cpu
  const mappings = new Map<number, number>()
  let anonymous = 0
  let file = 0
  let swapped = 0
  for (const [page, entry] of presentEntries(heap, mm)) {
    const vma = findVmaSlowly(heap, mm, page)
    must(vma !== 0, `page 0x${page.toString(16)} is mapped and belongs to no VMA`)
    const writable = (entry & PTE_WRITE) === 0 || (heap[vma + Vma.vmFlags]! & VM_WRITE) !== 0
    must(writable, `the entry of page 0x${page.toString(16)} allows writes that its VMA does not`)
    if ((entry & PTE_SWAP) !== 0) {
      swapped++
      continue
    }
    const locked = (heap[vma + Vma.vmFlags]! & VM_LOCKED) !== 0
    must(
      ((entry & PTE_LOCKED) !== 0) === locked,
      `the entry of page 0x${page.toString(16)} is ${locked ? 'not ' : ''}locked, and its VMA is${locked ? '' : ' not'}`,
    )
    if ((entry & PTE_SPECIAL) !== 0) continue
    const frame = entry >>> PTE_FRAME_SHIFT
    mappings.set(frame, (mappings.get(frame) ?? 0) + 1)
    if (isFilePage(heap, frame)) {
      file++
      continue
    }
    must(mappings.get(frame) === 1, `frame ${frame} has two owners, one of them page 0x${page.toString(16)}`)
    must(
      heap[vma + Vma.anonVma] !== 0,
      `page 0x${page.toString(16)} is anonymous and its VMA has no anon_vma`,
    )
    anonymous++
  }
  for (const [frame, count] of mappings) {
    const page = pageStructOf(heap, frame)
    const references = heap[page + Page.refcount]!
    const cached = isFilePage(heap, frame) || (heap[page + Page.flags]! & PG_SWAPCACHE) !== 0
    const expected = count + (cached ? 1 : 0)
    must(references === expected, `frame ${frame} has ${references} references and not ${expected}`)
  }
  checkObservers(heap, mm)
  const counted = (kind: number): number => getMmCounter(cpu, mm, kind)
  for (const [count, mapped, name] of [
    [counted(MM_ANON_PAGES), anonymous, 'anonymous'],
    [counted(MM_FILE_PAGES) + counted(MM_SHMEM_PAGES), file, 'file'],
    [counted(MM_SWAPENTS), swapped, 'swapped'],
  ] as const) {
    must(count === mapped, `${mapped} ${name} pages are mapped and ${count} counted`)
  }
}

function pageStructOf(heap: Int32Array, frame: number): number {
  return heap[Header.memoryMap]! + frame * PAGE_STRUCT_WORDS
}

function isFilePage(heap: Int32Array, frame: number): boolean {
  return heap[pageStructOf(heap, frame) + Page.mapping] !== 0
}

const TABLE_HEADER_WORDS = 16

/** Every entry of the page table that is not empty, with its page. */
export function presentEntries(heap: Int32Array, mm: number): [number, number][] {
  const found: [number, number][] = []
  const visit = (table: number, level: number, first: number): void => {
    for (let index = 0; index < 512; index++) {
      const entry = heap[table + TABLE_HEADER_WORDS + index]!
      if (entry === 0) continue
      const page = first + index * 512 ** level
      if (level === 0) found.push([page, entry])
      else visit(entry, level - 1, page)
    }
  }
  for (let index = 0; index < 16; index++) {
    const pud = heap[mm + Mm.pgd + index]!
    if (pud !== 0) visit(pud, 2, index * 512 ** 3)
  }
  return found
}

function findVmaSlowly(heap: Int32Array, mm: number, page: number): number {
  for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
    if (heap[vma + Vma.vmStart]! <= page && page < heap[vma + Vma.vmEnd]!) return vma
  }
  return 0
}

/** No observer waits for the end of an invalidation, and none has a translation that the page table has not. */
function checkObservers(heap: Int32Array, mm: number): void {
  const entries = new Map(presentEntries(heap, mm))
  for (let at = heap[mm + Mm.mmuNotifiers]!; at !== 0; at = heap[at + MmuNotifier.next]!) {
    const underWay = heap[at + MmuNotifier.invalidateInProgress]!
    must(underWay === 0, `an observer has heard of ${underWay} invalidations that never ended`)
    for (let slot = at + MmuNotifier.shadow; slot < at + MMU_NOTIFIER_WORDS; slot += 2) {
      const page = heap[slot]!
      if (page === 0) continue
      const frame = heap[slot + 1]! >>> PTE_FRAME_SHIFT
      const entry = entries.get(page) ?? 0
      const stale = (entry & PTE_PRESENT) === 0 || entry >>> PTE_FRAME_SHIFT !== frame
      must(!stale, `an observer holds a stale translation of page 0x${page.toString(16)}`)
      const allowed = (heap[slot + 1]! & ~entry & PTE_WRITE) === 0
      must(allowed, `an observer may write to page 0x${page.toString(16)}, and the program may not`)
    }
  }
}

const CPU_FLUSH = 4

/** A translation that a CPU could use says what the page table says. */
function checkTlb(heap: Int32Array, mm: number, task: Task): void {
  if ((heap[task.base]! & CPU_FLUSH) !== 0) return
  const entries = new Map(presentEntries(heap, mm))
  task.tlbPage.forEach((page, slot) => {
    if (page < 0 || task.tlbRoot[slot] !== mm + Mm.pgd) return
    const cached = task.tlbEntry[slot]!
    const entry = entries.get(page) ?? 0
    const stale = (entry & PTE_PRESENT) === 0 || entry >>> PTE_FRAME_SHIFT !== cached >>> PTE_FRAME_SHIFT
    must(!stale, `CPU ${task.id} holds a stale translation of page 0x${page.toString(16)}`)
    must(
      (cached & ~entry & ~PTE_LOCKED) === 0,
      `CPU ${task.id} holds a translation of page 0x${page.toString(16)} that allows more`,
    )
  })
}

/** Takes the address space down; then nothing may be in use. */
function tearDown(machine: KernelMachine): void {
  const { heap, tasks, mm } = machine
  for (const task of tasks) {
    if (task.id === 0) continue
    kernelEnter(task)
    leaveMm(task, mm)
    kernelExit(task)
  }
  const [task] = tasks
  kernelEnter(task!)
  syncMmRss(task!)
  destroyMm(task!, mm)
  graceBarrier(task!)
  kernelExit(task!)
  const names = {
    CACHE_VMA,
    CACHE_PAGE_TABLE,
    CACHE_ANON_VMA,
    CACHE_MM,
    CACHE_FILE,
    CACHE_RADIX_NODE,
    CACHE_RANGE_NODE,
    CACHE_MMU_NOTIFIER,
    CACHE_PERCPU_RWSEM,
  }
  for (const [name, cache] of Object.entries(names)) {
    must(slabInUse(heap, cache) === 0, `${slabInUse(heap, cache)} objects of ${name} were never freed`)
  }
  let free = heap[heap[Header.zone]! + Zone.freeCount]!
  for (const each of tasks) free += heap[perCpuBase(heap, each.id) + PerCpu.pcpCount]!
  const total = heap[Header.frameCount]! - 1
  must(free === total, `${total - free} frames were never freed`)
}
