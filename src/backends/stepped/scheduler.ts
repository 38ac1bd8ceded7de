// Who decides which thread goes on, and who is told of what threads do: what the checker and the simulator give to the
// run core.

import type { Thread, Watched } from './thread.ts'

/** In place of a thread: all are to stop for save(), and choose() is called again. */
export const SAVE = -2

/** Decides who goes on, and is told of plain accesses. */
export abstract class Scheduler {
  /**
   * Every thread has announced its next operation. Returns the thread that does its own, or -1 to end it all, or SAVE.
   */
  abstract choose(): number
  /** The thread at work goes on with the operation that it has announced, and nobody else is to be asked. */
  passes(_thread: Thread): boolean {
    return false
  }
  /** After choose() has asked for it: all threads have stopped, and are what their records say. */
  save(): void {}
  /** Plain accesses of shared cells, while {@link setWatching} says so. */
  abstract plainRead(thread: number, firstCell: number, cells: number, site: number): void
  abstract plainWrite(thread: number, firstCell: number, cells: number, site: number): void
  /** There is one thread, for which nothing is to be explored. */
  readonly isSole: boolean = false
  /** Threads may be exchanged for one another, so that it matters who has made what. */
  readonly exchanges: boolean = false
  /** A thread waits from the first turn of a loop on that changed nothing; else from one that repeats another. */
  readonly waitsAtOnce: boolean = true
  /** A thread whose last turn of a loop changed nothing is left there: another execution has it take the turn later. */
  readonly leavesIdle: boolean = false
  /** Asked in loops without an operation, which may have no end: what this execution shows is known. */
  isDecided(): boolean {
    return false
  }
  /** A loop was followed for as many turns that read the same as it may be, and waits, though the next may differ. */
  loopLeft(_site: number): void {}
  /** The thread looks at its clock, which may have moved far since somebody did: returns whether it has. */
  hasPassed(_thread: Thread): boolean {
    return false
  }
  /** Updates whose results nobody uses are ordered too: what a racy access may read depends on it. */
  ordersUpdates = false
  /** What a read in racy() returns, where `last` was written last. */
  valueRead(_thread: Thread, last: number): number {
    return last
  }
  /** The clock of the thread that runs may have moved far, which is not tried any more. */
  timeLeft(): void {}
  /** A thread begins to have an event loop: more is told apart in it than what shows in shared memory. */
  loopMade(): void {}
  /** There are more cells: a thread has made an array over memory that was not known yet. */
  memoryGrew(): void {}
}

/** Follows an execution step by step, for a trace. */
export interface Tracer {
  operation(thread: Thread, kind: number, before: number, after: number): void
  access(thread: Thread, array: Watched, index: number, value: number, write: boolean, site: number): void
  enter(thread: Thread, site: number, args: readonly unknown[]): void
  leave(thread: Thread, site: number): void
  /** An async function waits: the call is over for now. Returns it, so that it can be gone on with. */
  suspend(thread: Thread): unknown
  goOn(thread: Thread, call: unknown): void
  /** An event of the thread that is no step: a timer fires, say. */
  event(thread: Thread, site: number, text: string): void
}

/** Told of probed functions, with the first five of their arguments. */
export interface Probes {
  called(id: number, first: unknown, a: unknown, b: unknown, c: unknown, d: unknown): void
  returned(id: number, result: unknown, first: unknown, a: unknown, b: unknown, c: unknown, d: unknown): void
}

/** Memory that must not be touched. */
export interface Forbidden {
  /** For every 16 cells, 0 where they may be touched. */
  readonly marks: Int32Array
  /** Called before the access of a cell that may not be; may throw. */
  touched(thread: number, cell: number, site: number): void
}
