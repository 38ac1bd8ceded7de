// Waiting for a word of memory (kernel/futex): the waiting threads, by the place of the word, and how they are woken.
//
// A waiter enters itself here, then reads the word, and sleeps on a word of its own CPU. A waker changes the word
// before it looks here; so it finds the waiter, or the waiter sees the change. The waiter sleeps not on the awaited
// word but on a word of the heap, which changes when the sleep ends. Thus the loss of the machine and the check for
// dead threads can also end the sleep, and no wake-up is missed in between.
//
// A thread that sleeps is outside the kernel and has left nothing undone. If it is terminated there, the machine is not
// lost, and the thread that cleans up removes it from the list.

import { type Cpu, FUTEX_WAITING, perCpuBase, throwIfCpuLost } from '../machine/cpu.ts'
import { Header } from '../machine/header.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { spinLock, spinUnlock } from './spinlock.ts'

/** `futexState`: the CPU waits for nothing, or a waker has woken it. The other two values are in machine/cpu.ts. */
const FUTEX_NONE = 0
const FUTEX_WOKEN = 2

/** `futex_queue`: appends this CPU to the list as a waiter for `key`. The caller reads the word afterwards. */
export function futexQueue(cpu: Cpu, key: number): void {
  const { heap, base } = cpu
  spinLock(cpu, Header.futexLock)
  heap[base + PerCpu.futexKey] = key
  heap[base + PerCpu.futexNext] = 0
  Atomics.store(heap, base + PerCpu.futexState, FUTEX_WAITING)
  Atomics.store(heap, lastLink(heap), cpu.id + 1)
  spinUnlock(cpu, Header.futexLock)
}

/** Whether any thread waits, for any key. A thread that has returned from futexQueue() is seen. */
export function futexHasWaiters(cpu: Cpu): boolean {
  return Atomics.load(cpu.heap, Header.futexHead) !== 0
}

/**
 * Sleeps outside the kernel until a waker wakes this CPU, for `milliseconds` at most. Throws CpuLostError if the
 * machine is lost.
 */
export function futexSleep(cpu: Cpu, milliseconds: number): void {
  throwIfCpuLost(cpu)
  Atomics.wait(cpu.heap, cpu.base + PerCpu.futexState, FUTEX_WAITING, milliseconds)
  throwIfCpuLost(cpu)
}

/** Whether this CPU still waits: no waker has woken it. */
export function isFutexWaiting(cpu: Cpu): boolean {
  return Atomics.load(cpu.heap, cpu.base + PerCpu.futexState) === FUTEX_WAITING
}

/** The link at the end of the list, which is 0. */
function lastLink(heap: Int32Array): number {
  let link: number = Header.futexHead
  while (heap[link] !== 0) link = linkOf(heap, heap[link])
  return link
}

/** The link from CPU `number - 1` to the waiter behind it. */
function linkOf(heap: Int32Array, number: number): number {
  return perCpuBase(heap, number - 1) + PerCpu.futexNext
}

/** `futex_unqueue`: removes this CPU from the list, if no waker has. Returns whether it was woken. */
export function futexUnqueue(cpu: Cpu): boolean {
  const { heap, base } = cpu
  spinLock(cpu, Header.futexLock)
  for (let link: number = Header.futexHead; heap[link] !== 0; link = linkOf(heap, heap[link])) {
    if (heap[link] !== cpu.id + 1) continue
    Atomics.store(heap, link, heap[base + PerCpu.futexNext])
    break
  }
  const woken = Atomics.exchange(heap, base + PerCpu.futexState, FUTEX_NONE) === FUTEX_WOKEN
  spinUnlock(cpu, Header.futexLock)
  return woken
}

/** `futex_wake`: wakes at most `count` threads that wait at `key`, those that came first. Returns how many. */
export function futexWake(cpu: Cpu, key: number, count: number): number {
  const { heap } = cpu
  let woken = 0
  spinLock(cpu, Header.futexLock)
  for (let link: number = Header.futexHead; heap[link] !== 0 && woken < count;) {
    const base = perCpuBase(heap, heap[link] - 1)
    if (heap[base + PerCpu.futexKey] !== key) {
      link = base + PerCpu.futexNext
      continue
    }
    Atomics.store(heap, link, heap[base + PerCpu.futexNext])
    Atomics.store(heap, base + PerCpu.futexState, FUTEX_WOKEN)
    Atomics.notify(heap, base + PerCpu.futexState)
    woken++
  }
  spinUnlock(cpu, Header.futexLock)
  return woken
}

/** The thread on this CPU has ended: removes it from the list. */
export function futexExit(cpu: Cpu): void {
  if (Atomics.load(cpu.heap, cpu.base + PerCpu.futexState) !== FUTEX_NONE) futexUnqueue(cpu)
}
