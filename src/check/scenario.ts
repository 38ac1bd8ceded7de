// The form of a scenario: threads as functions over shared memory, and what must hold. A file that is to be checked
// imports this, so it must not import anything itself.

/** What threads do on a fresh state, and what must hold. */
export interface Scenario<State = unknown> {
  /** What it is called when results are told. Default: the path of the file. */
  readonly title?: string
  /** Makes the state that the threads share. Called before every execution, alone; it may be async. */
  readonly setup?: () => State | Promise<State>
  /**
   * What each thread does, 1 to 16 of them: functions, async ones too, or the address of a script that is the main
   * thread of a process. They begin at the same time.
   */
  readonly threads: readonly (((state: State) => unknown) | URL)[]
  /**
   * Called when all threads have finished, alone; it may be async. Throws, or returns false, if something does not
   * hold. `ended` is the thread that `terminate` has ended before it had finished, null where that is none.
   */
  readonly invariant?: (state: State, ended: number | null) => void | boolean | Promise<void | boolean>
  /**
   * At each step that there is, one of the threads may be ended, as `worker.terminate()` ends a Worker; the others have
   * to come to their end all the same. What passes does not wait for a thread that may be gone: it is lock-free, or
   * gives up in time. Not for scripts. Default false.
   */
  readonly terminate?: boolean
  /** What holds for this scenario where the call or the command does not say otherwise. */
  readonly options?: ScenarioOptions
}

/** Limits of an exploration. */
export interface ScenarioOptions {
  /** Stop after so many executions. Default: 10 million. */
  readonly maxExecutions?: number
  /** Give an execution up after so many steps: it is taken for one that does not end. Default: 20,000. */
  readonly maxSteps?: number
  /** Stop after so many seconds. Default: 60. */
  readonly seconds?: number
}

/** Says that an object is a scenario, so that the types of its parts are known. */
export function scenario<State>(description: Scenario<State>): Scenario<State> {
  return description
}
