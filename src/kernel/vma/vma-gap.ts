// The gaps between VMAs: what keeps them free, and what room there is in one (mm/mmap.c).

import { ENOMEM } from '../mm/errno.ts'
import { STACK_GUARD_GAP } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { VM_GROWSDOWN, Vma } from './vma.ts'

/** `vma_compute_gap` for one VMA alone: the free pages between it and its predecessor. */
export function gapBefore(cpu: Task, vma: number): number {
  const { heap } = cpu
  const previous = heap[vma + Vma.vmPrev]
  const floor = previous === 0 ? 0 : vmEndGap(cpu, previous)
  return Math.max(0, vmStartGap(cpu, vma) - floor)
}

/** Where the room of a VMA begins: a stack keeps `stack_guard_gap` free below it. */
export function vmStartGap(cpu: Task, vma: number): number {
  const start = cpu.heap[vma + Vma.vmStart]
  return (cpu.heap[vma + Vma.vmFlags] & VM_GROWSDOWN) !== 0 ? Math.max(0, start - STACK_GUARD_GAP) : start
}

/** Where the room of a VMA ends. No stack grows up here. */
export function vmEndGap(cpu: Task, vma: number): number {
  return cpu.heap[vma + Vma.vmEnd]
}

/** The highest place in [low, high) for `pages` pages in the gap in front of `vma`, or -ENOMEM. */
export function highestRoomBefore(cpu: Task, vma: number, low: number, high: number, pages: number): number {
  const previous = cpu.heap[vma + Vma.vmPrev]
  const gapStart = Math.max(low, previous === 0 ? 0 : vmEndGap(cpu, previous))
  const gapEnd = Math.min(high, vmStartGap(cpu, vma))
  return gapEnd - gapStart >= pages ? gapEnd - pages : -ENOMEM
}
