// Fair spinlocks (sync/ticket-spinlock.ts, sync/qspinlock.ts); for unfair ones see locks.ts.

import {
  type Task,
  callFunctionSingle,
  defineCall,
  spinLock,
  spinTryLock,
  spinUnlock,
} from '../../kernel/index.ts'
import { firstPage } from './pages.ts'
import { kernelScenarios, primitiveScenarios } from './table.ts'

const LOCK = 0
const COUNTED = 1
/** Another lock, in another line, and what that guards. */
const OTHER_LOCK = 16
const OTHER_COUNTED = 17

/** The last ticket, and the last number that is served, before both run over. */
const LAST_TICKET = 0x7fff_7fff

function lockAndAdd(cpu: Task, at: number): number {
  spinLock(cpu, at + LOCK)
  cpu.heap[at + COUNTED]!++
  spinUnlock(cpu, at + LOCK)
  return 0
}

function lockOtherAndAdd(cpu: Task, at: number): void {
  spinLock(cpu, at + OTHER_LOCK)
  cpu.heap[at + OTHER_COUNTED]!++
  spinUnlock(cpu, at + OTHER_LOCK)
}

function tryAndAdd(cpu: Task, at: number): number {
  if (!spinTryLock(cpu, at + LOCK)) return lockAndAdd(cpu, at)
  cpu.heap[at + COUNTED]!++
  spinUnlock(cpu, at + LOCK)
  return 0
}

function lockTwice(cpu: Task, at: number): number {
  lockAndAdd(cpu, at)
  return lockAndAdd(cpu, at)
}

const CALL_LOCK_OTHER = 4

let words = 0
defineCall<Task>(CALL_LOCK_OTHER, (cpu) => lockOtherAndAdd(cpu, words))

/** Pages of a table of the lowest level. */
const TABLE_PAGES = 512

export default {
  ...primitiveScenarios({
    // A ticket spinlock and what it guards, with numbers that wrap.
    'ticket-spinlock': {
      words: 2,
      spinlock: 'ticket',
      setup: ({ heap }, at) => {
        heap[at + LOCK] = LAST_TICKET
      },
      threads: [lockAndAdd, lockAndAdd, tryAndAdd],
    },
    // Waiting CPUs halt, and all are woken to check which number is served (variants.ts).
    'ticket-spinlock-halting': {
      words: 2,
      spinlock: 'ticket',
      threads: [lockAndAdd, lockAndAdd, lockAndAdd],
    },
    // A queued spinlock: one has it, one is pending, and one queues.
    'queued-spinlock': {
      words: 2,
      spinlock: 'queued',
      threads: [lockAndAdd, lockAndAdd, tryAndAdd],
    },
    // One is pending, or about to be, while the queue behind it empties.
    'queued-spinlock-again': {
      words: 2,
      spinlock: 'queued',
      threads: [lockTwice, lockAndAdd, lockAndAdd],
    },
    // Nobody is pending (variants.ts): one has the lock, one is the first of the queue, and one waits at its node.
    'queued-spinlock-queue': {
      words: 2,
      spinlock: 'queued',
      threads: [lockAndAdd, lockAndAdd, lockAndAdd],
    },
    // CPUs halt while they are pending, or first in the queue (variants.ts).
    'queued-spinlock-halting': {
      words: 2,
      spinlock: 'queued',
      threads: [lockAndAdd, lockAndAdd, lockAndAdd],
    },
    // CPUs halt while they are first in the queue, or wait at their nodes (variants.ts).
    'queued-spinlock-queue-halting': {
      words: 2,
      spinlock: 'queued',
      threads: [lockAndAdd, lockAndAdd, lockAndAdd],
    },
    // The holder of a lock interrupts a CPU that waits in its queue, and that CPU waits for another lock to answer,
    // while a CPU leaves that lock and queues behind it (variants.ts).
    'queued-spinlock-interrupt': {
      words: 18,
      spinlock: 'queued',
      setup: (_cpu, at) => {
        words = at
      },
      threads: [
        function lockAndCall(cpu, at) {
          spinLock(cpu, at + LOCK)
          const answered = callFunctionSingle(cpu, 1, CALL_LOCK_OTHER)
          spinUnlock(cpu, at + LOCK)
          if (!answered) lockOtherAndAdd(cpu, at)
          return 0
        },
        lockAndAdd,
        function lockBoth(cpu, at) {
          lockOtherAndAdd(cpu, at)
          return lockAndAdd(cpu, at)
        },
      ],
    },
  }),
  ...kernelScenarios({
    // Two faults under different page tables meet at the locks of the zone and of the list of the LRU.
    'queued-fault-fault': {
      spinlock: 'queued',
      accounting: { lruBatch: 1, chargeBatch: 2 },
      setup: (cpu) => {
        cpu.mapPages(firstPage, 2)
        cpu.mapPages(firstPage + TABLE_PAGES, 2)
        cpu.store(firstPage + 1, 7)
        cpu.store(firstPage + TABLE_PAGES + 1, 8)
      },
      threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.store(firstPage + TABLE_PAGES, 43)]],
      pages: [firstPage, firstPage + TABLE_PAGES],
    },
    // A fault and munmap meet at the lock of the page table.
    'queued-fault-munmap': {
      spinlock: 'queued',
      setup: (cpu) => {
        cpu.mapPages(firstPage, 2)
        cpu.store(firstPage + 1, 7)
      },
      threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 2)]],
      pages: [firstPage],
    },
    // The same under ticket locks.
    'ticket-fault-munmap': {
      spinlock: 'ticket',
      setup: (cpu) => {
        cpu.mapPages(firstPage, 2)
        cpu.store(firstPage + 1, 7)
      },
      threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 2)]],
      pages: [firstPage],
    },
  }),
}
