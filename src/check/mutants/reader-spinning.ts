// Mutants of the semaphore in which readers spin: of what it does otherwise than the spinning one.

import type { MutantEntry, MutantTable } from './mutant.ts'
import { at } from './patch.ts'

const rwsem = 'sync/rwsem-reader-spinning.ts'

const entries: Readonly<Record<string, Omit<MutantEntry, 'rwsem'>>> = {
  'spinning-reader-past-the-hand-off': {
    guard: 'a spinning reader does not take the lock during a hand-off',
    scenario: 'rwsem-handoff-reader',
    patches: [
      at(rwsem, 'tryReadLockUnqueued').replace(
        '(Atomics.load(heap, sem) & (WRITER_LOCKED | FLAG_HANDOFF)) !== 0',
        '(Atomics.load(heap, sem) & WRITER_LOCKED) !== 0',
      ),
      at(rwsem, 'tryReadLockUnqueued').replace(
        '(Atomics.add(heap, sem, READER_BIAS) & (WRITER_LOCKED | FLAG_HANDOFF)) === 0',
        '(Atomics.add(heap, sem, READER_BIAS) & WRITER_LOCKED) === 0',
      ),
    ],
  },
  'spinning-reader-beside-a-writer': {
    guard:
      'a spinning reader checks the count that it has added itself to: a writer may have come in between',
    scenario: 'rwsem-writers-queue',
    patches: at(rwsem, 'tryReadLockUnqueued').force('(Atomics.add(...$) & $) === 0', true),
  },
  'spinning-reader-stays-counted': {
    guard: 'a reader that has added itself to a writer undoes this',
    scenario: 'rwsem-writers-queue',
    patches: at(rwsem, 'tryReadLockUnqueued').drop('Atomics.sub(heap, sem, READER_BIAS)'),
  },
  'reader-spins-counted': {
    guard: 'a reader removes itself from the count before it spins',
    scenario: 'rwsem-writers-queue',
    patches: at(rwsem, 'downReadSlow').drop('Atomics.sub(heap, sem, READER_BIAS)'),
  },
  'reader-queues-as-counted': {
    guard: 'a reader that has spun in vain is not counted when it queues',
    scenario: 'rwsem-writers-queue',
    patches: at(rwsem, 'downReadSlow').replace(
      'this.queueForRead(cpu, sem, false)',
      'this.queueForRead(cpu, sem, true)',
    ),
  },
  'spun-reader-looks-at-nobody': {
    guard: 'a reader that queues wakes a waiter that was not woken because of its count',
    scenario: 'rwsem-writers-queue',
    patches: at(rwsem, 'markForReader').force('isFirst || (count & LOCK_MASK) === 0', false),
  },
  'spun-reader-comes-alone': {
    guard: 'a reader that overtakes the queue lets the readers at its head in',
    scenario: 'rwsem-readers-queue',
    redundant: 'they enter when it leaves; they wait longer',
    patches: at(rwsem, 'downReadSlow').drop('if ((Atomics.load(heap, sem) & FLAG_WAITERS) !== 0) $'),
  },
  'any-phase-of-readers': {
    guard: 'a reader that has spun in vain joins a phase of readers only if it is a new one',
    scenario: 'rwsem-readers-queue',
    redundant: 'it takes the lock as any spinner could; queued writers wait longer',
    patches: at(rwsem, 'tryReaderPhase').drop(
      'nameOf(owner) === ((met & READER_OWNED) === 0 ? 0 : nameOf(met))',
    ),
  },
  'reader-spinner-does-not-answer': {
    guard: 'a reader that spins for the lock answers interrupts',
    race: 'R11',
    scenario: 'rwsem-reader-called',
    patches: at(rwsem, 'spinForRead').replace('cpuRelax(cpu)', 'Atomics.pause()'),
  },
}

export const readerSpinningMutants: MutantTable = Object.fromEntries(
  Object.entries(entries).map(([name, entry]) => [name, { rwsem: 'reader-spinning', ...entry }]),
)
