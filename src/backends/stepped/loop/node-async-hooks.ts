// What a stepped program has of `node:async_hooks`: a resource whose functions can stop, and has no context to tell.

import * as native from 'node:async_hooks'

// What stands here comes before what is there.
export * from 'node:async_hooks'

type Called = (this: unknown, ...args: unknown[]) => unknown

export class AsyncResource {
  readonly type: string

  constructor(type: string) {
    this.type = type
  }

  runInAsyncScope(called: Called, self?: unknown, ...args: unknown[]): unknown {
    return called.call(self, ...args)
  }

  bind(called: Called, self?: unknown): unknown {
    return (...args: unknown[]): unknown => this.runInAsyncScope(called, self, ...args)
  }

  static bind(called: Called): Called {
    return called
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

export default { ...native, AsyncResource }
