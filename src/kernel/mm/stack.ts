// Growth of stacks: a VM_GROWSDOWN mapping extends itself to a fault below it (mm/mmap.c, expand_stack).
//
// Linux 5.12 moved `vm_start` under the mmap lock held for *read*; CVE-2023-3269 showed that readers of the VMA tree
// then see it change. As Linux does since 6.5 (lock_mm_and_find_vma), the caller here holds the lock for write.

import { anonVmaPrepare } from './anon-vma.ts'
import { ENOMEM } from './errno.ts'
import { Mm } from './mm.ts'
import type { Task } from './task.ts'
import { vmaGapUpdate, vmEndGap } from './vma-tree.ts'
import { VMA_ADJUST, VM_ACCESS_FLAGS, VM_GROWSDOWN, Vma, vmaIsAccessible } from './vma.ts'

/** `stack_guard_gap`: pages that are kept free below a stack. */
export const STACK_GUARD_GAP = 256

/** `expand_downwards`: makes `vma` begin at `page`. Returns 0 or a negative errno. The mmap lock is held for write. */
export function expandStack(cpu: Task, vma: number, page: number): number {
  const { heap } = cpu
  if ((heap[vma + Vma.vmFlags] & VM_GROWSDOWN) === 0) return -ENOMEM
  const start = heap[vma + Vma.vmStart]
  const end = heap[vma + Vma.vmEnd]
  if (page >= start) return 0
  if (page < STACK_GUARD_GAP) return -ENOMEM
  const previous = heap[vma + Vma.vmPrev]
  if (previous !== 0 && !hasGuardGap(cpu, previous, page)) return -ENOMEM
  // Linux needs it for its lock; that it is there decides what the stack merges with later.
  if (!anonVmaPrepare(cpu, vma)) return -ENOMEM
  const mm = heap[vma + Vma.vmMm]
  const grow = start - page
  const pgoff = heap[vma + Vma.vmPgoff]
  if (end - page > heap[mm + Mm.stackLimit] || grow > pgoff) return -ENOMEM
  cpu.design.vmaWriteBegin(cpu, vma, VMA_ADJUST)
  Atomics.store(heap, vma + Vma.vmStart, page)
  Atomics.store(heap, vma + Vma.vmPgoff, pgoff - grow)
  cpu.design.vmaWriteEnd(cpu, vma, VMA_ADJUST)
  heap[mm + Mm.totalVm] += grow
  vmaGapUpdate(cpu, vma)
  return 0
}

/**
 * The pages between `previous` and a stack that begins at `page` suffice, or `previous` is of the same kind or
 * unused.
 */
function hasGuardGap(cpu: Task, previous: number, page: number): boolean {
  const flags = cpu.heap[previous + Vma.vmFlags]
  if (page < vmEndGap(cpu, previous)) return false
  if ((flags & VM_GROWSDOWN) !== 0 || !vmaIsAccessible(flags & VM_ACCESS_FLAGS)) return true
  return page - vmEndGap(cpu, previous) >= STACK_GUARD_GAP
}
