// Counting events, see vm-event.ts. Each CPU counts for itself; a sum reads all.
//
// A counter is written plainly by its own CPU and may be read by another at any time, as `this_cpu_inc` and
// `all_vm_events` do: a sum is exact only when nobody counts.
//
// A counter of 32 bits comes round in minutes. So a second word counts how often the highest bit of the first has
// changed: its lowest bit is that bit, unless it is behind by one, which whoever reads it before the first word sees.

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

const HIGHEST_BIT = 31

/** `count_vm_event`. */
export function countVmEvent(cpu: Cpu, event: number): void {
  const { heap } = cpu
  const count = (heap[cpu.base + PerCpu.vmEvents + event] + 1) | 0
  heap[cpu.base + PerCpu.vmEvents + event] = count
  if (count << 1 === 0) heap[cpu.base + PerCpu.vmEventTurns + event]++
}

/** How often the CPU whose struct is at `base` has counted it. */
function vmEventsOf(heap: Int32Array, base: number, event: number): number {
  const turns = Atomics.load(heap, base + PerCpu.vmEventTurns + event)
  const count = Atomics.load(heap, base + PerCpu.vmEvents + event)
  const behind = (turns & 1) === count >>> HIGHEST_BIT ? 0 : 1
  return (turns + behind) * 2 ** HIGHEST_BIT + (count & ~(1 << HIGHEST_BIT))
}

/** How often this CPU has counted it, in 32 bits. */
export function ownVmEvent(cpu: Cpu, event: number): number {
  return cpu.heap[cpu.base + PerCpu.vmEvents + event]
}

/** Counts a detail that exists only with SPECULATIVE_PAGE_FAULT_STATS, and only in the designs of Lespinasse. */
export function countSpfEvent(cpu: Task, event: number): void {
  if (cpu.countsSpfDetails) countVmEvent(cpu, event)
}

/** `all_vm_events`: the sums over all CPUs of what the design counts in this configuration. */
export function allVmEvents(cpu: Task): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const name of [...commonEvents, ...cpu.design.events]) {
    if (name.startsWith('SPF_') && !cpu.countsSpfDetails) continue
    let sum = 0
    for (let id = 0; id < cpu.heap[Header.cpuCount]; id++) {
      sum += vmEventsOf(cpu.heap, perCpuBase(cpu.heap, id), VmEvent[name])
    }
    sums[name] = sum
  }
  return sums
}
