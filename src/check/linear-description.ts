// The form of a specification by a sequential object. A file that is to be checked imports this, so it must not import
// anything that a user's program does not need.

import type { CheckOptions } from './check-result.ts'

/** An argument list for each way in which an operation may be called. */
export type ArgumentLists = readonly (readonly unknown[])[]

/**
 * An operation: the argument lists of the method that is called as the operation is; or a function that gets the object
 * and the arguments; or both.
 */
export type Operation<Shared> =
  | ArgumentLists
  | ((object: Shared, ...args: never[]) => unknown)
  | {
      /** Default: the method of the operation's name. */
      readonly call?: (object: Shared, ...args: never[]) => unknown
      /** Default: one empty list. */
      readonly arguments?: ArgumentLists
    }

/** An object whose operations are to be linearizable, and the sequential object that they are held against. */
export interface Linearizable<Shared = unknown> extends Omit<CheckOptions, 'patches' | 'shard' | 'ledger'> {
  /** The name in results; needed only if several tests make the same call. */
  readonly name?: string
  /** Makes the object that the threads share. Called before every execution, alone. */
  readonly create: () => Shared
  /** What threads may do with it, by name. */
  readonly operations: Readonly<Record<string, Operation<Shared>>>
  /**
   * A class, or a function that makes an object, with a method for each operation: what it does when nobody else is
   * there.
   */
  readonly specification: (() => object) | (new () => object)
  /**
   * For each thread of a program, the names of the operations that it may call: of a queue with one producer, say,
   * those of the producer and those of the consumer. Default: every thread may call all.
   */
  readonly roles?: readonly (readonly string[])[]
  /**
   * At each step that there is, one thread may be ended, as `worker.terminate()` ends a Worker. The call in which that
   * happened may have taken effect or not; the other threads have to come to their end. Default false.
   */
  readonly terminate?: boolean
  /** Threads of each program, 2 to 4. Default 2, or as many as there are roles. */
  readonly threads?: number
  /** Calls of each thread at most, 1 to 4. Default 2. */
  readonly calls?: number
  /** Programs at most. Where there are more, the longest are chosen by chance, from `seed`. Default 100. */
  readonly programs?: number
}

/** The argument of linearizable(), as distinct from a scenario. */
export type LinearDescription = Linearizable<unknown>

export function isLinearDescription(value: unknown): value is LinearDescription {
  const description = value as Partial<LinearDescription> | null | undefined
  return (
    typeof description === 'object' &&
    description !== null &&
    typeof description.create === 'function' &&
    typeof description.operations === 'object'
  )
}
