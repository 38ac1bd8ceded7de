// EventTarget, as the DOM specifies it (2.7) and Node has it, for threads: listeners of the engine's could not stop.
// Events are those of the engine.

import { host } from './host.ts'
import { nextTick } from './event-loop.ts'

const Native = globalThis.EventTarget

type Called = (this: unknown, event: Event) => unknown

interface Listener {
  readonly called: unknown
  readonly once: boolean
  readonly isCapture: boolean
}

interface ListenerOptions {
  readonly once?: boolean
  readonly capture?: boolean
  readonly signal?: Abortable
}

/** What is needed of an AbortSignal. */
export interface Abortable {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(name: string, called: unknown, options?: unknown): void
  removeEventListener(name: string, called: unknown): void
}

class LoopEventTarget {
  /** Made when the first listener comes: what extends it may be made without its constructor. */
  declare listeners$?: Map<string, Listener[]>

  constructor() {
    if (!host.isModelled() && new.target === LoopEventTarget) return new Native() as never
  }

  static [Symbol.hasInstance](value: unknown): boolean {
    const isOne = Function.prototype[Symbol.hasInstance].call(this, value)
    return isOne || (this === LoopEventTarget && value instanceof Native)
  }

  addEventListener(name: string, called: unknown, options?: unknown): void {
    const { once = false, capture = false, signal } = optionsOf(options)
    if (called === null || called === undefined || signal?.aborted === true) return
    const list = this.listenersOf$(name)
    if (list.some((each) => each.called === called && each.isCapture === capture)) return
    this.setListeners$(name, [...list, { called, once, isCapture: capture }])
    if (signal !== undefined) removeWith(signal, () => this.removeEventListener(name, called, { capture }))
  }

  removeEventListener(name: string, called: unknown, options?: unknown): void {
    const { capture = false } = optionsOf(options)
    const list = this.listenersOf$(name)
    this.setListeners$(
      name,
      list.filter((each) => each.called !== called || each.isCapture !== capture),
    )
  }

  dispatchEvent(event: Event): boolean {
    if (!(event instanceof Event))
      throw new TypeError('The "event" argument must be an instance of Event. Received ' + String(event))
    let isStopped = false
    tell(event, 'target', this)
    tell(event, 'currentTarget', this)
    tell(event, 'stopImmediatePropagation', () => {
      isStopped = true
    })
    for (const listener of this.listenersOf$(event.type)) {
      // Another one may have taken it away.
      if (!this.listenersOf$(event.type).includes(listener)) continue
      if (listener.once)
        this.removeEventListener(event.type, listener.called, { capture: listener.isCapture })
      callListener(this, listener.called, event)
      if (isStopped) break
    }
    tell(event, 'currentTarget', null)
    return !event.defaultPrevented
  }

  listenersOf$(name: string): readonly Listener[] {
    return this.listeners$?.get(name) ?? []
  }

  setListeners$(name: string, list: Listener[]): void {
    if (this.listeners$ === undefined)
      Object.defineProperty(this, 'listeners$', { value: new Map(), writable: true, configurable: true })
    this.listeners$!.set(name, list)
  }
}

Object.defineProperty(LoopEventTarget, 'name', { value: 'EventTarget' })

function optionsOf(options: unknown): ListenerOptions {
  return typeof options === 'boolean' ? { capture: options } : ((options ?? {}) as ListenerOptions)
}

/** What the engine's event says of where it is. */
function tell(event: Event, name: string, value: unknown): void {
  Object.defineProperty(event, name, { value, configurable: true })
}

/** What a listener throws, nobody catches: the others are called all the same. */
function callListener(self: object, called: unknown, event: Event): void {
  try {
    if (typeof called === 'function') (host.followed(called) as Called).call(self, event)
    else (called as { handleEvent: (event: Event) => unknown }).handleEvent(event)
  } catch (error) {
    if (host.isBroken()) throw error
    const raise = (): never => {
      throw error
    }
    if (host.isThread()) nextTick(raise)
    else globalThis.process.nextTick(raise)
  }
}

/** Has `remove` called when the signal is aborted. */
export function removeWith(signal: Abortable, remove: () => void): void {
  signal.addEventListener('abort', remove, { once: true })
}

export { LoopEventTarget as EventTarget }
