// A counterexample as plain data: the rows of its table, for people, and its events, for tools.

import type { FailureKind } from './run-once.ts'

/** The path of what makes the calls of a generated program: its own steps are not told. */
export const HARNESS = /[\\/]check[\\/]perform-calls\.[jt]s$/

/** A row of the table: what a thread does next. */
export type CounterexampleRow =
  | {
      readonly kind: 'call'
      readonly thread: number
      readonly depth: number
      /** Functions that call each other, the outermost first. */
      readonly functions: readonly string[]
      /** File and line of the innermost. */
      readonly place: string
      /** The innermost, as an index into the calls. */
      readonly call: number
    }
  | {
      readonly kind: 'operation'
      readonly thread: number
      readonly depth: number
      /** The step of the execution, from 1; null for a plain access, which is not a step. */
      readonly step: number | null
      /** An operation of Atomics, or 'read' or 'write' for a plain access. */
      readonly operation: string
      /** The name of the memory; '' for an operation without memory. */
      readonly name: string
      /** The operation with its values, in words. */
      readonly text: string
      /** The step in which another thread wrote what is read here for the first time; null otherwise. */
      readonly from: number | null
      readonly place: string
      /** Its index in the events. */
      readonly event: number
    }
  | { readonly kind: 'switch'; readonly thread: number; readonly reason: string }
  /** The last `operations` operations happen `times` times more. */
  | { readonly kind: 'repeat'; readonly thread: number; readonly operations: number; readonly times: number }

/** A call that is on the stack of an event. */
export interface CounterexampleCall {
  readonly thread: number
  readonly function: string
  /** File and line of the function. */
  readonly place: string
  /** Path of the file; '' where it is not known. */
  readonly file: string
  /** Index of the calling call; null for the outermost. */
  readonly caller: number | null
}

/** An operation or a plain access, with its values as numbers. */
export interface CounterexampleEvent {
  readonly thread: number
  /** See the row of an operation. */
  readonly step: number | null
  readonly operation: string
  readonly name: string
  readonly text: string
  /** The old value; null for an operation without memory, and for a plain write. */
  readonly before: number | null
  /** The new value; null for an operation without memory. */
  readonly after: number | null
  /** Index of the event in which another thread wrote the value that is read here; null otherwise. */
  readonly from: number | null
  /** If this thread leaves `Atomics.wait`, the index of the event that woke it; null otherwise. */
  readonly wokenBy: number | null
  readonly place: string
  /** Path of the file; '' where it is not known. */
  readonly file: string
  /** Index of the innermost call. */
  readonly call: number | null
  /** Why the scheduler switched to this thread, if another ran before. */
  readonly switch: string | null
}

/** A failing execution as data, from which the table, the page and the trace are made. */
export interface Counterexample {
  /** The kind of column: 'CPU' or 'thread'. */
  readonly noun: 'CPU' | 'thread'
  readonly threads: number
  /** Threads that are not printed, since they are not the program's. */
  readonly hidden?: readonly number[]
  readonly rows: readonly CounterexampleRow[]
  readonly calls: readonly CounterexampleCall[]
  readonly events: readonly CounterexampleEvent[]
  /** Operations and plain accesses that are left out of a long execution. */
  readonly leftOut: number
  readonly broken: {
    readonly kind: FailureKind
    readonly message: string
    /** For a data race, its two accesses and the missing edge between them; for a deadlock, where each thread waits. */
    readonly details: readonly string[]
  }
}

/** The printed threads, in the order of their columns. */
export function threadsOf({ threads, hidden }: Pick<Counterexample, 'threads' | 'hidden'>): number[] {
  return Array.from({ length: threads }, (_, thread) => thread).filter((thread) => !hidden?.includes(thread))
}
