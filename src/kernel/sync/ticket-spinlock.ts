// Ticket spinlock: x86 from Linux 2.6.25 (314cdbefd1fd) to 4.1.
//
// A CPU draws a ticket, and has the lock when its number is served: CPUs get it in the order in which they came.
// All of them look at the one word, so each release sends its line to every waiting CPU.
//
//   bits 0..14   the number that is served
//   bit 15       its overflow; means nothing
//   bits 16..30  the number of the next ticket; its overflow means nothing either
//
// The lock is free when both are the same.

import { type Cpu, cpuWait } from '../machine/cpu.ts'
import { bugOn } from '../machine/errors.ts'

const NEXT_SHIFT = 16
const NUMBER_MASK = 0x7fff
const RUN_OVER = 0x8000

function isFree(value: number): boolean {
  return ((value ^ (value >> NEXT_SHIFT)) & NUMBER_MASK) === 0
}

/** Takes the lock, in turn. Interrupts are answered meanwhile if they are enabled. */
export function ticketSpinLock(cpu: Cpu, lock: number): void {
  const { heap } = cpu
  const drawn = Atomics.add(heap, lock, 1 << NEXT_SHIFT)
  if (isFree(drawn)) return
  const ticket = (drawn >> NEXT_SHIFT) & NUMBER_MASK
  for (let spins = 0; ; spins++) {
    const value = Atomics.load(heap, lock)
    if ((value & NUMBER_MASK) === ticket) return
    cpuWait(cpu, lock, value, spins)
  }
}

/** Takes the lock if it is free. Returns whether it did. */
export function ticketSpinTryLock(cpu: Cpu, lock: number): boolean {
  const value = Atomics.load(cpu.heap, lock)
  const drawn = (value + (1 << NEXT_SHIFT)) | 0
  return isFree(value) && Atomics.compareExchange(cpu.heap, lock, value, drawn) === value
}

/** Releases the lock. */
export function ticketSpinUnlock(cpu: Cpu, lock: number): void {
  const { heap } = cpu
  const before = Atomics.add(heap, lock, 1)
  bugOn(isFree(before), `CPU ${cpu.id} releases a spinlock that nobody holds`)
  // The CPU that sees the overflow clears it, long before the number could overflow again, into the tickets.
  if (((before + 1) & RUN_OVER) !== 0) Atomics.and(heap, lock, ~RUN_OVER)
  // CPUs that wait may have halted.
  if (!isFree(before + 1)) Atomics.notify(heap, lock)
}
