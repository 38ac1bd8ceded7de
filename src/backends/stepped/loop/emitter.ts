// Listeners, as those of Node's ports: both by `on` and by `addEventListener`. Written here, as those of the engine
// could not be stopped.

type Called = (this: unknown, ...args: unknown[]) => unknown

interface Listener {
  readonly called: unknown
  /** Given the event instead of what it carries. */
  readonly isTarget: boolean
  readonly once: boolean
}

export class Emitter {
  readonly listeners$: Map<string, Listener[]> = new Map()

  on(name: string, called: unknown): this {
    return this.listen(name, { called, isTarget: false, once: false })
  }

  once(name: string, called: unknown): this {
    return this.listen(name, { called, isTarget: false, once: true })
  }

  addListener(name: string, called: unknown): this {
    return this.on(name, called)
  }

  addEventListener(name: string, called: unknown, options?: unknown): void {
    const { once = false } = (options ?? {}) as { once?: boolean }
    const present = this.listenersOf(name)
    if (!present.some((each) => each.called === called)) this.listen(name, { called, isTarget: true, once })
  }

  off(name: string, called: unknown): this {
    const list = this.listenersOf(name)
    const at = list.findIndex((each) => each.called === called)
    if (at < 0) return this
    this.listeners$.set(name, list.toSpliced(at, 1))
    this.listened(name, list.length - 1)
    return this
  }

  removeListener(name: string, called: unknown): this {
    return this.off(name, called)
  }

  removeEventListener(name: string, called: unknown): void {
    this.off(name, called)
  }

  removeAllListeners(name?: string): this {
    for (const each of name === undefined ? [...this.listeners$.keys()] : [name]) {
      this.listeners$.delete(each)
      this.listened(each, 0)
    }
    return this
  }

  listenerCount(name: string): number {
    return this.listenersOf(name).length
  }

  setMaxListeners(): this {
    return this
  }

  listen(name: string, listener: Listener): this {
    const list = [...this.listenersOf(name), listener]
    this.listeners$.set(name, list)
    this.listened(name, list.length)
    return this
  }

  listenersOf(name: string): readonly Listener[] {
    return this.listeners$.get(name) ?? []
  }

  /** There are so many listeners of a name now. */
  listened(_name: string, _count: number): void {
    // Of most names, nobody wants to know.
  }

  emit(name: string, ...args: unknown[]): boolean {
    const list = this.listenersOf(name)
    if (list.length === 0 && name === 'error') throw args[0]
    for (const { called, isTarget, once } of list) {
      if (once) this.off(name, called)
      const given = isTarget
        ? [{ type: name, data: args[0], target: this, currentTarget: this, ports: [] }]
        : args
      callListener(this, called, given)
    }
    return list.length > 0
  }
}

function callListener(self: object, called: unknown, args: readonly unknown[]): void {
  if (typeof called === 'function') (called as Called).call(self, ...args)
  else (called as { handleEvent: Called }).handleEvent(...args)
}
