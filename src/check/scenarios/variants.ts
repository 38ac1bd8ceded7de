// Scenarios that run on a machine which differs from the real one in how it waits: what it does rarely, it does at
// once.

import { type SourcePatch, at } from '../mutants/patch.ts'

const sleep = 'machine/sleep.ts'
const cpu = 'machine/cpu.ts'
const rwsem = 'sync/rwsem-spinning.ts'
const writerSpinning = 'sync/rwsem-writer-spinning.ts'
const qspinlock = 'sync/qspinlock.ts'

/** CPUs that sleep do not look for a while first, and sleep until they are woken. */
const sleepAtOnce: readonly SourcePatch[] = [
  at(sleep, '').replace('const SLEEP_POLLS = $', 'const SLEEP_POLLS = 0'),
  at(sleep, 'waitForHost').replace('SLEEP_CHECK_MS', 'Infinity'),
]

/**
 * CPUs that wait halt at once instead of after a while, and until they are woken: on the real machine the host wakes
 * them after a moment in any case, which would hide a wake-up that is lost.
 */
const haltAtOnce: readonly SourcePatch[] = [
  at(cpu, '').replace('const SPINS_BEFORE_HALT = $', 'const SPINS_BEFORE_HALT = 0'),
  at(cpu, '').replace('const HALT_CHECK_MS = $', 'const HALT_CHECK_MS = Infinity'),
  ...sleepAtOnce,
]

/** Who finds the semaphore taken looks once more, and queues. */
const queueAtOnce: readonly SourcePatch[] = [
  at(rwsem, '').replace('const SPIN_ROUNDS = $', 'const SPIN_ROUNDS = 0'),
  at(writerSpinning, '').replace('const SPIN_ROUNDS = $', 'const SPIN_ROUNDS = 0'),
  ...sleepAtOnce,
]

/** The same, and the lock is handed to who has waited for it once in vain. */
const handOverAtOnce: readonly SourcePatch[] = [
  at(rwsem, '').replace('const HANDOFF_TRIES = $', 'const HANDOFF_TRIES = 0'),
  ...queueAtOnce,
]

/** Who finds the semaphore taken spins until it is free: on the real machine it would soon sleep, and so be outside. */
const spinForGood: readonly SourcePatch[] = [
  at(rwsem, '').replace('const SPIN_ROUNDS = $', 'const SPIN_ROUNDS = Infinity'),
  at(writerSpinning, '').replace('const SPIN_ROUNDS = $', 'const SPIN_ROUNDS = Infinity'),
]

/** Who finds a spinlock taken queues, also where nobody is pending. */
const neverPending: readonly SourcePatch[] = [
  at(qspinlock, 'queuedSpinLockSlow').force('(value & (PENDING | TAIL_MASK)) === 0', false),
]

/** Who waits for a page sleeps until it is woken: on the real machine it looks again after a moment. */
const sleepForGood: readonly SourcePatch[] = [at(sleep, 'sleepWhile').replace('SLEEP_CHECK_MS', 'Infinity')]

/**
 * fork copies a pinned page while who has it pinned writes to it: it gets each word as it was at some moment, and no
 * order is promised. Here it reads them by operations of Atomics, as what races with the program's own is its matter.
 */
const copyByWords: readonly SourcePatch[] = [
  at('calls/fork.ts', 'copyPinnedPage').replace(
    'copyFrame(cpu, frame, entry >>> PTE_FRAME_SHIFT)',
    `noteWritten(cpu, frame, -1);
    for (let word = 0; word < 2; word++) {
      const value = Atomics.load(cpu.memory.words, (entry >>> PTE_FRAME_SHIFT) * PAGE_WORDS + word);
      Atomics.store(cpu.memory.words, frame * PAGE_WORDS + word, value)
    }`,
  ),
]

/**
 * Whoever takes a spinlock may find it taken by a CPU that is not in the scenario, and answers interrupts while it
 * waits: two, as munmap sends them, one to flush and one before tables are freed.
 */
export const contendedLocks: readonly SourcePatch[] = [
  at('sync/spinlock.ts', 'spinLock').before(
    'if (Atomics.compareExchange(...$) !== 0) $',
    'pollInterrupts(cpu); pollInterrupts(cpu)',
  ),
]

/** Changes of the source that belong to a scenario, by its name. */
export const scenarioPatches: Readonly<Record<string, readonly SourcePatch[]>> = {
  'pin-fork': copyByWords,
  'page-lock': sleepForGood,
  'spinlock-halting': haltAtOnce,
  'ticket-spinlock-halting': haltAtOnce,
  'queued-spinlock-halting': haltAtOnce,
  'queued-spinlock-queue': neverPending,
  'queued-spinlock-queue-halting': [...neverPending, ...haltAtOnce],
  'queued-spinlock-interrupt': neverPending,
  'answer-halting': haltAtOnce,
  'rwsem-sleeping': haltAtOnce,
  'rwsem-readers-queue': queueAtOnce,
  'rwsem-writers-queue': queueAtOnce,
  'rwsem-steal': queueAtOnce,
  'rwsem-two-writers': queueAtOnce,
  'rwsem-three-writers': queueAtOnce,
  'rwsem-reader-again': queueAtOnce,
  'rwsem-woken-late': queueAtOnce,
  'rwsem-handoff': handOverAtOnce,
  'rwsem-handoff-reader': handOverAtOnce,
  'rwsem-reader-handoff': handOverAtOnce,
  'rwsem-downgrade-queue': queueAtOnce,
  'rwsem-spinner-called': spinForGood,
  'rwsem-reader-called': spinForGood,
  // Who waits for a grace period is woken by nobody, so that halting must end by itself.
  'percpu-rwsem': sleepAtOnce,
  'percpu-rwsem-sleeping': sleepAtOnce,
}
