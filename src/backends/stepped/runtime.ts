// What the steppable form of a program calls: announcing operations, doing them, reading and writing elements.
//
// A thread announces its next operation and asks the scheduler who goes on. If that is another thread, the access
// returns `stopped`, and so does every function on the way out, after it has kept what it needs in a frame. Who goes on
// does its operation and calls the innermost of its functions with its frame, and then the others, one after the other.
// So the scheduler knows the next operation of every thread, and is called from the thread that was last at work.
//
// There is one program at a time, hence module state and no object: it is read at every step.

import { enterClocks, leaveClocks } from './clock.ts'
import { perform } from './doing.ts'
import { eventLoops, replaceModelled } from './event-loops.ts'
import { type Ending, type Sleepers, type Work, current, probes, runWith, tracer } from './running.ts'
import type { Scheduler } from './scheduler.ts'
import type { Thread } from './thread.ts'

export * from './running.ts'
export * from './event-loops.ts'
export * from './outside.ts'
export * from './plain-accesses.ts'
export * from './announcing.ts'
export * from './clock.ts'
export * from './counts.ts'
export * from './doing.ts'
export * from './operations.ts'
export * from './owned.ts'
export * from './spinning.ts'
export * from './vain-turns.ts'

const work: Work = {
  perform,
  runLoop: (loop, result) => eventLoops().runLoop(loop, result),
  replaceModelled: () => {
    replaceModelled()
    enterClocks()
  },
  leaveClocks,
}

/**
 * Runs `bodies` as threads under `chooser` until all have finished or it ends the execution. `threads` are the records
 * to use, one for each. Without `bodies`, the threads go on where their records say that they have stopped, and
 * `asleep` are those in queues, in the order in which they came.
 */
export function runThreads(
  threads: readonly Thread[],
  bodies: readonly (() => unknown)[] | null,
  chooser: Scheduler,
  asleep: Sleepers = [],
): Ending {
  return runWith(work, threads, bodies, chooser, asleep)
}

export function probe(id: number, first: unknown, a: unknown, b: unknown, c: unknown, d: unknown): void {
  probes?.called(id, first, a, b, c, d)
}

export function probed<T>(
  id: number,
  result: T,
  first: unknown,
  a: unknown,
  b: unknown,
  c: unknown,
  d: unknown,
): T {
  probes?.returned(id, result, first, a, b, c, d)
  return result
}

export function enter(site: number, args: readonly unknown[]): void {
  tracer?.enter(current, site, args)
}

export function leave(site: number): void {
  tracer?.leave(current, site)
}
