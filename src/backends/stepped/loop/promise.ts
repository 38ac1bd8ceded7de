// Promises of threads, as the language specifies them (ECMAScript 2025, 27.2), with their jobs in the event loop of the
// thread: so a job can stop where another thread is to go on. Outside threads they are those of the engine.

import { type Frame, currentFrame, inFrame, within } from './async-context.ts'
import { type EventLoop, type Job, host } from './host.ts'

type Settle = (value?: unknown) => void
type Handler = (value: unknown) => unknown

interface Reaction {
  readonly onFulfilled: Handler | null
  readonly onRejected: Handler | null
  /** What is made of the result; null where nobody looks at it. */
  readonly next: LoopPromise | null
  readonly frame: Frame | null
}

const Native = globalThis.Promise
const nothing = (): void => {}

class LoopPromise {
  /** Of the thread whose promise it is. */
  readonly loop!: EventLoop
  state: 'pending' | 'fulfilled' | 'rejected' = 'pending'
  value: unknown = undefined
  isHandled = false
  readonly reactions: Reaction[] = []
  /** Its number among those of the thread, from 1. */
  readonly made: number = 0

  constructor(executor: (resolve: Settle, reject: Settle) => void) {
    if (!host.isThread()) return new Native(executor) as never
    if (typeof executor !== 'function')
      throw new TypeError(`Promise resolver ${String(executor)} is not a function`)
    this.loop = host.loop()
    this.made = host.promiseMade()
    const { resolve, reject } = settling(this)
    try {
      executor(resolve, reject)
    } catch (error) {
      if (host.isBroken()) throw error
      reject(error)
    }
  }

  // eslint-disable-next-line unicorn/no-thenable -- it is a promise
  then(onFulfilled?: unknown, onRejected?: unknown): LoopPromise {
    const next = new LoopPromise(nothing)
    const frame = currentFrame()
    addReaction(this, { onFulfilled: handler(onFulfilled), onRejected: handler(onRejected), next, frame })
    return next
  }

  catch(onRejected?: unknown): unknown {
    return this.then(undefined, onRejected)
  }

  finally(onFinally?: unknown): unknown {
    if (typeof onFinally !== 'function') return this.then(onFinally, onFinally)
    const called = onFinally as () => unknown
    return this.then(
      (value: unknown) => resolved(called()).then(() => value),
      (reason: unknown) =>
        resolved(called()).then(() => {
          throw reason
        }),
    )
  }

  get [Symbol.toStringTag](): string {
    return 'Promise'
  }

  static [Symbol.hasInstance](value: unknown): boolean {
    const isOne = Native[Symbol.hasInstance].call(this, value)
    return isOne || (this === LoopPromise && value instanceof Native)
  }

  static resolve(value?: unknown): unknown {
    return host.isThread() ? resolved(value) : Native.resolve(value)
  }

  static reject(reason?: unknown): unknown {
    if (!host.isThread()) return Native.reject(reason)
    const promise = new LoopPromise(nothing)
    rejectWith(promise, reason)
    return promise
  }

  static withResolvers(): unknown {
    return host.isThread() ? deferred() : Native.withResolvers()
  }

  static try(called: (...args: unknown[]) => unknown, ...args: unknown[]): unknown {
    return new LoopPromise((resolve) => resolve(called(...args)))
  }

  static all(values: Iterable<unknown>): unknown {
    return host.isThread() ? gather(values, 'all') : Native.all(values)
  }

  static allSettled(values: Iterable<unknown>): unknown {
    return host.isThread() ? gather(values, 'allSettled') : Native.allSettled(values)
  }

  static any(values: Iterable<unknown>): unknown {
    return host.isThread() ? gather(values, 'any') : Native.any(values)
  }

  static race(values: Iterable<unknown>): unknown {
    if (!host.isThread()) return Native.race(values)
    const first = new LoopPromise(nothing)
    const { resolve, reject } = settling(first)
    rejecting(reject, () => {
      for (const each of values) resolved(each).then(resolve, reject)
    })
    return first
  }
}

// What is no part of a program asks whether something is a promise.
Object.setPrototypeOf(LoopPromise.prototype, Native.prototype)
Object.defineProperty(LoopPromise, 'name', { value: 'Promise' })

export { LoopPromise as Promise }

function handler(value: unknown): Handler | null {
  return typeof value === 'function' ? (host.followed(value) as Handler) : null
}

function isPromise(value: unknown): value is LoopPromise {
  return typeof value === 'object' && value !== null && 'reactions' in value && 'loop' in value
}

/** `Promise.resolve(value)`. */
function resolved(value: unknown): LoopPromise {
  if (isPromise(value)) return value
  const promise = new LoopPromise(nothing)
  settling(promise).resolve(value)
  return promise
}

export function deferred(): { promise: LoopPromise; resolve: Settle; reject: Settle } {
  const promise = new LoopPromise(nothing)
  return { promise, ...settling(promise) }
}

/** The two functions by which a promise is settled, of which only the first call counts. */
function settling(promise: LoopPromise): { resolve: Settle; reject: Settle } {
  let isResolved = false
  return {
    resolve(value) {
      if (isResolved) return
      isResolved = true
      resolveWith(promise, value)
    },
    reject(reason) {
      if (isResolved) return
      isResolved = true
      rejectWith(promise, reason)
    },
  }
}

function resolveWith(promise: LoopPromise, value: unknown): void {
  if (value === promise) {
    rejectWith(promise, new TypeError('Chaining cycle detected for promise #<Promise>'))
    return
  }
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) {
    settle(promise, 'fulfilled', value)
    return
  }
  let then: unknown
  try {
    ;({ then } = value as { then?: unknown })
  } catch (error) {
    rejectWith(promise, error)
    return
  }
  if (typeof then !== 'function') {
    settle(promise, 'fulfilled', value)
    return
  }
  if (value instanceof Native && !isPromise(value))
    host.refuse('a promise of the engine in a thread', 'let the thread make its promises itself')
  promise.loop.jobs.push(inFrame(() => callThen(promise, value, then as Handler)))
}

function callThen(promise: LoopPromise, value: object, then: Handler): void {
  const { resolve, reject } = settling(promise)
  const call = then as (this: unknown, resolve: Settle, reject: Settle) => unknown
  try {
    call.call(value, resolve, reject)
  } catch (error) {
    if (host.isBroken()) throw error
    reject(error)
  }
}

function rejectWith(promise: LoopPromise, reason: unknown): void {
  if (!promise.isHandled) promise.loop.rejected.push({ promise, value: reason })
  settle(promise, 'rejected', reason)
}

function settle(promise: LoopPromise, state: 'fulfilled' | 'rejected', value: unknown): void {
  host.promiseTouched(promise.made)
  promise.state = state
  promise.value = value
  for (const each of promise.reactions) promise.loop.jobs.push(jobOf(promise, each))
  promise.reactions.length = 0
}

/** Of the thread's function, nobody but its event loop waits for the end: where that begins to, nothing is another. */
export function reactToEnd(value: unknown, onFulfilled: Handler, onRejected: Handler): void {
  addReaction(resolved(value), { onFulfilled, onRejected, next: null, frame: currentFrame() }, true)
}

function addReaction(promise: LoopPromise, reaction: Reaction, isOfEnd = false): void {
  if (promise.loop !== host.loop())
    host.refuse(
      'a promise of another thread',
      'let each thread await promises of its own: threads of Node share none',
    )
  promise.isHandled = true
  if (promise.state === 'pending') {
    if (!isOfEnd) host.promiseTouched(promise.made)
    promise.reactions.push(reaction)
  } else promise.loop.jobs.push(jobOf(promise, reaction))
}

function jobOf(promise: LoopPromise, reaction: Reaction): Job {
  const { frame } = reaction
  const job = (): void => doReaction(promise, reaction)
  return frame === null ? job : () => within(frame, job)
}

function doReaction({ state, value }: LoopPromise, { onFulfilled, onRejected, next }: Reaction): void {
  const called = state === 'rejected' ? onRejected : onFulfilled
  if (called === null) {
    if (next !== null && state === 'rejected') rejectWith(next, value)
    else if (next !== null) settle(next, 'fulfilled', value)
    return
  }
  let result: unknown
  try {
    result = called(value)
  } catch (error) {
    if (next === null || host.isBroken()) throw error
    rejectWith(next, error)
    return
  }
  if (next !== null) resolveWith(next, result)
}

/** One of two functions is called when a value is settled: what it throws is nobody's rejection. */
export function react(value: unknown, onFulfilled: Handler, onRejected: Handler): void {
  addReaction(resolved(value), { onFulfilled, onRejected, next: null, frame: currentFrame() })
}

/** What `all`, `allSettled` and `any` have in common. */
function gather(values: Iterable<unknown>, how: 'all' | 'allSettled' | 'any'): LoopPromise {
  const result = new LoopPromise(nothing)
  const { resolve, reject } = settling(result)
  const found: unknown[] = []
  let left = 1
  const finish = (): void => {
    if (--left > 0) return
    if (how === 'any') reject(new AggregateError(found, 'All promises were rejected'))
    else resolve(found)
  }
  let index = 0
  const add = (each: unknown): void => {
    const at = index++
    found[at] = undefined
    left++
    const note = (value: unknown): void => {
      found[at] = value
      finish()
    }
    if (how === 'all') resolved(each).then(note, reject)
    else if (how === 'any') resolved(each).then(resolve, note)
    else {
      resolved(each).then(
        (value: unknown) => note({ status: 'fulfilled', value }),
        (reason: unknown) => note({ status: 'rejected', reason }),
      )
    }
  }
  rejecting(reject, () => {
    for (const each of values) add(each)
    finish()
  })
  return result
}

/** What goes wrong in going through the values rejects the promise of them all. */
function rejecting(reject: Settle, go: () => void): void {
  try {
    go()
  } catch (error) {
    if (host.isBroken()) throw error
    reject(error)
  }
}

export function queueMicrotask(called: () => unknown): void {
  if (host.isThread()) host.loop().jobs.push(inFrame(() => called()))
  else globalThis.queueMicrotask(called)
}
