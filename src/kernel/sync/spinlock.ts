// Spinlock: one word, 0 when free. There are three kinds, of which each machine uses one: test-and-set, here; ticket
// (ticket-spinlock.ts); queued (qspinlock.ts). x86 had them in this order, with others before 2.6.25 and 4.2, and has
// test-and-set still in guests whose hypervisor does not help (`virt_spin_lock`).
//
// A held lock of the first kind contains its holder (CPU number + 1, shifted left) and in bit 0 whether a CPU may halt
// on it. The halting is what Linux does on virtual machines (`pv_wait`, `pv_kick`): our CPUs are threads of a host that
// may take the core from the holder at any time, and spinning would then only lengthen the wait.

import { bugOn } from '../machine/errors.ts'
import { type Cpu, SPINS_BEFORE_HALT, cpuWait, disableInterrupts, enableInterrupts } from '../machine/cpu.ts'
import { queuedSpinLock, queuedSpinUnlock } from './qspinlock.ts'
import { ticketSpinLock, ticketSpinTryLock, ticketSpinUnlock } from './ticket-spinlock.ts'

export const SPINLOCK_TEST_AND_SET = 0
export const SPINLOCK_TICKET = 1
export const SPINLOCK_QUEUED = 2

/** What a machine's spinlocks are, see `Header.spinlockKind`. */
export const spinlockKinds = {
  'test-and-set': SPINLOCK_TEST_AND_SET,
  ticket: SPINLOCK_TICKET,
  queued: SPINLOCK_QUEUED,
} as const
export type SpinlockKind = keyof typeof spinlockKinds

export const spinlockNames = Object.keys(spinlockKinds) as readonly SpinlockKind[]

const HALTED = 1

function tagOf(cpu: Cpu): number {
  return (cpu.id + 1) << 1
}

/** Takes the lock, waiting as long as it takes. Interrupts are answered meanwhile if they are enabled. */
export function spinLock(cpu: Cpu, lock: number): void {
  if (cpu.spinlockKind !== SPINLOCK_TEST_AND_SET) {
    fairSpinLock(cpu, lock)
    return
  }
  if (Atomics.compareExchange(cpu.heap, lock, 0, (cpu.id + 1) << 1) !== 0) spinLockSlow(cpu, lock)
}

function fairSpinLock(cpu: Cpu, lock: number): void {
  if (cpu.spinlockKind === SPINLOCK_QUEUED) queuedSpinLock(cpu, lock)
  else ticketSpinLock(cpu, lock)
}

function spinLockSlow(cpu: Cpu, lock: number): void {
  const { heap } = cpu
  const tag = tagOf(cpu)
  for (let spins = 0; ; spins++) {
    const value = Atomics.load(heap, lock)
    if (value === 0) {
      // A CPU that has halted cannot know whether others halt too, so it keeps the mark for them.
      const mark = spins < SPINS_BEFORE_HALT ? 0 : HALTED
      if (Atomics.compareExchange(heap, lock, 0, tag | mark) === 0) return
      continue
    }
    bugOn((value & ~HALTED) === tag, `CPU ${cpu.id} takes a spinlock that it holds`)
    const marked = spins < SPINS_BEFORE_HALT || (value & HALTED) !== 0
    if (marked || Atomics.compareExchange(heap, lock, value, value | HALTED) === value) {
      cpuWait(cpu, lock, value | HALTED, spins)
    }
  }
}

/** Takes the lock if it is free. Returns whether it did. */
export function spinTryLock(cpu: Cpu, lock: number): boolean {
  if (cpu.spinlockKind === SPINLOCK_TICKET) return ticketSpinTryLock(cpu, lock)
  return Atomics.compareExchange(cpu.heap, lock, 0, (cpu.id + 1) << 1) === 0
}

/** Releases the lock. */
export function spinUnlock(cpu: Cpu, lock: number): void {
  if (cpu.spinlockKind !== SPINLOCK_TEST_AND_SET) {
    fairSpinUnlock(cpu, lock)
    return
  }
  const before = Atomics.exchange(cpu.heap, lock, 0)
  if (before !== (cpu.id + 1) << 1) spinUnlockSlow(cpu, lock, before)
}

function fairSpinUnlock(cpu: Cpu, lock: number): void {
  if (cpu.spinlockKind === SPINLOCK_QUEUED) queuedSpinUnlock(cpu, lock)
  else ticketSpinUnlock(cpu, lock)
}

function spinUnlockSlow(cpu: Cpu, lock: number, before: number): void {
  bugOn((before & ~HALTED) !== tagOf(cpu), `CPU ${cpu.id} releases a spinlock that it does not hold`)
  Atomics.notify(cpu.heap, lock, 1)
}

/** `spin_lock_irqsave`: returns whether interrupts were enabled, for {@link spinUnlockIrqRestore}. */
export function spinLockIrqSave(cpu: Cpu, lock: number): boolean {
  const enabled = cpu.interruptsEnabled
  disableInterrupts(cpu)
  spinLock(cpu, lock)
  return enabled
}

/** `spin_unlock_irqrestore`. */
export function spinUnlockIrqRestore(cpu: Cpu, lock: number, enabled: boolean): void {
  spinUnlock(cpu, lock)
  if (enabled) enableInterrupts(cpu)
}

/** `spin_lock_irq`. */
export function spinLockIrq(cpu: Cpu, lock: number): void {
  disableInterrupts(cpu)
  spinLock(cpu, lock)
}

/** `spin_unlock_irq`. */
export function spinUnlockIrq(cpu: Cpu, lock: number): void {
  spinUnlock(cpu, lock)
  enableInterrupts(cpu)
}
