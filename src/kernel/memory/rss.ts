// Resident pages of an mm, by kind.
//
// Either every change goes to the mm at once, or each thread collects changes and hands them over after
// TASK_RSS_EVENTS_THRESH of them (SPLIT_RSS_COUNTING). In 2010 the shared counters were the next thing to improve once
// the mmap lock was out of the way.

import { perCpuBase } from '../machine/cpu.ts'
import { Header } from '../machine/header.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { Mm, RSS_KINDS } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'

const TASK_RSS_EVENTS_THRESH = 64

/** `add_mm_counter_fast`: changes the count of one kind by `delta` pages. */
export function addMmCounterFast(cpu: Task, mm: number, kind: number, delta: number): void {
  const { heap, base } = cpu
  if (heap[Header.rssBatched] === 0) {
    Atomics.add(heap, mm + Mm.rss + kind, delta)
    return
  }
  if (heap[base + PerCpu.rssMm] !== mm) {
    syncMmRss(cpu)
    Atomics.store(heap, base + PerCpu.rssMm, mm)
  }
  heap[base + PerCpu.rss + kind] += delta
  if (++heap[base + PerCpu.rssEvents] >= TASK_RSS_EVENTS_THRESH) syncMmRss(cpu)
}

/** `add_mm_counter`: changes the count in the mm itself, for changes of many pages at a time. */
export function addMmCounter(cpu: Task, mm: number, kind: number, delta: number): void {
  if (delta !== 0) Atomics.add(cpu.heap, mm + Mm.rss + kind, delta)
}

/** `sync_mm_rss`: hands over what this thread has collected. */
export function syncMmRss(cpu: Task): void {
  const { heap, base } = cpu
  const mm = heap[base + PerCpu.rssMm]
  for (let kind = 0; kind < RSS_KINDS; kind++) {
    if (mm !== 0) addMmCounter(cpu, mm, kind, heap[base + PerCpu.rss + kind])
    heap[base + PerCpu.rss + kind] = 0
  }
  heap[base + PerCpu.rssEvents] = 0
  // A CPU that destroys another mm may load it meanwhile.
  Atomics.store(heap, base + PerCpu.rssMm, 0)
}

/** The mm ends, and no thread uses it: forgets what other threads have collected for it. */
export function dropMmRss(cpu: Task, mm: number): void {
  const { heap } = cpu
  for (let id = 0; id < heap[Header.cpuCount]; id++) {
    const base = perCpuBase(heap, id)
    if (Atomics.load(heap, base + PerCpu.rssMm) !== mm) continue
    heap.fill(0, base + PerCpu.rss, base + PerCpu.rss + RSS_KINDS)
    heap[base + PerCpu.rssMm] = 0
    heap[base + PerCpu.rssEvents] = 0
  }
}

/** Resident pages of one kind, with those that threads have collected. Exact while no thread changes them. */
export function getMmCounter(cpu: Task, mm: number, kind: number): number {
  const { heap } = cpu
  let pages = Atomics.load(heap, mm + Mm.rss + kind)
  for (let id = 0; id < heap[Header.cpuCount]; id++) {
    const base = perCpuBase(heap, id)
    if (Atomics.load(heap, base + PerCpu.rssMm) === mm) pages += heap[base + PerCpu.rss + kind]
  }
  return pages
}
