// Other clocks, and other chance, in the place of those of the process. This file imports nothing: check() calls a
// setup with it, too.

/** What clocks tell, in milliseconds. */
export interface Begin {
  /** `Date.now()`. */
  readonly date: number
  /** `performance.now()` and `process.hrtime()`. */
  readonly performance: number
  /** `performance.timeOrigin`, which is another in each thread of Node. */
  readonly origin: number
}

const BILLION = BigInt(1e9)
const { process } = globalThis
const dateNow = Date.now
const performanceNow = performance.now.bind(performance)
const mark = performance.mark.bind(performance)
const { random } = Math
const replaced: [holder: object, key: string, property: PropertyDescriptor | undefined][] = []

/** What the clocks of the process tell. */
export function beginNow(): Begin {
  return { date: dateNow(), performance: performanceNow(), origin: performance.timeOrigin }
}

/**
 * From here on, until restoreClocks(), clocks tell what `now` says; null for the time of the process, as long as a
 * program that has kept one of these functions is not at work.
 */
export function replaceClocks(now: () => Begin | null): void {
  const told = (): Begin => now() ?? beginNow()
  const nanoseconds = (): bigint => BigInt(Math.round(told().performance * 1e6))
  const hrtime = (since?: readonly [number, number]): [number, number] => {
    const passed =
      nanoseconds() - (since === undefined ? BigInt(0) : BigInt(since[0]) * BILLION + BigInt(since[1]))
    return [Number(passed / BILLION), Number(passed % BILLION)]
  }
  put(Date, 'now', () => told().date)
  put(performance, 'now', () => told().performance)
  put(Object.getPrototypeOf(performance) as object, 'timeOrigin', { get: () => told().origin })
  put(process, 'hrtime', Object.assign(hrtime, { bigint: nanoseconds }))
  put(process, 'uptime', () => told().performance / 1000)
  put(performance, 'mark', (name: string, options?: object) =>
    mark(name, { startTime: told().performance, ...options }),
  )
  const stamps = new WeakMap<object, number>()
  put(Event.prototype, 'timeStamp', {
    get(this: object) {
      const stamp = stamps.get(this) ?? told().performance
      stamps.set(this, stamp)
      return stamp
    },
  })
}

/**
 * From here on, until restoreClocks(), a `Date` that is made of no arguments has this time, in code that is not
 * stepped, and Date() tells it. (The steppable form asks Date.now().) A Date that somebody kept before does not.
 */
export function replaceDate({ date }: Begin): void {
  const told = new Date(date).toString()
  const replacing = new Proxy(Date, {
    apply: () => told,
    construct: (of, args, made) => Reflect.construct(of, args.length === 0 ? [date] : args, made) as object,
  })
  put(Date.prototype, 'constructor', replacing)
  put(globalThis, 'Date', replacing)
}

/**
 * From here on, until restoreClocks(), `Math.random()` and `crypto` go by `draw`, which gives whole numbers from 0 to
 * 2^32 - 1; null as for clocks.
 */
export function replaceChance(draw: () => number | null): void {
  put(Math, 'random', () => {
    const high = draw()
    return high === null ? random() : (high * 2 ** 21 + (draw()! >>> 11)) / 2 ** 53
  })
  const { crypto } = globalThis
  if (crypto === undefined) return
  const { getRandomValues, randomUUID } = crypto
  put(crypto, 'getRandomValues', (array: Uint8Array) => {
    // The engine says what it does not take.
    getRandomValues.call(crypto, array)
    fillDrawn(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), draw)
    return array
  })
  put(crypto, 'randomUUID', () => drawnUuid(draw) ?? randomUUID.call(crypto))
}

type Called = (this: unknown, ...args: readonly unknown[]) => unknown

interface NodeCrypto {
  readonly randomInt: Called
  readonly randomBytes: (size: number, called?: unknown) => Uint8Array
  readonly randomUUID: Called
}

/** Functions of `node:crypto`, and those that go by `draw` in their place; what these do not take, Node says. */
export function* drawnFunctions(
  { randomInt, randomBytes, randomUUID }: NodeCrypto,
  draw: () => number | null,
): Generator<readonly [Called, Called]> {
  const bytes = (size: unknown, ...rest: readonly unknown[]): unknown => {
    const filled = randomBytes(size as number, ...rest)
    if (rest.length === 0) fillDrawn(filled, draw)
    return filled
  }
  yield [randomBytes as Called, bytes]
  yield [
    randomInt,
    (...args) => {
      const given = randomInt(...args)
      const high = args.length > 2 ? null : draw()
      if (high === null) return given
      const [min, max] = (args.length === 2 ? args : [0, args[0]]) as [number, number]
      return min + Math.floor(((high * 2 ** 16 + (draw()! >>> 16)) / 2 ** 48) * (max - min))
    },
  ]
  yield [randomUUID, (...args) => drawnUuid(draw) ?? randomUUID(...args)]
}

/** Returns whether there were numbers. */
function fillDrawn(bytes: Uint8Array, draw: () => number | null): boolean {
  for (let at = 0; at < bytes.length; at += 4) {
    const word = draw()
    if (word === null) return false
    for (let byte = 0; byte < 4 && at + byte < bytes.length; byte++) bytes[at + byte] = word >>> (byte * 8)
  }
  return true
}

function drawnUuid(draw: () => number | null): string | null {
  const bytes = new Uint8Array(16)
  if (!fillDrawn(bytes, draw)) return null
  bytes[6] = (bytes[6]! & 15) | 64
  bytes[8] = (bytes[8]! & 63) | 128
  const text = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return text.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** The number `index`, from 0, of those that stream `stream` draws, a whole number from -1. */
export function drawn(stream: number, index: number): number {
  let mixed = (Math.imul(stream + 2, 0x9e3779b1) + Math.imul(index + 1, 0x85ebca6b)) | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
  return (mixed ^ (mixed >>> 15)) >>> 0
}

export function restoreClocks(): void {
  for (const [holder, key, property] of replaced) {
    if (property === undefined) Reflect.deleteProperty(holder, key)
    else Reflect.defineProperty(holder, key, property)
  }
  replaced.length = 0
}

/** Puts a value there, or a getter. */
function put(holder: object, key: string, value: unknown): void {
  const before = Object.getOwnPropertyDescriptor(holder, key)
  replaced.push([holder, key, before])
  const isGetter = before?.get !== undefined
  const property = isGetter ? (value as PropertyDescriptor) : { writable: true, value }
  Reflect.defineProperty(holder, key, { enumerable: isGetter, configurable: true, ...property })
}
