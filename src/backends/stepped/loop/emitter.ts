// Listeners, as those of Node's ports: both by `on` and by `addEventListener`. Written here, as those of the engine
// could not be stopped.

import { type Abortable, removeWith } from './event-target.ts'

type Called = (this: unknown, ...args: unknown[]) => unknown

interface Listener {
  readonly called: unknown
  /** Given the event instead of what it carries. */
  readonly isTarget: boolean
  readonly once: boolean
}

type Name = string | symbol

/** What somebody has given for a listener. */
function givenOf({ called }: Listener): unknown {
  return (called as { listener?: unknown } | null | undefined)?.listener ?? called
}

export class Emitter {
  /** Made when the first listener comes: what extends it may be made without its constructor. */
  declare listeners$?: Map<Name, Listener[]>

  on(name: Name, called: unknown): this {
    return this.listen$(name, { called, isTarget: false, once: false })
  }

  once(name: Name, called: unknown): this {
    return this.on(name, this.onlyOnce$(name, called))
  }

  prependListener(name: Name, called: unknown): this {
    return this.listen$(name, { called, isTarget: false, once: false }, true)
  }

  prependOnceListener(name: Name, called: unknown): this {
    return this.prependListener(name, this.onlyOnce$(name, called))
  }

  /** What takes itself away when it is called: by methods that a class which extends this may have changed. */
  onlyOnce$(name: Name, called: unknown): Called {
    let isCalled = false
    const listener = (...args: unknown[]): unknown => {
      if (isCalled) return undefined
      isCalled = true
      this.removeListener(name, listener)
      return (called as Called).call(this, ...args)
    }
    return Object.assign(listener, { listener: called })
  }

  addListener(name: Name, called: unknown): this {
    return this.listen$(name, { called, isTarget: false, once: false })
  }

  addEventListener(name: string, called: unknown, options?: unknown): void {
    const { once = false, signal } = (options ?? {}) as { once?: boolean; signal?: Abortable }
    if (signal?.aborted === true) return
    const present = this.listenersOf$(name)
    if (!present.some((each) => each.called === called)) this.listen$(name, { called, isTarget: true, once })
    if (signal !== undefined) removeWith(signal, () => this.removeEventListener(name, called))
  }

  off(name: Name, called: unknown): this {
    return this.remove$(name, called)
  }

  remove$(name: Name, called: unknown): this {
    const list = this.listenersOf$(name)
    const at = list.findLastIndex((each) => each.called === called || givenOf(each) === called)
    if (at < 0) return this
    this.ownListeners$().set(name, list.toSpliced(at, 1))
    this.listened$(name, list.length - 1)
    if (name !== 'removeListener') this.emitIfListened$('removeListener', name, givenOf(list[at]!))
    return this
  }

  removeListener(name: Name, called: unknown): this {
    return this.remove$(name, called)
  }

  removeEventListener(name: string, called: unknown): void {
    this.remove$(name, called)
  }

  removeAllListeners(name?: Name): this {
    for (const each of name === undefined ? [...this.ownListeners$().keys()] : [name]) {
      this.ownListeners$().delete(each)
      this.listened$(each, 0)
    }
    return this
  }

  listenerCount(name: Name): number {
    return this.listenersOf$(name).length
  }

  eventNames(): Name[] {
    return [...this.ownListeners$().keys()].filter((name) => this.listenerCount(name) > 0)
  }

  listeners(name: Name): unknown[] {
    return this.listenersOf$(name).map(givenOf)
  }

  rawListeners(name: Name): unknown[] {
    return this.listenersOf$(name).map(({ called }) => called)
  }

  setMaxListeners(): this {
    return this
  }

  getMaxListeners(): number {
    return 10
  }

  listen$(name: Name, listener: Listener, isFirst = false): this {
    if (name !== 'newListener') this.emitIfListened$('newListener', name, givenOf(listener))
    const others = this.listenersOf$(name)
    const list = isFirst ? [listener, ...others] : [...others, listener]
    this.ownListeners$().set(name, list)
    this.listened$(name, list.length)
    return this
  }

  ownListeners$(): Map<Name, Listener[]> {
    if (this.listeners$ === undefined)
      Object.defineProperty(this, 'listeners$', { value: new Map(), writable: true, configurable: true })
    return this.listeners$!
  }

  listenersOf$(name: Name): readonly Listener[] {
    return this.listeners$?.get(name) ?? []
  }

  /** There are so many listeners of a name now. */
  listened$(_name: Name, _count: number): void {
    // Of most names, nobody wants to know.
  }

  emitIfListened$(name: Name, ...args: unknown[]): void {
    if (this.listenersOf$(name).length > 0) this.emit(name, ...args)
  }

  emit(name: Name, ...args: unknown[]): boolean {
    const list = this.listenersOf$(name)
    if (list.length === 0 && name === 'error') throw args[0]
    for (const { called, isTarget, once } of list) {
      if (once) this.remove$(name, called)
      const given = isTarget
        ? [{ type: name, data: args[0], target: this, currentTarget: this, ports: [] }]
        : args
      callListener(this, called, given)
    }
    return list.length > 0
  }
}

/** What has messages for its listeners, of which `onmessage` is one. */
export class Receiver extends Emitter {
  handler$: unknown = null

  get onmessage(): unknown {
    return this.handler$
  }

  set onmessage(value: unknown) {
    if (this.handler$ !== null) this.removeEventListener('message', this.handler$)
    this.handler$ = typeof value === 'function' ? value : null
    if (this.handler$ !== null) this.addEventListener('message', this.handler$)
  }
}

function callListener(self: object, called: unknown, args: readonly unknown[]): void {
  if (typeof called === 'function') (called as Called).call(self, ...args)
  else (called as { handleEvent: Called }).handleEvent(...args)
}
