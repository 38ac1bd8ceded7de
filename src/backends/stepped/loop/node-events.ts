// What a stepped program has of `node:events`: an EventEmitter whose listeners can stop.

import native from 'node:events'
import { abortError } from './abort.ts'
import { Emitter } from './emitter.ts'
import { type Abortable, EventTarget as LoopEventTarget } from './event-target.ts'
import { host } from './host.ts'
import { AsyncResource } from './node-async-hooks.ts'
import { Promise, deferred, queueMicrotask } from './promise.ts'

type Called = (...args: unknown[]) => unknown

/** Called by older code without `new`, on an object that has its prototype. */
function EventEmitter(this: unknown): void {
  // What it has is made when the first listener comes.
}
EventEmitter.prototype = Emitter.prototype

interface Options {
  readonly signal?: Abortable
  /** Names of events that end an iterator. */
  readonly close?: readonly string[]
}

export const defaultMaxListeners = 10

type Source = Partial<Emitter> & Partial<LoopEventTarget>

/** Listens at an emitter, or at a target of events. Returns what ends that. */
function listen(source: Source, name: string, called: Called): () => void {
  if (typeof source.on === 'function') {
    source.on(name, called)
    // As in Node, what is no whole emitter keeps its listener.
    return () => void source.removeListener?.(name, called)
  }
  source.addEventListener!(name, called)
  return () => source.removeEventListener!(name, called)
}

/** A promise of the next event. */
export function once(source: Source, name: string, { signal }: Options = {}): unknown {
  if (!host.isThread()) return native.once(source as never, name, { signal } as never)
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortError(signal))
      return
    }
    const ends: (() => void)[] = []
    const end = (): void => {
      for (const each of ends) each()
    }
    ends.push(
      listen(source, name, (...args) => {
        end()
        resolve(args)
      }),
    )
    if (name !== 'error' && typeof source.on === 'function')
      ends.push(
        listen(source, 'error', (error) => {
          end()
          reject(error)
        }),
      )
    if (signal !== undefined)
      ends.push(
        listen(signal as Source, 'abort', () => {
          end()
          reject(abortError(signal))
        }),
      )
  })
}

/** Events, one after the other. */
export function on(source: Source, name: string, options: Options = {}): unknown {
  if (!host.isThread()) return native.on(source as never, name, options as never)
  if (options.signal?.aborted === true) throw abortError(options.signal)
  return new Events(source, name, options)
}

type Settling = ReturnType<typeof deferred>

/** What on() returns: what has come and was not taken, or those who wait for what has not come. */
class Events {
  readonly come: unknown[] = []
  readonly waiting: Settling[] = []
  readonly ends: (() => void)[] = []
  failure: { readonly error: unknown } | null = null
  isOver = false

  constructor(source: Source, name: string, { signal, close = [] }: Options) {
    this.ends.push(listen(source, name, (...args) => this.take(args)))
    if (name !== 'error' && typeof source.on === 'function')
      this.ends.push(listen(source, 'error', (error) => this.fail(error)))
    for (const each of close) this.ends.push(listen(source, each, () => void this.return()))
    if (signal !== undefined)
      this.ends.push(listen(signal as Source, 'abort', () => this.fail(abortError(signal))))
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  take(args: unknown): void {
    const first = this.waiting.shift()
    if (first === undefined) this.come.push(args)
    else first.resolve({ value: args, done: false })
  }

  fail(error: unknown): void {
    const first = this.waiting.shift()
    if (first === undefined) this.failure = { error }
    else first.reject(error)
    this.return()
  }

  next(): unknown {
    const next = deferred()
    if (this.come.length > 0) next.resolve({ value: this.come.shift(), done: false })
    else if (this.failure !== null) {
      next.reject(this.failure.error)
      this.failure = null
    } else if (this.isOver) next.resolve({ value: undefined, done: true })
    else this.waiting.push(next)
    return next.promise
  }

  return(): unknown {
    this.isOver = true
    for (const each of this.ends.splice(0)) each()
    for (const each of this.waiting.splice(0)) each.resolve({ value: undefined, done: true })
    return Promise.resolve({ value: undefined, done: true })
  }

  throw(error: unknown): void {
    this.fail(error)
  }
}

export class EventEmitterAsyncResource extends Emitter {
  readonly asyncResource = new AsyncResource('EventEmitterAsyncResource')

  emitDestroy(): void {
    // Nobody watches.
  }
}

type Target = Emitter | LoopEventTarget

export function getEventListeners(target: Target, name: string): unknown[] {
  if (target instanceof Emitter) return target.listeners(name)
  if (isOfEngine(target)) return native.getEventListeners(target as never, name)
  return target.listenersOf$(name).map(({ called }) => called)
}

export function listenerCount(target: Target, name: string): number {
  return target instanceof Emitter ? target.listenerCount(name) : getEventListeners(target, name).length
}

/** Nobody is warned; what others are given, the engine looks at. */
export function setMaxListeners(count = defaultMaxListeners, ...targets: readonly Target[]): void {
  for (const each of targets) {
    if (each instanceof Emitter) each.setMaxListeners(count)
    else if (isOfEngine(each)) native.setMaxListeners(count, each as never)
  }
}

export function getMaxListeners(target: Target): number {
  if (target instanceof Emitter) return target.getMaxListeners()
  return isOfEngine(target) ? native.getMaxListeners(target as never) : defaultMaxListeners
}

function isOfEngine(target: object): boolean {
  return !(target instanceof LoopEventTarget && 'setListeners$' in target)
}

/** Has `called` called when the signal is aborted, whatever other listeners do. */
export function addAbortListener(signal: Abortable, called: Called): Disposable {
  if (signal.aborted) queueMicrotask(() => called())
  else signal.addEventListener('abort', called, { once: true })
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', called) }
}

const { errorMonitor, captureRejectionSymbol } = native
export { EventEmitter, captureRejectionSymbol, errorMonitor }

export default Object.assign(EventEmitter as unknown as Called, {
  EventEmitter,
  EventEmitterAsyncResource,
  addAbortListener,
  captureRejectionSymbol,
  defaultMaxListeners,
  errorMonitor,
  getEventListeners,
  getMaxListeners,
  listenerCount,
  on,
  once,
  setMaxListeners,
})
