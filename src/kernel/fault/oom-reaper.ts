// The OOM reaper: takes the private memory of an address space whose program is about to die, while its threads may
// still run (mm/oom_kill.c).
//
// It holds the mmap lock only for reading, so that it moves no count that a speculative fault looks at. A mark on the
// address space keeps faults from filling in zeros where the program had its data: every fault looks at the mark under
// the page-table lock, before it installs a page, and the reaper sets the mark before it takes that lock (race R35).

import { finishCall } from '../cache/task-work.ts'
import { Mm } from '../mm/mm.ts'
import { mmapReadTryLock, mmapReadUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { zapVmaRange } from '../tables/zap.ts'
import { VM_SHARED, Vma } from '../vma/vma.ts'

/** In `mm.flags`: pages of it have been reaped. */
const MMF_UNSTABLE = 1

/** `check_stable_address_space`: a page that is missing was never there, or the program itself has thrown it away. */
export function isStable(cpu: Task, mm: number): boolean {
  return (Atomics.load(cpu.heap, mm + Mm.flags) & MMF_UNSTABLE) === 0
}

/**
 * `oom_reap_task_mm`: frees the private pages of `mm`, also those that are locked in memory (since Linux 5.18). From
 * now on a fault on one of them is a SIGBUS. Returns false, and does nothing, while another thread changes the layout:
 * the caller tries again later.
 */
export function oomReap(cpu: Task, mm: number): boolean {
  const { heap } = cpu
  if (!mmapReadTryLock(cpu, mm)) return false
  Atomics.or(heap, mm + Mm.flags, MMF_UNSTABLE)
  for (let vma = heap[mm + Mm.mmap]; vma !== 0; vma = heap[vma + Vma.vmNext]) {
    if ((heap[vma + Vma.vmFlags] & VM_SHARED) === 0) {
      zapVmaRange(cpu, vma, heap[vma + Vma.vmStart], heap[vma + Vma.vmEnd])
    }
  }
  mmapReadUnlock(cpu, mm)
  finishCall(cpu)
  return true
}
