// A test framework that runs nothing but what stands around one call: what a test file gets in place of its own where
// it is loaded to come to a call of check() again. It has the names of node:test, vitest, jest, mocha, ava, tape, tap
// and uvu.
//
// Functions around the call are marked by an edit of the file. Suites that are marked are run as they come, tests that
// are marked are kept, with the hooks that a framework would run before them. What comes after a test does nothing.
// Around the call, assertions hold, as they did in the test itself, and mocks can be made; in what is checked, once the
// call is come to, assertions assert, and mocks are refused.

import { AssertionError } from 'node:assert'
import { inspect } from 'node:util'
import { refused, siteHere } from '../backends/stepped/index.ts'
import { stackPlaces } from './call-place.ts'
import { CAPTURE, MATCHER } from './inline-call.ts'
import { expectation } from './silent-expect.ts'

type Callback = (...args: readonly unknown[]) => unknown

/** A test that stands around the call. */
export interface SilentTest {
  readonly body: Callback
  readonly args: readonly unknown[]
  /** What runs before it, in this order. */
  readonly hooks: readonly Callback[]
}

interface Suite {
  readonly before: Callback[]
  readonly beforeEach: Callback[]
}

/** Something of the framework is used that cannot be had without it. */
function needed(what: string): never {
  return refused(
    siteHere('test framework'),
    `${what} is used by what is checked, and is not there when its file is loaded again`,
    'make what is checked in the function around the check, without the test framework; node:assert may be used',
  )
}

/** The call is come to: nothing runs any more but what it is given. */
let isChecking = false

export function beginChecking(): void {
  isChecking = true
}

const marked = new WeakSet<Callback>()
const nothing: Callback = () => {}
let suites: Suite[] = []
let tests: SilentTest[] = []

/** Marks a function that stands around the call. Returns it. */
export function mark(callback: Callback): Callback {
  marked.add(callback)
  return callback
}

/** Forgets all tests and hooks. Returns the list of those that come. */
export function beginTests(): readonly SilentTest[] {
  isChecking = false
  suites = [{ before: [], beforeEach: [] }]
  tests = []
  return tests
}

function isCallback(value: unknown): value is Callback {
  return typeof value === 'function'
}

function register(args: readonly unknown[], given: readonly unknown[] | null): void {
  const body = args.find(isCallback)
  if (body === undefined || !marked.has(body)) return
  const hooks = [
    ...suites.flatMap(({ before: hooksOf }) => hooksOf),
    ...suites.flatMap(({ beforeEach: hooksOf }) => hooksOf),
  ]
  tests.push({ body, args: given ?? [context()], hooks })
}

function registerSuite(args: readonly unknown[], given: readonly unknown[] | null): unknown {
  const body = args.find(isCallback)
  // Of uvu: what it returns registers the tests of the suite.
  if (body === undefined) return test
  if (!marked.has(body)) return undefined
  const before = suites
  suites = [...suites, { before: [], beforeEach: [] }]
  try {
    return body(...(given ?? [context()]))
  } finally {
    suites = before
  }
}

/** Frames of the user on the stack that are of tests around the one that runs. */
export let framesOutside = 0

/** A test within a test is run when it is come to. */
function runNow(...args: readonly unknown[]): unknown {
  const body = args.find(isCallback)
  if (body === undefined || !marked.has(body)) return undefined
  const before = framesOutside
  framesOutside = stackPlaces((url) => url).length
  try {
    return body(context())
  } finally {
    framesOutside = before
  }
}

/** What a framework gives a test. */
function context(): unknown {
  const known: Record<string, unknown> = {
    test: runNow,
    it: runNow,
    before: hook('before'),
    beforeEach: hook('beforeEach'),
  }
  for (const name of ['after', 'afterEach', 'diagnostic', 'plan', 'onTestFinished', 'onTestFailed'])
    known[name] = () => {}
  for (const name of ['assert', 'mock']) known[name] = missing(`'${name}' of the test's context`)
  return new Proxy(known, {
    get(target, key) {
      if (key === 'then' || typeof key === 'symbol') return undefined
      if (key === 'expect') return expect
      if (key in target) return target[key]
      const named = `'${key}' of the test's context`
      return isChecking || valueOfContext.test(key) ? needed(named) : missing(named)
    },
  })
}

/** What tells of the test. Everything else is for calls: assertions, most of all. */
const valueOfContext = /^(name|fullName|filePath|title|context|task|signal|attempt|passed|error)$/

type Registered = ((...args: readonly unknown[]) => unknown) & Record<string, unknown>

/** `test` and what is called by its properties. */
function registrar(
  registers: (args: readonly unknown[], given: readonly unknown[] | null) => unknown,
): Registered {
  const rows =
    (isSpread: boolean) =>
    (table: unknown, ...more: readonly unknown[]): Callback => {
      if (!Array.isArray(table) || more.length > 0) needed('a table of tests in a template')
      return (...args) => {
        for (const row of table as unknown[])
          registers(args, isSpread && Array.isArray(row) ? row : isSpread ? [row] : [row, context()])
      }
    }
  const self = ((...args) => registers(args, null)) as Registered
  const conditional = (runs: boolean) => (condition: unknown) =>
    Boolean(condition) === runs ? self : nothing
  const properties: Record<string, unknown> = {
    each: rows(true),
    for: rows(false),
    skip: nothing,
    todo: nothing,
    runIf: conditional(true),
    skipIf: conditional(false),
  }
  for (const same of ['only', 'concurrent', 'sequential', 'serial', 'shuffle', 'fails', 'failing'])
    properties[same] = self
  return Object.assign(self, properties)
}

function hook(kind: keyof Suite): (...args: readonly unknown[]) => void {
  return (...args) => {
    const callback = args.find(isCallback)
    if (callback !== undefined) suites.at(-1)![kind].push(callback)
  }
}

/** What the code that is checked would meet differs without them. */
const REPLACING = /\.(?:mock|doMock|hoisted|module|unstable_mockModule|stubGlobal|stubEnv)$/

/** Stands for what cannot be had: around the call it may be made, and is refused where it is used. */
function missing(name: string): unknown {
  const called = `${name}()`
  return new Proxy(() => {}, {
    get(_, key) {
      if (key === 'then' || typeof key === 'symbol') return undefined
      return isChecking ? needed(`${name}.${key}`) : missing(`${name}.${key}`)
    },
    set: () => (isChecking ? needed(name) : true),
    apply: () => (isChecking || REPLACING.test(name) ? needed(called) : missing(called)),
    construct: () => (isChecking ? needed(`new ${called}`) : missing(called)) as object,
  })
}

/** What `expect(actual)` is around the call: of all assertions, one is that call. */
function checking(actual: unknown): unknown {
  const call = (options: unknown): unknown => {
    const capture = (globalThis as Record<symbol, unknown>)[CAPTURE] as Callback
    return capture({
      isMatcher: true,
      description: { ...(actual as object), ...(options as object | undefined) },
    })
  }
  const self: unknown = new Proxy(missing('expect(…)') as object, {
    get: (other, key) =>
      key === MATCHER ? call : key === 'not' ? self : (Reflect.get(other, key) as unknown),
  })
  return self
}

/** Assertions of a framework: they hold around the call, and assert in what is checked. */
function asserting(
  name: string,
  assertion: Callback,
  around: Callback = () => missing(`${name}(…)`),
): unknown {
  return new Proxy(assertion, {
    get(_, key) {
      if (key === 'then' || typeof key === 'symbol') return undefined
      return isChecking ? needed(`${name}.${key}`) : missing(`${name}.${key}`)
    },
    apply: (_, __, args: readonly unknown[]) => (isChecking ? assertion(...args) : around(...args)),
  })
}

export const test: Registered = registrar(register)
export const it: Registered = test
export const describe: Registered = registrar(registerSuite)
export const suite: Registered = describe
export const beforeEach: Callback = hook('beforeEach')
export const before: Callback = Object.assign(hook('before'), { each: beforeEach })
export const beforeAll: Callback = before
export const after: Callback = Object.assign(() => {}, { each: nothing, always: nothing })
export const afterAll: Callback = after
export const afterEach: Callback = after
export const bench: Callback = after
export const onTestFinished: Callback = after
export const expect: unknown = asserting('expect', (actual) => expectation(actual, needed), checking)
/** Of types, which nobody looks at when it runs. */
export const expectTypeOf: Callback = () => missing('expectTypeOf()')
export const assertType: Callback = after
/** Of chai, by vitest. */
export const assert: unknown = asserting('assert', (holds, message) => {
  if (!holds) throw new AssertionError({ message: String(message ?? `assert(${inspect(holds)})`) })
})
export const chai: unknown = missing('chai')
export const should: unknown = missing('should')
export const vi: unknown = missing('vi')
export const vitest: unknown = missing('vitest')
export const jest: unknown = missing('jest')
export const mock: unknown = missing('mock')
export const snapshot: unknown = missing('snapshot')
export const expectFailure: unknown = test['fails']
export const getTestContext: unknown = missing('getTestContext')
export const run: unknown = missing('run')
export const inject: unknown = missing('inject')
export const createExpect: unknown = missing('createExpect')
export const onTestFailed: Callback = after
export const aroundAll: unknown = missing('aroundAll')
export const aroundEach: unknown = missing('aroundEach')
export const recordArtifact: unknown = missing('recordArtifact')
export const Snapshots: unknown = missing('Snapshots')
export const TestRunner: unknown = missing('TestRunner')
export const EvaluatedModules: unknown = missing('EvaluatedModules')
export const skip: unknown = test['skip']
export const todo: unknown = test['todo']
export const only: unknown = test['only']
export const xit: unknown = skip
export const xtest: unknown = skip
export const xdescribe: unknown = describe['skip']
export const fit: Registered = test
export const fdescribe: Registered = describe

const all = {
  it,
  describe,
  suite,
  before,
  beforeAll,
  beforeEach,
  after,
  afterAll,
  afterEach,
  bench,
  onTestFinished,
  onTestFailed,
  expect,
  expectTypeOf,
  assertType,
  assert,
  vi,
  vitest,
  jest,
  mock,
  snapshot,
}

// Of ava and uvu.
Object.assign(test, { before, beforeEach, after, afterEach, run: nothing })

/** As node:test is: a function with the others as properties. */
const whole: Registered = Object.assign((...args: readonly unknown[]) => test(...args), test, all, {
  test,
}) as Registered
export default whole
/** What `require` gives. */
export { whole as 'module.exports' }

/** What some frameworks have without an import. */
export const globals: Readonly<Record<string, unknown>> = {
  ...all,
  test,
  xit,
  xtest,
  xdescribe,
  fit,
  fdescribe,
}
