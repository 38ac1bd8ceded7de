// What `await using` holds, with what `using` holds in the same block, and how it is disposed of: the last first, one
// after the other (ECMAScript 2026, DisposeResources and GetDisposeMethod). See ../await-using.ts.

import { suppressed } from '../suppressed.ts'
import { host } from './host.ts'
import { Promise } from './promise.ts'

type Method = (this: unknown) => unknown
type Named = Partial<Record<symbol, unknown>>

interface Held {
  readonly value: unknown
  /** Null where there is nothing to be called. */
  readonly method: Method | null
  readonly isAsync: boolean
  /** It has a method for `using` only, whose result nobody waits for. */
  readonly isWrapped: boolean
}

class AsyncStack {
  readonly held: Held[] = []
  failure: { readonly error: unknown } | null = null
  /** Something was held that has no method, and nobody has waited for anything since. */
  mustWait = false
  hasWaited = false
  waitsFor: unknown = undefined

  hold(value: unknown): unknown {
    const isNothing = value === null || value === undefined
    const own = isNothing ? null : (value as Named)[Symbol.asyncDispose]
    const isWrapped = !isNothing && (own === undefined || own === null)
    const method = isNothing ? null : isWrapped ? methodOf(value, Symbol.dispose) : callable(own)
    this.held.push({ value, method, isAsync: true, isWrapped })
    return value
  }

  holdSync(value: unknown): unknown {
    if (value !== null && value !== undefined)
      this.held.push({ value, method: methodOf(value, Symbol.dispose), isAsync: false, isWrapped: false })
    return value
  }

  /** Disposes of what it can. Returns whether `waitsFor` is to be awaited before the rest. */
  step(): boolean {
    while (this.held.length > 0) {
      const last = this.held.at(-1)!
      if (!last.isAsync && this.mustWait && !this.hasWaited) return this.waits(undefined)
      this.held.pop()
      if (last.method === null) {
        this.mustWait = true
        continue
      }
      try {
        const result = last.method.call(last.value)
        if (last.isAsync) return this.waits(last.isWrapped ? undefined : result)
      } catch (error) {
        if (host.isBroken()) throw error
        if (last.isWrapped) return this.waits(Promise.reject(error))
        this.fails(error)
      }
    }
    return this.mustWait && !this.hasWaited && this.waits(undefined)
  }

  waits(value: unknown): boolean {
    this.hasWaited = true
    this.waitsFor = value
    return true
  }

  /** The block has thrown, or what disposes of something. */
  fails(error: unknown): void {
    if (host.isBroken()) throw error
    this.failure = { error: this.failure === null ? error : suppressed(error, this.failure.error) }
  }

  end(): void {
    if (this.failure !== null) throw this.failure.error
  }
}

function methodOf(value: unknown, symbol: symbol): Method {
  return callable((value as Named)[symbol])
}

function callable(method: unknown): Method {
  if (typeof method !== 'function')
    throw new TypeError('the value that `using` declares has no method to dispose of it')
  return method as Method
}

export function newAsyncStack(): unknown {
  return new AsyncStack()
}
