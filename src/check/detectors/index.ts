// What the kernel must not do at any moment, whatever comes of it: held against each call and access of an execution.
//
// The kernel does not know of it. The stepped form reports the calls of some functions (kernelProbes), and of memory
// that is free, each access. From these a detector keeps its own books: what is free, who holds which lock in which
// order, which CPU can use which translation since when. What it finds, it throws into the thread that does it.

import type { Probes, Site, Watched } from '../../backends/stepped/index.ts'
import {
  CACHE_PAGE_TABLE,
  MADV,
  Mm,
  PG_LOCKED,
  PTE_PRESENT,
  PTE_WRITE,
  PageTable,
  RCU_FREE_PAGE_TABLE,
  READERS_NONSPINNABLE,
  RWSEM_OWNER_WORD,
  type Task,
  VM_EXEC,
  VM_WRITE,
  Vma,
} from '../../kernel/index.ts'
import type { KernelMachine } from '../kernel-machine.ts'
import type { RaceReport } from '../data-races.ts'
import { type DetectorPlaces, placesOf } from './places.ts'
import { kernelPath } from '../kernel-path.ts'
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
} from '../kernel-probes.ts'
import { broken } from '../kernel-rule.ts'
import { FreeMemory } from './free-memory.ts'
import { LockRules, READ_LOCK, SPINLOCK, type SavedLocks, WRITE_LOCK } from './lock-rules.ts'
import { SlotRule } from './slot-rule.ts'
import { type SavedTranslations, Translations, hex } from './translations.ts'

/**
 * What a lookup may ask of a VMA that is free, where VMAs lie in type-safe memory: its borders, and whether it is
 * locked or dead.
 */
const staysReadable = /\bVma\.(vmStart|vmEnd|vmLockSeq|refCount)\b/
/** What may be asked where a file was open once: whether one is. */
const isAskedWhenClosed = /\bAtomics\.load\(.*\bOpenFile\.generation\b/

export interface SavedDetectors {
  readonly locks: SavedLocks
  readonly translations: SavedTranslations
  readonly tables: readonly number[] | null
}

/** Detectors for one machine. It must have been set up, so that what is free can be read off its lists. */
export class Detectors implements Probes {
  readonly #machine: KernelMachine
  readonly #sites: readonly Site[]
  readonly #places: DetectorPlaces
  readonly #free: FreeMemory
  readonly #locks: LockRules
  readonly #translations: Translations
  /** Of a design that fills slots of page tables. */
  readonly #slotRule: SlotRule | null

  constructor(machine: KernelMachine, sites: readonly Site[]) {
    this.#machine = machine
    this.#sites = sites
    this.#places = placesOf(sites)
    this.#free = new FreeMemory(machine, this.#places.freeingSite)
    this.#locks = new LockRules(machine, this.#free.kinds)
    this.#translations = new Translations(machine)
    const { fillsSlots } = machine.tasks[0]!.design
    this.#slotRule = fillsSlots ? new SlotRule(machine.heap, this.#free.tables) : null
    this.begin()
  }

  /** What is free, in the form that accesses are held against. */
  get marks(): Watched {
    return this.#free.marks
  }

  #release(cpu: Task, word: number, kind: number): void {
    if (this.#slotRule !== null) this.#holdSlots(this.#slotRule, word, kind)
    this.#locks.release(cpu, word, kind)
  }

  /** To be called before each execution, when memory is what it was. */
  begin(): void {
    this.#locks.begin()
    this.#translations.begin()
    this.#slotRule?.begin()
  }

  /** What is known of this execution. Marks are undone with memory. */
  save(): SavedDetectors {
    return {
      locks: this.#locks.save(),
      translations: this.#translations.save(),
      tables: this.#slotRule?.save() ?? null,
    }
  }

  /** Back to what was known at an earlier moment of this execution. */
  restore({ locks, translations, tables }: SavedDetectors): void {
    this.#locks.restore(locks)
    this.#translations.restore(translations)
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
        this.#translations.walks(cpu, third as number)
        break
      case MUNMAP:
      case MADVISE_LOCKED:
      case MPROTECT:
      case MREMAP:
        this.#translations.callBegins(cpu)
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
        if (result !== 0) this.#free.objectAllocated(argument, result as number)
        break
      case ALLOC_FRAME:
        if (result !== 0) this.#free.frameAllocated(cpu, result as number)
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
      this.#translations.noTranslation(cpu, 'mremap', mm, start + gone, start + end)
    } else if (id === MUNMAP) this.#translations.noTranslation(cpu, 'munmap', mm, start, end)
    else if (id === MADVISE_LOCKED && argument === MADV.dontneed)
      this.#translations.noTranslation(cpu, 'madvise(MADV_DONTNEED)', mm, start, end)
    else if (id === MADVISE_LOCKED && argument === MADV.free)
      this.#translations.noTranslation(cpu, 'madvise(MADV_FREE)', mm, start, end)
    else if (id === MPROTECT && argument === VM_EXEC && cpu.config.X86_INTEL_MEMORY_PROTECTION_KEYS)
      this.#translations.noTranslation(cpu, 'mprotect', mm, start, end, PTE_PRESENT)
    else if (id === MPROTECT && (argument & VM_WRITE) === 0)
      this.#translations.noTranslation(cpu, 'mprotect', mm, start, end, PTE_WRITE)
  }

  #objectFreed(cpu: Task, cache: number, object: number): void {
    this.#free.objectFreed(cpu, cache, object)
    if (cache === CACHE_PAGE_TABLE) this.#tableFreed(cpu, object)
  }

  #frameFreed(cpu: Task, frame: number): void {
    this.#free.frameFreed(cpu, frame)
    this.#translations.noneOfFrame(cpu, frame)
  }

  /** An access of memory that is free: of the allocators it is none, nor of what a lookup asks in type-safe memory. */
  readonly touched = (thread: number, cell: number, site: number): void => {
    if (this.#isAllocator(site)) return
    if (this.#free.isWatched(cell)) {
      if (this.#places.vmaWriters[site] !== 0) this.#writesVma(thread, cell, site)
      return
    }
    const place = this.#sites[site]!
    if (this.#machine.tasks[0]!.design.typesafeVmas && staysReadable.test(place.source)) return
    if (isAskedWhenClosed.test(place.source)) return
    const who = this.#free.whoFreed(cell)
    const { file, line, source } = place
    const at = `${kernelPath(file) ?? file}:${line}: ${source}`
    broken(`use after free: CPU ${thread} touches ${this.#free.whatIsAt(cell)} that ${who}, at ${at}`)
  }

  /** `vma_assert_write_locked`: whoever changes a VMA that is part of an address space has locked it for writing. */
  #writesVma(id: number, cell: number, site: number): void {
    const { heap } = this.#machine
    const vma = this.#free.vmaAt(cell)
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

  /** A data race with the freeing of an object is a use after free that came a moment too early. */
  explainRace({ cell, first, second }: RaceReport): string | null {
    if (this.#isAllocator(first.site) === this.#isAllocator(second.site)) return null
    const freeing = this.#isAllocator(first.site) ? first : second
    const using = freeing === first ? second : first
    return `use after free: CPU ${using.thread} uses ${this.#free.whatIsAt(cell)} that CPU ${freeing.thread} frees, and nothing orders the two`
  }

  /** A lock is about to be given up under which slots, or what they speak of, may have changed. */
  #holdSlots(rule: SlotRule, word: number, kind: number): void {
    let problem: string | null = null
    if (kind === WRITE_LOCK && this.#locks.isMmapLock(word)) problem = rule.inSpace(word - Mm.mmapLock)
    else if (kind === SPINLOCK && this.#free.isPageTable(word))
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
