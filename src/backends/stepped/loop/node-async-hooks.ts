// What a stepped program has of `node:async_hooks`: storages and resources whose functions can stop.

import * as native from 'node:async_hooks'
import { type Frame, currentFrame, enterFrame, within } from './async-context.ts'

// What stands here comes before what is there.
export * from 'node:async_hooks'

type Called = (this: unknown, ...args: unknown[]) => unknown

export class AsyncResource {
  readonly type: string
  readonly frame$ = currentFrame()

  constructor(type: string) {
    this.type = type
  }

  runInAsyncScope(called: Called, self?: unknown, ...args: unknown[]): unknown {
    return within(this.frame$, () => called.call(self, ...args))
  }

  bind(called: Called, self?: unknown): unknown {
    return (...args: unknown[]): unknown => this.runInAsyncScope(called, self, ...args)
  }

  static bind(called: Called, type = called.name, self?: unknown): unknown {
    return new AsyncResource(type).bind(called, self)
  }

  emitDestroy(): this {
    return this
  }

  asyncId(): number {
    return 1
  }

  triggerAsyncId(): number {
    return 0
  }
}

export class AsyncLocalStorage {
  readonly name: string
  readonly defaultValue$: unknown

  constructor({ defaultValue, name = '' }: { readonly defaultValue?: unknown; readonly name?: string } = {}) {
    this.defaultValue$ = defaultValue
    this.name = name
  }

  static bind(called: Called): unknown {
    return AsyncResource.bind(called)
  }

  static snapshot(): unknown {
    const frame = currentFrame()
    return (called: Called, ...args: unknown[]): unknown => within(frame, () => called(...args))
  }

  getStore(): unknown {
    const frame = currentFrame()
    return frame?.has(this) === true ? frame.get(this) : this.defaultValue$
  }

  run(store: unknown, called: Called, ...args: unknown[]): unknown {
    return within(this.frameWith$(store), () => called(...args))
  }

  exit(called: Called, ...args: unknown[]): unknown {
    return this.run(undefined, called, ...args)
  }

  enterWith(store: unknown): void {
    enterFrame(this.frameWith$(store))
  }

  disable(): void {
    const frame = new Map(currentFrame())
    frame.delete(this)
    enterFrame(frame)
  }

  frameWith$(store: unknown): Frame {
    return new Map([...(currentFrame() ?? []), [this, store]])
  }
}

export default { ...native, AsyncLocalStorage, AsyncResource }
