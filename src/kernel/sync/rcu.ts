// Read-copy-update: readers write nothing; what they may still see is freed only after a grace period.
//
// This is RCU of a kernel without preemption, so a read-side critical section costs nothing: a CPU that is outside
// the kernel or asleep holds no reference, and the state word that counts its entries (machine/cpu.ts) tells one stay
// from the next. A grace period has passed when every CPU was outside at least once since it began.
//
// Each CPU keeps its callbacks in two lists: those that wait for the grace period in progress, and those that came
// after it began. Nothing runs in the background: a CPU looks after its callbacks when it has done a call that may free
// something.

import {
  type Cpu,
  CPU_ENTRY,
  CPU_INSIDE,
  cpuWait,
  kernelEnter,
  kernelExit,
  perCpuBase,
} from '../machine/cpu.ts'
import { bug, bugOn } from '../machine/errors.ts'
import { layout } from '../machine/layout.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { leaveForHost, returnFromHost } from '../machine/sleep.ts'
import { spinLock, spinUnlock } from './spinlock.ts'

/** `struct rcu_head`: two words in every object that is freed through RCU. */
export const RcuHead = layout('rcu_head', 2, { next: 0, callback: 1 })

/** What may be done after a grace period. A callback gets the address of the rcu_head. */
export const RCU_FREE_VMA = 1
export const RCU_FREE_PAGE_TABLE = 2
export const RCU_RELEASE_VMA = 3
export const RCU_PUT_VMA = 4
export const RCU_FREE_MM = 5
export const RCU_FREE_RANGE_NODE = 6
export const RCU_FREE_MMU_NOTIFIER = 7
const RCU_CALLBACKS = 8

type RcuCallback<C extends Cpu> = (cpu: C, head: number) => void

const callbacks: (RcuCallback<never> | null)[] = Array.from({ length: RCU_CALLBACKS }, () => null)

/**
 * Says what callback number `callback` does. Every thread of a machine runs the same code and so agrees on the
 * numbers.
 */
export function defineRcuCallback<C extends Cpu>(callback: number, run: RcuCallback<C>): void {
  callbacks[callback] = run
}

export function rcuReadLock(cpu: Cpu): void {
  cpu.rcuNesting++
}

export function rcuReadUnlock(cpu: Cpu): void {
  bugOn(--cpu.rcuNesting < 0, 'rcu_read_unlock without rcu_read_lock')
}

/** `call_rcu`: has `callback` run on `head` after a grace period, on this CPU. Does not wait. */
export function callRcu(cpu: Cpu, head: number, callback: number): void {
  const { heap, base } = cpu
  heap[head + RcuHead.next] = 0
  heap[head + RcuHead.callback] = callback
  spinLock(cpu, base + PerCpu.rcuLock)
  appendList(cpu, base + PerCpu.rcuNextHead, head, head)
  Atomics.store(heap, base + PerCpu.rcuPending, 1)
  spinUnlock(cpu, base + PerCpu.rcuLock)
}

/** Runs the callbacks whose grace period has passed and begins one for the next. The caller holds no lock. */
export function rcuPoll(cpu: Cpu): void {
  const { heap, base } = cpu
  if (Atomics.load(heap, base + PerCpu.rcuPending) === 0) return
  spinLock(cpu, base + PerCpu.rcuLock)
  let ready = 0
  if (heap[base + PerCpu.rcuWaitHead] !== 0 && gracePeriodPassed(cpu))
    ready = takeList(cpu, base + PerCpu.rcuWaitHead)
  if (heap[base + PerCpu.rcuWaitHead] === 0 && heap[base + PerCpu.rcuNextHead] !== 0) {
    moveList(cpu, base + PerCpu.rcuNextHead, base + PerCpu.rcuWaitHead)
    beginGracePeriod(cpu)
  }
  // Set before `rcuPending` is cleared: rcuBarrier() looks at `rcuPending` first, and at this word afterwards.
  if (ready !== 0) Atomics.store(heap, base + PerCpu.rcuRunning, 1)
  if (heap[base + PerCpu.rcuWaitHead] === 0) Atomics.store(heap, base + PerCpu.rcuPending, 0)
  spinUnlock(cpu, base + PerCpu.rcuLock)
  if (ready !== 0) runAndTell(cpu, ready)
}

/**
 * `synchronize_rcu`: waits for a grace period. This CPU is outside while it waits, so that two waiters do not wait
 * for each other.
 */
export function synchronizeRcu(cpu: Cpu): void {
  bugOn(cpu.rcuNesting !== 0, 'synchronize_rcu inside an RCU read-side critical section')
  const snapshot = new Int32Array(cpu.cpuCount)
  snapshotCpus(cpu, snapshot)
  // If the thread dies meanwhile, it dies in the middle of a call, though its CPU is outside.
  Atomics.store(cpu.heap, cpu.base + PerCpu.asleep, 1)
  kernelExit(cpu)
  for (let id = 0; id < cpu.cpuCount; id++) {
    for (let spins = 0; ; spins++) {
      const state = perCpuBase(cpu.heap, id)
      const now = Atomics.load(cpu.heap, state)
      if (isQuiescent(snapshot[id], now)) break
      cpuWait(cpu, state, now, spins)
    }
  }
  kernelEnter(cpu)
  Atomics.store(cpu.heap, cpu.base + PerCpu.asleep, 0)
}

/**
 * `rcu_barrier`: waits until every callback that was queued on any CPU before has run. It takes the callbacks from the
 * lists of all CPUs and runs them. Then it waits for the callbacks that other CPUs are running; by then it has none
 * itself, so that no two barriers wait for each other.
 */
export function rcuBarrier(cpu: Cpu): void {
  // Again and again, since a callback may queue another.
  let took = true
  while (took) took = runEveryCallback(cpu)
  // Only once: another barrier may set its word again and again, though it finds no callbacks each time.
  waitForOthersCallbacks(cpu)
}

/** Takes the callbacks of all CPUs and runs them after a grace period. Returns whether there were any. */
function runEveryCallback(cpu: Cpu): boolean {
  const { heap, base } = cpu
  // Set before the first callback is taken: another barrier that finds the list empty looks at this word and waits.
  Atomics.store(heap, base + PerCpu.rcuRunning, 1)
  let list = 0
  let last = 0
  for (let id = 0; id < cpu.cpuCount; id++) {
    const from = perCpuBase(heap, id)
    if (Atomics.load(heap, from + PerCpu.rcuPending) === 0) continue
    spinLock(cpu, from + PerCpu.rcuLock)
    moveList(cpu, from + PerCpu.rcuWaitHead, from + PerCpu.rcuNextHead)
    const tail = heap[from + PerCpu.rcuNextTail]
    const head = takeList(cpu, from + PerCpu.rcuNextHead)
    Atomics.store(heap, from + PerCpu.rcuPending, 0)
    spinUnlock(cpu, from + PerCpu.rcuLock)
    if (head === 0) continue
    if (list === 0) list = head
    else heap[last + RcuHead.next] = head
    last = tail
  }
  // If the thread dies in the grace period, the machine is lost: others wait for the callbacks that it has taken.
  Atomics.store(heap, base + PerCpu.asleep, 1)
  if (list !== 0) synchronizeRcu(cpu)
  Atomics.store(heap, base + PerCpu.asleep, 0)
  runAndTell(cpu, list)
  return list !== 0
}

/** Runs callbacks that this CPU has taken off the lists, and clears `rcuRunning` afterwards. */
function runAndTell(cpu: Cpu, list: number): void {
  runCallbacks(cpu, list)
  Atomics.store(cpu.heap, cpu.base + PerCpu.rcuRunning, 0)
}

/**
 * Waits until each other CPU has been seen to run no callbacks. This CPU is outside meanwhile, as the other may be
 * waiting for a grace period.
 */
function waitForOthersCallbacks(cpu: Cpu): void {
  leaveForHost(cpu)
  for (let id = 0; id < cpu.cpuCount; id++) {
    if (id === cpu.id) continue
    const word = perCpuBase(cpu.heap, id) + PerCpu.rcuRunning
    for (let spins = 0; Atomics.load(cpu.heap, word) !== 0; spins++) cpuWait(cpu, word, 1, spins)
  }
  returnFromHost(cpu)
}

export function runCallbacks(cpu: Cpu, list: number): void {
  for (let head = list; head !== 0;) {
    const next = cpu.heap[head + RcuHead.next]
    const run = callbacks[cpu.heap[head + RcuHead.callback]] as RcuCallback<Cpu> | null | undefined
    if (run === null || run === undefined) bug('an rcu_head without a callback')
    run(cpu, head)
    head = next
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Grace periods

function snapshotCpus(cpu: Cpu, snapshot: Int32Array): void {
  for (let id = 0; id < cpu.cpuCount; id++) snapshot[id] = Atomics.load(cpu.heap, perCpuBase(cpu.heap, id))
}

function beginGracePeriod(cpu: Cpu): void {
  if (cpu.rcuSnapshot === null) cpu.rcuSnapshot = new Int32Array(cpu.cpuCount)
  snapshotCpus(cpu, cpu.rcuSnapshot)
}

/** True when the CPU whose state was `then` and is `now` was outside in between. */
function isQuiescent(then: number, now: number): boolean {
  return (then & CPU_INSIDE) === 0 || (now & CPU_INSIDE) === 0 || ((then ^ now) & -CPU_ENTRY) !== 0
}

/** This CPU is going away: the thread that gets it next begins a new grace period for the callbacks that are left. */
export function rcuRetire(cpu: Cpu): void {
  const { base } = cpu
  spinLock(cpu, base + PerCpu.rcuLock)
  moveList(cpu, base + PerCpu.rcuWaitHead, base + PerCpu.rcuNextHead)
  spinUnlock(cpu, base + PerCpu.rcuLock)
}

function gracePeriodPassed(cpu: Cpu): boolean {
  const snapshot = cpu.rcuSnapshot
  if (snapshot === null) return bug('callbacks wait for a grace period that never began')
  for (let id = 0; id < cpu.cpuCount; id++) {
    const then = snapshot[id]
    if (id === cpu.id || (then & CPU_INSIDE) === 0) continue
    if (!isQuiescent(then, Atomics.load(cpu.heap, perCpuBase(cpu.heap, id)))) return false
    snapshot[id] = 0
  }
  return true
}

// ---------------------------------------------------------------------------------------------------------------------
// Lists of rcu_heads: a head word, and the tail in the word behind it

export function appendList(cpu: Cpu, list: number, first: number, last: number): void {
  const { heap } = cpu
  if (heap[list] === 0) heap[list] = first
  else heap[heap[list + 1] + RcuHead.next] = first
  heap[list + 1] = last
}

export function takeList(cpu: Cpu, list: number): number {
  const first = cpu.heap[list]
  cpu.heap[list] = 0
  cpu.heap[list + 1] = 0
  return first
}

export function moveList(cpu: Cpu, from: number, to: number): void {
  if (cpu.heap[from] === 0) return
  appendList(cpu, to, cpu.heap[from], cpu.heap[from + 1])
  takeList(cpu, from)
}
