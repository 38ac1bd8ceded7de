// Event counters under the names that /proc/vmstat gave them. Each CPU counts for itself; a sum reads all.
//
// A counter is written plainly by its own CPU and may be read by another at any time, as `this_cpu_inc` and
// `all_vm_events` do: a sum is exact only when nobody counts.

import { type Cpu, perCpuBase } from '../machine/cpu.ts'
import { Header } from '../machine/header.ts'
import { PerCpu } from '../machine/per-cpu.ts'

/**
 * Indices of the counters. The upper-case names are those of SPECULATIVE_PAGE_FAULT_STATS. Those of swap, NUMA hints,
 * userfaultfd, major faults and the checks inside file faults stay 0: what they count does not exist here yet.
 */
export const VmEvent = {
  pgfault: 0,
  pgmajfault: 1,
  pgalloc: 2,
  pgfree: 3,
  spf_attempt: 4,
  spf_abort: 5,
  SPF_ABORT_ODD: 6,
  SPF_ABORT_UNMAPPED: 7,
  SPF_ABORT_NO_SPECULATE: 8,
  SPF_ABORT_VMA_COPY: 9,
  SPF_ABORT_ACCESS_ERROR: 10,
  SPF_ABORT_PUD: 11,
  SPF_ABORT_PMD: 12,
  SPF_ABORT_ANON_VMA: 13,
  SPF_ABORT_PTE_MAP_LOCK_SEQ1: 14,
  SPF_ABORT_PTE_MAP_LOCK_PMD: 15,
  SPF_ABORT_PTE_MAP_LOCK_PTL: 16,
  SPF_ABORT_PTE_MAP_LOCK_SEQ2: 17,
  SPF_ABORT_USERFAULTFD: 18,
  SPF_ABORT_FAULT: 19,
  SPF_ABORT_NON_SWAP_ENTRY: 20,
  SPF_ABORT_SWAP_NOPAGE: 21,
  SPF_ATTEMPT_ANON: 22,
  SPF_ATTEMPT_FILE: 23,
  SPF_ATTEMPT_SWAP: 24,
  SPF_ATTEMPT_NUMA: 25,
  SPF_ATTEMPT_PTE: 26,
  SPF_ATTEMPT_WP: 27,
  /** Faults that were handled under the mmap lock. Ours: Linux counts only the speculative ones apart. */
  classic_fault: 28,
  nr_tlb_remote_flush: 29,
  nr_tlb_local_flush_all: 30,
  mmap_lock_read: 31,
  mmap_lock_write: 32,
  mmap_lock_contended: 33,
  nr_tlb_local_flush_one: 34,
} as const

const STATS_FIRST = VmEvent.SPF_ABORT_ODD
const STATS_LAST = VmEvent.SPF_ATTEMPT_WP

/** `count_vm_event`. */
export function countVmEvent(cpu: Cpu, event: number): void {
  cpu.heap[cpu.base + PerCpu.vmEvents + event]++
}

/** Counts a detail that exists only with SPECULATIVE_PAGE_FAULT_STATS. */
export function countSpfEvent(cpu: Cpu, event: number): void {
  if (cpu.config.SPECULATIVE_PAGE_FAULT_STATS) countVmEvent(cpu, event)
}

/** `all_vm_events`: the sums over all CPUs, without the details that this configuration does not count. */
export function allVmEvents(cpu: Cpu): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const [name, event] of Object.entries(VmEvent)) {
    if (!cpu.config.SPECULATIVE_PAGE_FAULT_STATS && event >= STATS_FIRST && event <= STATS_LAST) continue
    let sum = 0
    for (let id = 0; id < cpu.heap[Header.cpuCount]; id++) {
      sum += cpu.heap[perCpuBase(cpu.heap, id) + PerCpu.vmEvents + event]
    }
    sums[name] = sum
  }
  return sums
}
