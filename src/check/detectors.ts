// What the kernel must not do at any moment, whatever comes of it: held against each call and access of an execution.
//
// The kernel does not know of it. The stepped form reports the calls of some functions (kernelProbes), and of memory
// that is free, each access. From these a detector keeps its own books: what is free, who holds which lock in which
// order, which CPU can use which translation since when. What it finds, it throws into the thread that does it.

import {
  type Probes,
  SHARED,
  type Site,
  TRACKED,
  type Watched,
  memory,
  reportWrite,
} from '../backends/stepped/index.ts'
import {
  CACHE_ANON_VMA,
  CACHE_FILE,
  CACHE_MM,
  CACHE_MMU_NOTIFIER,
  CACHE_PAGE_TABLE,
  CACHE_PERCPU_RWSEM,
  CACHE_VMA,
  Header,
  MADV,
  Mm,
  MmuNotifier,
  PAGE_WORDS,
  PG_LOCKED,
  PGD_WORDS,
  PageTable,
  PTE_FRAME_SHIFT,
  PTE_PRESENT,
  PTE_WRITE,
  PerCpu,
  Pageset,
  RCU_FREE_PAGE_TABLE,
  SLAB_CACHES,
  SLAB_CACHE_WORDS,
  SLAB_CPU_WORDS,
  SlabCache,
  SlabCpu,
  type Task,
  VM_EXEC,
  VM_WRITE,
  Vma,
  Zone,
  pagesetOf,
  zoneOf,
  READERS_NONSPINNABLE,
  RWSEM_OWNER_WORD,
  PAGE_STRUCT_WORDS,
  Page,
} from '../kernel/index.ts'
import type { KernelMachine } from './kernel-machine.ts'
import type { RaceReport } from './data-races.ts'
import { type DetectorPlaces, placesOf } from './detector-places.ts'
import { kernelPath } from './kernel-path.ts'
import {
  SLAB_FREE,
  SLAB_ALLOC,
  FREE_FRAME,
  ALLOC_FRAME,
  SPIN_LOCK,
  SPIN_UNLOCK,
  SPIN_TRY_LOCK,
  DOWN_READ,
  UP_READ,
  DOWN_WRITE,
  UP_WRITE,
  DOWNGRADE_WRITE,
  DOWN_READ_TRY_LOCK,
  SYNCHRONIZE_RCU,
  KERNEL_EXIT,
  SLEEP_UNTIL_WOKEN,
  WALK,
  MUNMAP,
  MADVISE_LOCKED,
  MPROTECT,
  MREMAP,
  TRY_LOCK_PAGE,
  LOCK_PAGE,
  UNLOCK_PAGE,
  FRESH_PAGE,
  LEAVE_FOR_HOST,
  WAIT_ON_PAGE,
  LOCK_INODE,
  CALL_CPUS,
  CALL_CPU,
  CALL_RCU,
} from './kernel-probes.ts'
import { broken } from './kernel-rule.ts'
import { cacheNames } from './lock-classes.ts'
import { LockRules, READ_LOCK, SPINLOCK, type SavedLocks, WRITE_LOCK } from './lock-rules.ts'
import { SlotRule } from './slot-rule.ts'

const CPU_FLUSH = 4
/** In place of a CPU: it was free before the threads began. */
const NEVER_USED = 255
/** The first words of a VMA that is in use: not free, but watched. */
const WATCHED = 254
/** Entries of a page table. */
const PTRS_PER_TABLE = 512
/** Words at the beginning of a frame that scenarios use. */
const FRAME_WORDS_SEEN = 4
/** Cells of one mark. */
const MARK_SHIFT = 4

/**
 * What a lookup may ask of a VMA that is free, where VMAs lie in type-safe memory: its borders, and whether it is
 * locked or dead.
 */
const staysReadable = /\bVma\.(vmStart|vmEnd|vmLockSeq|refCount)\b/
/** What may be asked where a file was open once: whether one is. */
const isAskedWhenClosed = /\bAtomics\.load\(.*\bOpenFile\.generation\b/

export interface SavedDetectors {
  readonly locks: SavedLocks
  readonly slots: readonly (readonly number[])[]
  /** When these slots were filled. */
  readonly filled: readonly (readonly number[])[]
  readonly callBegan: readonly number[]
  readonly clock: number
  readonly tables: readonly number[] | null
}

/** Detectors for one machine. It must have been set up, so that what is free can be read off its lists. */
export class Detectors implements Probes {
  /** For every 16 cells: 0, or one more than the CPU that has freed them. */
  readonly marks: Watched
  readonly #machine: KernelMachine
  readonly #sites: readonly Site[]
  readonly #places: DetectorPlaces
  readonly #heapCell: number
  readonly #frameCell: number
  /** For every 16 words of the heap, one more than the slab cache whose object they are part of. */
  readonly #kinds: Watched
  readonly #locks: LockRules
  /** Of each CPU, the slots of the TLB that may be in use: at first, and in this execution. */
  readonly #initialSlots: readonly (readonly number[])[]
  readonly #slots: number[][]
  /** Of each CPU and slot of its TLB, when it was last filled, and 0 for before. */
  readonly #filled: readonly Int32Array[]
  /** When the call in progress of each CPU began. */
  readonly #callBegan: number[]
  #clock = 0
  /** Of a design that fills slots of page tables. */
  readonly #slotRule: SlotRule | null

  constructor(machine: KernelMachine, sites: readonly Site[]) {
    this.#machine = machine
    this.#sites = sites
    this.#places = placesOf(sites)
    this.#heapCell = (machine.heap as Watched)[SHARED]!.firstCell
    this.#frameCell = (machine.tasks[0]!.memory.words as Watched)[SHARED]!.firstCell
    this.marks = memory.add(new Int32Array((memory.cells >> MARK_SHIFT) + 1), false)
    this.#kinds = memory.add(new Int32Array((machine.heap.length >> MARK_SHIFT) + 1), false)
    this.#locks = new LockRules(machine, this.#kinds)
    this.#callBegan = machine.tasks.map(() => 0)
    this.#initialSlots = machine.tasks.map((task) =>
      [...task.tlbPage.keys()].filter((slot) => task.tlbPage[slot]! >= 0),
    )
    this.#slots = this.#initialSlots.map((slots) => [...slots])
    this.#filled = machine.tasks.map((task) => new Int32Array(task.tlbPage.length))
    this.#markWhatIsFree()
    const tables = this.#noteKinds()
    const { fillsSlots } = machine.tasks[0]!.design
    this.#slotRule = fillsSlots ? new SlotRule(machine.heap, tables) : null
    this.begin()
  }

  #release(cpu: Task, word: number, kind: number): void {
    if (this.#slotRule !== null) this.#holdSlots(this.#slotRule, word, kind)
    this.#locks.release(cpu, word, kind)
  }

  /** To be called before each execution, when memory is what it was. */
  begin(): void {
    this.#locks.begin()
    for (let id = 0; id < this.#slots.length; id++) {
      const slots = this.#slots[id]!
      for (let at = 0; at < slots.length; at++) this.#filled[id]![slots[at]!] = 0
      slots.length = this.#initialSlots[id]!.length
    }
    this.#callBegan.fill(0)
    this.#clock = 0
    this.#slotRule?.begin()
  }

  /** What is known of this execution. Marks are undone with memory. */
  save(): SavedDetectors {
    return {
      locks: this.#locks.save(),
      slots: this.#slots.map((slots) => [...slots]),
      filled: this.#filled.map((filled, id) => this.#slots[id]!.map((slot) => filled[slot]!)),
      callBegan: [...this.#callBegan],
      clock: this.#clock,
      tables: this.#slotRule?.save() ?? null,
    }
  }

  /** Back to what was known at an earlier moment of this execution. */
  restore({ locks, slots, filled, callBegan, clock, tables }: SavedDetectors): void {
    this.#locks.restore(locks)
    slots.forEach((list, id) => {
      const now = this.#slots[id]!
      now.length = list.length
      list.forEach((slot, at) => {
        now[at] = slot
        this.#filled[id]![slot] = filled[id]![at]!
      })
      this.#callBegan[id] = callBegan[id]!
    })
    this.#clock = clock
    if (tables !== null) this.#slotRule!.restore(tables)
  }

  /** To be called when all threads are finished. */
  end(): void {
    this.#locks.end()
  }

  called(id: number, first: unknown, second: unknown, third: unknown): void {
    const cpu = first as Task
    const argument = second as number
    switch (id) {
      case SPIN_LOCK:
        this.#locks.take(cpu, argument, SPINLOCK)
        break
      case SPIN_UNLOCK:
        this.#release(cpu, argument, SPINLOCK)
        break
      case DOWN_READ:
        this.#locks.take(cpu, argument, READ_LOCK)
        break
      case UP_READ:
        this.#release(cpu, argument, READ_LOCK)
        break
      case DOWN_WRITE:
        this.#locks.take(cpu, argument, WRITE_LOCK)
        break
      case UP_WRITE:
        this.#release(cpu, argument, WRITE_LOCK)
        break
      case DOWNGRADE_WRITE:
        this.#release(cpu, argument, WRITE_LOCK)
        this.#locks.took(cpu, argument, READ_LOCK)
        break
      case SLAB_FREE:
        this.#objectFreed(cpu, argument, third as number)
        break
      case FREE_FRAME:
        this.#frameFreed(cpu, argument)
        break
      case KERNEL_EXIT:
        this.#locks.leaving(cpu)
        break
      case UNLOCK_PAGE:
        this.#locks.pageUnlocked(cpu, argument)
        break
      case LOCK_PAGE:
        this.#locks.waitsForPage(cpu, argument)
        break
      case WAIT_ON_PAGE:
      case LOCK_INODE:
        this.#locks.maySleep(cpu)
        break
      case CALL_RCU:
        if (third === RCU_FREE_PAGE_TABLE) this.#tableFreed(cpu, argument - PageTable.rcuHead)
        break
      case CALL_CPUS:
      case CALL_CPU:
        this.#locks.callsOthers(cpu)
        break
      case FRESH_PAGE:
        if (argument !== 0 && ((third as number) & PG_LOCKED) !== 0) this.#locks.pageLocked(cpu, argument)
        break
      case SLEEP_UNTIL_WOKEN:
      case LEAVE_FOR_HOST:
      case SYNCHRONIZE_RCU:
        this.#locks.sleeping(cpu)
        break
      case WALK:
        this.#walks(cpu, third as number)
        break
      case MUNMAP:
      case MADVISE_LOCKED:
      case MPROTECT:
      case MREMAP:
        this.#callBegan[cpu.id] = ++this.#clock
    }
  }

  returned(
    id: number,
    result: unknown,
    first: unknown,
    second: unknown,
    third: unknown,
    fourth: unknown,
    fifth: unknown,
  ): void {
    const cpu = first as Task
    const argument = second as number
    switch (id) {
      case SPIN_TRY_LOCK:
        if (result === true) this.#locks.took(cpu, argument, SPINLOCK)
        break
      case DOWN_READ_TRY_LOCK:
        if (result === true) this.#locks.took(cpu, argument, READ_LOCK)
        break
      case TRY_LOCK_PAGE:
        if (result === true) this.#locks.pageLocked(cpu, argument)
        break
      case SLAB_ALLOC:
        if (result !== 0) this.#objectAllocated(argument, result as number)
        break
      case ALLOC_FRAME:
        if (result !== 0) this.#frameAllocated(cpu, result as number)
        break
      default:
        if ((result as number) >= 0)
          this.#flushed(
            id,
            cpu,
            argument,
            third as number,
            fourth as number,
            fifth as number,
            result as number,
          )
    }
  }

  /** A call has returned, and all has gone well. */
  #flushed(
    id: number,
    cpu: Task,
    mm: number,
    start: number,
    end: number,
    argument: number,
    result: number,
  ): void {
    if (id === MREMAP) {
      // Where it stays in its place, what is behind its new end goes.
      const gone = result === start ? argument : 0
      this.#noTranslation(cpu, 'mremap', mm, start + gone, start + end)
    } else if (id === MUNMAP) this.#noTranslation(cpu, 'munmap', mm, start, end)
    else if (id === MADVISE_LOCKED && argument === MADV.dontneed)
      this.#noTranslation(cpu, 'madvise(MADV_DONTNEED)', mm, start, end)
    else if (id === MADVISE_LOCKED && argument === MADV.free)
      this.#noTranslation(cpu, 'madvise(MADV_FREE)', mm, start, end)
    else if (id === MPROTECT && argument === VM_EXEC && cpu.config.X86_INTEL_MEMORY_PROTECTION_KEYS)
      this.#noTranslation(cpu, 'mprotect', mm, start, end, PTE_PRESENT)
    else if (id === MPROTECT && (argument & VM_WRITE) === 0)
      this.#noTranslation(cpu, 'mprotect', mm, start, end, PTE_WRITE)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Memory that is free

  /** The free lists of the slab caches and of the zone, as the set-up has left them. */
  #markWhatIsFree(): void {
    const { heap, tasks } = this.#machine
    for (let id = 0; id < SLAB_CACHES; id++) {
      const cache = heap[Header.slabCaches]! + id * SLAB_CACHE_WORDS
      const words = heap[cache + SlabCache.objectWords]!
      const lists = [heap[cache + SlabCache.freeList]!]
      for (const task of tasks)
        lists.push(heap[task.base + PerCpu.slabs + id * SLAB_CPU_WORDS + SlabCpu.freeList]!)
      for (const list of lists) {
        for (let object = list; object !== 0; object = heap[object]!) {
          this.#markCells(this.#heapCell + object, words, NEVER_USED)
        }
      }
    }
    const memoryMap = heap[Header.memoryMap]!
    const free = (frame: number): void => this.#markFrame(frame, NEVER_USED)
    for (let node = 0; node < heap[Header.nodeCount]!; node++) {
      const zone = zoneOf(heap, node)
      for (let frame = heap[zone + Zone.freeList]!; frame !== 0;) {
        free(frame)
        frame = heap[memoryMap + frame * PAGE_STRUCT_WORDS + Page.next]!
      }
      for (let frame = heap[zone + Zone.frontier]!; frame < heap[zone + Zone.end]!; frame++) free(frame)
      for (const { base } of tasks) {
        const pageset = pagesetOf(heap, base, node)
        for (let index = 0; index < heap[pageset + Pageset.count]!; index++)
          free(heap[pageset + Pageset.frames + index]!)
      }
    }
  }

  /**
   * What the set-up has allocated: page tables, VMAs and their files, and the address space. Returns the pte tables.
   */
  #noteKinds(): number[] {
    const { heap, mm } = this.#machine
    const tables: number[] = []
    const note = (cache: number, object: number): void => {
      const words = heap[this.#cacheAt(cache) + SlabCache.objectWords]!
      this.#kinds.fill(cache + 1, object >> MARK_SHIFT, (object + words) >> MARK_SHIFT)
    }
    const noteTables = (entries: number, count: number, level: number): void => {
      for (let entry = entries; entry < entries + count; entry++) {
        const table = heap[entry]!
        if (table === 0) continue
        note(CACHE_PAGE_TABLE, table)
        if (level === 1) tables.push(table)
        else noteTables(table + PageTable.entries, PTRS_PER_TABLE, level - 1)
      }
    }
    note(CACHE_MM, mm)
    if (heap[mm + Mm.mmuNotifierLock] !== 0) note(CACHE_PERCPU_RWSEM, heap[mm + Mm.mmuNotifierLock]!)
    for (let at = heap[mm + Mm.mmuNotifiers]!; at !== 0; at = heap[at + MmuNotifier.next]!)
      note(CACHE_MMU_NOTIFIER, at)
    noteTables(mm + Mm.pgd, PGD_WORDS, 3)
    for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
      note(CACHE_VMA, vma)
      this.#watch(vma)
      if (heap[vma + Vma.anonVma] !== 0) note(CACHE_ANON_VMA, heap[vma + Vma.anonVma]!)
      if (heap[vma + Vma.vmFile] !== 0) note(CACHE_FILE, heap[vma + Vma.vmFile]!)
    }
    return tables
  }

  #markCells(cell: number, cells: number, mark: number): void {
    const start = cell >> MARK_SHIFT
    const end = (cell + cells) >> MARK_SHIFT
    this.marks[TRACKED]!.touchRange(start, end)
    this.marks.fill(mark, start, end)
  }

  #markFrame(frame: number, mark: number): void {
    this.#markCells(this.#frameCell + frame * PAGE_WORDS, PAGE_WORDS, mark)
  }

  #markOfObject(object: number): number {
    return this.marks[(this.#heapCell + object) >> MARK_SHIFT]!
  }

  #objectFreed(cpu: Task, cache: number, object: number): void {
    const mark = this.#markOfObject(object)
    if (mark !== 0 && mark !== WATCHED)
      broken(`double free: CPU ${cpu.id} frees a ${cacheNames[cache]} that ${whoFreed(mark)}`)
    if (cache === CACHE_PAGE_TABLE) this.#tableFreed(cpu, object)
    const words = this.#machine.heap[this.#cacheAt(cache) + SlabCache.objectWords]!
    this.#markCells(this.#heapCell + object, words, cpu.id + 1)
  }

  #objectAllocated(cache: number, object: number): void {
    const words = this.#machine.heap[this.#cacheAt(cache) + SlabCache.objectWords]!
    this.#markCells(this.#heapCell + object, words, 0)
    const start = object >> MARK_SHIFT
    const end = (object + words) >> MARK_SHIFT
    this.#kinds[TRACKED]!.touchRange(start, end)
    this.#kinds.fill(cache + 1, start, end)
    if (cache === CACHE_VMA) this.#watch(object)
  }

  #watch(vma: number): void {
    this.#markCells(this.#heapCell + vma, 1 << MARK_SHIFT, WATCHED)
  }

  #cacheAt(cache: number): number {
    return this.#machine.heap[Header.slabCaches]! + cache * SLAB_CACHE_WORDS
  }

  #frameFreed(cpu: Task, frame: number): void {
    const mark = this.marks[(this.#frameCell + frame * PAGE_WORDS) >> MARK_SHIFT]!
    if (mark !== 0) broken(`double free: CPU ${cpu.id} frees frame ${frame}, which ${whoFreed(mark)}`)
    for (const task of this.#machine.tasks) {
      if (!this.#usesItsTlb(task)) continue
      for (const slot of this.#slots[task.id]!) {
        if (task.tlbPage[slot]! < 0 || task.tlbEntry[slot]! >>> PTE_FRAME_SHIFT !== frame) continue
        const page = hex(task.tlbPage[slot]!)
        broken(
          `CPU ${cpu.id} frees frame ${frame}, to which CPU ${task.id} can still use a translation of page ${page}`,
        )
      }
    }
    this.#markFrame(frame, cpu.id + 1)
    // Freeing a frame writes nothing to it. As if it did: then an access that nothing orders with it is a race.
    reportWrite(this.#frameCell + frame * PAGE_WORDS, FRAME_WORDS_SEEN, this.#places.freeingSite)
  }

  #frameAllocated(cpu: Task, frame: number): void {
    const mark = this.marks[(this.#frameCell + frame * PAGE_WORDS) >> MARK_SHIFT]!
    if (mark === 0) broken(`frame ${frame} has two owners: CPU ${cpu.id} gets it, and it was not free`)
    this.#markFrame(frame, 0)
  }

  /** An access of memory that is free: of the allocators it is none, nor of what a lookup asks in type-safe memory. */
  readonly touched = (thread: number, cell: number, site: number): void => {
    if (this.#isAllocator(site)) return
    if (this.marks[cell >> MARK_SHIFT] === WATCHED) {
      if (this.#places.vmaWriters[site] !== 0) this.#writesVma(thread, cell, site)
      return
    }
    const place = this.#sites[site]!
    if (this.#machine.tasks[0]!.design.typesafeVmas && staysReadable.test(place.source)) return
    if (isAskedWhenClosed.test(place.source)) return
    const who = whoFreed(this.marks[cell >> MARK_SHIFT]!)
    const { file, line, source } = place
    const at = `${kernelPath(file) ?? file}:${line}: ${source}`
    broken(`use after free: CPU ${thread} touches ${this.#whatIsAt(cell)} that ${who}, at ${at}`)
  }

  /** `vma_assert_write_locked`: whoever changes a VMA that is part of an address space has locked it for writing. */
  #writesVma(id: number, cell: number, site: number): void {
    const { heap } = this.#machine
    const vma = ((cell - this.#heapCell) >> MARK_SHIFT) << MARK_SHIFT
    const mm = heap[vma + Vma.vmMm]!
    let linked = heap[mm + Mm.mmap]!
    while (linked !== 0 && linked !== vma) linked = heap[linked + Vma.vmNext]!
    // As published, some designs do not announce all writes; what comes of it is for the scenarios to show.
    if (linked === 0 || this.#machine.published) return
    const held = this.#locks.holds(id, mm + Mm.mmapLock, WRITE_LOCK)
    if (held && this.#isVmaWriteLocked(mm, vma)) return
    const { file, line, source } = this.#sites[site]!
    const at = `${kernelPath(file) ?? file}:${line}: ${source}`
    const range = `${hex(heap[vma + Vma.vmStart]!)}-${hex(heap[vma + Vma.vmEnd]!)}`
    broken(`CPU ${id} writes to the VMA of ${range}, which it has not locked for writing, at ${at}`)
  }

  #isVmaWriteLocked(mm: number, vma: number): boolean {
    const { heap, tasks } = this.#machine
    switch (tasks[0]!.design.vmaLock) {
      case 'number':
        return heap[vma + Vma.vmLockSeq] === heap[mm + Mm.mmLockSeq]
      case 'sequence':
        return (heap[vma + Vma.vmSequence]! & 1) !== 0
      case 'count':
        return heap[vma + Vma.refCount] === 0
      default:
        return true
    }
  }

  /** The allocators may touch what is free, and the checker may. */
  #isAllocator(site: number): boolean {
    return this.#places.allocators[site] !== 0
  }

  #whatIsAt(cell: number): string {
    if (cell >= this.#frameCell) return `frame ${Math.floor((cell - this.#frameCell) / PAGE_WORDS)}`
    const kind = this.#kinds[(cell - this.#heapCell) >> MARK_SHIFT]!
    return kind === 0 ? 'an object' : `a ${cacheNames[kind - 1]}`
  }

  /** A data race with the freeing of an object is a use after free that came a moment too early. */
  explainRace({ cell, first, second }: RaceReport): string | null {
    if (this.#isAllocator(first.site) === this.#isAllocator(second.site)) return null
    const freeing = this.#isAllocator(first.site) ? first : second
    const using = freeing === first ? second : first
    return `use after free: CPU ${using.thread} uses ${this.#whatIsAt(cell)} that CPU ${freeing.thread} frees, and nothing orders the two`
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Translations

  /** A translation of `page` may come into the TLB. */
  #walks(cpu: Task, page: number): void {
    const slot = page & (cpu.tlbPage.length - 1)
    const slots = this.#slots[cpu.id]!
    if (!slots.includes(slot)) slots.push(slot)
    this.#filled[cpu.id]![slot] = ++this.#clock
  }

  /** Outside and marked to flush, a CPU cannot use what it holds. */
  #usesItsTlb(task: Task): boolean {
    return (this.#machine.heap[task.base]! & CPU_FLUSH) === 0
  }

  /** A call has returned that takes the translations of [start, end) away: none from before it may be left. */
  #noTranslation(cpu: Task, call: string, mm: number, start: number, end: number, only = 0): void {
    const began = this.#callBegan[cpu.id]!
    for (const task of this.#machine.tasks) {
      if (!this.#usesItsTlb(task)) continue
      for (const slot of this.#slots[task.id]!) {
        const filled = this.#filled[task.id]![slot]!
        const page = task.tlbPage[slot]!
        if (page < start || page >= end || filled > began || task.tlbRoot[slot] !== mm + Mm.pgd) continue
        if (only !== 0 && (task.tlbEntry[slot]! & only) === 0) continue
        broken(
          `${call} has returned on CPU ${cpu.id}, and CPU ${task.id} can still use its old translation of page ${hex(page)}`,
        )
      }
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Slots of page tables

  /** A lock is about to be given up under which slots, or what they speak of, may have changed. */
  #holdSlots(rule: SlotRule, word: number, kind: number): void {
    let problem: string | null = null
    if (kind === WRITE_LOCK && this.#locks.isMmapLock(word)) problem = rule.inSpace(word - Mm.mmapLock)
    else if (kind === SPINLOCK && this.#kinds[word >> MARK_SHIFT] === CACHE_PAGE_TABLE + 1)
      problem = rule.inTable(word - PageTable.ptl, (mm) => this.#isBeingChanged(mm))
    if (problem !== null) broken(problem)
  }

  /** A page table is given up, at once or after a grace period. */
  #tableFreed(cpu: Task, table: number): void {
    const problem = this.#slotRule?.freed(table) ?? null
    if (problem !== null) broken(`${problem}, by CPU ${cpu.id}`)
  }

  /** Somebody has the mmap lock for writing; not only waits for it. */
  #isBeingChanged(mm: number): boolean {
    // Not isWriteLockedByMe() of the kernel: the built one executes operations of Atomics by what its own CPUs have.
    const owner = this.#machine.heap[mm + Mm.mmapLock + RWSEM_OWNER_WORD]! & ~READERS_NONSPINNABLE
    return this.#machine.tasks.some(
      ({ id, base }) => owner === base && this.#locks.holds(id, mm + Mm.mmapLock, WRITE_LOCK),
    )
  }
}

function whoFreed(mark: number): string {
  return mark === NEVER_USED ? 'nobody has allocated' : `CPU ${mark - 1} has freed`
}

function hex(page: number): string {
  return `0x${page.toString(16)}`
}
