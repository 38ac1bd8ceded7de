// A counterexample as plain data: the rows of its table, for people, and its events, for tools.

import type { FailureKind } from './explore.ts'

/** A line of the table: what a thread does next. */
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
      /** The step of the execution, from 1; null for a plain access, which is none. */
      readonly step: number | null
      /** An operation of Atomics, or 'read' or 'write' for a plain access. */
      readonly operation: string
      /** What is read or written; '' for an operation without memory. */
      readonly name: string
      /** The operation with its values, in words. */
      readonly text: string
      /** The step in which another thread wrote what is read here for the first time; null otherwise. */
      readonly from: number | null
      readonly place: string
      /** What it is among the events, as an index. */
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
  /** The call that it was made in, as an index; null for the outermost. */
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
  /** What was there; null for an operation without memory, and for a plain write. */
  readonly before: number | null
  /** What is there now; null for an operation without memory. */
  readonly after: number | null
  /** The event, as an index, in which another thread wrote what is read here; null otherwise. */
  readonly from: number | null
  /** Of a thread that goes on from `Atomics.wait`, the event, as an index, in which another woke it; null otherwise. */
  readonly wokenBy: number | null
  readonly place: string
  /** Path of the file; '' where it is not known. */
  readonly file: string
  /** The innermost call, as an index. */
  readonly call: number | null
  /** Why this thread is the one that goes on, if it was another before. */
  readonly switch: string | null
}

/** An execution that fails, as data: what the table, the page and the trace are made of. */
export interface Counterexample {
  /** What the columns are: 'CPU' or 'thread'. */
  readonly noun: 'CPU' | 'thread'
  readonly threads: number
  /** Those of them of which nothing is told, as they are none of the program. */
  readonly hidden?: readonly number[]
  readonly rows: readonly CounterexampleRow[]
  readonly calls: readonly CounterexampleCall[]
  readonly events: readonly CounterexampleEvent[]
  /** Operations and plain accesses that are left out of a long execution. */
  readonly leftOut: number
  readonly broken: {
    readonly kind: FailureKind
    readonly message: string
    /** Of a data race, its two accesses and what is missing between them; of a deadlock, where each thread waits. */
    readonly details: readonly string[]
  }
}

/** The threads that are told of, in the order of their columns. */
export function threadsOf({ threads, hidden }: Pick<Counterexample, 'threads' | 'hidden'>): number[] {
  return Array.from({ length: threads }, (_, thread) => thread).filter((thread) => !hidden?.includes(thread))
}
