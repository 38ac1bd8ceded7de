// What a check throws in a thread, told to the thread that asked for it.

import { SteppingRefused } from '../backends/stepped/index.ts'
import type { ErrorData } from './error-data.ts'
import { NoScenario } from './no-scenario.ts'
import { TokenRefused } from './token.ts'

/** The error, of its class where a user may ask for that. It is thrown where the check is called. */
export function errorFrom(data: ErrorData): Error {
  const { name, message, remedy, file, line } = data
  const help = remedy ?? ''
  // A test runner shows no more of it than the message.
  const told = help === '' ? message : `${message} — ${help}`
  if (name === 'NoScenario') return new NoScenario(told, help)
  if (name === 'TokenRefused') return new TokenRefused(message, help)
  const error =
    name === 'SteppingRefused' ? new SteppingRefused(file!, line!, message, help) : new Error(told)
  if (error instanceof SteppingRefused) error.message = message
  const known = { name, ...(remedy !== null && { remedy }), ...(file !== null && { file, line }) }
  Object.assign(error, known)
  // What nobody expects is told with its place.
  if (remedy === null) error.stack = data.stack
  return error
}
