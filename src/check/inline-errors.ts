// What a check throws in a thread, told to the thread that asked for it.

import { SteppingRefused } from '../backends/stepped/index.ts'
import { NoScenario } from './target.ts'
import { TokenRefused } from './token.ts'

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

/** The error, of its class where a user may ask for that. */
export function errorFrom({ name, message, stack, remedy, file, line }: ErrorData): Error {
  const help = remedy ?? ''
  const error =
    name === 'SteppingRefused'
      ? Object.create(SteppingRefused.prototype, { name: { value: name }, message: { value: message } })
      : name === 'NoScenario'
        ? new NoScenario(message, help)
        : name === 'TokenRefused'
          ? new TokenRefused(message, help)
          : new Error(message)
  const known = { stack, ...(remedy !== null && { remedy }), ...(file !== null && { file, line }) }
  for (const [key, value] of Object.entries({ name, ...known }))
    Object.defineProperty(error, key, { value, configurable: true, writable: true })
  return error as Error
}
