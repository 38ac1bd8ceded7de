// What the kernel asks of a design of speculative page faults: what it is made of, and its hooks. The rooms below the
// fault know a design by this alone.

import type { RwsemKind } from '../sync/rwsem.ts'
import type { FaultContext } from './fault-context.ts'
import type { VmEventName } from './vm-event.ts'

/** Where a design comes from and what it is made of. */
export interface DesignDescription {
  readonly name: string
  readonly year: number
  readonly author: string
  /** The form of the reader-writer semaphore that 64-bit x86 had then, or the nearest: see docs/semaphores.md. */
  readonly rwsem: RwsemKind
  /** The published source: series, version, message-id. */
  readonly source: string
  readonly lookup: string
  readonly lifetime: string
  readonly validation: string
  readonly commit: string
  /**
   * What a fault that the design handles writes to shared memory besides the page, its entry and the entry's lock, by
   * name and in order. `page.flags` and `page.refcount` are those of a page of a file, where it takes faults on files.
   * Left out is what every design does alike: lists that are filled in batches, and the counts of resident pages
   * (`mm.rss`), which are handed over in batches too unless the machine is made with shared ones.
   */
  readonly sharedWrites: readonly string[]
}

/** `Task` is the kernel's Task, which refers to its design and so stands above this file. */
export interface DesignHooks<Task> {
  readonly description: DesignDescription
  /** Whether it tries faults without the mmap lock at all, and so needs SPECULATIVE_PAGE_FAULT. */
  readonly speculates: boolean
  /** Whether it also tries the faults that the kernel takes in a call. */
  readonly speculatesInKernel: boolean
  /** Whether VMAs are kept in a range tree and not in a red-black tree. */
  readonly rangeTree: boolean
  /** Whether its faults fill slots of page tables, which say what is mapped (tables/leaf-slots.ts). */
  readonly fillsSlots: boolean
  /** Whether VMAs may be read after they were freed and allocated again (SLAB_TYPESAFE_BY_RCU). */
  readonly typesafeVmas: boolean
  /** Whether a fault without the mmap lock may bring in a page of a file that is not cached yet. */
  readonly speculatesOnFileMiss: boolean
  /**
   * Which faults on pages in the swap area may be taken without the mmap lock: none, those whose page is in the swap
   * cache, or any, for which the fault may have to sleep.
   */
  readonly speculatesOnSwap: 'never' | 'cached' | 'any'
  /**
   * What says that a VMA is locked for writing: the mmap lock alone; its number, which is then the one of its mm; its
   * sequence count, which is odd; its reference count, which is 0.
   */
  readonly vmaLock: 'mmap' | 'number' | 'sequence' | 'count'
  /** Whether each mm has a per-CPU semaphore for those who register MMU notifiers. */
  readonly locksNotifiers: boolean
  /**
   * Whether mremap locks a page table that it moves as a whole, and so waits for a fault that has locked it (race R4).
   */
  readonly locksMovedTables: boolean
  /** Whether the struct of an mm is freed after a grace period, as a fault may still be about to use it (race R25). */
  readonly freesMmRcu: boolean
  /** The counters of its own, under the names that it had in the kernel. */
  readonly events: readonly VmEventName[]

  /**
   * Tries to handle the fault of `cpu.fault` (mm, page and flags are set) without the mmap lock. The fault stands on
   * nothing; a design that locks the VMA gives it another hold. Returns VM_FAULT_RETRY when the classic path has to
   * do it, else the result of the handlers. Nothing may be left behind when it gives up (invariant I11).
   */
  speculativeFault(cpu: Task, errorCode: number): number

  /**
   * `pte_map_lock` of a fault that stands on nothing: locks the pte table that covers the page, when what the fault has
   * seen still holds. Returns false when it does not; then nothing is locked.
   */
  pteMapLock(cpu: Task, fault: FaultContext): boolean

  /**
   * A fault that holds nothing is about to link a page table, or to give its VMA an anon_vma, under the lock of the
   * upper levels; or a call without the mmap lock to change entries, with their table locked: whether the VMA that it
   * has seen is still in the tree and not being changed.
   */
  vmaStands(cpu: Task, fault: FaultContext): boolean

  /** The VMA that the speculative try before this locked one has left for it, or 0. The mmap lock is held for read. */
  retryVma(cpu: Task, mm: number, page: number): number

  /** A fault is about to look a page of a file up and use its content without the mmap lock. False: give up. */
  fileFaultBegin(cpu: Task, fault: FaultContext): boolean
  /** What {@link fileFaultBegin} allowed is done. */
  fileFaultEnd(cpu: Task, fault: FaultContext): void

  /**
   * A fault without the mmap lock is about to copy a page on write, and observers have to be told. False: give up. By
   * itself, nothing keeps an observer from being registered meanwhile (race R17). So the default leaves address spaces
   * with observers to the locked path; and as {@link notifierRegistered} waits for a grace period, a copy that saw no
   * observer is over before the first one looks a page up.
   */
  copyBegin(cpu: Task, fault: FaultContext): boolean
  /** What {@link copyBegin} allowed is done, or was given up: then it was not `committed`. */
  copyEnd(cpu: Task, fault: FaultContext, committed: boolean): void

  /**
   * `mm_take_all_locks`: an observer is about to be registered. The mmap lock is held for write; the design has to keep
   * away copies on write by faults without it.
   */
  notifierRegistering(cpu: Task, mm: number): void
  /** The observer is registered, and is used once the mmap lock is given up. */
  notifierRegistered(cpu: Task, mm: number): void

  /**
   * `lock_vma_under_rcu` of a call: the VMA that contains `page`, locked for reading, or 0 where the caller has to take
   * the mmap lock.
   */
  lockVmaUnderRcu(cpu: Task, mm: number, page: number): number
  /** `vma_end_read`: gives up the lock of a VMA, of a call or of a fault. */
  vmaEndRead(cpu: Task, vma: number): void

  /**
   * A call is about to change entries of the pages [start, end) only, and nothing that is mapped, or to look at them.
   * True: it needs no lock but those of the tables, all pages are of the VMA that `cpu.fault` has copied, nobody
   * observes them, and with each table that it locks it asks {@link vmaStands}. Tables are kept from being freed.
   */
  entriesChangeBegin(cpu: Task, mm: number, start: number, end: number): boolean
  /** What {@link entriesChangeBegin} allowed is done, and the TLBs are flushed where that was needed. */
  entriesChangeEnd(cpu: Task): void

  /**
   * Whether a fault makes an anon_vma even without the mmap lock, for which it reads the neighbours of the VMA (race
   * R23).
   */
  preparesAnonVma(cpu: Task): boolean

  /** `update_mmu_cache`: the fault has stored an entry, or changed one; the table is still locked. */
  updateMmuCache(cpu: Task, fault: FaultContext): void

  /** The mmap lock was just taken for read, or downgraded to it. */
  mmapReadLocked(cpu: Task, mm: number): void
  /** The mmap lock was just taken for write. */
  mmapWriteLocked(cpu: Task, mm: number): void
  /** The mmap lock, held for write, is about to be released or downgraded. */
  mmapWriteUnlocking(cpu: Task, mm: number): void

  /** Nodes of the tree of VMAs are about to change, and have changed. */
  treeWriteBegin(cpu: Task, mm: number): void
  treeWriteEnd(cpu: Task, mm: number): void
  /** `change`, one of VMA_LINK and so on, is about to be done to a VMA, and is done. */
  vmaWriteBegin(cpu: Task, vma: number, change: number): void
  vmaWriteEnd(cpu: Task, vma: number, change: number): void
  /**
   * What is mapped at the pages [start, end) is about to change: flags, or that there is anything. The write of each
   * VMA there has begun, or it has left the tree; no entry has changed yet. The mmap lock is held for write.
   */
  rangeChanging(cpu: Task, mm: number, start: number, end: number): void
  /**
   * The pages [start, end) are mapped as `vma` says, of which they are now, perhaps the first time. What was to be done
   * to their entries and translations is done. The mmap lock is held for write.
   */
  rangeChanged(cpu: Task, vma: number, start: number, end: number): void
  /** A VMA is in the tree now. */
  vmaLinked(cpu: Task, vma: number): void
  /** A VMA has left the tree. */
  vmaUnlinked(cpu: Task, vma: number): void
  /** Nobody who holds the mmap lock refers to the VMA any more: gives up its file and its memory. */
  releaseVma(cpu: Task, vma: number): void

  /** The page tables of the pages [start, end) are about to be taken away. The mmap lock is held, for read or write. */
  pageTablesFreeing(cpu: Task, mm: number, start: number, end: number): void
  /**
   * mremap is about to make a VMA that begins at the page `to`, and to move entries there from the page `from`. The
   * mmap lock is held for write until it is over.
   */
  mremapBegin(cpu: Task, mm: number, from: number, to: number): void
  /** The entries have moved and the TLBs are flushed. The old pages are still part of a VMA. */
  mremapMoved(cpu: Task, mm: number, from: number, to: number): void
  /** The old pages are unmapped, or stay on purpose; or there was no memory. */
  mremapEnd(cpu: Task, mm: number, from: number, to: number): void
  /** fork is about to write-protect the entries of a VMA of the parent. */
  forkBegin(cpu: Task, vma: number): void
  /** fork has flushed the TLBs of the parent; the mmap lock is still held for write. */
  forkEnd(cpu: Task, mm: number): void
}
