// Scenarios that run on a machine which differs from the real one in how it waits: what it does rarely, it does at
// once.

import type { SourcePatch } from '../../backends/stepped/index.ts'

/** CPUs that sleep do not look for a while first, and sleep until they are woken. */
const sleepAtOnce: readonly SourcePatch[] = [
  { file: 'machine/sleep.ts', find: 'const SLEEP_POLLS = 200', replace: 'const SLEEP_POLLS = 0' },
  {
    file: 'machine/sleep.ts',
    find: 'Atomics.wait(cpu.heap, word, TASK_SLEEPING, SLEEP_CHECK_MS)',
    replace: 'Atomics.wait(cpu.heap, word, TASK_SLEEPING)',
  },
]

/**
 * CPUs that wait halt at once instead of after a while, and until they are woken: on the real machine the host wakes
 * them after a moment in any case, which would hide a wake-up that is lost.
 */
const haltAtOnce: readonly SourcePatch[] = [
  {
    file: 'machine/cpu.ts',
    find: 'export const SPINS_BEFORE_HALT = 64',
    replace: 'export const SPINS_BEFORE_HALT = 0',
  },
  { file: 'machine/cpu.ts', find: 'const HALT_CHECK_MS = 1\n', replace: 'const HALT_CHECK_MS = Infinity\n' },
  ...sleepAtOnce,
]

/** Who waits for a page sleeps until it is woken: on the real machine it looks again after a moment. */
const sleepForGood: readonly SourcePatch[] = [
  {
    file: 'machine/sleep.ts',
    find: 'Atomics.wait(cpu.heap, word, value, SLEEP_CHECK_MS)',
    replace: 'Atomics.wait(cpu.heap, word, value)',
  },
]

/** Changes of the source that belong to a scenario, by its name. */
export const scenarioPatches: Readonly<Record<string, readonly SourcePatch[]>> = {
  'page-lock': sleepForGood,
  'spinlock-halting': haltAtOnce,
  'answer-halting': haltAtOnce,
  'rwsem-sleeping': haltAtOnce,
  // Who waits for a grace period is woken by nobody, so that halting must end by itself.
  'percpu-rwsem': sleepAtOnce,
  'percpu-rwsem-sleeping': sleepAtOnce,
}
