// Listeners of ports, as Node's NodeEventTarget has them (Node 24, lib/internal/event_target.js): unlike those of an
// EventEmitter, nobody listens twice, who is taken away while others are called is not called, and what one throws
// keeps no other from being called. Written here, as those of the engine could not be stopped.

import { nextTick } from './event-loop.ts'
import { type Abortable, removeWith } from './event-target.ts'
import { host } from './host.ts'

type Called = (this: unknown, ...args: unknown[]) => unknown

/** The first of a name is none, and stands before those that there are. */
interface Listener {
  readonly called: unknown
  /** Given the event instead of what it carries. */
  readonly isTarget: boolean
  readonly once: boolean
  readonly isCapture: boolean
  isRemoved: boolean
  next: Listener | null
}

interface Listeners {
  readonly first: Listener
  /** Without an `onmessage` that is null. */
  size: number
}

interface Options {
  readonly once?: boolean
  readonly capture?: boolean
  readonly signal?: Abortable
}

/** What is assigned to `onmessage` keeps its place among the listeners. */
class Handler {
  called: unknown

  constructor(called: unknown) {
    this.called = called
  }

  call(self: unknown, event: unknown): unknown {
    return typeof this.called === 'function' ? (this.called as Called).call(self, event) : undefined
  }
}

function newListener(called: unknown, options: Options, isTarget: boolean): Listener {
  const { once = false, capture = false } = options
  return { called, isTarget, once, isCapture: capture, isRemoved: false, next: null }
}

export class PortTarget {
  readonly listeners$ = new Map<string, Listeners>()
  handler$: Handler | null = null

  on(name: unknown, called: unknown): this {
    return this.listen$(name, called, {}, false)
  }

  addListener(name: unknown, called: unknown): this {
    return this.listen$(name, called, {}, false)
  }

  once(name: unknown, called: unknown): this {
    return this.listen$(name, called, { once: true }, false)
  }

  addEventListener(name: unknown, called: unknown, options?: unknown): void {
    if (called === null || called === undefined) return
    this.listen$(name, called, optionsOf(options), true)
  }

  listen$(given: unknown, called: unknown, options: Options, isTarget: boolean): this {
    const name = String(given)
    const { capture = false, signal } = options
    if (signal?.aborted === true) return this
    if (signal !== undefined) removeWith(signal, () => this.removeEventListener(name, called, options))
    let list = this.listeners$.get(name)
    if (list === undefined) {
      list = { first: newListener(null, {}, false), size: 0 }
      this.listeners$.set(name, list)
    }
    let last = list.first
    for (let each = last.next; each !== null; each = each.next) {
      if (each.called === called && each.isCapture === capture) return this
      last = each
    }
    last.next = newListener(called, options, isTarget)
    list.size++
    this.listened$(name, list.size, true)
    return this
  }

  off(name: unknown, called: unknown, options?: unknown): this {
    this.removeEventListener(name, called, options)
    return this
  }

  removeListener(name: unknown, called: unknown, options?: unknown): this {
    this.removeEventListener(name, called, options)
    return this
  }

  removeEventListener(given: unknown, called: unknown, options?: unknown): void {
    const name = String(given)
    const { capture = false } = optionsOf(options)
    const list = this.listeners$.get(name)
    for (let each = list?.first.next ?? null; each !== null; each = each.next) {
      if (each.called !== called || each.isCapture !== capture) continue
      takeOut(list!, each)
      if (list!.size === 0) this.listeners$.delete(name)
      this.listened$(name, list!.size, false)
      return
    }
  }

  /** As in Node, nobody is told: a port goes on to receive, and to keep its thread. */
  removeAllListeners(name?: unknown): this {
    if (name === undefined) this.listeners$.clear()
    else this.listeners$.delete(String(name))
    return this
  }

  listenerCount(name: unknown): number {
    return this.listeners$.get(String(name))?.size ?? 0
  }

  eventNames(): string[] {
    return [...this.listeners$.keys()]
  }

  setMaxListeners(): void {
    // Nobody is warned.
  }

  getMaxListeners(): number {
    return 10
  }

  get onmessage(): unknown {
    return this.handler$?.called ?? null
  }

  set onmessage(value: unknown) {
    const handler = this.handler$
    if (handler === null) {
      this.handler$ = new Handler(value)
      this.listen$('message', this.handler$, {}, true)
      return
    }
    const wasFunction = typeof handler.called === 'function'
    handler.called = value
    const list = this.listeners$.get('message')
    if (wasFunction && list !== undefined) this.listened$('message', --list.size, false)
    if (typeof value !== 'function') return
    if (list === undefined) this.listen$('message', handler, {}, true)
    else this.listened$('message', ++list.size, true)
  }

  /** There are so many listeners of a name now, where there was one fewer or one more. */
  listened$(_name: string, _count: number, _isMore: boolean): void {
    // Of most names, nobody wants to know.
  }

  emit(name: unknown, carried?: unknown): boolean {
    const hasSome = this.listenerCount(name) > 0
    this.dispatch$(String(name), carried, null)
    return hasSome
  }

  dispatchEvent(event: Event): boolean {
    this.dispatch$(event.type, event, event)
    return !event.defaultPrevented
  }

  dispatch$(name: string, carried: unknown, given: unknown): void {
    const list = this.listeners$.get(name)
    let event = given
    let each = list?.first.next ?? null
    while (each !== null) {
      const { next } = each
      if (!each.isRemoved) {
        if (each.once) {
          takeOut(list!, each)
          this.listened$(name, list!.size, false)
        }
        if (each.isTarget)
          event ??= { type: name, data: carried, target: this, currentTarget: this, ports: [] }
        callListener(this, each.called, each.isTarget ? event : carried)
      }
      each = next
    }
  }
}

function optionsOf(options: unknown): Options {
  return typeof options === 'boolean' ? { capture: options } : ((options ?? {}) as Options)
}

function takeOut(list: Listeners, listener: Listener): void {
  let before = list.first
  while (before.next !== listener) before = before.next!
  before.next = listener.next
  listener.isRemoved = true
  list.size--
}

/** What a listener throws, or what rejects its promise, nobody catches: the others are called all the same. */
function callListener(self: object, called: unknown, given: unknown): void {
  try {
    const result = call(self, called, given) as { then?: unknown } | null | undefined
    if (typeof result?.then === 'function') (result.then as Called).call(result, undefined, raiseLater)
  } catch (error) {
    if (host.isBroken()) throw error
    raiseLater(error)
  }
}

function call(self: object, called: unknown, given: unknown): unknown {
  if (typeof called === 'function') return (called as Called).call(self, given)
  if (called instanceof Handler) return called.call(self, given)
  return (called as { handleEvent: (given: unknown) => unknown }).handleEvent(given)
}

function raiseLater(error: unknown): void {
  nextTick(() => {
    throw error
  })
}
