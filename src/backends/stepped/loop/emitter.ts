// Listeners, as those of Node's EventEmitter. Written here, as those of the engine could not be stopped.

import { host } from './host.ts'

type Called = (this: unknown, ...args: unknown[]) => unknown
type Name = string | symbol

/** What somebody has given for a listener. */
function givenOf(listener: unknown): unknown {
  return (listener as { listener?: unknown } | null | undefined)?.listener ?? listener
}

export class Emitter {
  /** Made when the first listener comes: what extends it may be made without its constructor. */
  declare listeners$?: Map<Name, unknown[]>
  declare maxListeners$?: number

  on(name: Name, called: unknown): this {
    return this.listen$(name, called)
  }

  once(name: Name, called: unknown): this {
    return this.on(name, this.onlyOnce$(name, called))
  }

  prependListener(name: Name, called: unknown): this {
    return this.listen$(name, called, true)
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
    return this.listen$(name, called)
  }

  off(name: Name, called: unknown): this {
    return this.remove$(name, called)
  }

  remove$(name: Name, called: unknown): this {
    const list = this.listenersOf$(name)
    const at = list.findLastIndex((each) => each === called || givenOf(each) === called)
    if (at < 0) return this
    this.ownListeners$().set(name, list.toSpliced(at, 1))
    this.listened$(name, list.length - 1)
    if (name !== 'removeListener') this.emitIfListened$('removeListener', name, givenOf(list[at]))
    return this
  }

  removeListener(name: Name, called: unknown): this {
    return this.remove$(name, called)
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
    return [...this.listenersOf$(name)]
  }

  setMaxListeners(count: number): this {
    Object.defineProperty(this, 'maxListeners$', { value: count, writable: true, configurable: true })
    return this
  }

  getMaxListeners(): number {
    return this.maxListeners$ ?? 10
  }

  listen$(name: Name, listener: unknown, isFirst = false): this {
    if (name !== 'newListener') this.emitIfListened$('newListener', name, givenOf(listener))
    const others = this.listenersOf$(name)
    const list = isFirst ? [listener, ...others] : [...others, listener]
    this.ownListeners$().set(name, list)
    this.listened$(name, list.length)
    return this
  }

  ownListeners$(): Map<Name, unknown[]> {
    if (this.listeners$ === undefined)
      Object.defineProperty(this, 'listeners$', { value: new Map(), writable: true, configurable: true })
    return this.listeners$!
  }

  listenersOf$(name: Name): readonly unknown[] {
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
    for (const each of list) (host.followed(each) as Called).call(this, ...args)
    return list.length > 0
  }
}
