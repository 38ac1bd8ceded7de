// `racy()`: an intended plain access. Checked files import this module, so it must not import anything.

/**
 * Runs `accesses`, whose plain reads and writes of shared elements may race with other racy ones, or with `Atomics`
 * operations: the checker reports no data race for them. It makes each a step and explores every order of steps; unlike
 * an `Atomics` operation, such a step orders nothing else, and a read may return an older value, unless happens-before
 * puts another write behind that. This covers the accesses in the function itself, not those in functions that it
 * calls. Outside the checker, racy() just calls the function.
 *
 * The checker does not explore what the memory model allows beyond that: a read that is put off behind later operations
 * of its thread, halves of an element, older values of elements of more than 32 bits, and more than four older values
 * in a thread.
 */
export function racy<T>(accesses: () => T): T {
  return accesses()
}
