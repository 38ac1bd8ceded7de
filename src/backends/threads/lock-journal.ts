// A small state that processes share through a folder and change one at a time, without a lock that a dead process
// could leave behind.
//
// The state is the file with the highest number. A process that changes it reads it, writes the new state into a file
// of its own, and links that file (link(2)) to the next number: of several that try, one succeeds, and the others look
// again.
//
// - A process removes a number only after a higher one exists, so the highest never becomes lower. - A process that was
//   stopped between looking and linking may link a number that was removed meanwhile, so that a higher one exists. It
//   therefore looks once more, and has changed the state only if its own number is the highest. Otherwise what it
//   linked is below the highest, and no process reads it. - Another process may build on a change before its maker
//   looks once more. The maker then takes its change for lost and tries again: hence `change` must recognise that it
//   has been made already. - A reading of the folder must not miss the highest. Linux reads a small folder at one
//   moment; elsewhere one might miss a number that comes, and one that goes, while it reads. So the last ones stay: to
//   be misled, a reader would have to be overtaken by so many changes in one reading.
//
// Each operation on the folder is one step of a generator, for tests to try every order of the steps of several.

export interface JournalFolder {
  /** The numbers that exist. */
  list(): readonly number[]
  /** The contents of the file with that number, or null if there is none (any more). */
  read(number: number): string | null
  /** Makes the file, with all its contents, in one step. Returns false if the number is taken. */
  create(number: number, content: string): boolean
  /** Removes the file if it is there. */
  remove(number: number): void
}

/** How many numbers below the highest are kept. */
const KEPT = 4

/**
 * Changes the state to what `change` returns for it; the first state is ''. Leaves it as it is if that is null.
 * `change` may be called several times. An error that it throws is thrown.
 *
 * @param kept how many numbers below the highest stay
 */
export function* changeState(
  folder: JournalFolder,
  change: (state: string) => string | null,
  kept = KEPT,
): Generator<undefined, void> {
  for (;;) {
    const base = Math.max(0, ...folder.list())
    yield
    const state = base === 0 ? '' : folder.read(base)
    yield
    if (state === null) continue
    const next = change(state)
    if (next === null) return
    if (!folder.create(base + 1, next)) continue
    yield
    const numbers = folder.list()
    yield
    if (Math.max(...numbers) === base + 1) {
      for (const old of numbers) {
        if (old >= base + 1 - kept) continue
        folder.remove(old)
        yield
      }
      return
    }
    folder.remove(base + 1)
    yield
  }
}
