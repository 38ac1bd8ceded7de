// Where a `for await` is in what it goes through. What it awaits, the loop itself does: see ../for-await.ts.

import { Promise } from './promise.ts'

interface Result {
  readonly done?: boolean
  readonly value?: unknown
}

class AsyncCursor {
  readonly iterator: Record<string, unknown>
  /** Its values are awaited by the loop, as it is none of promises. */
  readonly isSync: boolean
  value: unknown = undefined
  isDone = false
  hasFailed = false

  constructor(iterator: Record<string, unknown>, isSync: boolean) {
    this.iterator = iterator
    this.isSync = isSync
  }

  /** Begins a step: what is to be awaited. */
  step(): unknown {
    this.isDone = true
    const { iterator } = this
    const result = (iterator as unknown as Iterator<unknown>).next()
    return this.isSync ? settled(result) : result
  }

  /** The step is done. Returns whether there is a value. */
  take(result: Result): boolean {
    if (typeof result !== 'object' || result === null)
      throw new TypeError(`Iterator result ${String(result)} is not an object`)
    if (result.done) return false
    this.value = result.value
    this.isDone = false
    return true
  }

  fails(): void {
    this.hasFailed = true
  }

  isOpen(): boolean {
    return !this.isDone && this.iterator['return'] !== undefined
  }

  /** Begins to close it: what is to be awaited. Of a loop that throws, what closing throws is of no interest. */
  close(): unknown {
    this.isDone = true
    if (!this.hasFailed) return (this.iterator as unknown as Required<Iterator<unknown>>).return()
    try {
      const result = (this.iterator as unknown as Required<Iterator<unknown>>).return()
      return Promise.resolve(result as never)
    } catch {
      return undefined
    }
  }

  check(result: unknown): void {
    if (!this.hasFailed && (typeof result !== 'object' || result === null))
      throw new TypeError(`${String(result)} is not an object`)
  }
}

/** The result of an ordinary iterator, with its value awaited. */
function settled({ done, value }: Result): unknown {
  return (Promise.resolve(value) as { then(called: (value: unknown) => unknown): unknown }).then((each) => ({
    done,
    value: each,
  }))
}

export function openAsync(iterable: unknown): AsyncCursor {
  const holder = iterable as Record<symbol, (() => unknown) | undefined>
  const open = holder[Symbol.asyncIterator]
  const isSync = open === undefined || open === null
  const iterator = isSync ? openSync(holder) : open.call(iterable)
  if (typeof iterator !== 'object' || iterator === null)
    throw new TypeError('Result of the Symbol.asyncIterator method is not an object')
  return new AsyncCursor(iterator as Record<string, unknown>, isSync)
}

function openSync(holder: Record<symbol, (() => unknown) | undefined>): unknown {
  const open = holder[Symbol.iterator]
  if (typeof open !== 'function') throw new TypeError(`${typeof holder} is not async iterable`)
  return open.call(holder)
}
