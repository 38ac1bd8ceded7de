// What a command says when it cannot do what it was asked to: one line, what is wrong and what helps.
//
// Principles: exit code 2 means that the call or its input is wrong, and nothing was printed on standard
// output. An error that is not one of the known kinds is a defect of ours, and is shown whole.

/** A wrong call: an option or argument that makes no sense. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly remedy: string

  constructor(message: string, remedy: string) {
    super(message)
    this.remedy = remedy
  }
}

/** Errors that the user's input causes, by name: their message is enough. */
const INPUT_ERRORS = new Map<string, string>([
  ['ConfigurationError', 'see `faultline designs` and the documentation of the options'],
  ['MemoryError', 'give the machine more memory'],
  ['NotDeterministic', 'do the same in each run: no clock, no randomness, and create all state in setup'],
  ['OutOfMemory', 'give the machine more memory'],
  ['RangeError', 'choose a value within the range'],
])

/** The text for standard error of what a command threw, without a newline. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return `faultline: ${String(error)}`
  const remedy = remedyOf(error)
  if (remedy === undefined) return `faultline: this is a bug in faultline: ${error.stack ?? error.message}`
  const line = `${problemOf(error)}${placeOf(error)}${remedy === '' ? '' : ` — ${remedy}`}`
  return `faultline: ${line.replaceAll(/\s*\n\s*/g, ' ')}`
}

/** The message without the place and the remedy, which some errors' messages carry too. */
function problemOf(error: Error): string {
  const { file, line, remedy } = error as Error & { file?: unknown; line?: unknown; remedy?: unknown }
  let problem = error.message
  const place = `${String(file)}${line === undefined ? '' : `:${String(line)}`}: `
  if (problem.startsWith(place)) problem = problem.slice(place.length)
  if (typeof remedy === 'string' && problem.endsWith(remedy)) problem = problem.slice(0, -remedy.length)
  return problem.replace(/[.:;,\s—-]+$/, '')
}

/** ` (file, line 12)`, where an error names a file. */
function placeOf(error: Error): string {
  const { file, line } = error as Error & { file?: unknown; line?: unknown }
  if (typeof file !== 'string') return ''
  return typeof line === 'number' ? ` (${file}, line ${line})` : ` (${file})`
}

function remedyOf(error: Error): string | undefined {
  if ('remedy' in error && typeof error.remedy === 'string') return error.remedy
  if ('code' in error && typeof error.code === 'string' && 'syscall' in error)
    return fileRemedies.get(error.code) ?? ''
  // No value was too large: a function of ours calls itself too often.
  if (error.message === 'Maximum call stack size exceeded') return undefined
  return INPUT_ERRORS.get(error.name)
}

const fileRemedies = new Map<string, string>([
  ['ENOENT', 'check the path'],
  ['EISDIR', 'name a file, not a folder'],
  ['EACCES', 'check the permissions of the file'],
])
