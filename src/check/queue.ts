// Checks run one after the other: the memory of the program that is stepped is the state of a module.

let last: Promise<unknown> = Promise.resolve()

/** Runs `work` when all that was given before is done. */
export function oneAfterAnother<T>(work: () => Promise<T>): Promise<T> {
  const result = last.then(work)
  last = result.catch(() => {})
  return result
}
