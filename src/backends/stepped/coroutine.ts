// Async functions: what runs until it waits, and goes on as a job of its thread's event loop.
//
// The body of one is a function that can stop (see async-syntax.ts). Where it waits, it leaves as it does where another
// thread is to go on, with its frame; but the frame is kept here, and whoever called the function goes on with the
// promise. Where another thread is to go on in the middle of it, this file has a frame of its own below it.
//
// The body of an async generator leaves at `yield` too. Which of its requests are served when, the loop knows (see
// loop/async-generator.ts): here it runs until it leaves.
//
// Outside threads, in the setup of a scenario say, the promise is one of the engine, which calls the jobs.

import { Promise } from './global-scope.ts'
import {
  type Deferred,
  currentLoop,
  currentThread,
  eventLoops,
  isAlone,
  isBroken,
  refuseToStop,
  refused,
  save,
  state,
  stopped,
  takeLeaving,
  takesTurns,
  traceGoOn,
  traceSuspend,
} from './runtime.ts'
import type { Frame, Resume } from './thread.ts'

interface Coroutine extends Deferred {
  /** Where it goes on: empty where nothing is left to do but to return. */
  frames: readonly Frame[]
  readonly site: number
}

/** An async function is called: runs `body` until it waits. Returns its promise. */
export function asyncRun(site: number, body: () => unknown): unknown {
  if (isAlone()) takesTurns()
  else currentLoop()
  const deferred = isAlone() ? Promise.withResolvers<unknown>() : eventLoops().deferred()
  const coroutine: Coroutine = { ...deferred, frames: [], site }
  return run(coroutine, body)
}

const asyncFunction = Object.getPrototypeOf(async () => {}) as object

/** A function that was written as an async one: who asks what it is is told so. */
export function asAsync(called: object): object {
  return Object.setPrototypeOf(called, asyncFunction) as object
}

function run(coroutine: Coroutine, body: () => unknown): unknown {
  let value: unknown
  try {
    value = body()
  } catch (error) {
    return left(coroutine, error, true)
  }
  return left(coroutine, value, false)
}

/** `await value`: the function that calls it leaves. */
export function awaits(site: number, value: unknown): unknown {
  return leaveFor('await', value, site)
}

/** `yield value`, of an async generator. */
export function yields(site: number, value: unknown): unknown {
  return leaveFor('yield', value, site)
}

/** `yield* value`. */
export function delegates(site: number, value: unknown): unknown {
  return leaveFor('delegate', value, site)
}

function leaveFor(kind: 'await' | 'yield' | 'delegate', value: unknown, site: number): unknown {
  // The engine has lost what said that another thread is to go on: in `{ ...object }`, say, whose getter stops.
  if (state.stopping) refuseToStop()
  state.awaited = { kind, value, site }
  state.stopping = true
  return stopped
}

/** The body has returned, or waits, or another thread is to go on. */
function left(coroutine: Coroutine, value: unknown, thrown: boolean): unknown {
  if (state.stopping && !thrown) {
    if (state.awaited === null) return save(value, [goesOn, 0, coroutine])
    wait(coroutine, value, state.awaited)
  } else if (thrown) {
    if (isBroken()) throw value
    coroutine.reject(value)
  } else coroutine.resolve(value)
  return coroutine.promise
}

const goesOn: Resume = (frame, value, thrown) => left(frame[2] as Coroutine, value, thrown)

function wait(
  coroutine: Coroutine,
  value: unknown,
  { value: awaited, site }: NonNullable<typeof state.awaited>,
): void {
  coroutine.frames = framesLeft(value, site)
  const call = traceSuspend()
  const next = (result: unknown, isError: boolean): unknown => {
    traceGoOn(call)
    return resume(coroutine, result, isError)
  }
  if (isAlone()) {
    // They return nothing: the engine would make another promise of it, whose rejection is nobody's.
    Promise.resolve(awaited).then(
      (result) => void next(result, false),
      (error) => void next(error, true),
    )
    return
  }
  refuseOfEngine(awaited, site)
  eventLoops().react(
    awaited,
    (result) => next(result, false),
    (error) => next(error, true),
  )
}

/** Takes what the body has left: the thread itself goes on. */
function framesLeft(value: unknown, site: number): readonly Frame[] {
  state.stopping = false
  state.awaited = null
  const frames = takeLeaving()
  if (value !== stopped || frames.length > 1)
    refused(site, 'an await where nothing can stop', 'call it from an async function itself')
  return frames
}

/** A promise of the engine is settled when the check is over. */
function refuseOfEngine(value: unknown, site: number): void {
  if (Object.prototype.toString.call(value) !== '[object Promise]' || !(value instanceof Promise)) return
  if ('loop' in value) return
  // Nobody waits for it any more: a rejection of it would be another check's, or end the process.
  value.catch(() => {})
  refused(
    site,
    'a thread waits for a promise of the engine, which is not stepped',
    'await what the thread does itself, and what other threads of the check send; those of packages are stepped ' +
      'where the thread is a script: threads: [new URL(…)]',
  )
}

/** What it waited for is there. */
function resume(coroutine: Coroutine, result: unknown, isError: boolean): unknown {
  const frame = coroutine.frames[0]
  if (frame === undefined) return left(coroutine, result, isError)
  return run(coroutine, () => frame[0](frame, result, isError))
}

// ---------------------------------------------------------------------------------------------------------------------
// Async generators

/** The body of one, and where it goes on. */
interface GeneratorBody {
  /** What is run first; null afterwards. */
  begin: (() => unknown) | null
  frames: readonly Frame[]
  /** Of the trace. */
  call: unknown
}

/** Why it has left, and with what. */
interface Left {
  readonly kind: 'await' | 'yield' | 'delegate' | 'return' | 'throw'
  readonly value: unknown
}

/** An async generator function is called. Returns the generator. */
export function asyncGenerate(_site: number, begin: () => unknown): unknown {
  if (!isAlone()) currentLoop()
  const body: GeneratorBody = { begin, frames: [], call: null }
  return eventLoops().newGenerator(body)
}

/** What `yield` gives where the generator is to return. */
export const returning: object = Object.freeze({})

export function takeReturned(): unknown {
  const { returned } = state
  state.returned = undefined
  return returned
}

/** Runs the body until it leaves: from its beginning, or on with `value`, which it is given, thrown or to return. */
export function runGenerator(
  _site: number,
  body: GeneratorBody,
  kind: 'next' | 'throw' | 'return',
  value: unknown,
): unknown {
  let result: unknown
  try {
    result = goOn(body, kind, value)
  } catch (error) {
    return leftOf(body, error, true)
  }
  return leftOf(body, result, false)
}

function goOn(body: GeneratorBody, kind: 'next' | 'throw' | 'return', value: unknown): unknown {
  const { begin, call } = body
  if (begin !== null) {
    body.begin = null
    return begin()
  }
  traceGoOn(call)
  const frame = body.frames[0]
  if (frame !== undefined && kind === 'return') {
    state.returned = value
    return frame[0](frame, returning, false)
  }
  if (frame !== undefined) return frame[0](frame, value, kind === 'throw')
  if (kind === 'throw') throw value
  return value
}

function leftOf(body: GeneratorBody, value: unknown, thrown: boolean): unknown {
  if (state.stopping && !thrown) {
    if (state.awaited === null) return save(value, [generatorGoesOn, 0, body])
    const { kind, value: given, site } = state.awaited
    body.frames = framesLeft(value, site)
    body.call = traceSuspend()
    if (kind === 'await' && !isAlone()) refuseOfEngine(given, site)
    return { kind, value: given } satisfies Left
  }
  if (thrown && isBroken()) throw value
  return { kind: thrown ? 'throw' : 'return', value } satisfies Left
}

const generatorGoesOn: Resume = (frame, value, thrown) => leftOf(frame[2] as GeneratorBody, value, thrown)

/** Which thread the loop that runs belongs to, for those who tell. */
export function threadNumber(): number {
  return currentThread().id
}
