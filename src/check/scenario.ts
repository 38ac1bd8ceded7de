// The form of a scenario: threads as functions over shared memory, and what must hold. Checked files import this
// module, so it must not import anything itself.

/** An address, as `new URL()` makes it; told by what it has, since a project may be without the types of URL. */
export interface Address {
  readonly href: string
  readonly protocol: string
  readonly searchParams: object
}

/** What threads do on a fresh state, and what must hold. */
export interface Scenario<State = unknown> {
  /** The name in results. Default: the path of the file. */
  readonly title?: string
  /** Creates the state that the threads share. Called alone, before every execution; may be async. */
  readonly setup?: () => State | Promise<State>
  /**
   * What each thread does, 1 to 16 of them: functions, async or not, or the address of a script that is the main
   * thread of a process. All start at the same time.
   */
  readonly threads: readonly (((state: State) => unknown) | Address)[]
  /**
   * Called alone, when all threads have finished; may be async. Throws, or returns false, if something does not
   * hold. `ended` is the thread that `terminate` has ended before it had finished, or null.
   */
  readonly invariant?: (state: State, ended: number | null) => void | boolean | Promise<void | boolean>
  /**
   * Also end one of the threads at each possible step, as `worker.terminate()` ends a Worker; the others must still
   * finish. A program that passes does not wait for a dead thread: it is lock-free, or times out. Not for scripts.
   * Default false.
   */
  readonly terminate?: boolean
  /** Limits for this scenario, unless the call or the command sets others. */
  readonly options?: ScenarioOptions
}

/** Limits of an exploration. */
export interface ScenarioOptions {
  /** Stop after this many executions. Default: 10 million. */
  readonly maxExecutions?: number
  /** End an execution after this many steps: it counts as endless. Default: 20,000. */
  readonly maxSteps?: number
  /** Stop after this many seconds. Default: 60. */
  readonly seconds?: number
  /**
   * Follow a loop that pauses, or that counts in a field, a closure or a called function, for this many iterations that
   * read the same, from 1; then it waits for a change. With a number, what is left out counts as covered. Default: 3,
   * then 16 if a loop was not over by then; if one was still not, `complete` is false.
   */
  readonly turns?: number
  /**
   * Let the time-outs of each thread pass so often, from 0, while other threads can continue, each at any moment. With
   * a number, what is left out counts as covered. Default: 2, then 16 if a further one may have passed; if one still
   * may, `complete` is false. One that only has the thread wait again, in the same state, leaves nothing out.
   */
  readonly timeouts?: number
}

/** Declares that an object is a scenario, so that TypeScript knows the types of its parts. */
export function scenario<State>(description: Scenario<State>): Scenario<State> {
  return description
}
