// AbortController and AbortSignal, as the DOM specifies them (3.1 to 3.3), with listeners that can stop.

import { type Abortable, EventTarget } from './event-target.ts'
import { host } from './host.ts'
import { setTimeout } from './timers.ts'

const Native = globalThis.AbortController
const NativeSignal = globalThis.AbortSignal

class LoopAbortSignal extends EventTarget implements Abortable {
  aborted = false
  reason: unknown = undefined
  handler$: unknown = null
  /** Those that any() has made of it. */
  readonly dependents: LoopAbortSignal[] = []

  constructor(key?: unknown) {
    if (key !== made)
      throw Object.assign(new TypeError('Illegal constructor'), { code: 'ERR_ILLEGAL_CONSTRUCTOR' })
    super()
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return Function.prototype[Symbol.hasInstance].call(this, value) || value instanceof NativeSignal
  }

  static abort(reason?: unknown): unknown {
    if (!host.isModelled()) return NativeSignal.abort(reason)
    const signal = new LoopAbortSignal(made)
    signal.abort(reason)
    return signal
  }

  static timeout(delay: number): unknown {
    if (!host.isThread()) return NativeSignal.timeout(delay)
    const signal = new LoopAbortSignal(made)
    const over = (): void =>
      signal.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'))
    // It does not keep the thread, as in Node.
    ;(setTimeout(over, delay) as { unref(): void }).unref()
    return signal
  }

  static any(signals: Iterable<Abortable>): unknown {
    const given = [...signals]
    if (!host.isModelled()) return NativeSignal.any(given as AbortSignal[])
    const signal = new LoopAbortSignal(made)
    const first = given.find(({ aborted }) => aborted)
    if (first !== undefined) signal.abort(first.reason)
    else {
      for (const each of given) {
        if ('dependents' in each) (each as LoopAbortSignal).dependents.push(signal)
        else each.addEventListener('abort', () => signal.abort(each.reason), { once: true })
      }
    }
    return signal
  }

  get onabort(): unknown {
    return this.handler$
  }

  set onabort(value: unknown) {
    if (this.handler$ !== null) this.removeEventListener('abort', this.handler$)
    this.handler$ = typeof value === 'function' ? value : null
    if (this.handler$ !== null) this.addEventListener('abort', this.handler$)
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason
  }

  /** All that depend on it know of it before anybody is told. */
  abort(reason: unknown): void {
    const told: LoopAbortSignal[] = []
    this.mark(reason ?? new DOMException('This operation was aborted', 'AbortError'), told)
    for (const each of told) each.dispatchEvent(new Event('abort'))
  }

  mark(reason: unknown, told: LoopAbortSignal[]): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    told.push(this)
    for (const each of this.dependents) each.mark(reason, told)
  }
}

/** Signals are made here, and nowhere else. */
const made = {}

Object.defineProperty(LoopAbortSignal, 'name', { value: 'AbortSignal' })

class LoopAbortController {
  readonly signal!: LoopAbortSignal

  constructor() {
    if (!host.isModelled() && new.target === LoopAbortController) return new Native() as never
    this.signal = new LoopAbortSignal(made)
  }

  static [Symbol.hasInstance](value: unknown): boolean {
    return Function.prototype[Symbol.hasInstance].call(this, value) || value instanceof Native
  }

  abort(reason?: unknown): void {
    this.signal.abort(reason)
  }
}

Object.defineProperty(LoopAbortController, 'name', { value: 'AbortController' })

/** What Node rejects with where a signal ends something. */
export function abortError({ reason }: Abortable): Error {
  const error = new Error('The operation was aborted', { cause: reason })
  return Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' })
}

export { LoopAbortController as AbortController, LoopAbortSignal as AbortSignal }
