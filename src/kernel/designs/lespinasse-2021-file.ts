// The branch of M. Lespinasse's patches that also takes faults on files (RFC of 7 April 2021, patches 23 to 33;
// message-id 20210407014502.24091-1-michel@lespinasse.org): reads, and private copies on write.
//
// The file must stay while the fault looks up its pages: the VMA and its reference on the file are released after a
// grace period, and the fault enters RCU, checks the count again, and only then touches the file. Hence it may not
// sleep: pages that are not in the page cache go to the classic path, and so do writes to shared mappings. Reviewers
// found the price at once: after munmap() the file stays in use until the grace period ends, and umount() fails (race
// R20).

import type { DesignDescription } from '../mm/design-hooks.ts'
import { type FaultContext, FAULT_FLAG_WRITE } from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { type VmEventName, VmEvent } from '../mm/vm-event.ts'
import { countSpfEvent } from '../mm/vmstat.ts'
import { rcuReadLock, rcuReadUnlock } from '../sync/rcu.ts'
import { readSeqcountRetry } from '../sync/seqcount.ts'
import { releaseVmaAndFileRcu } from '../vma/vma-release.ts'
import { VM_SHARED } from '../vma/vma.ts'
import { Lespinasse2021, lespinasseEvents } from './lespinasse-2021.ts'

export class Lespinasse2021File extends Lespinasse2021 {
  override readonly events: readonly VmEventName[] = [
    ...lespinasseEvents,
    'SPF_ABORT_NON_SWAP_ENTRY',
    'SPF_ABORT_SWAP_NOPAGE',
    'SPF_ABORT_FAULT',
    'SPF_ATTEMPT_SWAP',
    'SPF_ATTEMPT_FILE',
  ]

  override readonly description: DesignDescription = {
    name: 'lespinasse-2021-file',
    year: 2021,
    author: 'Michel Lespinasse',
    rwsem: 'spinning',
    source: 'Speculative page faults, RFC with files, 20210407014502.24091-1-michel@lespinasse.org',
    lookup: 'VMA cache of the thread, then red-black tree, under RCU',
    lifetime: 'VMAs and their files are released after a grace period; the fault works on a copy',
    validation: 'one sequence count per mm, odd while the mmap lock is held for writing',
    commit: 'try-lock of the page-table lock between two checks of the count',
    sharedWrites: ['page.flags', 'page.refcount'],
  }

  /** `vma_can_speculate`: a write to a shared mapping, of which page_mkwrite() would have to hear, is not tried. */
  protected override canSpeculate(_cpu: Task, fault: FaultContext): boolean {
    if (fault.vmFile === 0) return true
    return (fault.flags & FAULT_FLAG_WRITE) === 0 || (fault.vmFlags & VM_SHARED) === 0
  }

  protected override releaseVmaLater(cpu: Task, vma: number): void {
    releaseVmaAndFileRcu(cpu, vma)
  }

  /** `__do_fault` and `do_fault_around`. If the count has not moved, the VMA has its file for the whole section. */
  override fileFaultBegin(cpu: Task, fault: FaultContext): boolean {
    rcuReadLock(cpu)
    if (!readSeqcountRetry(cpu, fault.mm + Mm.mmapSeq, fault.sequence, fault.turns)) return true
    rcuReadUnlock(cpu)
    countSpfEvent(cpu, VmEvent.SPF_ABORT_FAULT)
    return false
  }

  override fileFaultEnd(cpu: Task, _fault: FaultContext): void {
    rcuReadUnlock(cpu)
  }
}
