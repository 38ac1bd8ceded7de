// `racy()`: a plain access that is meant. A file that is to be checked imports this, so it must not import anything.

/**
 * Runs `accesses`, whose plain reads and writes of shared elements may race with others that are racy, or with
 * operations of `Atomics`: no data race is reported of them. Where the program is checked, each is a step, and every
 * order of steps is explored; unlike an operation of `Atomics`, it orders nothing. Only what stands in the function is
 * meant, and not what it calls. In the program itself, it is a call of the function and nothing else.
 *
 * Not explored is what the memory model allows beyond that: values that no order of the steps gives, such as those of
 * accesses that a compiler or a processor exchanges, and halves of elements of 64 bits.
 */
export function racy<T>(accesses: () => T): T {
  return accesses()
}
