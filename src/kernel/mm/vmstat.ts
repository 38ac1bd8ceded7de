// Counting events, see vm-event.ts. Each CPU counts for itself; a sum reads all.
//
// A counter is written plainly by its own CPU and may be read by another at any time, as `this_cpu_inc` and
// `all_vm_events` do: a sum is exact only when nobody counts. Each has 32 bits, as on a 32-bit Linux, and comes round:
// with two words for each, a fault, which counts up to eight events, took some 2 % longer.

import { type Cpu, perCpuBase } from '../machine/cpu.ts'
import { Header } from '../machine/header.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import type { Task } from './task.ts'
import { VmEvent, type VmEventName } from './vm-event.ts'

/** What every design counts. `spf_attempt` and `spf_abort` are Lespinasse's; for the other designs they are ours. */
const commonEvents: readonly VmEventName[] = [
  'pgfault',
  'pgmajfault',
  'pgalloc',
  'pgfree',
  'pgpgout',
  'pswpin',
  'pswpout',
  'pgsteal',
  'spf_attempt',
  'spf_abort',
  'classic_fault',
  'page_fault_kernel',
  'nr_tlb_remote_flush',
  'nr_tlb_local_flush_all',
  'nr_tlb_local_flush_one',
  'mmap_lock_read',
  'mmap_lock_write',
  'mmap_lock_contended',
]

/** `count_vm_event`. */
export function countVmEvent(cpu: Cpu, event: number): void {
  cpu.heap[cpu.base + PerCpu.vmEvents + event]++
}

/** How often this CPU has counted it, in 32 bits. */
export function ownVmEvent(cpu: Cpu, event: number): number {
  return cpu.heap[cpu.base + PerCpu.vmEvents + event]
}

/** Counts a detail that exists only with SPECULATIVE_PAGE_FAULT_STATS, and only in the designs of Lespinasse. */
export function countSpfEvent(cpu: Task, event: number): void {
  if (cpu.countsSpfDetails) countVmEvent(cpu, event)
}

/** `all_vm_events`: the sums over all CPUs, modulo 2^32 each, of what the design counts in this configuration. */
export function allVmEvents(cpu: Task): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const name of [...commonEvents, ...cpu.design.events]) {
    if (name.startsWith('SPF_') && !cpu.countsSpfDetails) continue
    let sum = 0
    for (let id = 0; id < cpu.heap[Header.cpuCount]; id++) {
      sum += cpu.heap[perCpuBase(cpu.heap, id) + PerCpu.vmEvents + VmEvent[name]] >>> 0
    }
    sums[name] = sum
  }
  return sums
}
