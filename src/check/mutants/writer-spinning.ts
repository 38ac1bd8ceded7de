// Mutants of the semaphore in which only writers spin, and of the queue of spinners. Those that stand for a change of
// kernel/locking/rwsem-xadd.c or rwsem.c name its commit.

import type { MutantEntry, MutantTable } from './mutant.ts'
import { at } from './patch.ts'

const rwsem = 'sync/rwsem-writer-spinning.ts'
const queue = 'sync/rwsem-queue.ts'
const osq = 'sync/osq.ts'

const ofTheSemaphore: Readonly<Record<string, Omit<MutantEntry, 'rwsem'>>> = {
  // 9c29c31830a4 (4.15): the load of who spins came before the release.
  'spinners-seen-before-the-release': {
    guard: 'whether somebody spins is looked at after the release',
    scenario: 'rwsem-two-writers',
    patches: [
      at(rwsem, 'writerSpinningUpWrite').before(
        'wakeIfLast(...$)',
        'const spins = osqIsLocked(cpu, sem + Rwsem.spinners)',
      ),
      at(rwsem, 'writerSpinningUpWrite').replace(
        'wakeIfLast(...$)',
        `const count = Atomics.sub(cpu.heap, sem, ACTIVE_WRITE_BIAS) - ACTIVE_WRITE_BIAS;
        if (!spins) wakeIfLast(cpu, sem, count)`,
      ),
    ],
  },
  'spinners-wake-nobody': {
    guard: 'a release beside spinners wakes the queue where the wait lock is free',
    scenario: 'rwsem-three-writers',
    redundant: 'who spins takes the lock and wakes when it leaves, or queues and tries it',
    patches: at(rwsem, 'rwsemWake').replace(
      'if (spinTryLock(cpu, sem + Rwsem.waitLock)) $; else $',
      'enableInterrupts(cpu)',
    ),
  },
  'last-try-left-out': {
    guard: 'who has spun in vain tries once more before it sleeps, with the wait lock held',
    scenario: 'rwsem-two-writers',
    patches: at(rwsem, 'queueForWrite').before(
      'while (!tryWriteLock(cpu, sem, count)) $',
      `spinUnlockIrq(cpu, sem + Rwsem.waitLock);
      sleepUntilWoken(cpu, base + PerCpu.waiterWake);
      prepareToSleep(cpu, base + PerCpu.waiterWake);
      count = Atomics.load(heap, sem);
      spinLockIrq(cpu, sem + Rwsem.waitLock)`,
    ),
  },
  // a9e9bcb45b15 (5.2)
  'readers-let-in-before-counted': {
    guard: 'readers are counted before any of them is let in',
    scenario: 'rwsem-downgrade-queue',
    patches: [
      at(rwsem, 'markWake').before('Atomics.add(...$)', 'wakeMarked(cpu, first)'),
      at(rwsem, 'markWake').replace('return first', 'return 0'),
    ],
  },
  'reader-grant-from-a-thief': {
    guard: 'readers are not let in where a writer has stolen the lock from them',
    scenario: 'rwsem-steal',
    patches: at(rwsem, 'claimForReaders').replace(
      'while (Atomics.add(...$) < WAITING_BIAS) $',
      'Atomics.add(cpu.heap, sem, ACTIVE_READ_BIAS)',
    ),
  },
  'reader-grant-not-tried-again': {
    guard: 'where the thief has left meanwhile, who was to let readers in tries again',
    scenario: 'rwsem-steal',
    patches: at(rwsem, 'claimForReaders').replace(
      'if (Atomics.sub(...$) - ACTIVE_READ_BIAS < WAITING_BIAS) return false',
      'Atomics.sub(cpu.heap, sem, ACTIVE_READ_BIAS); return false',
    ),
  },
  'reader-queues-and-wakes-nobody': {
    guard: 'a reader that queues wakes where the holder has left meanwhile',
    scenario: 'rwsem-readers-queue',
    patches: at(rwsem, 'downReadFailed').force(
      'count === WAITING_BIAS || (count > WAITING_BIAS && isFirst)',
      false,
    ),
  },
  'first-reader-does-not-join': {
    guard: 'a reader that queues as the first comes in where readers have the lock',
    scenario: 'rwsem-readers-queue',
    redundant: 'it is let in when they leave; it waits longer',
    patches: at(rwsem, 'downReadFailed').replace(
      'count === WAITING_BIAS || (count > WAITING_BIAS && isFirst)',
      'count === WAITING_BIAS',
    ),
  },
  'queued-writer-lets-no-readers-in': {
    guard: 'a writer that queues behind readers lets them in where readers have the lock',
    scenario: 'rwsem-downgrade-queue',
    redundant: 'they are let in when those leave; they wait longer',
    patches: at(rwsem, 'queueForWrite').drop('if (!isFirst && count > WAITING_BIAS) $'),
  },
  'readers-let-in-over-a-writer': {
    guard: 'readers come in up to the first writer of the queue',
    scenario: 'rwsem-writers-queue',
    redundant: 'as since 5.3; the writers between them wait longer',
    patches: at(rwsem, 'markWake').replace('takeReaders(cpu, sem, false)', 'takeReaders(cpu, sem, true)'),
  },
  'writers-let-in-as-readers': {
    guard: 'of the queue, readers are let in, and no writers',
    scenario: 'rwsem-writers-queue',
    patches: at(queue, 'takeReaders').force('heap[waiter + PerCpu.waiterKind] === WAITING_FOR_READ', true),
  },
  'writer-takes-from-readers': {
    guard: 'a writer takes the lock only if nobody is active',
    scenario: 'rwsem-readers-queue',
    patches: at(rwsem, 'tryWriteLockUnqueued').force('count === 0 || count === WAITING_BIAS', true),
  },
  'queued-writer-takes-what-is-held': {
    guard: 'a writer that queues takes the lock only if nobody is active',
    scenario: 'rwsem-writers-queue',
    patches: at(rwsem, 'tryWriteLock').drop(
      'if (Atomics.compareExchange(...$) !== WAITING_BIAS) return false',
    ),
  },
  'queue-forgotten': {
    guard: 'a writer that leaves others in the queue says so in the count',
    scenario: 'rwsem-three-writers',
    patches: at(rwsem, 'tryWriteLock').force(
      'heap[sem + Rwsem.waitFirst] === base && heap[base + PerCpu.waiterNext] === 0',
      true,
    ),
  },
  'attempt-not-taken-back': {
    guard: 'a writer that has not got the lock is active no more',
    scenario: 'rwsem-two-writers',
    patches: at(rwsem, 'downWriteFailed').drop('Atomics.sub(cpu.heap, sem, ACTIVE_WRITE_BIAS)'),
  },
  'owner-cleared-after-the-count': {
    guard: 'a writer takes its name away before it leaves',
    scenario: 'rwsem-writers-queue',
    patches: at(rwsem, 'writerSpinningUpWrite').swap(
      'Atomics.store(cpu.heap, sem + Rwsem.owner, 0)',
      'wakeIfLast(...$)',
    ),
  },
  'last-writer-wakes-nobody': {
    guard: 'a writer that leaves wakes the queue',
    scenario: 'rwsem-two-writers',
    patches: at(rwsem, 'wakeIfLast').force('(count & ACTIVE_MASK) === 0', false),
  },
  'writer-spinner-does-not-answer': {
    guard: 'who spins for the lock answers interrupts',
    race: 'R11',
    scenario: 'rwsem-spinner-called',
    patches: at(rwsem, 'spinForWrite').replace('cpuRelax(cpu)', 'Atomics.pause()'),
  },
}

const ofTheQueue: MutantTable = {
  'osq-left-without-a-word': {
    guard: 'who leaves the queue tells the one in front first, which would hand it the turn else',
    scenario: 'osq-leave',
    patches: at(osq, 'leaveQueue').drop('while (Atomics.compareExchange(...$) !== cpu.id + 1) $'),
  },
  'osq-turn-refused': {
    guard: 'who leaves looks whether its turn has come meanwhile',
    scenario: 'osq-leave',
    patches: at(osq, 'leaveQueue').drop(
      'if (Atomics.load(heap, base + PerCpu.osqIsFirst) !== 0) return false',
    ),
  },
  'osq-neighbour-not-read-again': {
    guard: 'who leaves asks again who is in front, as that one may leave too',
    scenario: 'osq-stay',
    patches: at(osq, 'leaveQueue').drop('previous = Atomics.load(heap, base + PerCpu.osqPrevious)'),
  },
  'osq-next-only-read': {
    guard: 'who is behind is taken away, so that it cannot leave before it has been told who is in front',
    scenario: 'osq-two-leave',
    patches: at(osq, 'awaitNext').replace(
      'Atomics.exchange(heap, base + PerCpu.osqNext, NOBODY)',
      'Atomics.load(heap, base + PerCpu.osqNext)',
    ),
  },
  'osq-queue-cut': {
    guard: 'who leaves the end of the queue leaves the others in it',
    scenario: 'osq-leave',
    patches: at(osq, 'awaitNext').replace(
      'Atomics.compareExchange(heap, tail, cpu.id + 1, previous)',
      'Atomics.compareExchange(heap, tail, cpu.id + 1, NOBODY)',
    ),
  },
  'osq-behind-not-told': {
    guard: 'who leaves the middle of the queue tells the next who is in front of it',
    scenario: 'osq-stay',
    patches: at(osq, 'leaveQueue').drop(
      'Atomics.store(heap, nodeOf(cpu, next) + PerCpu.osqPrevious, previous)',
    ),
  },
  'osq-next-not-awaited': {
    guard: 'who hands the turn on waits until the next says who it is',
    scenario: 'osq-wait',
    patches: at(osq, 'osqUnlock').drop('if (next === NOBODY) next = awaitNext(cpu, tail, NOBODY)'),
  },
}

export const writerSpinningMutants: MutantTable = {
  ...Object.fromEntries(
    Object.entries(ofTheSemaphore).map(([name, entry]) => [
      name,
      { rwsem: 'writer-spinning' as const, ...entry },
    ]),
  ),
  ...ofTheQueue,
}
