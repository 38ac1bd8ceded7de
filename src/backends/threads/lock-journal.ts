// A small state that processes share through a folder, and change one at a time, without a lock that a dead one could
// leave behind.
//
// The state is the file with the highest number. Who wants to change it reads it, writes what it is to be into a file
// of its own, and links that file (link(2)) to the next number: of several who try, one succeeds, and the others look
// again.
//
//   - A number is taken away only after a higher one was there, so that the highest never becomes lower.
//   - Whoever slept between looking and linking may have linked a number that was free again. Then a higher one is
//     there, as it had been taken away; so it looks once more, and has changed the state only if its own is the
//     highest. What it linked is below the highest, where nobody looks.
//   - The state may have been changed on top of a change before its maker looked once more. It does not know that, and
//     tries again: hence a change that finds itself made is none.
//   - A reading of the folder must not miss the highest. Linux reads a small folder at one moment; elsewhere one might
//     miss a number that comes, and one that goes, while it reads. So the last ones stay: to be misled, a reader would
//     have to be overtaken by so many changes in one reading.
//
// Each operation on the folder is one step of a generator, for tests to try every order of the steps of several.

export interface JournalFolder {
  /** The numbers that are there. */
  list(): readonly number[]
  /** What the file with that number contains, or null when it is not there (any more). */
  read(number: number): string | null
  /** Makes the whole file at once. Returns false when the number is taken. */
  create(number: number, content: string): boolean
  /** Removes the file if it is there. */
  remove(number: number): void
}

/** How many of the numbers below the highest stay. */
const KEPT = 4

/**
 * Changes the state to what `change` makes of it, '' at first; to nothing else if that is null. It may be called
 * several times. What it throws ends this.
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
