// What a stepped program has of `node:util` where it makes promises of callbacks: promises of threads.

import native from 'node:util'
import { host } from './host.ts'
import { Promise } from './promise.ts'

// What stands here comes before what is there.
export * from 'node:util'

type Called = (this: unknown, ...args: unknown[]) => unknown

export function promisify(original: Called): unknown {
  const isOwn = typeof original !== 'function' || Object.hasOwn(original, native.promisify.custom)
  if (isOwn) return native.promisify(original)
  const made = function (this: unknown, ...args: unknown[]): unknown {
    return new Promise((resolve, reject) => {
      const settle = (error: unknown, value: unknown): void => {
        if (error) reject(error)
        else resolve(value)
      }
      host.refuseLater(original, [settle])
      original.call(this, ...args, settle)
    })
  }
  Object.setPrototypeOf(made, Object.getPrototypeOf(original) as object)
  Object.defineProperty(made, native.promisify.custom, { value: made, configurable: true })
  return Object.defineProperties(made, Object.getOwnPropertyDescriptors(original))
}

promisify.custom = native.promisify.custom

export default { ...native, promisify } as object
