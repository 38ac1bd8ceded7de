// Reaching a call of check() again, in the steppable form of its file.
//
// The file that the test runner has loaded is loaded once more, and only the functions around the call run
// (silent-tests.ts). A call is identified by the lines of its frames, its name and how often it was made before. It
// never returns, so that the code after it does not run. Earlier calls return what they returned the first time.

import * as nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'
import {
  SteppingRefused,
  forgetRefusal,
  isTestFramework,
  nextProgram,
  toSource,
} from '../backends/stepped/index.ts'
import { type CallFrame, stackPlaces } from './call-place.ts'
import type { CheckResult } from './check-result.ts'
import type { ErrorData } from './error-data.ts'
import { MARK, matcherLines } from './capture-marks.ts'
import { CAPTURE, type InlineCall, callKey } from './inline-call.ts'
import { errorFrom } from './inline-errors.ts'
import { ScenarioFailed } from './scenario-failed.ts'
import * as silent from './silent-tests.ts'

type Description = { readonly name?: string } & Record<string, unknown>
type Loading = Promise<unknown>

interface Called {
  readonly description: Description
  /** By `expect`. */
  readonly isMatcher?: boolean
}

/** Comes to the call `call` of the file that `load` loads. Throws SteppingRefused where it does not. */
export async function comeTo(call: InlineCall, load: () => Loading): Promise<Description> {
  installSilence()
  forgetRefusal()
  const tests = silent.beginTests()
  const watch = new Watch(call)
  ;(globalThis as Record<symbol, unknown>)[CAPTURE] = watch.called
  // The call may stand outside all tests, and then the file waits for it for ever.
  await Promise.race([load(), watch.met])
  if (watch.description === null && tests.length > 1 && call.name === null) {
    throw refusalAt(
      call,
      'the check stands in code that is run for several tests, and which of them called is not known',
      'give each check a name of its own',
    )
  }
  const failures: unknown[] = []
  for (const test of tests) {
    if (watch.description !== null) break
    // That a test fails which is not the one in question is known already.
    const failed = run(test).catch((error: unknown) => void failures.push(error))
    await Promise.race([failed, watch.met, watch.quiet()])
  }
  if (watch.description === null && failures.length > 0) throw failures[0]
  // What stands around the call has gone on as far as it can: `expect(check(…)).rejects`, say.
  silent.beginChecking()
  return agreed(call, watch)
}

async function run({ hooks, body, args }: silent.SilentTest): Promise<void> {
  for (const hook of hooks) await hook()
  await body(...args)
}

function agreed(call: InlineCall, { description, seen }: Watch): Description {
  if (description === null) {
    const problem =
      seen === 0
        ? 'when its file is loaded again, nothing comes to it'
        : `when its file is loaded again, it is come to ${seen} times, and not ${call.count + 1}`
    throw refusalAt(
      call,
      `${call.kind}() cannot be followed: ${problem}`,
      'call it in the function of a test itself, of node:test, vitest, jest, mocha, ava, tape, tap or uvu, ' +
        'or check a file with assertHolds()',
    )
  }
  return description
}

/** Throws SteppingRefused where what the call is given differs from what it was given the first time. */
export function refuseDifference(call: InlineCall, now: InlineCall['shape']): void {
  const { shape } = call
  const differs =
    shape.threads !== now.threads || shape.invariant !== now.invariant
      ? 'it is given other functions'
      : shape.state !== null && now.state !== null && shape.state !== now.state
        ? 'the setup of the check makes another state'
        : null
  if (differs === null) return
  throw refusalAt(
    call,
    `${differs} when its file is loaded again`,
    'let nothing that it uses depend on other tests, on chance or on time; make it in the setup',
  )
}

function refusalAt({ frames }: InlineCall, problem: string, remedy: string): SteppingRefused {
  const [{ url, line }] = frames as [InlineCall['frames'][number]]
  return new SteppingRefused(fileURLToPath(url), line, problem, remedy)
}

/** Waits for the one call of many. */
class Watch {
  description: Description | null = null
  /** Calls from the place, by that name. */
  seen = 0
  readonly met: Promise<void>
  readonly #call: InlineCall
  readonly #key: string
  readonly #counts = new Map<string, number>()
  #meet!: () => void
  /** The program of this load. */
  readonly #program = nextProgram() - 1
  #waits = 0

  constructor(call: InlineCall) {
    this.#call = call
    this.#key = callKey(call.frames, call.name)
    this.met = new Promise((resolve) => (this.#meet = resolve))
  }

  readonly called = ({ description, isMatcher }: Called): Promise<unknown> => {
    const frames = stackPlaces(toSource)
    const [{ url, line } = { url: '', line: 0 }] = frames
    if (isMatcher) frames[0] = { ...frames[0]!, line: matcherLines.get(`${url}:${line}`) ?? line }
    // Something of an earlier load has gone on.
    if (frames.some(({ program }) => program >= 0 && program < this.#program)) return new Promise(() => {})
    const key = this.#keyOf(frames, description.name ?? null)
    const count = this.#counts.get(key) ?? 0
    this.#counts.set(key, count + 1)
    if (key === this.#key) {
      this.seen++
      if (count === this.#call.count && this.description === null) {
        this.description = description
        this.#meet()
        return new Promise(() => {})
      }
    }
    const outcome = this.#call.outcomes.find((each) => each.key === key && each.count === count)
    if (outcome === undefined) {
      this.#waits++
      return new Promise(() => {})
    }
    return outcome.error === null
      ? Promise.resolve(outcome.result)
      : Promise.reject(errorOf(outcome.result as CheckResult | null, outcome.error))
  }

  /**
   * A test within a test is called by that one here. In other frameworks by other lines of it, or by none: of a call
   * whose frames nobody knows, those of the inner test decide.
   */
  #keyOf(frames: readonly CallFrame[], name: string | null): string {
    const own = callKey(frames, name)
    const known = [this.#key, ...this.#call.outcomes.map(({ key }) => key)]
    if (known.includes(own)) return own
    const inner = callKey(frames.slice(0, frames.length - silent.framesOutside), name)
    return known.find((key) => innerKey(key, frames.length - silent.framesOutside) === inner) ?? own
  }

  /** When a test waits for a call that was not over, and does nothing else. */
  async quiet(): Promise<void> {
    const idle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
    for (let turns = 0; turns < 3; await idle()) turns = this.#waits > 0 ? turns + 1 : 0
    this.#waits = 0
  }
}

function innerKey(key: string, length: number): string {
  const [frames, name] = JSON.parse(key) as [string[], string | null]
  return JSON.stringify([frames.slice(0, length), name])
}

const repeated = new WeakSet<object>()

/** What a call before this one threw. */
function errorOf(result: CheckResult | null, data: ErrorData): Error {
  let error: Error
  if (result?.failure == null) error = errorFrom(data)
  else {
    error = new ScenarioFailed(result, result.failure)
    error.message = data.message
  }
  repeated.add(error)
  return error
}

// ---------------------------------------------------------------------------------------------------------------------
// The test file

let silenced = false

function installSilence(): void {
  if (silenced) return
  silenced = true
  // Around the call, assertions such as `expect(check(…)).rejects` wait for nothing.
  process.on('unhandledRejection', (error) => {
    if (!repeated.has(error as object)) throw error
  })
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const url = new URL(`silent-tests${extension}`, import.meta.url).href
  nodeModule.registerHooks({
    resolve(specifier, context, next) {
      return isTestFramework(specifier)
        ? { url, format: 'module', shortCircuit: true }
        : next(specifier, context)
    },
  })
  const everywhere = globalThis as Record<string, unknown>
  everywhere[MARK] = silent.mark
  for (const [name, value] of Object.entries(silent.globals)) everywhere[name] ??= value
}
