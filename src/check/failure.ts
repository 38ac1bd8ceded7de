// The description of a failure: what failed, in the shortest execution that shows it, and how to replay it.

import { type Site, countedBy, forgetLoaded } from '../backends/stepped/index.ts'
import type { Counterexample } from './counterexample-data.ts'
import { recordCounterexample } from './counterexample.ts'
import { NotDeterministic } from './step-log.ts'
import type { FailureKind, RawFailure, Subject } from './run-once.ts'
import { type FollowedRun, errorText, follow, leadBy, turningsOf } from './follow.ts'
import { minimise } from './minimise.ts'
import type { Prepared } from './target.ts'
import { type CheckedCode, type ReplayedExecution, refuseOtherLoaded, replayToken } from './token.ts'

/** Steps of all candidates together that a counterexample is shortened for. */
const MINIMISE_STEPS = 3_000_000

/** How an execution fails, and the token that replays it. */
export interface CheckFailure {
  readonly kind: FailureKind
  readonly message: string
  /** The places of a data race. */
  readonly places: readonly string[]
  /** Switches away from a thread that could have continued. */
  readonly preemptions: number
  /** Operations up to the failure. */
  readonly steps: number
  /** The same for the execution as found, before it was shortened. */
  readonly found: { readonly preemptions: number; readonly steps: number }
  /** Which thread did each step. */
  readonly schedule: readonly number[]
  /** Repeats exactly this execution; null if something other than the schedule decided. */
  readonly token: string | null
  /** What happened, step by step: see counterexampleText(). */
  readonly counterexample: Counterexample
}

export interface DescribeOptions {
  readonly code: CheckedCode
  readonly noun: 'CPU' | 'thread'
  readonly maxSteps: number
  /** See ReplayedExecution. */
  readonly turns: number | null
  readonly minimiseSeconds: number
}

/** Shortens what was found, and writes it down by running the form of the program that tells of its calls. */
export async function describeFailure(
  found: RawFailure,
  prepared: Prepared,
  prepareTraced: () => Promise<Prepared>,
  options: DescribeOptions,
): Promise<CheckFailure> {
  const { code, noun, maxSteps, turns, minimiseSeconds } = options
  const minimised = minimise(prepared.subject, found, {
    maxSteps,
    seconds: minimiseSeconds,
    budgetSteps: MINIMISE_STEPS,
  })
  const failure = minimised?.failure ?? found
  const { steps = found.schedule.length, preemptions = switchesOf(found) } = minimised?.run ?? {}
  const execution = minimised && executionOfRun(minimised.run, turns)
  const traced = await prepareTraced()
  return {
    ...tell(failure, prepared.sites, traced, noun),
    preemptions,
    steps,
    found: { preemptions: minimised?.before ?? preemptions, steps: found.schedule.length },
    token: execution && replayToken({ ...code, loaded: loadedIn(prepared, execution) }, execution),
  }
}

/** Digest of what the threads of an execution load by names that only they know. */
function loadedIn({ subject, digestOfLoaded }: Prepared, execution: ReplayedExecution): string {
  if (digestOfLoaded === undefined) return ''
  forgetLoaded()
  followExecution(subject, execution)
  return digestOfLoaded()
}

function followExecution(subject: Subject, { kind, steps, turnings }: ReplayedExecution): FollowedRun {
  return follow(subject, {
    maxSteps: kind === 'livelock' ? steps : STEPS_MAX,
    races: kind === 'race',
    lead: leadBy(turnings),
  })
}

/** What fails, in words, and its token as it was found; null if something other than the schedule decided. */
export function summariseFailure(
  found: RawFailure,
  subject: Subject,
  code: CheckedCode,
  maxSteps: number,
): Pick<CheckFailure, 'kind' | 'message' | 'token'> {
  const followed = minimise(subject, found, { maxSteps, seconds: 0, budgetSteps: 0 })
  const token = followed && replayToken(code, executionOfRun(followed.run, null))
  return { kind: found.kind, message: messageOf(followed?.failure ?? found), token }
}

/**
 * Runs the execution of a token, and writes it down as describeFailure does. Throws NotDeterministic if it does not
 * fail as the token says.
 */
export async function replayExecution(
  token: string,
  execution: ReplayedExecution,
  prepared: Prepared,
  prepareTraced: () => Promise<Prepared>,
  noun: 'CPU' | 'thread',
): Promise<CheckFailure> {
  const { kind, steps } = execution
  forgetLoaded()
  const run = followExecution(prepared.subject, execution)
  refuseOtherLoaded(token, prepared.digestOfLoaded?.() ?? '')
  const { failure, preemptions } = run
  if (failure?.kind !== kind || run.steps !== steps) {
    throw new NotDeterministic(
      'the execution of the token does not fail as it did when the token was created',
    )
  }
  return {
    ...tell(failure, prepared.sites, await prepareTraced(), noun),
    preemptions,
    steps,
    found: { preemptions, steps },
    token: token.trim(),
  }
}

/** More steps than any execution has that ends. */
const STEPS_MAX = 10_000_000

function executionOfRun({ failure, steps, choices }: FollowedRun, turns: number | null): ReplayedExecution {
  return { kind: failure!.kind, steps, turnings: turningsOf(choices), turns, counting: countedBy() }
}

function switchesOf({ schedule }: RawFailure): number {
  return schedule.filter((thread, step) => step > 0 && schedule[step - 1] !== thread).length
}

function tell(
  failure: RawFailure,
  sites: readonly Site[],
  traced: Prepared,
  noun: 'CPU' | 'thread',
): Pick<CheckFailure, 'kind' | 'message' | 'places' | 'schedule' | 'counterexample'> {
  const { kind, schedule, race } = failure
  const races = race === null ? [] : [race.first, race.second]
  const places = races.map(({ thread, site, write, atomic }) => {
    const verb = `${atomic ? 'atomic ' : ''}${write ? 'write' : 'read'}`
    return `${noun} ${thread}: ${verb} at ${placeOf(sites[site])}`
  })
  const message = messageOf(failure)
  const counterexample = recordCounterexample(traced.subject, traced.sites, {
    noun,
    schedule,
    kind,
    message,
    race,
    racePlaces: races.map(({ site }) => sites[site]),
  })
  return { kind, message, places, schedule, counterexample }
}

function messageOf({ kind, error, schedule }: RawFailure): string {
  if (kind !== 'error' && typeof error === 'string') return error
  if (kind === 'race') return 'two accesses to the same memory, one of them a plain one, that nothing orders'
  if (kind === 'deadlock') return 'every thread that is left waits for another'
  if (kind === 'livelock')
    return `the execution has not ended after ${schedule.length.toLocaleString('en')} steps, the limit (maxSteps)`
  return errorText(error)
}

function placeOf(site: Site | undefined): string {
  if (site === undefined) return 'an unknown place'
  return `${site.file}:${site.line} (${site.function}): ${site.source}`
}
