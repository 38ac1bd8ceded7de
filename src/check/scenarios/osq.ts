// The queue of spinners (sync/osq.ts) on its own, as a lock: one CPU at a time is its first.

import { type Task, osqLock, osqUnlock } from '../../kernel/index.ts'
import { primitiveScenarios } from './table.ts'

const TAIL = 0
const COUNTED = 1

function count(cpu: Task, at: number): void {
  cpu.heap[at + COUNTED]!++
  osqUnlock(cpu, at + TAIL)
}

/** Waits until its turn comes. */
function waitAndAdd(cpu: Task, at: number): number {
  osqLock(cpu, at + TAIL, Infinity)
  count(cpu, at)
  return 0
}

/** Leaves the queue if its turn does not come at once, and comes back. */
function leaveAndAdd(cpu: Task, at: number): number {
  if (!osqLock(cpu, at + TAIL, 0)) osqLock(cpu, at + TAIL, Infinity)
  count(cpu, at)
  return 0
}

/** The first of the queue is not in the scenario's threads: who comes leaves again. */
function leave(cpu: Task, at: number): string {
  return osqLock(cpu, at + TAIL, 0) ? 'first' : 'left'
}

export default primitiveScenarios({
  // One has the queue, one waits behind it, and one behind that.
  'osq-wait': { words: 2, threads: [waitAndAdd, waitAndAdd, waitAndAdd] },
  // One leaves from the middle of the queue.
  'osq-leave': { words: 2, threads: [waitAndAdd, leaveAndAdd, waitAndAdd] },
  // Two neighbours leave at once.
  'osq-two-leave': { words: 2, threads: [waitAndAdd, leaveAndAdd, leaveAndAdd] },
  // The same while the first of the queue stays: both leave, whatever each learns of the other.
  'osq-stay': {
    words: 2,
    setup: (cpu, at) => {
      osqLock(cpu, at + TAIL, Infinity)
    },
    threads: [() => 0, leave, leave],
  },
})
