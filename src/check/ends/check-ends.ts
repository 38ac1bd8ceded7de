// Ends a thread at every step of a call, and looks what becomes of the others.
//
// A victim does so many steps and is then ended: never chosen again. The undertaker buries it, as another thread of the
// process does, and everybody else goes on. They must come to their end. Where the machine is lost, all of them are
// told so; where it stands, what they see is what some sequential order of the operations gives, with the victim's or
// without it, the invariants of the kernel hold, and taking everything down gives everything back.
//
// A victim that is ordered to stop beforehand must never cost the machine.

import {
  FINISHED,
  READY,
  Scheduler,
  Thread,
  alone,
  loadStepped,
  memory,
  rememberFields,
  runThreads,
  setForbidden,
  setProbes,
  setSites,
  setWatching,
} from '../../backends/stepped/index.ts'
import { withPatches } from '../mutants/apply.ts'
import type { SourcePatch } from '../mutants/patch.ts'
import { letGoOn, noticeChanges, waitsForTime } from '../passing-time.ts'
import { Random } from '../random.ts'
import { type EndScenarioChoice, type EndScenarioRun, UNDERTAKING } from './end-scenario.ts'

const VICTIM = 0
const UNDERTAKER = 1
const BYSTANDER = 2

/** Steps after which an execution is given up, and how often time may pass where nothing else can happen. */
const STEPS_MAX = 200_000
const RESCUES_MAX = 3000
/** So many steps the call of the bystander has at most. */
const HEAD_START_MAX = 150

/**
 * How the others are chosen: who goes first, or by chance. 'called' is 'bystander', who goes as far as it can once the
 * victim is inside the kernel: it then waits for an answer of the victim, which is ended while it gives it.
 */
export type Order = 'bystander' | 'undertaker' | 'called' | number

export interface EndsOptions extends Pick<
  EndScenarioChoice,
  'design' | 'rwsem' | 'victim' | 'ordered' | 'waits'
> {
  /** The orders to try at each step; a number is the seed of one by chance. */
  readonly orders: readonly Order[]
  /** End it at every `stride`-th step, the first being `offset`. Default 1 and 0: at every step. */
  readonly stride?: number
  readonly offset?: number
  /** Changes of the kernel's source, for tests that want to see one found. */
  readonly patches?: readonly SourcePatch[]
}

export interface EndsResult {
  readonly victim: string
  readonly ordered: boolean
  /** Steps of the victim at which it was ended. */
  readonly steps: number
  readonly executions: number
  /** Executions after which the machine stood, and was lost. */
  readonly stood: number
  readonly lost: number
  /** What went wrong, one line each. */
  readonly failures: readonly string[]
}

/** Throws SteppingRefused where the kernel cannot be stepped. */
export async function checkEnds(options: EndsOptions): Promise<EndsResult> {
  const make = await loadScenario(options.patches ?? [])
  const possible = outcomes(make({ ...options, ordered: false }))
  const driver = new EndDriver(make({ ...options }), possible)
  const { stride = 1, offset = 0, victim, ordered } = options
  const failures: string[] = []
  const counts = { executions: 0, stood: 0, lost: 0 }
  let steps = 0
  for (let step = offset, goesOn = true; goesOn; step += stride) {
    goesOn = false
    steps++
    for (const order of options.orders) {
      const { problem, lost, reached } = driver.run(step, order, ordered)
      counts.executions++
      counts[lost ? 'lost' : 'stood']++
      goesOn ||= reached
      if (problem !== null) failures.push(`${victim}, ended after step ${step}, ${String(order)}: ${problem}`)
    }
  }
  return { victim, ordered, steps, ...counts, failures }
}

type Make = (choice: EndScenarioChoice) => EndScenarioRun

/** That of the kernel as it is. */
let scenario: Promise<Make> | null = null

function loadScenario(patches: readonly SourcePatch[]): Promise<Make> {
  if (patches.length > 0) {
    // The other is loaded anew when it is wanted: there is one memory, and it belongs to what was loaded last.
    scenario = null
    return load(patches)
  }
  scenario ??= load(patches)
  return scenario
}

async function load(patches: readonly SourcePatch[]): Promise<Make> {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  memory.clear()
  const { href } = new URL(`./end-scenario${extension}`, import.meta.url)
  const program = await loadStepped(href, { ...withPatches(patches), trace: false, probes: [] })
  setSites(program.sites)
  const make = program.exports['default'] as (choice: EndScenarioChoice) => unknown
  return (choice) => {
    memory.clear()
    setProbes(null)
    setForbidden(null)
    return alone(make(choice)) as EndScenarioRun
  }
}

/** Remembers how everything is now. Returns what sets it back. */
function remember(run: EndScenarioRun): () => void {
  const fields = rememberFields([...run.tasks])
  memory.takeSnapshot()
  return () => {
    memory.restore()
    fields.reset()
    run.reset()
    for (const results of run.results) results.length = 0
  }
}

/** What every sequential order of the operations gives, with the victim's or without; its results do not count. */
function outcomes(run: EndScenarioRun): ReadonlySet<string> {
  const reset = remember(run)
  const found = new Set<string>()
  const extend = (order: readonly number[], left: readonly number[]): void => {
    if (left.slice(1).every((count) => count === 0)) {
      reset()
      const done = [0, 0, 0]
      for (const thread of order) alone(run.perform(thread, done[thread]!++))
      found.add(outcomeOf(run, 0))
    }
    left.forEach((count, thread) => {
      if (count === 0) return
      const rest = left.map((each, index) => (index === thread ? each - 1 : each))
      extend([...order, thread], rest)
    })
  }
  extend([], run.counts)
  return found
}

function outcomeOf(run: EndScenarioRun, undertaking: number): string {
  const [, undertaker, bystander] = run.results
  const seen = alone(run.observe()) as string
  return `${undertaker!.slice(undertaking).join(', ')}; ${bystander!.join(', ')} | ${seen}`
}

interface Ended {
  readonly problem: string | null
  readonly lost: boolean
  /** The victim was not at its end before. */
  readonly reached: boolean
}

class EndDriver {
  readonly #run: EndScenarioRun
  readonly #possible: ReadonlySet<string>
  readonly #reset: () => void
  readonly #threads = [VICTIM, UNDERTAKER, BYSTANDER].map((id) => new Thread(id))

  constructor(run: EndScenarioRun, possible: ReadonlySet<string>) {
    this.#run = run
    this.#possible = possible
    this.#reset = remember(run)
  }

  run(step: number, order: Order, ordered: boolean): Ended {
    this.#reset()
    setWatching(false)
    const { results } = this.#run
    const hasEnded = (): boolean => results[UNDERTAKER]!.length >= 2
    const scheduler = new EndScheduler(this.#threads, { step, order, ordered, hasEnded })
    const { thrown } = runThreads(this.#threads, this.#run.threads as (() => unknown)[], scheduler)
    const lost = alone(this.#run.isLost()) as boolean
    const reached = scheduler.victimSteps >= step
    return { lost, reached, problem: this.#problem(thrown?.error ?? null, scheduler.hung, lost, ordered) }
  }

  #problem(thrown: unknown, hung: string | null, lost: boolean, ordered: boolean): string | null {
    if (thrown !== null) return String(thrown)
    if (hung !== null) return hung
    if (lost) {
      if (ordered) return 'the machine is lost, though the thread had been ordered to stop'
      const last = this.#run.results[UNDERTAKER]!.at(-1)
      return last === 'lost' ? null : `the machine is lost, and the undertaker goes on: ${String(last)}`
    }
    try {
      const seen = outcomeOf(this.#run, UNDERTAKING)
      if (!this.#possible.has(seen))
        return `no order gives ${seen}; possible: ${[...this.#possible].join(' or ')}`
      alone(this.#run.finish())
    } catch (error) {
      return String(error)
    }
    return null
  }
}

interface Plan {
  readonly step: number
  readonly order: Order
  readonly ordered: boolean
  /** The undertaker has ended the victim. */
  readonly hasEnded: () => boolean
}

class EndScheduler extends Scheduler {
  victimSteps = 0
  /** Who could not come to an end; null when all have. */
  hung: string | null = null
  readonly #threads: readonly Thread[]
  readonly #plan: Plan
  readonly #random: Random
  #steps = 0
  #rescues = 0
  /** The victim does nothing any more, or is about to be ended. */
  #victimIsOver = false
  /** Steps that the bystander does before the victim begins. */
  #headStart = 0

  constructor(threads: readonly Thread[], plan: Plan) {
    super()
    this.#threads = threads
    this.#plan = plan
    this.#random = new Random(typeof plan.order === 'number' ? plan.order : 0, plan.step)
    if (typeof plan.order === 'number') this.#headStart = this.#random.below(HEAD_START_MAX)
  }

  override choose(): number {
    noticeChanges(this.#threads)
    if (++this.#steps > STEPS_MAX) return this.#hang('more steps than any end needs')
    const chosen = this.#next()
    if (chosen === VICTIM) this.victimSteps++
    return chosen
  }

  #next(): number {
    const { step, ordered, order } = this.#plan
    if (this.#headStart-- > 0 && this.#threads[BYSTANDER]!.state === READY) return BYSTANDER
    const victim = this.#threads[VICTIM]!
    if (this.victimSteps < step && !this.#victimIsOver) {
      if (order === 'called' && this.victimSteps > 0 && this.#threads[BYSTANDER]!.state === READY)
        return BYSTANDER
      if (victim.state === READY) return this.#ready([VICTIM, BYSTANDER])
      // It waits for somebody, or has nothing to do any more: then it is ended here.
      if (victim.state !== FINISHED) {
        const other = this.#ready([BYSTANDER])
        if (other >= 0) return other
        if (this.#letGoOn(victim)) return VICTIM
      }
    }
    // What time the victim has used up is not the others'.
    if (!this.#victimIsOver) this.#rescues = 0
    this.#victimIsOver = true
    const alive = ordered && !this.#plan.hasEnded() ? [VICTIM] : []
    const chosen = this.#ready([...this.#inOrder(), ...alive])
    if (chosen >= 0) return chosen
    return this.#rescue([...alive, UNDERTAKER, BYSTANDER])
  }

  /** The threads that are not to end, in the order in which they are asked. */
  #inOrder(): number[] {
    const { order } = this.#plan
    if (order === 'bystander' || order === 'called') return [BYSTANDER, UNDERTAKER]
    if (order === 'undertaker') return [UNDERTAKER, BYSTANDER]
    return this.#random.below(2) === 0 ? [BYSTANDER, UNDERTAKER] : [UNDERTAKER, BYSTANDER]
  }

  /** The first of them that can go on; by chance, now and then another. -1 if none can. */
  #ready(ids: readonly number[]): number {
    const ready = ids.filter((id) => this.#threads[id]!.state === READY)
    if (ready.length === 0) return -1
    return typeof this.#plan.order === 'number' ? ready[this.#random.below(ready.length)]! : ready[0]!
  }

  /** Nobody can go on: time passes for one of them. */
  #rescue(ids: readonly number[]): number {
    const left = ids.map((id) => this.#threads[id]!).filter(({ state }) => state !== FINISHED)
    if (left.every(({ id }) => id === VICTIM)) return -1
    // In turn, or one that looks again and again would keep the time from the others.
    for (let turn = 0; turn < left.length; turn++) {
      const thread = left[(this.#rescues + turn) % left.length]!
      if (this.#letGoOn(thread)) return thread.id
    }
    return this.#hang(`${left.map(({ id }) => `thread ${id}`).join(' and ')} can never go on`)
  }

  #letGoOn(thread: Thread): boolean {
    if (!waitsForTime(thread) || this.#rescues >= RESCUES_MAX) return false
    this.#rescues++
    letGoOn(thread)
    return true
  }

  override plainRead(): void {
    // Data races are the explorer's to find.
  }

  override plainWrite(): void {
    // See plainRead.
  }

  #hang(what: string): number {
    this.hung = what
    return -1
  }
}
