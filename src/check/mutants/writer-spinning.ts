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
    guard: 'a release checks for spinners after it has released',
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
    guard: 'a release with spinners wakes the queue if the wait lock is free',
    scenario: 'rwsem-three-writers',
    redundant: 'the spinner takes the lock and wakes the queue when it leaves, or queues and tries the lock',
    patches: at(rwsem, 'rwsemWake').replace(
      'if (spinTryLock(cpu, sem + Rwsem.waitLock)) $; else $',
      'enableInterrupts(cpu)',
    ),
  },
  'last-try-left-out': {
    guard: 'a thread that has spun in vain tries again under the wait lock before it sleeps',
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
    guard: 'readers are not let in if a writer has stolen the lock from them',
    scenario: 'rwsem-steal',
    patches: at(rwsem, 'claimForReaders').replace(
      'while (Atomics.add(...$) < WAITING_BIAS) $',
      'Atomics.add(cpu.heap, sem, ACTIVE_READ_BIAS)',
    ),
  },
  'reader-grant-not-tried-again': {
    guard: 'if the thief has left meanwhile, the thread that was to let readers in tries again',
    scenario: 'rwsem-steal',
    patches: at(rwsem, 'claimForReaders').replace(
      'if (Atomics.sub(...$) - ACTIVE_READ_BIAS < WAITING_BIAS) return false',
      'Atomics.sub(cpu.heap, sem, ACTIVE_READ_BIAS); return false',
    ),
  },
  'reader-queues-and-wakes-nobody': {
    guard: 'a reader that queues wakes the queue if the holder has left meanwhile',
    scenario: 'rwsem-readers-queue',
    patches: at(rwsem, 'downReadFailed').force(
      'count === WAITING_BIAS || (count > WAITING_BIAS && isFirst)',
      false,
    ),
  },
  'first-reader-does-not-join': {
    guard: 'the first reader in the queue enters if readers hold the lock',
    scenario: 'rwsem-readers-queue',
    redundant: 'it is let in when they leave; it waits longer',
    patches: at(rwsem, 'downReadFailed').replace(
      'count === WAITING_BIAS || (count > WAITING_BIAS && isFirst)',
      'count === WAITING_BIAS',
    ),
  },
  'queued-writer-lets-no-readers-in': {
    guard: 'a writer that queues behind readers lets them in if readers hold the lock',
    scenario: 'rwsem-downgrade-queue',
    redundant: 'they are let in when those leave; they wait longer',
    patches: at(rwsem, 'queueForWrite').drop('if (!isFirst && count > WAITING_BIAS) $'),
  },
  'readers-let-in-over-a-writer': {
    guard: 'readers enter up to the first writer of the queue',
    scenario: 'rwsem-writers-queue',
    redundant: 'as since 5.3; the writers between them wait longer',
    patches: at(rwsem, 'markWake').replace('takeReaders(cpu, sem, false)', 'takeReaders(cpu, sem, true)'),
  },
  'writers-let-in-as-readers': {
    guard: 'only readers of the queue are let in, no writers',
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
    guard: 'a writer that did not get the lock is no longer active',
    scenario: 'rwsem-two-writers',
    patches: at(rwsem, 'downWriteFailed').drop('Atomics.sub(cpu.heap, sem, ACTIVE_WRITE_BIAS)'),
  },
  'owner-cleared-after-the-count': {
    guard: 'a writer clears the owner before it leaves',
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
    guard: 'a spinner answers interrupts',
    race: 'R11',
    scenario: 'rwsem-spinner-called',
    patches: at(rwsem, 'spinForWrite').replace('cpuRelax(cpu)', 'Atomics.pause()'),
  },
}

const ofTheQueue: MutantTable = {
  'osq-left-without-a-word': {
    guard:
      'a CPU that leaves the queue first tells its predecessor, which would otherwise pass the turn to it',
    scenario: 'osq-leave',
    patches: at(osq, 'leaveQueue').drop('while (Atomics.compareExchange(...$) !== cpu.id + 1) $'),
  },
  'osq-turn-refused': {
    guard: 'a CPU that leaves checks whether its turn has come meanwhile',
    scenario: 'osq-leave',
    patches: at(osq, 'leaveQueue').drop(
      'if (Atomics.load(heap, base + PerCpu.osqIsFirst) !== 0) return false',
    ),
  },
  'osq-neighbour-not-read-again': {
    guard: 'a CPU that leaves reads its predecessor again, which may leave too',
    scenario: 'osq-stay',
    patches: at(osq, 'leaveQueue').drop('previous = Atomics.load(heap, base + PerCpu.osqPrevious)'),
  },
  'osq-next-only-read': {
    guard:
      'the leaving CPU detaches its successor, so that this cannot leave before it knows its new predecessor',
    scenario: 'osq-two-leave',
    patches: at(osq, 'awaitNext').replace(
      'Atomics.exchange(heap, base + PerCpu.osqNext, NOBODY)',
      'Atomics.load(heap, base + PerCpu.osqNext)',
    ),
  },
  'osq-queue-cut': {
    guard: 'a CPU that leaves the end of the queue keeps the others in it',
    scenario: 'osq-leave',
    patches: at(osq, 'awaitNext').replace(
      'Atomics.compareExchange(heap, tail, cpu.id + 1, previous)',
      'Atomics.compareExchange(heap, tail, cpu.id + 1, NOBODY)',
    ),
  },
  'osq-behind-not-told': {
    guard: 'a CPU that leaves the middle of the queue tells the next its new predecessor',
    scenario: 'osq-stay',
    patches: at(osq, 'leaveQueue').drop(
      'Atomics.store(heap, nodeOf(cpu, next) + PerCpu.osqPrevious, previous)',
    ),
  },
  'osq-next-not-awaited': {
    guard: 'a CPU that passes the turn on waits until the next has linked itself',
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
