// Mutants of the spinlocks that are handed on in turn.

import type { MutantTable } from './mutant.ts'
import { at } from './patch.ts'

const queued = 'sync/qspinlock.ts'
const ticket = 'sync/ticket-spinlock.ts'

export const spinlockMutants: MutantTable = {
  'pending-beside-another': {
    guard: 'one CPU at a time is pending, and none while others queue',
    scenario: 'queued-spinlock',
    patches: at(queued, 'queuedSpinLockSlow').force('(before & (PENDING | TAIL_MASK)) === 0', true),
  },
  'pending-not-taken-back': {
    guard: 'a CPU that finds a queue is no longer pending',
    scenario: 'queued-spinlock-again',
    patches: at(queued, 'queuedSpinLockSlow').drop('if ((before & PENDING) === 0) $'),
  },
  'pending-takes-what-is-held': {
    guard: 'the pending CPU waits until the lock is free',
    scenario: 'queued-spinlock',
    patches: at(queued, 'queuedSpinLockSlow').drop('waitForWord(cpu, lock, HOLDER_MASK)'),
  },
  'queue-overtakes-the-pending': {
    guard: 'the first of the queue lets the pending CPU go first',
    scenario: 'queued-spinlock',
    patches: at(queued, 'takeInTurn').replace('HOLDER_MASK | PENDING', 'HOLDER_MASK'),
  },
  'tail-not-compared': {
    guard: 'two CPUs that queue at once get different places',
    scenario: 'queued-spinlock-queue',
    patches: at(queued, 'exchangeTail').replace(
      'const seen = Atomics.compareExchange(...$)',
      'const seen = value; Atomics.store(cpu.heap, lock, (value & ~TAIL_MASK) | tail)',
    ),
  },
  'queue-emptied-with-one-behind': {
    guard: 'the queue becomes empty when its first is also its last',
    scenario: 'queued-spinlock-queue',
    patches: at(queued, 'takeInTurn').force('(value & (PENDING | TAIL_MASK)) === tail', true),
  },
  'emptied-at-the-first-try-only': {
    guard: 'a CPU that empties the queue tries again if only the halted mark has changed',
    scenario: 'queued-spinlock-queue-halting',
    patches: at(queued, 'takeInTurn').replace('value = seen', 'value = 0'),
  },
  'queue-not-handed-on': {
    guard: 'a CPU that takes the lock tells the next that it is now the first',
    scenario: 'queued-spinlock-queue',
    patches: at(queued, 'takeInTurn').drop('handTo(cpu, next + FIRST, 1)'),
  },
  'next-not-awaited': {
    guard: 'a CPU with a successor waits until the successor has linked itself',
    scenario: 'queued-spinlock-queue',
    patches: at(queued, 'takeInTurn').drop('if (next === 0) $'),
  },
  'release-forgets-the-queue': {
    guard: 'a release keeps the waiters',
    scenario: 'queued-spinlock',
    patches: at(queued, 'queuedSpinUnlock').replace(
      'Atomics.sub(heap, lock, tag)',
      'Atomics.exchange(heap, lock, 0)',
    ),
  },
  'queued-spinlock-without-kick': {
    guard: 'releasing a queued spinlock wakes the CPU that halts on its word',
    scenario: 'queued-spinlock-halting',
    patches: at(queued, 'queuedSpinUnlock').drop('Atomics.notify(heap, lock)'),
  },
  'kick-for-one-only': {
    guard: 'the pending CPU and the first of the queue may both halt on the word',
    scenario: 'queued-spinlock-halting',
    patches: at(queued, 'queuedSpinUnlock').replace(
      'Atomics.notify(heap, lock)',
      'Atomics.notify(heap, lock, 1)',
    ),
  },
  'first-of-the-queue-not-kicked': {
    guard: 'writing to a node wakes the CPU that halts there',
    scenario: 'queued-spinlock-queue-halting',
    patches: at(queued, 'handTo').drop('Atomics.notify(cpu.heap, word, 1)'),
  },
  'node-of-an-interrupt-shared': {
    guard: 'a CPU that waits in a queue waits at another node in an interrupt',
    scenario: 'queued-spinlock-interrupt',
    patches: at(queued, 'queue').replace('cpu.qnodesUsed++', 'cpu.qnodesUsed'),
  },
  'ticket-drawn-twice': {
    guard: 'a ticket is drawn in one operation',
    scenario: 'ticket-spinlock',
    patches: at(ticket, 'ticketSpinLock').replace(
      'const drawn = Atomics.add(...$)',
      'const drawn = Atomics.load(heap, lock); Atomics.store(heap, lock, drawn + (1 << NEXT_SHIFT))',
    ),
  },
  'ticket-beyond-its-size': {
    guard: 'the ticket number wraps like the served number',
    scenario: 'ticket-spinlock',
    patches: at(ticket, 'ticketSpinLock').replace(
      'const ticket = (drawn >> NEXT_SHIFT) & NUMBER_MASK',
      'const ticket = drawn >> NEXT_SHIFT',
    ),
  },
  'ticket-holders-not-woken': {
    guard: 'releasing a ticket spinlock wakes the halted CPUs',
    scenario: 'ticket-spinlock-halting',
    patches: at(ticket, 'ticketSpinUnlock').drop('if (!isFree(before + 1)) $'),
  },
}
