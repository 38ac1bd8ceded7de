// Pages of files that reclaim has taken out of a page table, and whose frames it has not freed yet: what the inactive
// list is in Linux (mm/vmscan.c), for pages that are in a cache only.
//
// To take pages out of a table costs a flush of all CPUs, for which one waits; to write them and to free their frames
// does not. So one CPU takes many out at a time, and each that needs frames frees some of them, at once with others. A
// page that is used meanwhile is found in its cache, and stays.
//
// They stand in a ring. What is in it is only a hint, so that nobody has to take a page out who frees or uses it: who
// takes one from there has to look whether it is cold still, or a page at all. A hint that is overwritten, or taken
// before it was stored, is lost; the hand that goes over frames finds its page.

import { Header } from '../machine/header.ts'
import type { Task } from '../mm/task.ts'

/** How many there may be. */
export function coldPages(cpu: Task): number {
  const { heap } = cpu
  return (Atomics.load(heap, Header.coldPut) - Atomics.load(heap, Header.coldTaken)) | 0
}

export function putColdPage(cpu: Task, frame: number): void {
  const { heap } = cpu
  const place = Atomics.add(heap, Header.coldPut, 1)
  Atomics.store(heap, heap[Header.coldPages] + (place & (heap[Header.coldSize] - 1)), frame)
}

/** The frame that has been there for the longest time; 0 if there is none, or it is not known yet. */
export function takeColdPage(cpu: Task): number {
  const { heap } = cpu
  const size = heap[Header.coldSize]
  for (;;) {
    const taken = Atomics.load(heap, Header.coldTaken)
    const count = (Atomics.load(heap, Header.coldPut) - taken) | 0
    if (count <= 0) return 0
    // Of more than there is room for, the first were overwritten.
    const place = taken + Math.max(0, count - size)
    if (Atomics.compareExchange(heap, Header.coldTaken, taken, (place + 1) | 0) !== taken) continue
    return Atomics.exchange(heap, heap[Header.coldPages] + (place & (size - 1)), 0)
  }
}
