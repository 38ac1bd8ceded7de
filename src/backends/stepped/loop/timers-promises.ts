// What a stepped program has of `node:timers/promises`.

import * as native from 'node:timers/promises'
import { abortError } from './abort.ts'
import type { Abortable } from './event-target.ts'
import { host } from './host.ts'
import { Promise, deferred } from './promise.ts'
import * as timers from './timers.ts'

interface Options {
  readonly ref?: boolean
  readonly signal?: Abortable
}

type NativeOptions = Parameters<typeof native.setTimeout>[2]
type Timer = { unref(): void }

const isAborted = (signal: Abortable | undefined): boolean => signal?.aborted === true

export function setTimeout(delay?: number, value?: unknown, options: Options = {}): unknown {
  if (!host.isThread()) return native.setTimeout(delay, value, options as NativeOptions)
  return untilAborted(options, (resolve) => {
    const timer = timers.setTimeout(resolve, delay, value) as Timer
    if (options.ref === false) timer.unref()
    return () => timers.clearTimeout(timer)
  })
}

export function setImmediate(value?: unknown, options: Options = {}): unknown {
  if (!host.isThread()) return native.setImmediate(value, options as NativeOptions)
  return untilAborted(options, (resolve) => {
    const immediate = timers.setImmediate(resolve, value)
    return () => timers.clearImmediate(immediate)
  })
}

/** A promise that `begin` settles, unless the signal does so before: then what `begin` returns is called. */
function untilAborted(
  { signal }: Options,
  begin: (resolve: (value: unknown) => void) => () => void,
): unknown {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortError(signal))
      return
    }
    const end = begin((value) => {
      signal?.removeEventListener('abort', aborted)
      resolve(value)
    })
    const aborted = (): void => {
      end()
      reject(abortError(signal!))
    }
    signal?.addEventListener('abort', aborted, { once: true })
  })
}

export function setInterval(delay?: number, value?: unknown, options: Options = {}): unknown {
  if (!host.isThread()) return native.setInterval(delay, value, options as NativeOptions)
  return ticks(delay, value, options)
}

async function* ticks(delay: number | undefined, value: unknown, { ref, signal }: Options): AsyncGenerator {
  if (isAborted(signal)) throw abortError(signal!)
  let waiting = 0
  let goOn: (() => void) | null = null
  const tick = (): void => {
    goOn?.()
    goOn = null
  }
  const timer = timers.setInterval(() => {
    waiting++
    tick()
  }, delay) as Timer
  if (ref === false) timer.unref()
  signal?.addEventListener('abort', tick, { once: true })
  try {
    while (!isAborted(signal)) {
      if (waiting === 0) {
        const next = deferred()
        goOn = () => next.resolve()
        await (next.promise as unknown)
      }
      for (; waiting > 0; waiting--) yield value
    }
    throw abortError(signal!)
  } finally {
    timers.clearInterval(timer)
    signal?.removeEventListener('abort', tick)
  }
}

export const scheduler = {
  wait: (delay: number, options?: Options): unknown => setTimeout(delay, undefined, options),
  yield: (): unknown => setImmediate(),
}

export default { setTimeout, setImmediate, setInterval, scheduler }
