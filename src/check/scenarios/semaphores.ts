// Semaphores of which the waiters queue, where in locks.ts most of them get the lock before. What decides that is how
// often the spinning form looks before it queues (variants.ts); the other forms know nothing of it.

import {
  CALL_FLUSH_TLB,
  FLAG_HANDOFF,
  Header,
  PerCpu,
  RWSEM_OWNER_WORD,
  RWSEM_READER_SPINNING,
  RWSEM_SPINNING,
  RWSEM_WORDS,
  type Task,
  callFunctionMany,
  downRead,
  downWrite,
  downgradeWrite,
  perCpuBase,
  upRead,
  upWrite,
  wakeUp,
} from '../../kernel/index.ts'
import type { PrimitiveScenarioDescription } from '../kernel-scenario.ts'
import { primitiveScenarios } from './table.ts'

const COUNTER = RWSEM_WORDS
/** Behind what the threads guard by the semaphore, a cache line apart: the CPUs to be called. */
const MASK = RWSEM_WORDS + 16
const BOTH = 0b11

function countUp(cpu: Task, at: number): number {
  downWrite(cpu, at)
  const before = cpu.heap[at + COUNTER]!
  cpu.heap[at + COUNTER] = before + 1
  upWrite(cpu, at)
  return before
}

function read(cpu: Task, at: number): number {
  downRead(cpu, at)
  const seen = cpu.heap[at + COUNTER]!
  upRead(cpu, at)
  return seen
}

/** Between two calls that another thread makes, it may see anything. */
function look(cpu: Task, at: number): number {
  return read(cpu, at) < 0 ? -1 : 0
}

function readThenAdd(cpu: Task, at: number): number {
  look(cpu, at)
  return addTen(cpu, at)
}

function countTwice(cpu: Task, at: number): number {
  downWrite(cpu, at)
  cpu.heap[at + COUNTER]!++
  upWrite(cpu, at)
  downWrite(cpu, at)
  cpu.heap[at + COUNTER]!++
  upWrite(cpu, at)
  return 0
}

function countThenRead(cpu: Task, at: number): string {
  const mine = countUp(cpu, at)
  return read(cpu, at) > mine ? 'counted' : 'lost'
}

/** Whether the lock was to be handed over, to one who has not come in yet: then whoever comes now comes later. */
function isHandedOver({ heap }: Task, at: number): boolean {
  const kind = heap[Header.rwsemKind]
  const canBe = kind === RWSEM_SPINNING || kind === RWSEM_READER_SPINNING
  return canBe && (Atomics.load(heap, at) & FLAG_HANDOFF) !== 0
}

const HANDED_OVER = 'handed over'
const PASSED_OVER = 'passed over'

/** Of the queue there is only one who can have been passed over: the other thread that adds 10. */
function takeBeside(cpu: Task, at: number): string {
  const handedOver = isHandedOver(cpu, at)
  downWrite(cpu, at)
  const hasOtherCome = cpu.heap[at + COUNTER]! >= 10
  cpu.heap[at + COUNTER]!++
  upWrite(cpu, at)
  return handedOver && !hasOtherCome ? PASSED_OVER : HANDED_OVER
}

function readBeside(cpu: Task, at: number): string {
  const handedOver = isHandedOver(cpu, at)
  downRead(cpu, at)
  const hasOtherCome = cpu.heap[at + COUNTER]! >= 10
  upRead(cpu, at)
  return handedOver && !hasOtherCome ? PASSED_OVER : HANDED_OVER
}

function addTen(cpu: Task, at: number): number {
  downWrite(cpu, at)
  cpu.heap[at + COUNTER]! += 10
  upWrite(cpu, at)
  return 0
}

function downgrade(cpu: Task, at: number): string {
  downWrite(cpu, at)
  const mine = (cpu.heap[at + COUNTER]! += 1)
  downgradeWrite(cpu, at)
  const still = cpu.heap[at + COUNTER] === mine
  upRead(cpu, at)
  return still ? 'unchanged' : 'changed'
}

/** A semaphore and what it guards. Which CPU, or whether a reader, had it last is no outcome. */
function semaphore(threads: PrimitiveScenarioDescription['threads']): PrimitiveScenarioDescription {
  return { words: RWSEM_WORDS + 1, hints: [RWSEM_OWNER_WORD], threads }
}

/** A thread calls on both CPUs with the lock held, which the other wants meanwhile. */
function calledBeside(other: PrimitiveScenarioDescription['threads'][number]): PrimitiveScenarioDescription {
  return {
    words: MASK + 8,
    hints: [RWSEM_OWNER_WORD],
    setup: (cpu, at) => {
      cpu.heap[at + MASK] = BOTH
    },
    threads: [
      function call(cpu, at) {
        downWrite(cpu, at)
        cpu.heap[at + COUNTER]!++
        callFunctionMany(cpu, at + MASK, CALL_FLUSH_TLB, 0, 0, 1)
        upWrite(cpu, at)
        return 0
      },
      other,
    ],
  }
}

export default primitiveScenarios({
  // Two readers and a writer that queue: the last to leave finds the queue, whatever count it sees in between.
  'rwsem-readers-queue': semaphore([read, read, countUp]),
  // Two writers that queue, and nobody who comes later and would wake them.
  'rwsem-two-writers': semaphore([countUp, countUp]),
  // Three writers: one leaves, one has queued, and one is between spinning and the queue.
  'rwsem-three-writers': semaphore([countUp, countUp, countUp]),
  // Two writers and a reader that queue.
  'rwsem-writers-queue': semaphore([countUp, countUp, read]),
  // Writers that return take the lock before the woken one.
  'rwsem-steal': semaphore([countTwice, countThenRead, addTen]),
  // A reader that queues again, for writing, while others that were let in with it are still being woken.
  'rwsem-reader-again': semaphore([readThenAdd, look, countUp]),
  // A reader with a spurious wake-up: it is meant for an earlier wait of that thread as a writer, which took the lock
  // before it was woken, released it, and queued again.
  'rwsem-woken-late': semaphore([
    countUp,
    read,
    function wakeReader(cpu) {
      wakeUp(cpu, perCpuBase(cpu.heap, 1) + PerCpu.waiterWake)
      return 0
    },
  ]),
  // A writer that was passed over too often (here: once), and a writer that comes later.
  'rwsem-handoff': semaphore([countUp, addTen, takeBeside]),
  // The same with a reader that comes later.
  'rwsem-handoff-reader': semaphore([countUp, addTen, readBeside]),
  // A reader that is passed over too often, and two writers.
  'rwsem-reader-handoff': semaphore([countTwice, look, addTen]),
  // A writer that becomes a reader, and a reader and a writer, both of which may have queued.
  'rwsem-downgrade-queue': semaphore([downgrade, read, addTen]),
  // A writer that interrupts the other CPU with the lock held, and one that spins for the lock until it gets it
  // (variants.ts): the deadlock of interrupts (race R11) if it does not answer.
  'rwsem-spinner-called': calledBeside(addTen),
  // The same with a reader, in the form in which readers spin.
  'rwsem-reader-called': calledBeside(read),
})
