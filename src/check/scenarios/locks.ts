// What the kernel is built from: locks.

import {
  RWSEM_OWNER_WORD,
  RWSEM_WORDS,
  type Task,
  downRead,
  downReadTryLock,
  downWrite,
  downgradeWrite,
  kernelEnter,
  kernelExit,
  lockPage,
  percpuDownReadTryLock,
  percpuDownWrite,
  percpuRwsemWords,
  percpuUpRead,
  percpuUpWrite,
  readSeqcount,
  readSeqcountRetry,
  readSeqcountTurns,
  spinLock,
  spinTryLock,
  spinUnlock,
  unlockPage,
  upRead,
  upWrite,
  writeSeqcountBegin,
  writeSeqcountEnd,
} from '../../kernel/index.ts'
import { primitiveScenarios } from './table.ts'

const LOCK = 0
const COUNTED = 1

function count({ heap }: Task, at: number): void {
  heap[at + COUNTED]!++
}

function lockAndCount(cpu: Task, at: number): number {
  spinLock(cpu, at + LOCK)
  count(cpu, at)
  spinUnlock(cpu, at + LOCK)
  return 0
}

function lockAndAdd(cpu: Task, at: number): number {
  spinLock(cpu, at + LOCK)
  cpu.heap[at + COUNTED]!++
  spinUnlock(cpu, at + LOCK)
  return 0
}

const FIRST = RWSEM_WORDS
const SECOND = RWSEM_WORDS + 1

function readBoth(cpu: Task, at: number): string {
  downRead(cpu, at)
  const seen = `${cpu.heap[at + FIRST]} ${cpu.heap[at + SECOND]}`
  upRead(cpu, at)
  return seen
}

const COUNTER = RWSEM_WORDS

function writeAndCount(cpu: Task, at: number): number {
  downWrite(cpu, at)
  const before = cpu.heap[at + COUNTER]!
  cpu.heap[at + COUNTER] = before + 1
  upWrite(cpu, at)
  return before
}

function countUp(cpu: Task, at: number): number {
  downWrite(cpu, at)
  cpu.heap[at + COUNTER]!++
  upWrite(cpu, at)
  return 0
}

const CPUS = 2
const PERCPU_FIRST = percpuRwsemWords(CPUS)
const PERCPU_SECOND = PERCPU_FIRST + 1

function tryToReadBoth(cpu: Task, at: number): string {
  if (!percpuDownReadTryLock(cpu, at)) return 'alike'
  const seen = cpu.heap[at + PERCPU_FIRST] === cpu.heap[at + PERCPU_SECOND] ? 'alike' : 'torn'
  percpuUpRead(cpu, at)
  return seen
}

const PERCPU_COUNTER = percpuRwsemWords(CPUS)
const COUNT = 0
const SEQ_FIRST = 2
const SEQ_SECOND = 3

/** Its lock is part of its flags, whether it is in use or not. */
const FRAME = 5

function bump(cpu: Task, at: number): number {
  lockPage(cpu, FRAME)
  const before = cpu.heap[at]!
  cpu.heap[at] = before + 1
  unlockPage(cpu, FRAME)
  return before
}

export default primitiveScenarios({
  // A spinlock and the plain data that it guards: two CPUs in the critical section would race for it.
  spinlock: {
    words: 2,
    threads: [
      lockAndCount,
      lockAndCount,
      function tryAndCount(cpu, at) {
        if (!spinTryLock(cpu, at + LOCK)) return lockAndCount(cpu, at)
        count(cpu, at)
        spinUnlock(cpu, at + LOCK)
        return 0
      },
    ],
  },
  // A spinlock whose waiters halt: the release wakes one, and all get their turn (variants.ts).
  'spinlock-halting': {
    words: 2,
    threads: [lockAndAdd, lockAndAdd, lockAndAdd],
  },
  // A semaphore with two readers and a writer: the readers see both words alike.
  'rwsem-readers': {
    words: RWSEM_WORDS + 2,
    hints: [RWSEM_OWNER_WORD],
    threads: [
      readBoth,
      readBoth,
      function write(cpu, at) {
        downWrite(cpu, at)
        cpu.heap[at + FIRST]!++
        cpu.heap[at + SECOND]!++
        upWrite(cpu, at)
        return 0
      },
    ],
  },
  // A semaphore with two writers, and a reader that only tries.
  'rwsem-writers': {
    words: RWSEM_WORDS + 1,
    hints: [RWSEM_OWNER_WORD],
    threads: [
      writeAndCount,
      writeAndCount,
      function tryToRead(cpu, at) {
        // It need not succeed: nothing that it returns may depend on that.
        if (!downReadTryLock(cpu, at)) return 0
        const odd = cpu.heap[at + COUNTER]! > 2
        upRead(cpu, at)
        return odd ? 1 : 0
      },
    ],
  },
  // A semaphore with two writers and a reader, any of which may have to queue behind any other.
  'rwsem-queue': {
    words: RWSEM_WORDS + 1,
    hints: [RWSEM_OWNER_WORD],
    threads: [
      writeAndCount,
      function read(cpu, at) {
        downRead(cpu, at)
        const seen = cpu.heap[at + COUNTER]!
        upRead(cpu, at)
        return seen
      },
      writeAndCount,
    ],
  },
  // A writer of a semaphore that becomes a reader, and a reader, which gets the lock then at the latest.
  'rwsem-downgrade': {
    words: RWSEM_WORDS + 1,
    hints: [RWSEM_OWNER_WORD],
    threads: [
      function downgrade(cpu, at) {
        downWrite(cpu, at)
        const mine = (cpu.heap[at + COUNTER]! += 1)
        downgradeWrite(cpu, at)
        const still = cpu.heap[at + COUNTER] === mine
        upRead(cpu, at)
        return still ? 'unchanged' : 'changed'
      },
      function read(cpu, at) {
        downRead(cpu, at)
        const seen = cpu.heap[at + COUNTER]!
        upRead(cpu, at)
        return seen
      },
    ],
  },
  // A writer of a semaphore that becomes a reader, and another writer, which waits until the first has left.
  'rwsem-downgrade-write': {
    words: RWSEM_WORDS + 1,
    hints: [RWSEM_OWNER_WORD],
    threads: [
      function downgrade(cpu, at) {
        downWrite(cpu, at)
        const mine = (cpu.heap[at + COUNTER]! += 1)
        downgradeWrite(cpu, at)
        const still = cpu.heap[at + COUNTER] === mine
        upRead(cpu, at)
        return still ? 'unchanged' : 'changed'
      },
      function write(cpu, at) {
        downWrite(cpu, at)
        cpu.heap[at + COUNTER]! += 10
        upWrite(cpu, at)
        return 0
      },
    ],
  },
  // A semaphore whose waiters sleep at once and until they are woken (variants.ts).
  'rwsem-sleeping': {
    words: RWSEM_WORDS + 1,
    hints: [RWSEM_OWNER_WORD],
    threads: [
      countUp,
      function read(cpu, at) {
        downRead(cpu, at)
        const seen = cpu.heap[at + COUNTER]!
        upRead(cpu, at)
        return seen
      },
    ],
  },
  // A per-CPU semaphore with a writer and a reader that tries: a reader inside sees both words alike, and the writer
  // does not sleep for ever.
  'percpu-rwsem': {
    words: percpuRwsemWords(CPUS) + 2,
    threads: [
      (cpu, at) => [tryToReadBoth(cpu, at), tryToReadBoth(cpu, at)].join(' '),
      function write(cpu, at) {
        percpuDownWrite(cpu, at)
        cpu.heap[at + PERCPU_FIRST]!++
        cpu.heap[at + PERCPU_SECOND]!++
        percpuUpWrite(cpu, at)
        return 0
      },
    ],
  },
  // A reader of a per-CPU semaphore that is outside the kernel for a while with the semaphore held, and a writer that
  // has to sleep until it returns and releases it (variants.ts).
  'percpu-rwsem-sleeping': {
    words: percpuRwsemWords(CPUS) + 1,
    threads: [
      function read(cpu, at) {
        if (!percpuDownReadTryLock(cpu, at)) return 'still'
        const before = cpu.heap[at + PERCPU_COUNTER]!
        kernelExit(cpu)
        kernelEnter(cpu)
        const after = cpu.heap[at + PERCPU_COUNTER]!
        percpuUpRead(cpu, at)
        return before === after ? 'still' : 'changed'
      },
      function write(cpu, at) {
        percpuDownWrite(cpu, at)
        cpu.heap[at + PERCPU_COUNTER]!++
        percpuUpWrite(cpu, at)
        return 0
      },
    ],
  },
  // A sequence count: a reader that sees the same even number twice has seen both words of one write.
  seqcount: {
    words: 4,
    threads: [
      function write(cpu, at) {
        writeSeqcountBegin(cpu, at + COUNT)
        Atomics.store(cpu.heap, at + SEQ_FIRST, 1)
        Atomics.store(cpu.heap, at + SEQ_SECOND, 1)
        writeSeqcountEnd(cpu, at + COUNT)
        return 0
      },
      function read(cpu, at) {
        const turns = readSeqcountTurns(cpu, at + COUNT)
        const start = readSeqcount(cpu, at + COUNT)
        if ((start & 1) !== 0) return 'consistent'
        const first = Atomics.load(cpu.heap, at + SEQ_FIRST)
        const second = Atomics.load(cpu.heap, at + SEQ_SECOND)
        return first === second || readSeqcountRetry(cpu, at + COUNT, start, turns) ? 'consistent' : 'torn'
      },
    ],
  },
  // Three lockers of one page, two of which may have to sleep: no two hold it at once, and no wake-up is lost.
  'page-lock': {
    words: 1,
    threads: [bump, bump, bump],
  },
})
