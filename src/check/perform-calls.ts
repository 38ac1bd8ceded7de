// What a thread of a generated program does: call after call on the object that is shared. It is stepped with the
// program, and imports nothing for that reason.
//
// Which calls were over when one began is part of what is held against the sequential object. So beginning and ending
// are steps: each thread counts its calls in shared memory, and looks at all counts before it begins one.

/** A call of a generated program. */
export interface PlannedCall {
  readonly name: string
  /** Null for the object's method of that name. */
  readonly call: ((object: unknown, ...args: readonly unknown[]) => unknown) | null
  readonly args: readonly unknown[]
}

/** A call that has begun. */
export interface BegunCall {
  readonly thread: number
  /** Which of the thread's calls, from 0. */
  readonly turn: number
  /** For each thread, how many of its calls were over when this one began. */
  readonly ended: readonly number[]
}

/** A call that is over. */
export interface PerformedCall extends BegunCall {
  readonly result: unknown
  readonly threw: boolean
}

type Methods = Record<string, (...args: readonly unknown[]) => unknown>

export function performCalls(
  object: unknown,
  calls: readonly PlannedCall[],
  thread: number,
  endedCalls: Int32Array,
  begun: BegunCall[],
  performed: PerformedCall[],
): void {
  for (let turn = 0; turn < calls.length; turn++) {
    const ended: number[] = []
    for (let other = 0; other < endedCalls.length; other++)
      ended.push(other === thread ? turn : Atomics.load(endedCalls, other))
    const { name, call, args } = calls[turn]!
    begun.push({ thread, turn, ended })
    let result: unknown
    let threw = false
    try {
      result = call === null ? (object as Methods)[name]!(...args) : call(object, ...args)
    } catch (error) {
      result = error
      threw = true
    }
    performed.push({ thread, turn, ended, result, threw })
    Atomics.store(endedCalls, thread, turn + 1)
  }
}

// As a value, it is one of the functions that a call may mean of which nothing is known.
void [performCalls]
