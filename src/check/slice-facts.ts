// What is found out about a program while it is explored, and without which it cannot be explored: that a buffer is
// looked at by single bytes, that threads choose between events or start others, that threads of one function are not
// alike.
//
// Whoever explores a slice must know the same as everybody else, or the slices would not fit together. So it is no
// knowledge of a thread: it is part of what a slice says, and where something turns up, the exploration begins again
// with it.

import { ChoicesNeeded, FinerCellsNeeded, ThreadsNeeded } from '../backends/stepped/index.ts'
import type { Subject } from './run-once.ts'
import { NotSymmetric } from './symmetry.ts'

/** Plain data. */
export interface Facts {
  /** Buffers, by number, that are looked at by single bytes. */
  readonly cells: readonly number[]
  /** Threads choose between events. */
  readonly chooses: boolean
  /** How many threads are started by others. */
  readonly started: number
  /** Threads of one function are not alike. */
  readonly distinct: boolean
}

export const noFacts: Facts = { cells: [], chooses: false, started: 0, distinct: false }

export function isNothing({ cells, chooses, started, distinct }: Facts): boolean {
  return cells.length === 0 && !chooses && started === 0 && !distinct
}

/** What is known with `error`, which came where `facts` were known; null if it tells of no fact. */
export function learn(facts: Facts, error: unknown): Facts | null {
  if (error instanceof FinerCellsNeeded) return { ...facts, cells: [...facts.cells, error.ordinal] }
  if (error instanceof NotSymmetric) return { ...facts, distinct: true }
  // As of userSubject(): the one that chooses is there before any that are started.
  if (error instanceof ChoicesNeeded && !facts.chooses) return { ...facts, chooses: true }
  if (error instanceof ChoicesNeeded || error instanceof ThreadsNeeded)
    return { ...facts, chooses: true, started: facts.started + 1 }
  return null
}

/** All that several know. */
export function mergeFacts(all: readonly Facts[]): Facts {
  return {
    cells: [...new Set(all.flatMap(({ cells }) => cells))].sort((a, b) => a - b),
    chooses: all.some(({ chooses }) => chooses),
    started: Math.max(0, ...all.map(({ started }) => started)),
    distinct: all.some(({ distinct }) => distinct),
  }
}

/** Makes the threads of a subject those that are known. */
export function tellSubject(subject: Subject, { chooses, started }: Facts): void {
  if (chooses && started === 0) subject.addChooser!()
  for (let count = 0; count < started; count++) subject.addThread!()
}
