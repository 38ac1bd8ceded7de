// What a stepped program has of `node:assert` where it asks about promises: those of threads, and functions that can
// stop. What is then said is what the engine says.

import native from 'node:assert'
import { inspect } from 'node:util'

type Called = () => unknown
/** As the engine takes them. */
type Expected = [error: RegExp, message?: string]

/** What `begin` gives is awaited: it has to fail. */
export async function rejects(given: unknown, ...expected: Expected): Promise<void> {
  const found = await outcomeOf(given)
  try {
    native.throws(found, ...expected)
  } catch (error) {
    throw aboutRejection(error)
  }
}

export async function doesNotReject(given: unknown, ...expected: Expected): Promise<void> {
  const found = await outcomeOf(given)
  try {
    native.doesNotThrow(found, ...expected)
  } catch (error) {
    throw aboutRejection(error)
  }
}

/** A function that does what became of a promise, or of the one that a function returns. */
async function outcomeOf(given: unknown): Promise<Called> {
  const promise = typeof given === 'function' ? (given as Called)() : given
  if (typeof (promise as { then?: unknown } | null)?.then !== 'function') throw noPromise(given, promise)
  try {
    await promise
  } catch (error) {
    return () => {
      throw error
    }
  }
  return () => {}
}

function noPromise(given: unknown, value: unknown): Error {
  const what = `${typeof value} (${inspect(value)})`
  const [code, message] =
    given === value
      ? [
          'ERR_INVALID_ARG_TYPE',
          `The "promiseFn" argument must be of type function or an instance of Promise. Received type ${what}`,
        ]
      : [
          'ERR_INVALID_RETURN_VALUE',
          `Expected instance of Promise to be returned from the "promiseFn" function but got type ${what}.`,
        ]
  return Object.assign(new TypeError(message), { code })
}

function aboutRejection(error: unknown): unknown {
  if (!(error instanceof native.AssertionError)) return error
  error.message = error.message.replace(/^(Missing expected|Got unwanted) exception/, '$1 rejection')
  error.operator = error.operator.replace('throws', 'rejects').replace('doesNotThrow', 'doesNotReject')
  return error
}

export function throws(called: Called, ...expected: Expected): void {
  native.throws(outcomeOfCall(called), ...expected)
}

export function doesNotThrow(called: Called, ...expected: Expected): void {
  native.doesNotThrow(outcomeOfCall(called), ...expected)
}

function outcomeOfCall(called: Called): Called {
  if (typeof called !== 'function') return called
  try {
    called()
  } catch (error) {
    return () => {
      throw error
    }
  }
  return () => {}
}

const own: Readonly<Record<PropertyKey, unknown>> = { rejects, doesNotReject, throws, doesNotThrow }

/** The function itself is that of the engine, which looks at the place of its call. */
function withOwn(assert: object): object {
  const made: object = new Proxy(assert, {
    get(target, name) {
      if (Object.hasOwn(own, name)) return own[name]
      return name === 'strict' ? strict : (Reflect.get(target, name) as unknown)
    },
  })
  return made
}

export const strict = withOwn(native.strict)
export const {
  AssertionError,
  deepEqual,
  deepStrictEqual,
  doesNotMatch,
  equal,
  fail,
  ifError,
  match,
  notDeepEqual,
  notDeepStrictEqual,
  notEqual,
  notStrictEqual,
  ok,
  partialDeepStrictEqual,
  strictEqual,
} = native
export default withOwn(native)
