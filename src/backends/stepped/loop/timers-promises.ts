// What a stepped program has of `node:timers/promises`.

import * as native from 'node:timers/promises'
import { host } from './host.ts'
import { Promise } from './promise.ts'
import * as timers from './timers.ts'

interface Options {
  readonly ref?: boolean
  readonly signal?: AbortSignal
}

export function setTimeout(delay?: number, value?: unknown, options: Options = {}): unknown {
  if (!host.isThread()) return native.setTimeout(delay, value, options)
  refuseSignal(options)
  return new Promise((resolve) => {
    const timer = timers.setTimeout(resolve, delay, value) as { unref(): void }
    if (options.ref === false) timer.unref()
  })
}

export function setImmediate(value?: unknown, options: Options = {}): unknown {
  if (!host.isThread()) return native.setImmediate(value, options)
  refuseSignal(options)
  return new Promise((resolve) => timers.setImmediate(resolve, value))
}

function refuseSignal({ signal }: Options): void {
  if (signal !== undefined)
    host.refuse('a timer with a signal', 'let the thread race it against a promise of its own')
}

/** Its promises are those of the engine. */
export function setInterval(delay?: number, value?: unknown, options?: Options): unknown {
  if (!host.isThread()) return native.setInterval(delay, value, options)
  return host.refuse('an interval by an iterator in a thread', 'write a loop that awaits setTimeout')
}

export const { scheduler } = native

export default { setTimeout, setImmediate, setInterval, scheduler }
