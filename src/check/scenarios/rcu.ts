// What the kernel is built from: RCU and reference counts.

import {
  type Task,
  callRcu,
  callSrcu,
  defineRcuCallback,
  rcuBarrier,
  rcuPoll,
  rcuReadLock,
  rcuReadUnlock,
  refcountDecAndTest,
  srcuBarrier,
  srcuPoll,
  synchronizeRcu,
} from '../../kernel/index.ts'
import { primitiveScenarios } from './table.ts'

const POINTER = 0

/** Two objects of two words. */
const OBJECTS = 2

function publishAndRead(own: number) {
  return (cpu: Task, at: number): string => {
    const { heap } = cpu
    const object = OBJECTS + 2 * own
    heap[at + object] = 1
    Atomics.store(heap, at + POINTER + own, object)
    rcuReadLock(cpu)
    const other = Atomics.load(heap, at + POINTER + 1 - own)
    const seen = other === 0 ? 1 : heap[at + other]!
    rcuReadUnlock(cpu)
    Atomics.store(heap, at + POINTER + own, 0)
    synchronizeRcu(cpu)
    heap[at + object] = 2
    return seen === 1 ? 'whole' : 'reused'
  }
}

const REFCOUNT = 0
const LAST = 1

function drop(cpu: Task, at: number): number {
  if (refcountDecAndTest(cpu, at + REFCOUNT)) cpu.heap[at + LAST]!++
  return 0
}

const QUEUED = 0
const HEAD = 2
const RAN = 4

/** None of the kernel's own has this number. */
const NUMBER = 0

defineRcuCallback<Task>(NUMBER, (cpu, head) => Atomics.store(cpu.heap, head - HEAD + RAN, 1))

function barrier(cpu: Task, at: number): string {
  rcuBarrier(cpu)
  if (Atomics.load(cpu.heap, at + RAN) === 0) throw new Error('rcu_barrier has returned too early')
  return 'all have run'
}

export default primitiveScenarios({
  // Two CPUs that remove an object and wait for a grace period before they reuse it, each while the other may be
  // reading: plain writes, from which only the grace period protects the readers.
  rcu: {
    words: OBJECTS + 4,
    threads: [publishAndRead(0), publishAndRead(1)],
  },
  // Two CPUs that drop references: one of them is the last.
  refcount: {
    words: 2,
    setup: ({ heap }, at) => {
      heap[at + REFCOUNT] = 2
    },
    threads: [drop, drop],
  },
  // A callback that one CPU has taken off its list and not yet run, and rcu_barrier() of another, which finds the
  // lists empty (compare Linux 55d4669ef1b7, 2024).
  'rcu-barrier': {
    words: 8,
    threads: [
      (cpu, at) => {
        callRcu(cpu, at + HEAD, NUMBER)
        Atomics.store(cpu.heap, at + QUEUED, 1)
        rcuPoll(cpu)
        rcuPoll(cpu)
        rcuBarrier(cpu)
        return 'polled'
      },
      (cpu, at) => {
        if (Atomics.load(cpu.heap, at + QUEUED) === 0) return 'nothing queued'
        rcuBarrier(cpu)
        if (Atomics.load(cpu.heap, at + RAN) === 0) throw new Error('rcu_barrier has returned too early')
        return 'all have run'
      },
    ],
  },
  // Two calls of rcu_barrier() at once: what one has taken over, the other must wait for.
  'two-rcu-barriers': {
    words: 8,
    setup: (cpu, at) => callRcu(cpu, at + HEAD, NUMBER),
    threads: [barrier, barrier],
  },
  // A callback that one CPU has taken off the list of the domain and not yet run, and srcu_barrier() of another,
  // which finds nothing pending.
  'srcu-barrier': {
    words: 8,
    setup: (cpu, at) => callSrcu(cpu, at + HEAD, NUMBER),
    threads: [
      (cpu) => {
        srcuPoll(cpu)
        return 'polled'
      },
      (cpu, at) => {
        srcuBarrier(cpu)
        if (Atomics.load(cpu.heap, at + RAN) === 0) throw new Error('srcu_barrier has returned too early')
        return 'all have run'
      },
    ],
  },
})
