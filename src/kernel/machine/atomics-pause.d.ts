// Atomics.pause (ECMAScript proposal, stage 4) is not in TypeScript's library of this version.
interface Atomics {
  /** Hints that the thread spins. */
  pause(hint?: number): void
}
