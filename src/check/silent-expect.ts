// `expect` in what is checked. A runner's own needs the runner around it, which is not there; what most tests ask for
// needs little. What is not here is refused, as an assertion that asserts nothing would let everything pass.

import { AssertionError } from 'node:assert'
import { inspect, isDeepStrictEqual } from 'node:util'

type Matcher = (actual: never, ...expected: never[]) => boolean
type Value = Readonly<Record<PropertyKey, unknown>>

const CLOSE_DIGITS = 2

const matchers = {
  toBe: Object.is,
  toEqual: (actual: unknown, expected: unknown) => isDeepStrictEqual(plain(actual), plain(expected)),
  toStrictEqual: isDeepStrictEqual,
  toBeTruthy: Boolean,
  toBeFalsy: (actual: unknown) => !actual,
  toBeNull: (actual: unknown) => actual === null,
  toBeUndefined: (actual: unknown) => actual === undefined,
  toBeDefined: (actual: unknown) => actual !== undefined,
  toBeNaN: (actual: unknown) => Number.isNaN(actual),
  toBeGreaterThan: (actual: number, than: number) => actual > than,
  toBeGreaterThanOrEqual: (actual: number, than: number) => actual >= than,
  toBeLessThan: (actual: number, than: number) => actual < than,
  toBeLessThanOrEqual: (actual: number, than: number) => actual <= than,
  toBeCloseTo: (actual: number, expected: number, digits = CLOSE_DIGITS) =>
    actual === expected || Math.abs(actual - expected) < 10 ** -digits / 2,
  toBeInstanceOf: (actual: unknown, expected: new () => unknown) => actual instanceof expected,
  toBeTypeOf: (actual: unknown, expected: string) => typeof actual === expected,
  toBeOneOf: (actual: unknown, expected: Iterable<unknown>) =>
    [...expected].some((each) => Object.is(each, actual)),
  toContain: (actual: string | Iterable<unknown>, expected: string) =>
    typeof actual === 'string' ? actual.includes(expected) : [...actual].includes(expected),
  toContainEqual: (actual: Iterable<unknown>, expected: unknown) =>
    [...actual].some((each) => isDeepStrictEqual(plain(each), plain(expected))),
  toHaveLength: (actual: { readonly length: number }, expected: number) => actual.length === expected,
  toMatch: (actual: string, expected: string | RegExp) =>
    typeof expected === 'string' ? actual.includes(expected) : expected.test(actual),
  toThrow: throws,
  toThrowError: throws,
} satisfies Record<string, Matcher>

/** What toEqual() looks at: no properties that are undefined, no classes of objects. */
function plain(value: unknown, seen = new Map<object, unknown>()): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (seen.has(value)) return seen.get(value)
  if (Array.isArray(value)) {
    const items: unknown[] = []
    seen.set(value, items)
    for (const each of value as unknown[]) items.push(plain(each, seen))
    return items
  }
  if (Object.prototype.toString.call(value) !== '[object Object]') return value
  const copy: Record<PropertyKey, unknown> = {}
  seen.set(value, copy)
  for (const key of Reflect.ownKeys(value)) {
    const its = (value as Value)[key]
    if (its !== undefined && Object.prototype.propertyIsEnumerable.call(value, key))
      copy[key] = plain(its, seen)
  }
  return copy
}

function throws(actual: () => unknown, expected?: unknown): boolean {
  let thrown: unknown
  try {
    actual()
    return false
  } catch (error) {
    thrown = error
  }
  if (expected === undefined) return true
  if (typeof expected === 'function') return thrown instanceof expected
  const message = String((thrown as Error | undefined)?.message ?? thrown)
  if (expected instanceof Error) return message === expected.message
  return expected instanceof RegExp ? expected.test(message) : message.includes(String(expected))
}

/** `expect(actual)`. `refuse` is told of what cannot be had, and throws. */
export function expectation(actual: unknown, refuse: (what: string) => never): unknown {
  const asserting = (holds: boolean): unknown =>
    new Proxy({} as Value, {
      get(_, key) {
        if (typeof key === 'symbol' || key === 'then') return undefined
        if (key === 'not') return asserting(!holds)
        if (!Object.hasOwn(matchers, key)) return refuse(`expect(…).${key}`)
        return (...expected: readonly unknown[]) => {
          if (expected.some(isAsymmetric)) refuse(`an asymmetric matcher in expect(…).${key}()`)
          const matcher = matchers[key as keyof typeof matchers] as (...args: readonly unknown[]) => unknown
          if (Boolean(matcher(actual, ...expected)) === holds) return
          const values = expected.map((each) => inspect(each)).join(', ')
          const message = `expect(${inspect(actual)})${holds ? '' : '.not'}.${key}(${values})`
          throw new AssertionError({ message, actual, expected: expected[0], operator: key })
        }
      },
    })
  return asserting(true)
}

function isAsymmetric(value: unknown): boolean {
  return typeof (value as { asymmetricMatch?: unknown } | null | undefined)?.asymmetricMatch === 'function'
}
