// Other clocks in the place of those of the process. This file imports nothing: check() calls a setup with it, too.

/** When clocks began, in milliseconds: of `Date.now()`, and of `performance.now()` and `process.hrtime()`. */
export interface Begin {
  readonly date: number
  readonly performance: number
}

const BILLION = BigInt(1e9)
const { process } = globalThis
const dateNow = Date.now
const performanceNow = performance.now.bind(performance)
const replaced: [holder: object, key: string, property: PropertyDescriptor | undefined][] = []

/** What the clocks of the process tell. */
export function beginNow(): Begin {
  return { date: dateNow(), performance: performanceNow() }
}

/** From here on, until restoreClocks(), a clock tells how far `elapsed` says that it has moved, in milliseconds. */
export function replaceClocks({ date, performance: begun }: Begin, elapsed: () => number): void {
  const now = (): bigint => BigInt(Math.round((begun + elapsed()) * 1e6))
  const hrtime = (since?: readonly [number, number]): [number, number] => {
    const nanoseconds =
      now() - (since === undefined ? BigInt(0) : BigInt(since[0]) * BILLION + BigInt(since[1]))
    return [Number(nanoseconds / BILLION), Number(nanoseconds % BILLION)]
  }
  put(Date, 'now', () => date + elapsed())
  put(performance, 'now', () => begun + elapsed())
  put(process, 'hrtime', Object.assign(hrtime, { bigint: now }))
}

export function restoreClocks(): void {
  for (const [holder, key, property] of replaced) {
    if (property === undefined) Reflect.deleteProperty(holder, key)
    else Reflect.defineProperty(holder, key, property)
  }
  replaced.length = 0
}

function put(holder: object, key: string, value: unknown): void {
  const before = Object.getOwnPropertyDescriptor(holder, key)
  replaced.push([holder, key, before])
  Reflect.defineProperty(holder, key, { writable: true, enumerable: false, configurable: true, value })
}
