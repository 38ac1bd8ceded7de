// The one line on standard error that says what a long command is doing, on a terminal only.
const CLEAR_LINE = '\r\u001B[2K'

let isShown = false

/** Replaces the progress line. Does nothing where standard error is not a terminal. */
export function showProgress(text: string): void {
  if (!process.stderr.isTTY) return
  const width = process.stderr.columns || 80
  process.stderr.write(CLEAR_LINE + text.slice(0, width - 1))
  isShown = true
}

/** Takes the progress line away, so that what follows begins on a clean line. */
export function clearProgress(): void {
  if (!isShown) return
  process.stderr.write(CLEAR_LINE)
  isShown = false
}
