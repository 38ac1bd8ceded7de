// Where a `for await` is in what it goes through. What it awaits, the loop itself does: see ../for-await.ts.

import { host } from './host.ts'
import { type Result, isObject } from './iteration-result.ts'
import { Promise } from './promise.ts'

type Method = (this: unknown, value?: unknown) => unknown

class AsyncCursor {
  readonly iterator: AsyncIterated
  readonly next: Method
  value: unknown = undefined
  isDone = false
  hasFailed = false
  #return: Method | null | undefined = null

  constructor(iterator: AsyncIterated) {
    this.iterator = iterator
    this.next = iterator.next as Method
  }

  /** Begins a step: what is to be awaited. */
  step(): unknown {
    this.isDone = true
    return this.next.call(this.iterator)
  }

  /** The step is done. Returns whether there is a value. */
  take(result: Result): boolean {
    if (!isObject(result)) throw new TypeError(`Iterator result ${String(result)} is not an object`)
    if (result.done) return false
    this.value = result.value
    this.isDone = false
    return true
  }

  fails(): void {
    this.hasFailed = true
  }

  /** There is something to close; it is asked for its method once. */
  isOpen(): boolean {
    if (this.isDone) return false
    try {
      this.#return = this.iterator.return as Method | null | undefined
    } catch (error) {
      this.closingFails(error)
      return false
    }
    return this.#return !== undefined && this.#return !== null
  }

  /** Begins to close it: what is to be awaited. */
  close(): unknown {
    this.isDone = true
    return this.#return!.call(this.iterator)
  }

  check(result: unknown): void {
    if (!isObject(result)) throw new TypeError(`${String(result)} is not an object`)
  }

  /** Of a loop that throws, what closing throws is of no interest. */
  closingFails(error: unknown): void {
    if (!this.hasFailed || host.isBroken()) throw error
  }
}

/** What goes through an iterable, asynchronously. */
export interface AsyncIterated {
  next(value?: unknown): unknown
  return?(value?: unknown): unknown
  throw?(value?: unknown): unknown
}

type Synchronous = Iterator<unknown, unknown, unknown>

/** The iterator of an iterable that is none of promises: its values are awaited (27.1.6). */
class AsyncFromSync implements AsyncIterated {
  readonly iterator: Synchronous
  readonly #next: Method

  constructor(iterator: Synchronous) {
    this.iterator = iterator
    this.#next = iterator.next as Method
  }

  next(value: unknown): unknown {
    return settled(this.iterator, () => this.#next.call(this.iterator, value), true)
  }

  return(value: unknown): unknown {
    const { iterator } = this
    let method: Method | null | undefined
    try {
      method = iterator.return as Method | null | undefined
    } catch (error) {
      return rejected(error)
    }
    if (method === undefined || method === null) return Promise.resolve({ value, done: true } as never)
    return settled(iterator, () => method.call(iterator, value), false)
  }

  throw(error: unknown): unknown {
    const { iterator } = this
    let method: Method | null | undefined
    try {
      method = iterator.throw as Method | null | undefined
    } catch (reason) {
      return rejected(reason)
    }
    if (method !== undefined && method !== null)
      return settled(iterator, () => method.call(iterator, error), true)
    return settled(
      iterator,
      () => {
        closeSync(iterator)
        throw new TypeError("The iterator does not provide a 'throw' method.")
      },
      false,
    )
  }
}

function rejected(error: unknown): unknown {
  if (host.isBroken()) throw error
  return Promise.reject(error)
}

/** The result of an ordinary iterator, with its value awaited; where that is rejected, the iterator may be closed. */
function settled(iterator: Synchronous, ask: () => unknown, closes: boolean): unknown {
  let result: unknown
  let value: unknown
  let done: boolean
  try {
    result = ask()
    if (!isObject(result)) throw new TypeError(`Iterator result ${String(result)} is not an object`)
    done = Boolean(result.done)
    ;({ value } = result)
  } catch (error) {
    return rejected(error)
  }
  const fails = (error: unknown): never => {
    if (closes && !done) closeFailed(iterator)
    throw error
  }
  const awaited = Promise.resolve(value as never) as unknown as {
    then(called: (value: unknown) => unknown, failed: (error: unknown) => unknown): unknown
  }
  return awaited.then((each) => ({ value: each, done }), fails)
}

/** What closing throws is of no interest, as there is an error already. */
function closeFailed(iterator: Synchronous): void {
  try {
    iterator.return?.()
  } catch (error) {
    if (host.isBroken()) throw error
  }
}

function closeSync(iterator: Synchronous): void {
  const method = iterator.return as Method | null | undefined
  if (method === undefined || method === null) return
  const result: unknown = method.call(iterator)
  if (!isObject(result)) throw new TypeError(`${String(result)} is not an object`)
}

export function openAsync(iterable: unknown): AsyncCursor {
  return new AsyncCursor(openAsyncIterator(iterable))
}

export function openAsyncIterator(iterable: unknown): AsyncIterated {
  const holder = iterable as Record<symbol, (() => unknown) | undefined>
  const open = holder[Symbol.asyncIterator]
  if (open === undefined || open === null) return new AsyncFromSync(openSync(holder))
  const iterator = open.call(iterable)
  if (!isObject(iterator)) throw new TypeError('Result of the Symbol.asyncIterator method is not an object')
  return iterator as AsyncIterated
}

function openSync(holder: Record<symbol, (() => unknown) | undefined>): Synchronous {
  const open = holder[Symbol.iterator]
  if (typeof open !== 'function') throw new TypeError(`${typeof holder} is not async iterable`)
  const iterator = open.call(holder)
  if (!isObject(iterator)) throw new TypeError('Result of the Symbol.iterator method is not an object')
  return iterator as Synchronous
}
