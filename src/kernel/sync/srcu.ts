// Sleepable RCU: readers may sleep, and pay for it with two counters of their own CPU (kernel/rcu/srcutree.c, reduced
// to one level).
//
// The lowest bit of a domain's index says which of two pairs of counters new readers use. A grace period waits until
// the readers of the other pair are gone, flips the index, and waits for those of the pair that was in use until then.
// Begun and ended sections are counted separately, so a reader may end on another CPU; the ended ones are summed first:
// sums that are equal then were equal at one moment.
//
// There is one domain here, `vma_srcu`, which P. Zijlstra's patches of 2014 introduced. As with RCU, nothing runs in
// the background: a thread that has finished a call that may free something advances the grace period.

import { type Cpu, cpuRelax, perCpuBase } from '../machine/cpu.ts'
import { Header } from '../machine/header.ts'
import { layout } from '../machine/layout.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { RcuHead, appendList, moveList, runCallbacks, takeList } from './rcu.ts'
import { spinLock, spinTryLock, spinUnlock } from './spinlock.ts'

export const Srcu = layout('srcu_struct', 16, {
  /** Its lowest bit selects the counters of new readers. */
  index: 0,
  /** Guards what follows. */
  lock: 1,
  /** Callbacks that came after the grace period began, and those that wait for it: first and last. */
  nextHead: 2,
  nextTail: 3,
  waitHead: 4,
  waitTail: 5,
  phase: 6,
  /** 0 when no callback waits. */
  pending: 7,
  /** How many CPUs are running callbacks. */
  running: 8,
})

/** Pairs of counters of each CPU. */
export const SRCU_INDEXES = 2

const IDLE = 0
/** Waits for readers of the counters that are not in use: those that read the index before the last flip. */
const SCAN_OLD = 1
/** The index was flipped; waits for the readers of what was in use until then. */
const SCAN_CURRENT = 2

/**
 * `srcu_read_lock`: begins a section. Returns the index for {@link srcuReadUnlock}. Writes only to this CPU's lines.
 */
export function srcuReadLock(cpu: Cpu): number {
  const index = Atomics.load(cpu.heap, Header.srcu + Srcu.index) & 1
  Atomics.add(cpu.heap, cpu.base + PerCpu.srcuLock + index, 1)
  return index
}

export function srcuReadUnlock(cpu: Cpu, index: number): void {
  Atomics.add(cpu.heap, cpu.base + PerCpu.srcuUnlock + index, 1)
}

/** `call_srcu`: has `callback` run on `head` after a grace period, by the CPU that finds it over. Does not wait. */
export function callSrcu(cpu: Cpu, head: number, callback: number): void {
  const { heap } = cpu
  heap[head + RcuHead.next] = 0
  heap[head + RcuHead.callback] = callback
  spinLock(cpu, Header.srcu + Srcu.lock)
  appendList(cpu, Header.srcu + Srcu.nextHead, head, head)
  Atomics.store(heap, Header.srcu + Srcu.pending, 1)
  spinUnlock(cpu, Header.srcu + Srcu.lock)
}

/** Advances the grace period, and runs the callbacks for which it is over. The caller holds no lock. */
export function srcuPoll(cpu: Cpu): void {
  if (Atomics.load(cpu.heap, Header.srcu + Srcu.pending) === 0) return
  if (!spinTryLock(cpu, Header.srcu + Srcu.lock)) return
  const ready = advance(cpu)
  spinUnlock(cpu, Header.srcu + Srcu.lock)
  if (ready === 0) return
  runCallbacks(cpu, ready)
  Atomics.sub(cpu.heap, Header.srcu + Srcu.running, 1)
}

/** `srcu_barrier`: waits until every callback has run. */
export function srcuBarrier(cpu: Cpu): void {
  for (;;) {
    srcuPoll(cpu)
    const waiting = Atomics.load(cpu.heap, Header.srcu + Srcu.pending) !== 0
    if (!waiting && Atomics.load(cpu.heap, Header.srcu + Srcu.running) === 0) return
    cpuRelax(cpu)
  }
}

/** `srcu_advance_state`. Returns the callbacks whose grace period is over. The domain is locked. */
function advance(cpu: Cpu): number {
  const { heap } = cpu
  if (heap[Header.srcu + Srcu.phase] === IDLE) {
    moveList(cpu, Header.srcu + Srcu.nextHead, Header.srcu + Srcu.waitHead)
    heap[Header.srcu + Srcu.phase] = SCAN_OLD
  }
  const index = Atomics.load(heap, Header.srcu + Srcu.index) & 1
  if (heap[Header.srcu + Srcu.phase] === SCAN_OLD) {
    if (!readersAreGone(cpu, index ^ 1)) return 0
    Atomics.add(heap, Header.srcu + Srcu.index, 1)
    heap[Header.srcu + Srcu.phase] = SCAN_CURRENT
    if (!readersAreGone(cpu, index)) return 0
  } else if (!readersAreGone(cpu, index ^ 1)) {
    return 0
  }
  heap[Header.srcu + Srcu.phase] = IDLE
  // Counted before `pending` is cleared: srcuBarrier() looks at `pending` first, and at `running` afterwards.
  if (heap[Header.srcu + Srcu.waitHead] !== 0) Atomics.add(heap, Header.srcu + Srcu.running, 1)
  if (heap[Header.srcu + Srcu.nextHead] === 0) Atomics.store(heap, Header.srcu + Srcu.pending, 0)
  return takeList(cpu, Header.srcu + Srcu.waitHead)
}

/** `srcu_readers_active_idx_check`: every section with this index that had begun has ended. */
function readersAreGone(cpu: Cpu, index: number): boolean {
  return sum(cpu, PerCpu.srcuUnlock + index) === sum(cpu, PerCpu.srcuLock + index)
}

function sum(cpu: Cpu, counter: number): number {
  let total = 0
  for (let id = 0; id < cpu.cpuCount; id++) {
    total = (total + Atomics.load(cpu.heap, perCpuBase(cpu.heap, id) + counter)) | 0
  }
  return total
}
