// The scenario of a file as the explorer wants it.

import {
  type Enders,
  type EventLoops,
  CountRead,
  FinerCellsNeeded,
  ScriptNeeded,
  TurnsNeeded,
  alone,
  memory,
  newEnders,
  setPreparing,
  withLastClock,
  withTurns,
} from '../backends/stepped/index.ts'
import { THREADS_MAX } from './execution.ts'
import type { Subject } from './run-once.ts'
import type { Scenario } from './scenario.ts'
import { NoScenario } from './no-scenario.ts'
import { runSole } from './sole.ts'

/** Something that should hold at the end does not. */
export class InvariantBroken extends Error {
  override readonly name = 'InvariantBroken'
}

/** The state that the threads share cannot be made: no thread has begun, so nothing was found. */
export class SetupFailed extends Error {
  override readonly name = 'SetupFailed'
  readonly remedy = 'correct its setup'
}

/** A scenario of a loaded program as the explorer wants it. */
export function userSubject(description: Scenario, loops: EventLoops | null = null): Subject {
  // Those that end another come after the threads themselves.
  const enders = description.terminate === true ? [...description.threads.keys()] : []
  if (enders.length > 0 && description.threads.some((thread) => thread instanceof URL)) refuseScripts()
  const length = description.threads.length + enders.length
  let state: unknown
  let ending: Enders | null = null
  // The one that chooses comes before those that are started, so that each keeps its number when there are more.
  let hasChooser = false
  // Threads that may be started. Each is another: none may be exchanged for one of them.
  const started: object[] = []
  // Whether the setup, or the invariant, waits for something, so that a thread has to run it.
  const { setup, invariant } = description
  let waits = false
  const run = (body: () => unknown, what: string): unknown => {
    if (waits && loops !== null) return runSole(loops, body, what)
    const result = alone(withTurns(loops !== null, body))
    if (!isThenable(result)) return result
    if (loops === null)
      throw new NoScenario(
        `the ${what} of the scenario returns a promise of the engine`,
        'let it be an async function, or await it in the module',
      )
    throw new TurnsNeeded()
  }
  const add = (count: number): void => {
    if (length + started.length + (hasChooser ? 1 : 0) + count <= THREADS_MAX) return
    throw new NoScenario(
      `more than ${THREADS_MAX} threads, including those that are started and one that chooses between events`,
      'let the scenario have fewer threads and Workers',
    )
  }
  const addThread = (): void => {
    add(hasChooser ? 1 : 2)
    hasChooser = true
    started.push({})
  }
  const runOf = (thread: Scenario['threads'][number]): (() => unknown) => {
    if (typeof thread === 'function') return () => thread(state)
    const { href } = thread
    if (loops === null) throw new ScriptNeeded({ from: '', specifier: href, kind: 'worker' })
    return () => loops.runScript(href)
  }
  return {
    get threads() {
      return length + started.length + (hasChooser ? 1 : 0)
    },
    get functions() {
      // Where one may be ended, two with the same function are not alike: another ends each.
      const threads =
        enders.length === 0 ? description.threads : [...description.threads, ...enders].map(() => ({}))
      return [...threads, ...(hasChooser ? [null] : []), ...started]
    },
    get hidden() {
      return [...enders.map((id) => description.threads.length + id), ...(hasChooser ? [length] : [])]
    },
    addChooser() {
      // Where it is there, a schedule names a thread that is started later.
      if (hasChooser) return addThread()
      add(1)
      hasChooser = true
    },
    addThread,
    addTurns() {
      waits = true
    },
    begin() {
      memory.restore()
      loops?.beginChoices(hasChooser)
      loops?.beginStarts(length + 1, started.length)
      state = setUp(setup && (() => run(setup, 'setup')))
      ending = enders.length === 0 ? null : newEnders()
      const all = [...description.threads.map(runOf), ...enders.map((id) => ending!.serve(id))]
      if (!hasChooser) return all
      return [...all, loops!.serveChoices, ...started.map((_, index) => loops!.serveStarts(index))]
    },
    end() {
      const ended = ending?.ended() ?? null
      const holds = invariant && withLastClock(() => run(() => invariant(state, ended), 'invariant'))
      if (holds === false) throw new InvariantBroken('the invariant does not hold')
    },
  }
}

function refuseScripts(): never {
  throw new NoScenario(
    'with terminate, a thread is the address of a script',
    'let it be a function; a Worker is ended by the program itself',
  )
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

function setUp(make: (() => unknown) | undefined): unknown {
  try {
    setPreparing(true)
    return make?.()
  } catch (error) {
    const isOurs = [CountRead, FinerCellsNeeded, ScriptNeeded, TurnsNeeded].some(
      (kind) => error instanceof kind,
    )
    if (isOurs || (error instanceof Error && 'remedy' in error)) throw error
    throw new SetupFailed(`the setup of the scenario throws ${String(error)}`, { cause: error })
  } finally {
    setPreparing(false)
  }
}
