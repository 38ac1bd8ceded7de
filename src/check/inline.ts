// `check()`: a scenario inline, in the test that its user writes.
//
// The arguments of the call are closures of ordinary code, and only code in its steppable form can be explored. A
// separate thread therefore loads the file again in that form, with a test framework that runs only the functions
// around the call, and explores the arguments of the same call there: see capture.ts. The arguments must be the same in
// both; visible differences are refused.

import { Worker } from 'node:worker_threads'
import {
  beginNow,
  drawn,
  replaceChance,
  replaceClocks,
  replaceDate,
  restoreClocks,
} from '../backends/stepped/replaced-clocks.ts'
import { type CallFrame, placeText, userFrames } from './call-place.ts'
import type { CheckOptions, CheckResult } from './check-result.ts'
import { errorData } from './error-data.ts'
import { CAPTURE, type InlineCall, type Outcome, callKey } from './inline-call.ts'
import { refuseUnknown } from './given-options.ts'
import type { InlineRequest, InlineReply } from './inline-worker.ts'
import { errorFrom } from './inline-errors.ts'
import type { Scenario } from './scenario.ts'
import { ScenarioFailed } from './scenario-failed.ts'
import { stateDigest } from './state-digest.ts'

/** A scenario with its name and how to explore it, for check(). */
export interface InlineCheck<State = unknown>
  extends Omit<Scenario<State>, 'title' | 'options'>, Omit<CheckOptions, 'patches'> {
  /** The name in results; needed only if several tests make the same call. */
  readonly name?: string
}

/** What a call is given, where this is the load in which it is to be explored. */
type Capture = (description: unknown) => Promise<never>

/** Calls from one place, so far. */
const counts = new Map<string, number>()
const outcomes: Outcome[] = []
const optionNames = [
  'bound',
  'coverage',
  'depth',
  'ledger',
  'maxExecutions',
  'maxSteps',
  'minimiseSeconds',
  'seconds',
  'seed',
  'shard',
  'strategy',
  'timeouts',
  'turns',
  'workers',
] as const satisfies readonly (keyof CheckOptions)[]

/** See check() of check.ts. */
export async function check<State>(description: InlineCheck<State>): Promise<CheckResult> {
  refuseUnknown('check', 'check()', description)
  const { setup, threads, invariant } = description
  const shape = {
    threads: Array.isArray(threads) ? threads.length : -1,
    invariant: invariant !== undefined,
    ...(setup === undefined ? { state: null } : stateOf(setup)),
  }
  return checkHere('check', description, shape)
}

/** As check(), for any description that a thread can be told of by the place of its call. */
export async function checkHere(
  kind: InlineCall['kind'],
  description: CheckOptions & { readonly name?: string },
  shape: InlineCall['shape'],
): Promise<CheckResult> {
  const capture = (globalThis as Record<symbol, unknown>)[CAPTURE] as Capture | undefined
  if (capture !== undefined) return capture({ kind, description })
  const frames = userFrames()
  const [place] = frames
  if (place === undefined) throw new TypeError(`${kind}() is called from no file`)
  const name = description.name ?? null
  const key = callKey(frames, name)
  const count = counts.get(key) ?? 0
  counts.set(key, count + 1)
  const call: InlineCall = { kind, frames, name, count, shape, outcomes: [...outcomes] }
  const outcome = { key, count }
  try {
    const result = await explored(place, call, description)
    outcomes.push({ ...outcome, result, error: null })
    return result
  } catch (error) {
    const result = error instanceof ScenarioFailed ? error.result : null
    outcomes.push({ ...outcome, result, error: errorData(error) })
    throw error
  }
}

/** What the setup makes here, to be compared, and what clocks told it; null where it makes nothing that can be. */
function stateOf(setup: () => unknown): Pick<InlineCall['shape'], 'state' | 'begin'> {
  const begin = beginNow()
  let draws = 0
  replaceClocks(() => begin)
  replaceDate(begin)
  replaceChance(() => drawn(-1, draws++))
  try {
    const state = setup()
    if (!(state instanceof Promise)) return { state: stateDigest(state), begin }
    // See below.
    state.catch(() => {})
  } catch {
    // It is called in the other load too, which says of it what there is to say.
  } finally {
    restoreClocks()
  }
  return { state: null, begin }
}

async function explored(place: CallFrame, call: InlineCall, description: CheckOptions): Promise<CheckResult> {
  const options = Object.fromEntries(
    optionNames.flatMap((each) => (description[each] === undefined ? [] : [[each, description[each]]])),
  ) as CheckOptions
  const scenario = call.frames.at(-1)!.url
  const target = { scenario, choice: null, patches: [], call }
  const replay = process.env['FAULTLINE_REPLAY'] ?? null
  const reply = await ask({ target, options, replay }, description.onProgress)
  if (reply.kind === 'error') throw errorFrom(reply.error)
  const { result } = reply
  const { failure } = result
  if (failure === null) return result
  const again =
    failure.token === null
      ? ''
      : `\n  again: run the test with FAULTLINE_REPLAY=${failure.token} in its environment\n`
  const error = new ScenarioFailed(result, failure)
  error.message = `${error.message}${again}  the check is at ${placeText(place)}`
  throw error
}

interface Pending {
  readonly thread: Worker
  readonly resolve: (reply: Exclude<InlineReply, { kind: 'progress' }>) => void
  readonly reject: (error: Error) => void
  readonly onProgress: CheckOptions['onProgress']
}

const pending = new Map<number, Pending>()
let thread: Worker | null = null
let lastId = 0

/** Has the thread of the checks do it. The process may end while it has nothing to do. */
function ask(
  request: Omit<InlineRequest, 'id'>,
  onProgress: CheckOptions['onProgress'],
): Promise<Exclude<InlineReply, { kind: 'progress' }>> {
  const id = ++lastId
  const asked = (thread ??= startThread())
  asked.ref()
  asked.postMessage({ id, ...request } satisfies InlineRequest)
  return new Promise((resolve, reject) => pending.set(id, { thread: asked, resolve, reject, onProgress }))
}

function startThread(): Worker {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const conditions = process.execArgv.filter((each) => /^(--conditions=|-C=)/.test(each))
  const worker = new Worker(new URL(`inline-worker${extension}`, import.meta.url), {
    execArgv: conditions,
  })
  const fail = (error: Error): void => {
    if (thread === worker) thread = null
    // Others may have been asked of the next one since.
    for (const [id, { thread: asked, reject }] of pending) {
      if (asked !== worker) continue
      pending.delete(id)
      reject(error)
    }
  }
  worker.on('message', ({ id, ...reply }: InlineReply & { readonly id: number }) => {
    const { resolve, onProgress } = pending.get(id) ?? {}
    if (reply.kind === 'progress') {
      onProgress?.(reply.progress)
      return
    }
    pending.delete(id)
    if (pending.size === 0) worker.unref()
    resolve?.(reply)
  })
  worker.on('error', fail)
  worker.on('exit', (code) => fail(new Error(`the thread of the checks ended with exit code ${code}`)))
  return worker
}
