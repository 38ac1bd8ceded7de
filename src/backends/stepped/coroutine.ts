// Async functions: what runs until it waits, and goes on as a job of its thread's event loop.
//
// The body of one is a function that can stop (see async-syntax.ts). Where it waits, it leaves as it does where another
// thread is to go on, with its frame; but the frame is kept here, and whoever called the function goes on with the
// promise. Where another thread is to go on in the middle of it, this file has a frame of its own below it.
//
// Outside threads, in the setup of a scenario say, the promise is one of the engine, which calls the jobs.

import {
  type Deferred,
  currentLoop,
  currentThread,
  eventLoops,
  isAlone,
  isBroken,
  refused,
  save,
  state,
  stopped,
  takeLeaving,
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
  if (!isAlone()) currentLoop()
  const deferred = isAlone() ? Promise.withResolvers<unknown>() : eventLoops().deferred()
  const coroutine: Coroutine = { ...deferred, frames: [], site }
  return run(coroutine, body)
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
  state.awaited = { value, site }
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
  state.stopping = false
  state.awaited = null
  const frames = takeLeaving()
  if (value !== stopped || frames.length > 1)
    refused(site, 'an await where nothing can stop', 'call it from an async function itself')
  coroutine.frames = frames
  const call = traceSuspend()
  const next = (result: unknown, isError: boolean): unknown => {
    traceGoOn(call)
    return resume(coroutine, result, isError)
  }
  if (isAlone()) {
    Promise.resolve(awaited).then(
      (result) => next(result, false),
      (error) => next(error, true),
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

/** A promise of the engine is settled when the check is over. */
function refuseOfEngine(value: unknown, site: number): void {
  if (Object.prototype.toString.call(value) === '[object Promise]' && value instanceof Promise)
    if (!('loop' in value))
      refused(
        site,
        'a thread waits for a promise of the engine, which is not stepped',
        'await what the thread does itself, and what other threads of the check send',
      )
}

/** What it waited for is there. */
function resume(coroutine: Coroutine, result: unknown, isError: boolean): unknown {
  const [frame] = coroutine.frames
  if (frame === undefined) return left(coroutine, result, isError)
  return run(coroutine, () => frame[0](frame, result, isError))
}

/** Which thread the loop that runs belongs to, for those who tell. */
export function threadNumber(): number {
  return currentThread().id
}
