// `racy()`: an intended plain access. Checked files import this module, so it must not import anything.

/**
 * Runs `accesses`, whose plain reads and writes of shared elements may race with other racy ones, or with `Atomics`
 * operations: the checker reports no data race for them. It makes each a step and explores every order of steps; unlike
 * an `Atomics` operation, such a step orders nothing else. This covers the accesses in the function itself, not those
 * in functions that it calls. Outside the checker, racy() just calls the function.
 *
 * The checker does not explore values that the memory model allows beyond that, which no order of the steps gives:
 * those of accesses that a compiler or a processor reorders, and halves of 64-bit elements.
 */
export function racy<T>(accesses: () => T): T {
  return accesses()
}
