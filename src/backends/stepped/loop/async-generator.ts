// Async generators, as the language specifies them (ECMAScript 2025, 27.6): the requests of one are served one after
// the other, in the order in which they were made. Its body runs in ../coroutine.ts, until it waits, yields or ends.

import { type AsyncIterated, openAsyncIterator } from './async-iteration.ts'
import { asyncIteratorPrototype, host } from './host.ts'
import { isObject } from './iteration-result.ts'
import { Promise, react } from './promise.ts'

type Kind = 'next' | 'throw' | 'return'
type Method = (this: unknown, value?: unknown) => unknown
type Settle = (value: unknown) => void

/** Why a body has left: see runGenerator() in ../coroutine.ts. */
interface Left {
  readonly kind: 'await' | 'yield' | 'delegate' | 'return' | 'throw'
  readonly value: unknown
}

declare global {
  interface Atomics {
    /** See ../coroutine.ts. */
    runGenerator(body: object, kind: Kind, value: unknown): Left
  }
}

interface Request {
  readonly kind: Kind
  readonly value: unknown
  readonly resolve: Settle
  readonly reject: Settle
}

/** What a generator is at: the names of its states are those of the specification. */
interface Work {
  readonly body: object
  state: 'suspended-start' | 'suspended-yield' | 'executing' | 'draining-queue' | 'completed'
  readonly queue: Request[]
  /** Of a `yield*`: whose values it yields. */
  source: { readonly iterator: AsyncIterated; readonly next: Method } | null
}

const works = new WeakMap<object, Work>()

class AsyncGenerator {
  next(value: unknown): unknown {
    return request(this, 'next', value)
  }

  throw(error: unknown): unknown {
    return request(this, 'throw', error)
  }

  return(value: unknown): unknown {
    return request(this, 'return', value)
  }

  get [Symbol.toStringTag](): string {
    return 'AsyncGenerator'
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): globalThis.Promise<void> {
    await this.return(undefined)
  }
}

export function newGenerator(body: object): AsyncGenerator {
  const generator = new AsyncGenerator()
  works.set(generator, { body, state: 'suspended-start', queue: [], source: null })
  return generator
}

function request(generator: object, kind: Kind, value: unknown): unknown {
  const { promise, resolve, reject } = Promise.withResolvers() as {
    promise: unknown
    resolve: Settle
    reject: Settle
  }
  const work = works.get(generator)
  if (work === undefined) {
    reject(new TypeError(`${kind} method called on incompatible receiver ${String(generator)}`))
    return promise
  }
  if (kind === 'throw' && work.state === 'suspended-start') work.state = 'completed'
  const { state } = work
  if (state === 'completed' && kind !== 'return') {
    if (kind === 'next') resolve({ value: undefined, done: true })
    else reject(value)
    return promise
  }
  work.queue.push({ kind, value, resolve, reject })
  if (state === 'suspended-yield' || (state === 'suspended-start' && kind === 'next')) resume(work)
  else if (state === 'suspended-start' || state === 'completed') {
    work.state = 'draining-queue'
    awaitReturn(work)
  }
  return promise
}

/** The first request is served. */
function resume(work: Work): void {
  work.state = 'executing'
  const { kind, value } = work.queue[0]!
  if (kind === 'return') awaitReturned(work, value)
  else goOn(work, kind, value)
}

/** What is to be returned is awaited where the generator stands. */
function awaitReturned(work: Work, value: unknown): void {
  waitFor(
    value,
    (result) => goOn(work, 'return', result),
    (error) => goOn(work, 'throw', error),
  )
}

function goOn(work: Work, kind: Kind, value: unknown): void {
  if (work.source === null) run(work, kind, value)
  else askSource(work, kind, value)
}

function run(work: Work, kind: Kind, given: unknown): void {
  const left = Atomics.runGenerator(work.body, kind, given)
  const { value } = left
  switch (left.kind) {
    case 'await':
      waitFor(
        value,
        (result) => run(work, 'next', result),
        (error) => run(work, 'throw', error),
      )
      return
    case 'yield':
      yielded(work, value)
      return
    case 'delegate':
      delegate(work, value)
      return
    default:
      work.state = 'draining-queue'
      settleFirst(work, left.kind === 'throw', value, true)
      drain(work)
  }
}

function yielded(work: Work, value: unknown): void {
  settleFirst(work, false, value, false)
  if (work.queue.length > 0) resume(work)
  else work.state = 'suspended-yield'
}

/** The first request is answered. */
function settleFirst({ queue }: Work, isError: boolean, value: unknown, done: boolean): void {
  const { resolve, reject } = queue.shift()!
  if (isError) reject(value)
  else resolve({ value, done })
}

/** The body has ended: what else was asked is answered. */
function drain(work: Work): void {
  for (;;) {
    const [first] = work.queue
    if (first === undefined) {
      work.state = 'completed'
      return
    }
    if (first.kind === 'return') {
      awaitReturn(work)
      return
    }
    settleFirst(work, first.kind === 'throw', first.kind === 'throw' ? first.value : undefined, true)
  }
}

/** The generator has ended, or never begun, and is to return something. */
function awaitReturn(work: Work): void {
  const settle = (isError: boolean, value: unknown): void => {
    settleFirst(work, isError, value, true)
    drain(work)
  }
  waitFor(
    work.queue[0]!.value,
    (value) => settle(false, value),
    (error) => settle(true, error),
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// yield* (15.5.5)

function delegate(work: Work, iterable: unknown): void {
  try {
    const iterator = openAsyncIterator(iterable)
    work.source = { iterator, next: iterator.next as Method }
  } catch (error) {
    failed(work, error)
    return
  }
  askSource(work, 'next', undefined)
}

/** What the generator is asked, its source is. */
function askSource(work: Work, kind: Kind, value: unknown): void {
  let result: unknown
  try {
    const { iterator, next } = work.source!
    const method = kind === 'next' ? next : (iterator[kind] as Method | null | undefined)
    if (method === undefined || method === null) {
      lacks(work, iterator, kind, value)
      return
    }
    result = method.call(iterator, value)
  } catch (error) {
    failed(work, error)
    return
  }
  waitFor(
    result,
    (answer) => answered(work, kind, answer),
    (error) => failed(work, error),
  )
}

function answered(work: Work, kind: Kind, answer: unknown): void {
  let value: unknown
  try {
    if (!isObject(answer)) throw new TypeError(`Iterator result ${String(answer)} is not an object`)
    const { done } = answer
    ;({ value } = answer)
    if (!done) {
      yielded(work, value)
      return
    }
  } catch (error) {
    failed(work, error)
    return
  }
  work.source = null
  run(work, kind === 'return' ? 'return' : 'next', value)
}

/** The source has no such method. */
function lacks(work: Work, source: AsyncIterated, kind: Kind, value: unknown): void {
  if (kind === 'return') {
    work.source = null
    awaitReturned(work, value)
    return
  }
  const fail = (): void => failed(work, new TypeError("The iterator does not provide a 'throw' method."))
  const method = source.return as Method | null | undefined
  if (method === undefined || method === null) {
    fail()
    return
  }
  waitFor(
    method.call(source),
    (answer) => {
      if (isObject(answer)) fail()
      else failed(work, new TypeError(`${String(answer)} is not an object`))
    },
    (error) => failed(work, error),
  )
}

/** Going through the source has thrown, and so does the `yield*`. */
function failed(work: Work, error: unknown): void {
  if (host.isBroken()) throw error
  work.source = null
  run(work, 'throw', error)
}

// ---------------------------------------------------------------------------------------------------------------------

/** `await value`. */
function waitFor(value: unknown, onFulfilled: Settle, onRejected: Settle): void {
  if (host.isThread()) react(value, onFulfilled, onRejected)
  else void globalThis.Promise.resolve(value).then(onFulfilled, onRejected)
}

Object.setPrototypeOf(AsyncGenerator.prototype, asyncIteratorPrototype)
