// Speculative page faults of M. Lespinasse, v2 (28 January 2022, on 5.17-rc1, 35 patches; message-id
// 20220128131006.67712-1-michel@lespinasse.org), proposed for 5.18 and not merged.
//
// As v1 with three differences: the lookup bypasses the VMA cache of the thread; faults on swap entries are never
// tried; and a copy on write holds the MMU-notifier lock of the mm. Registering a notifier takes this lock for writing,
// so no observer of the page tables appears between the check for one and the change (race R17).

import type { DesignDescription } from '../mm/design-hooks.ts'
import type { FaultContext } from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import type { VmEventName } from '../mm/vm-event.ts'
import { percpuDownReadTryLock, percpuDownWrite, percpuUpRead, percpuUpWrite } from '../sync/percpu-rwsem.ts'
import { invalidateRangeEnd, invalidateRangeStart } from '../tables/mmu-notifier.ts'
import { findVmaRcu } from '../vma/vma-tree.ts'
import { Vma } from '../vma/vma.ts'
import { Lespinasse2021, lespinasseEvents } from './lespinasse-2021.ts'

export class Lespinasse2022 extends Lespinasse2021 {
  override readonly speculatesOnSwap: 'never' | 'cached' | 'any' = 'never'
  override readonly locksNotifiers = true
  override readonly events: readonly VmEventName[] = [...lespinasseEvents, 'SPF_ABORT_SWAP']

  override readonly description: DesignDescription = {
    name: 'lespinasse-2022',
    year: 2022,
    author: 'Michel Lespinasse',
    rwsem: 'spinning',
    source: 'Speculative page faults, v2, 20220128131006.67712-1-michel@lespinasse.org',
    lookup: 'red-black tree under RCU',
    lifetime: 'VMAs are freed after a grace period; the fault works on a copy',
    validation: 'one sequence count per mm, odd while the mmap lock is held for writing',
    commit: 'try-lock of the page-table lock between two checks of the count',
    sharedWrites: [],
  }

  /** `__find_vma`: find_vma() without the assertion that the mmap lock is held, and without the cache. */
  protected override lookUp(cpu: Task, mm: number, page: number): number {
    const vma = findVmaRcu(cpu, mm, page)
    return vma !== 0 && Atomics.load(cpu.heap, vma + Vma.vmStart) <= page ? vma : 0
  }

  /** `mmu_notifier_trylock` (patches 25/35 and 26/35). A failure has no counter of its own. */
  override copyBegin(cpu: Task, fault: FaultContext): boolean {
    if (!percpuDownReadTryLock(cpu, cpu.heap[fault.mm + Mm.mmuNotifierLock])) return false
    invalidateRangeStart(cpu, fault.mm, fault.page, fault.page + 1)
    return true
  }

  /** Also if the commit failed: v2 corrects race R18. */
  override copyEnd(cpu: Task, fault: FaultContext, _committed: boolean): void {
    invalidateRangeEnd(cpu, fault.mm)
    percpuUpRead(cpu, cpu.heap[fault.mm + Mm.mmuNotifierLock])
  }

  /** In `mm_take_all_locks`, patch 24/35. The mmap lock excludes other writers. */
  override notifierRegistering(cpu: Task, mm: number): void {
    percpuDownWrite(cpu, cpu.heap[mm + Mm.mmuNotifierLock])
  }

  override notifierRegistered(cpu: Task, mm: number): void {
    percpuUpWrite(cpu, cpu.heap[mm + Mm.mmuNotifierLock])
  }
}
