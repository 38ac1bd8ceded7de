// The error of everything that records: what is wrong, and what to do about it.

/** Nothing can be recorded, or what was recorded cannot be written. */
export class RecordError extends Error {
  override readonly name = 'RecordError'
  /** What to do about it. */
  readonly remedy: string

  constructor(problem: string, remedy: string) {
    super(problem)
    this.remedy = remedy
  }
}

/** The line in which a program says why it failed, without bytes that would disturb a terminal. */
export function complaintIn(text: string): string {
  const lines = text
    .replaceAll(/\berror:\s*\n/gi, 'Error: ')
    .split('\n')
    .map((line) => line.replaceAll(/[^\x20-\x7e]/g, ' ').trim())
    .filter((line) => line !== '')
  const line = lines.find((each) => /error|fail|permi|cannot|can't|not found|denied/i.test(each)) ?? lines[0]
  return (line ?? 'it says nothing').slice(0, 300)
}
