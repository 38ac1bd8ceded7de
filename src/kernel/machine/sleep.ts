// Sleeping: the thread leaves the CPU, and is outside meanwhile.

import { type Cpu, SLEEP_CHECK_MS, kernelEnter, kernelExit, throwIfCpuLost } from './cpu.ts'
import { bugOn } from './errors.ts'
import { HEAP_MAGIC, Header } from './header.ts'
import { PerCpu } from './per-cpu.ts'

// A sleeping thread waits for one word of its own CPU, which the waker sets to 0. The other values tell the waker
// whether it has to call the host: for a moment the sleeper only polls, as the halt polling of hypervisors does,
// since being put to sleep and woken by the host takes far longer than most locks are held.
const TASK_RUNNING = 0
const TASK_POLLING = 1
const TASK_SLEEPING = 2
const SLEEP_POLLS = 200

/** Announces that this CPU is about to sleep on `word`: from now on, a waker can wake it. */
export function prepareToSleep(cpu: Cpu, word: number): void {
  Atomics.store(cpu.heap, word, TASK_POLLING)
}

/**
 * Sleeps until a waker wakes `word`: the thread leaves the CPU, which is a quiescent state and answers no interrupts.
 * The CPU is marked as asleep meanwhile: if the thread dies there, a waker may still hand it what it waits for.
 */
export function sleepUntilWoken(cpu: Cpu, word: number): void {
  const { heap } = cpu
  leaveForHost(cpu)
  let polls = 0
  while (polls < SLEEP_POLLS && Atomics.load(heap, word) !== TASK_RUNNING) {
    Atomics.pause()
    polls++
  }
  if (Atomics.compareExchange(heap, word, TASK_POLLING, TASK_SLEEPING) === TASK_POLLING)
    waitForHost(cpu, word)
  returnFromHost(cpu)
}

/** Sleeps until `heap[word]` may have changed from `value`. A thread that changes it must notify. */
export function sleepWhile(cpu: Cpu, word: number, value: number): void {
  leaveForHost(cpu)
  const timedOut = Atomics.wait(cpu.heap, word, value, SLEEP_CHECK_MS) === 'timed-out'
  if (timedOut) cpu.host?.stillWaiting()
  returnFromHost(cpu)
  if (timedOut) throwIfCpuLost(cpu)
}

/** `schedule_timeout_uninterruptible`: sleeps for that time. */
export function sleepFor(cpu: Cpu, milliseconds: number): void {
  leaveForHost(cpu)
  Atomics.wait(cpu.heap, Header.magic, HEAP_MAGIC, milliseconds)
  returnFromHost(cpu)
}

/** `io_schedule`: until {@link returnFromHost}, this CPU is outside, with work undone, while the host works for it. */
export function leaveForHost(cpu: Cpu): void {
  bugOn(cpu.rcuNesting !== 0, 'sleeping inside an RCU read-side critical section')
  bugOn(!cpu.interruptsEnabled, 'sleeping with interrupts disabled')
  Atomics.store(cpu.heap, cpu.base + PerCpu.asleep, 1)
  kernelExit(cpu)
  // The stay has not ended: a second entry would find the work of this one half done.
  cpu.entered = true
}

export function returnFromHost(cpu: Cpu): void {
  cpu.entered = false
  kernelEnter(cpu)
  Atomics.store(cpu.heap, cpu.base + PerCpu.asleep, 0)
}

function waitForHost(cpu: Cpu, word: number): void {
  while (Atomics.load(cpu.heap, word) === TASK_SLEEPING) {
    if (Atomics.wait(cpu.heap, word, TASK_SLEEPING, SLEEP_CHECK_MS) === 'timed-out') cpu.host?.stillWaiting()
    throwIfCpuLost(cpu)
  }
}

/**
 * Wakes the CPU that sleeps, or is about to sleep, on `word`. What the sleeper waited for may be freed right
 * afterwards.
 */
export function wakeUp(cpu: Cpu, word: number): void {
  if (Atomics.exchange(cpu.heap, word, TASK_RUNNING) === TASK_SLEEPING) Atomics.notify(cpu.heap, word, 1)
}
