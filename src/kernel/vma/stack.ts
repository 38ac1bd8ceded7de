// Growth of stacks: a VM_GROWSDOWN mapping extends itself to a fault below it (mm/mmap.c, expand_stack).
//
// Linux 5.12 moved `vm_start` under the mmap lock held for *read*; CVE-2023-3269 showed that readers of the VMA tree
// then see it change. As Linux does since 6.5 (lock_mm_and_find_vma), the caller here holds the lock for write.

import { vmEnoughMemory } from '../memory/overcommit.ts'
import { ENOMEM, EPERM } from '../mm/errno.ts'
import { MMAP_MIN, Mm, RLIMIT_STACK, STACK_GUARD_GAP } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { limitPages, mayExpandVm, mlockFutureOk, vmStatAccount } from './accounts.ts'
import { anonVmaPrepare } from './anon-vma.ts'
import { vmaGapUpdate, vmEndGap } from './vma-tree.ts'
import {
  VMA_ADJUST,
  VM_ACCESS_FLAGS,
  VM_ACCOUNT,
  VM_GROWSDOWN,
  VM_LOCKED,
  Vma,
  vmaIsAccessible,
} from './vma.ts'

/** `expand_downwards`: makes `vma` begin at `page`. Returns 0 or a negative errno. The mmap lock is held for write. */
export function expandStack(cpu: Task, vma: number, page: number): number {
  const { heap } = cpu
  if ((heap[vma + Vma.vmFlags] & VM_GROWSDOWN) === 0) return -ENOMEM
  const start = heap[vma + Vma.vmStart]
  const end = heap[vma + Vma.vmEnd]
  if (page >= start) return 0
  if (page < MMAP_MIN) return -EPERM
  const previous = heap[vma + Vma.vmPrev]
  if (previous !== 0 && !hasGuardGap(cpu, previous, page)) return -ENOMEM
  // Linux needs it for its lock; that it is there decides what the stack merges with later.
  if (!anonVmaPrepare(cpu, vma)) return -ENOMEM
  const mm = heap[vma + Vma.vmMm]
  const grow = start - page
  const pgoff = heap[vma + Vma.vmPgoff]
  if (grow > pgoff >>> 0 || !mayGrow(cpu, vma, end - page, grow)) return -ENOMEM
  const vmFlags = heap[vma + Vma.vmFlags]
  cpu.design.vmaWriteBegin(cpu, vma, VMA_ADJUST)
  Atomics.store(heap, vma + Vma.vmStart, page)
  Atomics.store(heap, vma + Vma.vmPgoff, pgoff - grow)
  cpu.design.vmaWriteEnd(cpu, vma, VMA_ADJUST)
  if ((vmFlags & VM_LOCKED) !== 0) heap[mm + Mm.lockedVm] += grow
  vmStatAccount(cpu, mm, vmFlags, grow)
  vmaGapUpdate(cpu, vma)
  cpu.design.rangeChanged(cpu, vma, page, start)
  return 0
}

/**
 * `acct_stack_growth`: whether the limits allow that the stack becomes `size` pages large, `grow` more than it was. If
 * so, its memory is committed. Linux commits it also where the stack would not count otherwise, and forgets it later.
 */
function mayGrow(cpu: Task, vma: number, size: number, grow: number): boolean {
  const { heap } = cpu
  const mm = heap[vma + Vma.vmMm]
  const vmFlags = heap[vma + Vma.vmFlags]
  if (!mayExpandVm(cpu, mm, vmFlags, grow)) return false
  if (size > limitPages(cpu, mm, RLIMIT_STACK)) return false
  if (!mlockFutureOk(cpu, mm, vmFlags, grow)) return false
  return (vmFlags & VM_ACCOUNT) === 0 || vmEnoughMemory(cpu, grow)
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
