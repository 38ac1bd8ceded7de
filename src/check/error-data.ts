// An error as plain data, which threads can send to each other.

export interface ErrorData {
  readonly name: string
  readonly message: string
  readonly stack: string
  readonly remedy: string | null
  readonly file: string | null
  readonly line: number | null
}

export function errorData(thrown: unknown): ErrorData {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  const { remedy, file, line } = error as { remedy?: unknown; file?: unknown; line?: unknown }
  return {
    name: error.name,
    message: error.message,
    stack: error.stack ?? '',
    remedy: typeof remedy === 'string' ? remedy : null,
    file: typeof file === 'string' ? file : null,
    line: typeof line === 'number' ? line : null,
  }
}
