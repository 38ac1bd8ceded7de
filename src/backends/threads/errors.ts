// What the public API throws besides the signals of the kernel.

import { errnoName } from '../../kernel/index.ts'

/** A call failed as the system call of its name would: `errno`, and `code`, is 'ENOMEM', 'EINVAL' and so on. */
export class MemoryError extends Error {
  override readonly name: string = 'MemoryError'
  readonly errno: string
  /** The same, under the name that system errors of Node have it. */
  readonly code: string
  /** The call that failed, such as 'mmap'. */
  readonly call: string

  constructor(errno: string, call: string, detail = '', options?: ErrorOptions) {
    super(`${call}: ${errno}${detail === '' ? '' : ` (${detail})`}`, options)
    this.errno = errno
    this.code = errno
    this.call = call
  }
}

/** No frame or no kernel memory was left. */
export class OutOfMemory extends MemoryError {
  override readonly name = 'OutOfMemory'

  constructor(call: string, detail = '') {
    super('ENOMEM', call, detail)
  }
}

/** A machine was asked for that cannot be, or that this thread has left: the message says what to change. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
  /** As Node's errors have one. */
  readonly code = 'ERR_FAULTLINE_CONFIGURATION'
}

/** Returns a result of the kernel, or throws when it is a negative errno. */
export function checkResult(result: number, call: string, detail = ''): number {
  if (result >= 0) return result
  throw new MemoryError(errnoName(-result), call, detail)
}
