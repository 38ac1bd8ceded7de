// What is recorded of an execution that failed, event by event, and what can be read off it.

import {
  COMPARE_EXCHANGE,
  LEAVE,
  LOAD,
  NOTIFY,
  PAUSE,
  SIGNAL,
  SPINNING,
  type Site,
  type Thread,
  WAIT,
  WAIT_ASYNC,
  WOKEN,
  operationNames,
} from '../backends/stepped/index.ts'
import type { RaceReport } from './data-races.ts'

/** Operations of a turn of a loop that is told once, at most. */
const TURN_MAX = 24

export interface Frame {
  readonly function: string
  /** It is told of. */
  readonly isTold: boolean
  readonly place: string
  readonly file: string
  /** Of its row, or -1 before it has one. */
  depth: number
  /** What it is among the calls of the counterexample, or -1 before it is one. */
  number: number
  /** Operations and calls in it that have rows. */
  readonly children: Set<object>
}

export interface Recorded {
  /** How many were recorded before it. */
  readonly at: number
  readonly thread: number
  readonly frames: readonly Frame[]
  readonly step: number | null
  readonly operation: string
  /** -1 where there is none. */
  readonly cell: number
  readonly index: number
  readonly before: number | null
  readonly after: number | null
  readonly writes: boolean
  /** What another thread wrote and this reads. */
  readonly from: Recorded | null
  /** It is the first of its thread to read that. */
  readonly isNews: boolean
  /** Of a thread that goes on from `Atomics.wait`: what woke it. */
  readonly wokenBy: Recorded | null
  /** Name and values are left open: a later access may tell more of them. */
  readonly say: (name: string, value: (value: number) => string) => string
  readonly place: string
  readonly file: string
  readonly isTold: boolean
  /** Why this thread is the one that goes on. */
  readonly reason: string
}

/** How often what begins at `at` is there, one after the other; at least three times, or it is one operation once. */
export function repetition(kept: readonly Recorded[], at: number): { operations: number; turns: number } {
  const same = (first: number, second: number): boolean => {
    const [one, other] = [kept[first], kept[second]]
    return (
      one !== undefined &&
      other !== undefined &&
      one.thread === other.thread &&
      one.place === other.place &&
      one.cell === other.cell &&
      one.before === other.before &&
      one.after === other.after &&
      one.operation === other.operation
    )
  }
  for (let operations = 1; operations <= TURN_MAX; operations++) {
    let length = operations
    while (same(at + length - operations, at + length)) length++
    const turns = Math.floor(length / operations)
    if (turns > 2) return { operations, turns }
  }
  return { operations: 1, turns: 1 }
}

/** The cells that one thread changes and another uses. */
export function commonCells(recorded: readonly Recorded[]): Set<number> {
  const users = new Map<number, Set<number>>()
  const changed = new Set<number>()
  for (const { cell, thread, before, after } of recorded) {
    if (cell < 0) continue
    users.set(cell, (users.get(cell) ?? new Set()).add(thread))
    if (before !== after) changed.add(cell)
  }
  return new Set([...changed].filter((cell) => users.get(cell)!.size > 1))
}

/** The cells on which a thread waits or spins, with what it has read there. */
export function cellsAwaited(
  thread: Thread,
): Map<number, { readonly index: number; readonly value: number }> {
  if (thread.state !== SPINNING) {
    const { waitCell, index, expected: value } = thread
    return new Map([[waitCell, { index, value }]])
  }
  const cells = new Map<number, { readonly index: number; readonly value: number }>()
  for (let at = thread.watchFrom; at < thread.watchTo; at++)
    cells.set(thread.readCells[at]!, { index: thread.readIndices[at]!, value: thread.readValues[at]! })
  return cells
}

/** It reads, and changes nothing. */
export function isReading(kind: number): boolean {
  return kind === LOAD || kind === WAIT || kind === WAIT_ASYNC
}

/** What an operation does, with its values as `words` says them. */
export function sayOperation(
  kind: number,
  name: string,
  before: number,
  after: number,
  expected: number,
  words: (value: number) => string,
): string {
  const operation = operationNames[kind]!
  const was = words(before)
  switch (kind) {
    case PAUSE:
    case WOKEN:
    case LEAVE:
      return operation
    case SIGNAL:
      return 'tells the thread that waits'
    case LOAD:
      return `load ${name} = ${was}`
    case NOTIFY:
      return `notify ${name}, wakes ${before}`
    case WAIT:
    case WAIT_ASYNC:
      return before === expected
        ? `${operation} ${name} = ${was}`
        : `${operation} ${name} = ${was}, not ${words(expected)}: returns`
    case COMPARE_EXCHANGE:
      return before === expected
        ? `cas ${name} ${was} → ${words(after)}`
        : `cas ${name} = ${was}, not ${words(expected)}`
  }
  return `${operation} ${name} ${was} → ${words(after)}`
}

/** File, line and source of a place, short enough for a line. */
export function shortPlace(site: Site | undefined): string {
  if (site?.file === 'event loop') return site.file
  return site === undefined ? 'an unknown place' : `${site.file.replace(/^.*[\\/]/, '')}:${site.line}`
}

/** Where one of the accesses of a race was written down. */
export function recordOf(
  recorded: readonly Recorded[],
  { cell }: RaceReport,
  { thread, write, atomic }: RaceReport['second'],
): Recorded | undefined {
  return recorded.findLast(
    (each) =>
      each.thread === thread &&
      each.cell === cell &&
      each.writes === write &&
      (each.step !== null) === atomic,
  )
}
