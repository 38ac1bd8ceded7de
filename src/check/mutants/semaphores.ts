// Mutants of the spinning semaphore. Those that stand for a change of kernel/locking/rwsem.c name its commit.

import type { MutantEntry, MutantTable } from './mutant.ts'
import { at } from './patch.ts'

const rwsem = 'sync/rwsem-spinning.ts'
const queue = 'sync/rwsem-queue.ts'

const entries: Readonly<Record<string, Omit<MutantEntry, 'rwsem'>>> = {
  // 9c29c31830a4: a release passed its wake-up by where a CPU seemed to spin, and had looked before the release.
  'spinner-seen-before-the-release': {
    guard: 'a release wakes the queue whether somebody spins or not',
    scenario: 'rwsem-two-writers',
    patches: [
      at(rwsem, 'upWrite').before(
        'Atomics.store(...$)',
        'const spins = Atomics.load(cpu.heap, sem + Rwsem.spinner) !== 0',
      ),
      at(rwsem, 'upWrite').replace(
        '(Atomics.sub(...$) & FLAG_WAITERS) !== 0',
        '(Atomics.sub(cpu.heap, sem, WRITER_LOCKED) & FLAG_WAITERS) !== 0 && !spins',
      ),
    ],
  },
  'try-beside-a-writer': {
    guard: 'a try to read fails while a writer holds the semaphore',
    scenario: 'rwsem-writers',
    patches: at(rwsem, 'downReadTryLock').force('(count & READ_FAILED_MASK) === 0', true),
  },
  // e158488be27b
  'woken-before-let-in': {
    guard: 'a reader is let in before it is woken',
    scenario: 'rwsem-readers-queue',
    patches: at(queue, 'wakeMarked').swap(
      'Atomics.store(cpu.heap, waiter + PerCpu.waiterTask, 0)',
      'wakeUp(cpu, waiter + PerCpu.waiterWake)',
    ),
  },
  // a9e9bcb45b15
  'let-in-before-counted': {
    guard: 'readers are counted before any of them is let in',
    scenario: 'rwsem-downgrade-queue',
    patches: at(rwsem, 'markWake').replace(
      'Atomics.add(heap, sem, adjustment); return first',
      'wakeMarked(cpu, first); Atomics.add(heap, sem, adjustment); return 0',
    ),
  },
  // 4f23dbc1e657
  'writer-past-the-hand-off': {
    guard: 'a writer does not overtake the queue during a hand-off',
    scenario: 'rwsem-handoff',
    patches: at(rwsem, 'tryWriteLockUnqueued').replace('LOCK_MASK | FLAG_HANDOFF', 'LOCK_MASK'),
  },
  'reader-past-the-hand-off': {
    guard: 'a reader does not overtake the queue during a hand-off',
    scenario: 'rwsem-handoff-reader',
    patches: at(rwsem, 'mayStealForRead').replace('WRITER_LOCKED | FLAG_HANDOFF', 'WRITER_LOCKED'),
  },
  'queue-past-the-hand-off': {
    guard: 'only the first of the queue takes the lock during a hand-off',
    scenario: 'rwsem-handoff',
    patches: at(rwsem, 'tryWriteLock').drop('if ((count & FLAG_HANDOFF) !== 0 && first !== base) $'),
  },
  // d3681e269fff
  'readers-behind-a-writer-left': {
    guard: 'all queued readers enter at once, past the writers between them',
    scenario: 'rwsem-readers-queue',
    redundant: 'they enter after the writer; they wait longer',
    patches: at(rwsem, 'markWake').replace('takeReaders(cpu, sem, true)', 'takeReaders(cpu, sem, false)'),
  },
  // 2f06f702925b
  'readers-past-readers': {
    guard: 'a reader does not overtake the queue while readers hold the lock',
    scenario: 'rwsem-readers-queue',
    redundant: 'with endless readers, a queued writer would wait until it requests the hand-off',
    patches: at(rwsem, 'mayStealForRead').force(
      '!others || (Atomics.load(cpu.heap, sem + Rwsem.owner) & READER_OWNED) === 0',
      true,
    ),
  },
  // b613c7f31476
  'others-spin-for-the-hand-off': {
    guard: 'only the first of the queue spins for the lock during a hand-off',
    scenario: 'rwsem-handoff',
    redundant:
      'the spinner gives up after some rounds; on Linux a real-time thread kept the CPU from the first for ever',
    patches: at(rwsem, 'queueForWrite').force('heap[sem + Rwsem.waitFirst] === base && $', true),
  },
  'queue-not-looked-at': {
    guard: 'a reader that queues wakes a waiter that was not woken because of its count',
    scenario: 'rwsem-readers-queue',
    patches: at(rwsem, 'queueForRead').replace('this.markForReader(...$)', '0'),
  },
  'reader-leaves-and-wakes-nobody': {
    guard: 'the last reader to leave wakes the queue',
    scenario: 'rwsem-readers-queue',
    patches: at(rwsem, 'upRead').drop('this.wakeQueue(cpu, sem, WAKE_ANY)'),
  },
  'writer-leaves-and-wakes-nobody': {
    guard: 'a writer that leaves wakes the queue',
    scenario: 'rwsem-writers-queue',
    patches: at(rwsem, 'upWrite').force('(Atomics.sub(...$) & FLAG_WAITERS) !== 0', false),
  },
  'name-cleared-after-the-count': {
    guard: 'a writer clears the owner before it leaves',
    scenario: 'rwsem-writers-queue',
    patches: at(rwsem, 'upWrite').after(
      'if ((Atomics.sub(...$) & FLAG_WAITERS) !== 0) $',
      'Atomics.store(cpu.heap, sem + Rwsem.owner, 0)',
    ),
  },
  'claims-from-a-thief': {
    guard: 'readers are not let in if a writer has stolen the lock from them',
    scenario: 'rwsem-reader-handoff',
    patches: at(rwsem, 'claimForReaders').force('(before & WRITER_LOCKED) === 0', true),
  },
  'claim-kept': {
    guard: 'if readers are not let in, the count for them is undone',
    scenario: 'rwsem-reader-handoff',
    patches: at(rwsem, 'claimForReaders').drop('Atomics.add(heap, sem, adjustment)'),
  },
  'hand-off-kept': {
    guard: 'the receiver of a hand-off clears the mark',
    scenario: 'rwsem-handoff',
    patches: at(rwsem, 'tryWriteLock').replace(
      'isAlone ? FLAG_HANDOFF | FLAG_WAITERS : FLAG_HANDOFF',
      'isAlone ? FLAG_WAITERS : 0',
    ),
  },
  'reader-hand-off-kept': {
    guard: 'readers that receive a hand-off clear the mark',
    scenario: 'rwsem-reader-handoff',
    patches: at(rwsem, 'markWake').drop('if ((Atomics.load(heap, sem) & FLAG_HANDOFF) !== 0) $'),
  },
  'looked-at-before-the-sleep-is-announced': {
    guard: 'a reader announces that it will sleep before it checks whether it was let in',
    scenario: 'rwsem-readers-queue',
    patches: at(queue, 'sleepUntilLetIn').swap(
      'prepareToSleep(cpu, base + PerCpu.waiterWake)',
      'if (Atomics.load(heap, base + PerCpu.waiterTask) === 0) break',
    ),
  },
  'woken-is-let-in': {
    guard: 'a woken reader checks whether it was let in',
    scenario: 'rwsem-woken-late',
    patches: at(queue, 'sleepUntilLetIn').after('sleepUntilWoken(cpu, base + PerCpu.waiterWake)', 'break'),
  },
  'next-read-after-let-in': {
    guard: 'the next reader of the list is read before this one is let in, since it may queue again',
    scenario: 'rwsem-reader-again',
    patches: at(queue, 'wakeMarked').replace(
      'waiter = next',
      'waiter = cpu.heap[waiter + PerCpu.waiterNext]',
    ),
  },
  'spinner-does-not-answer': {
    guard: 'a spinner answers interrupts',
    race: 'R11',
    scenario: 'rwsem-spinner-called',
    patches: at(rwsem, 'spinForWrite').replace('cpuRelax(cpu)', 'Atomics.pause()'),
  },
}

export const semaphoreMutants: MutantTable = Object.fromEntries(
  Object.entries(entries).map(([name, entry]) => [name, { rwsem: 'spinning', ...entry }]),
)
