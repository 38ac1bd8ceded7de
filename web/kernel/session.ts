// One scenario under one design, stepped as the reader says: the kernel that the page has in its steppable form.
//
// A state is the executed schedule and nothing else: each is reached by running the scenario from its beginning, which
// takes some milliseconds. So a step is undone by leaving it out.

import type { KernelChoice } from '../../src/check/target.ts'
import type { Counterexample } from '../../src/check/counterexample-data.ts'
import { recordCounterexample } from '../../src/check/counterexample.ts'
import { type Exploration, type Progress, explore } from '../../src/check/explore.ts'
import type { RawFailure } from '../../src/check/run-once.ts'
import { type FollowedRun, STOP_HERE, errorText, follow } from '../../src/check/follow.ts'
import { type KernelSubject, kernelSubject, sequentialOutcomes } from '../../src/check/kernel-subject.ts'
import { minimise } from '../../src/check/minimise.ts'
import type { Naming } from '../../src/check/names.ts'
import { tableOf } from '../../src/check/scenarios/index.ts'
import {
  FINISHED,
  READY,
  SPINNING,
  type Site,
  type Thread,
  setForbidden,
  setProbes,
} from '../../src/backends/stepped/index.ts'
import { entries, sites } from 'stepped:scenarios'
import type { Bad, Choice, CpuState, Explored, Place, Row, State, Stride, Verdict } from './protocol.ts'
import { SpaceReader } from './space.ts'

/** As `faultline check` has it. */
const MAX_STEPS = 20_000
const EXECUTIONS = 10_000_000
const EXPLORE_MS = 60_000
/** Nearly every failure needs no more preemptions; with so few it is found by far sooner. */
const FEW_PREEMPTIONS = 2
const MINIMISE_SECONDS = 10
const MINIMISE_STEPS = 3_000_000

type Make = (choice: KernelChoice) => unknown

export class Session {
  readonly #subject: KernelSubject
  #reader: SpaceReader | null = null
  #naming: Naming | null = null

  /** Throws RangeError for a scenario that there is not. */
  constructor({ scenario, design, rwsem, published }: Choice) {
    const table = entries[tableOf(scenario).replaceAll('-', '_')]!
    const make = table[scenario] as Make
    const choice = { design, rwsem, published } as KernelChoice
    // What the operations may give is what they give one after the other in the classic kernel.
    const expected = sequentialOutcomes(() => make({ design: 'classic', rwsem } as KernelChoice))
    this.#subject = kernelSubject(() => make(choice), expected, sites)
  }

  at(schedule: readonly number[]): State {
    const run = this.#follow((step) => schedule[step] ?? STOP_HERE)
    return this.#state(run)
  }

  advance(schedule: readonly number[], cpu: number, stride: Stride): State {
    if (stride === 'end') {
      const run = this.#follow((step, enabled) => schedule[step] ?? ((enabled >> cpu) & 1 ? cpu : STOP_HERE))
      return this.#state(run)
    }
    const begun = this.#functionOf(schedule, cpu)
    for (let length = schedule.length + 1; ; length++) {
      const next = [...schedule, ...Array<number>(length - schedule.length).fill(cpu)]
      const run = this.#follow((step, enabled) => {
        const wanted = next[step] ?? STOP_HERE
        return step >= schedule.length && wanted >= 0 && ((enabled >> wanted) & 1) === 0 ? STOP_HERE : wanted
      })
      const isSame = run.left !== null && sites[run.threads[cpu]!.site]?.function === begun
      if (stride === 'step' || !isSame || run.choices.length < length) return this.#state(run)
    }
  }

  #functionOf(schedule: readonly number[], cpu: number): string | undefined {
    const { threads, left } = this.#follow((step) => schedule[step] ?? STOP_HERE)
    return left === null ? undefined : sites[threads[cpu]!.site]?.function
  }

  #follow(lead: (step: number, enabled: number) => number): FollowedRun {
    try {
      return follow(this.#subject, { maxSteps: MAX_STEPS, races: true, lead })
    } finally {
      setProbes(null)
      setForbidden(null)
    }
  }

  #state(run: FollowedRun): State {
    const schedule = run.choices.map(({ thread }) => thread)
    const failure = run.failure ?? this.#deadlock(run, schedule)
    const record = this.#record(schedule, failure)
    const stacks = callsOf(record)
    const enabled = failure === null ? (run.left ?? 0) : 0
    const cpus = run.threads.map((thread, id) =>
      cpuState(thread, enabled, failure !== null, stacks[id] ?? []),
    )
    const space = this.#reader!.read()
    return { schedule, cpus, rows: rowsOf(record), space, verdict: verdictOf(failure, run) }
  }

  /** Time would let CPUs go on that spin or sleep: where that leads nowhere, this is a deadlock, as for the checker. */
  #deadlock({ threads, left }: FollowedRun, schedule: readonly number[]): RawFailure | null {
    if (left === null || threads.some(({ state }) => state === READY)) return null
    const { failure, steps } = this.#follow((step) => schedule[step] ?? -1)
    return failure?.kind === 'deadlock' && steps <= schedule.length ? failure : null
  }

  /** Runs the schedule and writes it down; afterwards the memory is as it is at its end. */
  #record(schedule: readonly number[], failure: RawFailure | null): Counterexample {
    const { kind = 'error', race = null } = failure ?? {}
    const subject = {
      ...this.#subject,
      naming: () => {
        this.#naming = this.#subject.naming!()
        this.#reader = new SpaceReader(this.#subject.machine, this.#naming)
        return this.#naming
      },
    }
    try {
      return recordCounterexample(subject, sites, {
        noun: 'CPU',
        schedule,
        kind,
        message: '',
        race,
        racePlaces: race === null ? [] : [sites[race.first.site], sites[race.second.site]],
      })
    } finally {
      setProbes(null)
      setForbidden(null)
    }
  }

  explore(onProgress: (progress: Progress) => void): Explored {
    const found = this.#explore(null, onProgress)
    const { complete, executions, redundant, steps, failure } = found
    return {
      verdict: failure !== null ? 'fail' : complete ? 'pass' : 'incomplete',
      executions,
      redundant,
      steps,
      message: failure === null ? '' : messageOf(failure),
      schedule: failure?.schedule ?? null,
    }
  }

  #explore(bound: number | null, onProgress: (progress: Progress) => void): Exploration {
    try {
      return explore(this.#subject, {
        maxExecutions: EXECUTIONS,
        maxSteps: MAX_STEPS,
        maxMs: EXPLORE_MS,
        bound,
        onProgress,
      })
    } finally {
      setProbes(null)
      setForbidden(null)
    }
  }

  /** The failure with the fewest preemptions that is found, or null, and whether all was looked at for it. */
  bad(onProgress: (progress: Progress) => void): { readonly bad: Bad | null; readonly isComplete: boolean } {
    const few = this.#explore(FEW_PREEMPTIONS, onProgress)
    const found = few.failure === null ? this.#explore(null, onProgress) : few
    const { failure } = found
    if (failure === null) return { bad: null, isComplete: found.complete }
    const limits = { maxSteps: MAX_STEPS, seconds: MINIMISE_SECONDS, budgetSteps: MINIMISE_STEPS }
    const shortest = minimise(this.#subject, failure, limits)
    setProbes(null)
    setForbidden(null)
    const last = shortest?.failure ?? failure
    const bad = {
      schedule: shortest?.run.choices.map(({ thread }) => thread) ?? failure.schedule,
      preemptions: shortest?.run.preemptions ?? 0,
      message: messageOf(last),
    }
    return { bad, isComplete: true }
  }
}

function cpuState(
  { id, state, site }: Thread,
  enabled: number,
  hasFailed: boolean,
  calls: readonly string[],
): CpuState {
  if (state === FINISHED) return { id, state: 'finished', enabled: false, next: null, calls: [] }
  const at = state === SPINNING ? 'spins' : state !== READY ? 'waits' : hasFailed ? 'stopped' : 'ready'
  return { id, state: at, enabled: ((enabled >> id) & 1) === 1, next: placeOf(sites[site]), calls }
}

function placeOf(site: Site | undefined): Place | null {
  if (site === undefined) return null
  const { file, line, function: name, source } = site
  return { file, line, function: name, source }
}

/** Of each CPU, the calls in which it was last seen. */
function callsOf({ threads, events, calls }: Counterexample): string[][] {
  return Array.from({ length: threads }, (_, cpu) => {
    const names: string[] = []
    let call = events.findLast(({ thread }) => thread === cpu)?.call ?? null
    while (call !== null) {
      names.unshift(calls[call]!.function)
      call = calls[call]!.caller
    }
    return names.filter((name) => name !== '(anonymous)' && name !== 'perform')
  })
}

function rowsOf({ events, calls }: Counterexample): Row[] {
  return events.map(({ thread: cpu, step, text, place, call, switch: reason }) => {
    const name = call === null ? '' : calls[call]!.function
    return { cpu, step, text, place, function: name, switch: reason }
  })
}

function verdictOf(failure: RawFailure | null, { left }: FollowedRun): Verdict | null {
  if (failure !== null) return { holds: false, kind: failure.kind, message: messageOf(failure) }
  return left === null ? { holds: true, kind: '', message: '' } : null
}

/** As `faultline check` tells it. */
function messageOf({ kind, error, race }: RawFailure): string {
  if (error !== null) return errorText(error)
  if (race === null) return kind === 'deadlock' ? 'no CPU can go on' : 'the execution does not end'
  const [first, second] = [race.first, race.second].map(({ thread, site }) => {
    const place = sites[site]
    return `CPU ${thread} at ${place?.file}:${place?.line}`
  })
  return `a data race: ${first}, ${second}`
}
