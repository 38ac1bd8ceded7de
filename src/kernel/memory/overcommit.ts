// What may be committed: `vm.overcommit_memory` (mm/util.c of Linux 5.12).
//
// Memory is committed when a mapping promises pages that only memory or swap can hold: private writable ones
// (VM_ACCOUNT), and shared anonymous memory by its whole size. A call that fails uncommits what it has committed.
//
// As in Linux, each CPU counts for itself while nobody needs the sum. In mode 2, where the sum decides, the count is
// one word for all CPUs. No memory is kept in reserve for an administrator, as there is none.

import { perCpuBase } from '../machine/cpu.ts'
import { Header } from '../machine/header.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import type { Task } from '../mm/task.ts'

/** `OVERCOMMIT_GUESS`: refuses only what could never be there at once. */
export const OVERCOMMIT_GUESS = 0
export const OVERCOMMIT_ALWAYS = 1
/** Refuses what exceeds the limit, all together. */
export const OVERCOMMIT_NEVER = 2

/** KiB in a page. */
const KILOBYTES = 4

/** `total_swap_pages`: the slots of the swap area. */
function totalSwapPages(cpu: Task): number {
  return Atomics.load(cpu.heap, Header.swapSlots)
}

/** `vm_commit_limit`: how many pages may be committed in mode 2. */
export function commitLimit(cpu: Task): number {
  const { heap } = cpu
  const kilobytes = heap[Header.overcommitKbytes]
  const allowed =
    kilobytes !== 0
      ? Math.floor(kilobytes / KILOBYTES)
      : Math.floor((heap[Header.frameCount] * heap[Header.overcommitRatio]) / 100)
  return allowed + totalSwapPages(cpu)
}

/** Whether MAP_NORESERVE has an effect. */
export function honoursNoReserve(cpu: Task): boolean {
  return cpu.heap[Header.overcommitMemory] !== OVERCOMMIT_NEVER
}

/** `__vm_enough_memory`: commits `pages` more. Returns false, and commits nothing, if that is too much. */
export function vmEnoughMemory(cpu: Task, pages: number): boolean {
  const { heap } = cpu
  const mode = heap[Header.overcommitMemory]
  if (mode === OVERCOMMIT_GUESS && pages > heap[Header.frameCount] + totalSwapPages(cpu)) return false
  if (mode !== OVERCOMMIT_NEVER) {
    accountMemory(cpu, pages)
    return true
  }
  const committed = Atomics.add(heap, Header.vmCommittedAs, pages) + pages
  if (committed < commitLimit(cpu)) return true
  Atomics.sub(heap, Header.vmCommittedAs, pages)
  return false
}

/** `vm_acct_memory`: commits `pages` more without a check; fewer, if that is negative. */
export function accountMemory(cpu: Task, pages: number): void {
  const { heap, base } = cpu
  if (pages === 0) return
  if (heap[Header.overcommitMemory] === OVERCOMMIT_NEVER) Atomics.add(heap, Header.vmCommittedAs, pages)
  else heap[base + PerCpu.committed] += pages
}

/** `vm_unacct_memory`. */
export function unaccountMemory(cpu: Task, pages: number): void {
  accountMemory(cpu, -pages)
}

/** `vm_memory_committed`: how many pages are committed. Exact while no CPU changes it. */
export function memoryCommitted(cpu: Task): number {
  const { heap } = cpu
  let pages = Atomics.load(heap, Header.vmCommittedAs)
  for (let id = 0; id < heap[Header.cpuCount]; id++) pages += heap[perCpuBase(heap, id) + PerCpu.committed]
  return pages
}
