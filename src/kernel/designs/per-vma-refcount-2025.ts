// The reference count in the VMA, Linux 6.15 (S. Baghdasaryan, v10, 13 February 2025; message-id
// 20250213224655.1680278-1-surenb@google.com), with the other uses of a VMA's lock up to Linux 6.18.
//
// The semaphore of 2023 has become one word: 0 for a VMA outside any tree, 1 for one in a tree, one more for each fault
// in it, and a high bit while a writer waits for the faults to finish. VMAs are no longer freed through RCU but lie in
// type-safe memory: the VMA that a fault has locked may belong to another mm by then, so the fault checks after it has
// locked. All kinds of mapping are handled, pages of files and of the swap area included (6.6): a fault that must wait
// for a page first releases the lock. The fault itself makes an anon_vma, with the mmap lock if that is free (6.10). A
// forbidden access is a signal at once (6.10). MADV_DONTNEED and MADV_FREE of pages of one VMA take its lock and not
// the mmap lock (6.17). docs/designs.md says what of 6.18 and later is missing here.

import { fillFromVma } from '../fault/fault.ts'
import { vmaLockHeld } from '../fault/hold.ts'
import type { DesignDescription } from '../mm/design-hooks.ts'
import type { FaultContext } from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { rcuReadLock, rcuReadUnlock } from '../sync/rcu.ts'
import { rcuwaitUntil, rcuwaitWake } from '../sync/rcuwait.ts'
import { findVmaRcu } from '../vma/vma-tree.ts'
import { Vma } from '../vma/vma.ts'
import { PerVmaDesign, isWriteLocked, setLockNumber } from './per-vma.ts'

/** `VMA_LOCK_OFFSET`: a writer waits. */
const WRITER = 0x4000_0000
/** `VMA_REF_LIMIT`: faults at a time. */
const READERS_MAX = WRITER - 2

/** Results of {@link vmaStartRead}. */
const LOCKED = 0
const REFUSED = 1
const DETACHED = 2

export class PerVmaRefcount2025 extends PerVmaDesign {
  override readonly typesafeVmas = true
  override readonly freesMmRcu: boolean = true
  protected override readonly hold = vmaLockHeld

  override readonly description: DesignDescription = {
    name: 'per-vma-refcount-2025',
    year: 2025,
    author: 'Suren Baghdasaryan',
    rwsem: 'spinning',
    source:
      'reimplement per-vma lock as a refcount, v10, 20250213224655.1680278-1-surenb@google.com; as in Linux 6.18',
    lookup: 'range tree under RCU',
    lifetime: 'a reference count per VMA, which writers wait for; freed memory is reused only for VMAs',
    validation: 'lock numbers of VMA and mm, then the mm and the borders of the VMA',
    commit: 'page-table lock; nothing can have changed',
    sharedWrites: ['page.flags', 'page.refcount', 'vma.refCount'],
  }

  /** `mm_lock_seqcount_begin`: odd while the mmap lock is held for write. */
  override mmapWriteLocked(cpu: Task, mm: number): void {
    Atomics.add(cpu.heap, mm + Mm.mmLockSeq, 1)
  }

  /** `__vma_start_write`. It also waits if the number says that the VMA is locked, see per-vma.ts. */
  protected override vmaStartWrite(cpu: Task, vma: number): void {
    const { heap } = cpu
    // The bit keeps new readers out until the number is stored.
    Atomics.add(heap, vma + Vma.refCount, WRITER)
    rcuwaitUntil(cpu, heap[vma + Vma.vmMm] + Mm.vmaWriterWait, vma + Vma.refCount, WRITER + 1)
    setLockNumber(cpu, vma)
    Atomics.sub(heap, vma + Vma.refCount, WRITER)
  }

  /** `vma_mark_attached`, the last step for a new VMA. It stays locked until the mmap lock is released. */
  override vmaLinked(cpu: Task, vma: number): void {
    Atomics.store(cpu.heap, vma + Vma.refCount, 1)
  }

  /** `vma_mark_detached`: a fault may have looked at the VMA and found it locked, but still holds its reference. */
  override vmaUnlinked(cpu: Task, vma: number): void {
    if (Atomics.sub(cpu.heap, vma + Vma.refCount, 1) === 1) return
    waitForReaders(cpu, vma, WRITER)
  }

  protected override lockVma(cpu: Task, fault: FaultContext): number {
    const vma = lockVmaUnderRcu(cpu, fault.mm, fault.page)
    fault.vma = vma
    if (vma !== 0) fillFromVma(cpu, fault, vma)
    return vma
  }

  /** For `madvise` since 6.17. Linux counts vma_lock_abort if it fails, too; here that counts faults only. */
  override lockVmaUnderRcu(cpu: Task, mm: number, page: number): number {
    return lockVmaUnderRcu(cpu, mm, page)
  }

  override vmaEndRead(cpu: Task, vma: number): void {
    vmaEndRead(cpu, vma)
  }
}

/** `__vma_enter_locked` and `__vma_exit_locked` of a VMA that is going away. */
function waitForReaders(cpu: Task, vma: number, target: number): void {
  const { heap } = cpu
  for (;;) {
    const count = Atomics.load(heap, vma + Vma.refCount)
    if (count === 0) return
    if (Atomics.compareExchange(heap, vma + Vma.refCount, count, count + WRITER) === count) break
  }
  rcuwaitUntil(cpu, heap[vma + Vma.vmMm] + Mm.vmaWriterWait, vma + Vma.refCount, target)
  Atomics.sub(heap, vma + Vma.refCount, WRITER)
}

/**
 * `vma_start_read`: LOCKED; REFUSED if a writer has locked the VMA or it belongs to another mm; DETACHED if it is in no
 * tree.
 */
function vmaStartRead(cpu: Task, mm: number, vma: number): number {
  const { heap } = cpu
  if (isWriteLocked(cpu, mm, vma)) return REFUSED
  for (;;) {
    const count = Atomics.load(heap, vma + Vma.refCount)
    if (count === 0) return DETACHED
    if (count > READERS_MAX) return REFUSED
    if (Atomics.compareExchange(heap, vma + Vma.refCount, count, count + 1) === count) break
  }
  // The number of the VMA means something only in the mm that the VMA belongs to now.
  if (Atomics.load(heap, vma + Vma.vmMm) === mm && !isWriteLocked(cpu, mm, vma)) return LOCKED
  vmaEndRead(cpu, vma)
  return REFUSED
}

/**
 * `vma_refcount_put`: wakes the writer if no reader is left. Once the reference is dropped, the VMA may belong to
 * another mm and its own mm be gone: so this reads the mm before, whose memory stays until the fault has left RCU (race
 * R25).
 */
function vmaEndRead(cpu: Task, vma: number): void {
  const { heap } = cpu
  const mm = Atomics.load(heap, vma + Vma.vmMm)
  const left = Atomics.sub(heap, vma + Vma.refCount, 1) - 1
  if ((left & WRITER) !== 0 && left <= WRITER + 1) rcuwaitWake(cpu, mm + Mm.vmaWriterWait)
}

/** `lock_vma_under_rcu`: the VMA that contains `page`, locked for reading, or 0. */
function lockVmaUnderRcu(cpu: Task, mm: number, page: number): number {
  const { heap } = cpu
  rcuReadLock(cpu)
  for (;;) {
    const vma = findVmaRcu(cpu, mm, page)
    if (vma === 0) break
    const result = vmaStartRead(cpu, mm, vma)
    if (result === REFUSED) break
    if (result === DETACHED) {
      countVmEvent(cpu, VmEvent.vma_lock_miss)
      continue
    }
    rcuReadUnlock(cpu)
    if (heap[vma + Vma.vmStart] <= page && page < heap[vma + Vma.vmEnd]) return vma
    vmaEndRead(cpu, vma)
    return 0
  }
  rcuReadUnlock(cpu)
  return 0
}
