// The form of a scenario: threads as functions over shared memory, and what must hold. A file that is to be checked
// imports this, so it must not import anything itself.

/** What threads do on a fresh state, and what must hold. */
export interface Scenario<State = unknown> {
  readonly title?: string
  /** Makes the state that the threads share. Called before every execution. */
  readonly setup?: () => State
  /** What each thread does. They begin at the same time. */
  readonly threads: readonly ((state: State) => void)[]
  /** Called when all threads have finished. Throws, or returns false, if something does not hold. */
  readonly invariant?: (state: State) => void | boolean
}

/** Says that an object is a scenario, so that the types of its parts are known. */
export function scenario<State>(description: Scenario<State>): Scenario<State> {
  return description
}
