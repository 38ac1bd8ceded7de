// Messages from a queue. Anyone who can write to the queue may put anything there, so a task is rebuilt from
// validated values before a thread gets it, and an answer is validated before it is stored.
//
// Nothing in a message is code, or the path of a file to read: it names scenarios, mutants, designs and machines,
// files in the folder that the worker was given, and recordings by their digest.

import {
  type Slice,
  type SlicedTarget,
  SLICE_STEPS,
  WALK_EXECUTIONS,
  mutants,
  scenarioNames,
} from '../check/index.ts'
import { designs, rwsemNames } from '../kernel/index.ts'
import { checkMachine, findMachine, machines } from '../simulate/index.ts'
import type { DesignName } from '../workloads/index.ts'
import type { OfKernel, ReplayJob, SimulateJob } from './job.ts'
import { simulateJobs } from './ranges.ts'
import { Reader } from './reader.ts'
import type { Outcome, Task, Work } from './task.ts'

const KINDS = ['check', 'simulate', 'replay', 'nothing'] as const
/** Threads of a scenario, at most: a set of them is so many bits. */
const THREADS_MAX = 16
const BOUND_MAX = 1000
const CELLS_MAX = 1_000_000
const SHA256 = /^[\da-f]{64}$/

/** A task as it was taken from a queue. @throws CampaignRefused */
export function receivedWork(value: unknown): Work {
  const reader = new Reader(value, 'a task of the queue', '')
  const kind = reader.field('kind').oneOf(KINDS, 'kind')
  switch (kind) {
    case 'check':
      return { kind, slice: sliceOf(reader.field('slice')) }
    case 'simulate':
      return { kind, job: simulateJobOf(reader.field('job')) }
    case 'replay':
      return { kind, job: replayJobOf(reader.field('job')) }
    case 'nothing':
      return { kind }
  }
}

function sliceOf(slice: Reader): Slice {
  return {
    target: targetOf(slice.field('target')),
    facts: factsOf(slice.field('facts')),
    part:
      slice.field('part').field('unit').value === undefined
        ? walkOf(slice.field('part'))
        : treeOf(slice.field('part')),
  }
}

function targetOf(target: Reader): SlicedTarget {
  const kind = target.oneField(['scenario', 'mutant', 'file'])
  const name = target.field(kind)
  if (kind === 'mutant') {
    const known = mutants.map((mutant) => mutant.name)
    return { mutant: name.oneOf(known, 'mutant') }
  }
  if (kind === 'scenario') {
    const published = target.field('published').flag()
    return { scenario: name.oneOf(scenarioNames, 'scenario'), ...kernelOf(target), published }
  }
  const program = target.field('program')
  return {
    file: name.text(),
    content: digestOf(target.field('content')),
    ...(program.value !== undefined && { program: program.whole(0, CELLS_MAX) }),
  }
}

function kernelOf(reader: Reader): OfKernel {
  const known = designs.map(({ description }) => description.name)
  return {
    design: reader.field('design').oneOf(known, 'design') as DesignName,
    rwsem: reader.field('rwsem').oneOf(rwsemNames, 'rwsem'),
    rss: reader.field('rss').oneOf(['batched', 'shared'] as const, 'way of counting'),
  }
}

function digestOf(reader: Reader): string {
  const text = reader.text()
  if (SHA256.test(text)) return text
  throw reader.refuse('is no digest', 'give a SHA-256')
}

function factsOf(facts: Reader): Slice['facts'] {
  return {
    cells: facts
      .field('cells')
      .items()
      .map((each) => each.whole(0, CELLS_MAX)),
    chooses: facts.field('chooses').flag(),
    started: facts.field('started').whole(0, THREADS_MAX),
    distinct: facts.field('distinct').flag(),
  }
}

function treeOf(part: Reader): Slice['part'] {
  const bound = part.field('bound')
  return {
    bound: bound.value === null ? null : bound.whole(0, BOUND_MAX),
    unit: unitOf(part.field('unit')),
    steps: part.field('steps').whole(1, SLICE_STEPS),
  }
}

function unitOf(unit: Reader): Extract<Slice['part'], { bound: unknown }>['unit'] {
  const wholes = (name: string, most: number): number[] =>
    unit
      .field(name)
      .items()
      .map((each) => each.whole(0, most))
  const [schedule, backtrack, done] = [
    wholes('schedule', THREADS_MAX - 1),
    wholes('backtrack', 2 ** THREADS_MAX - 1),
    wholes('done', 2 ** THREADS_MAX - 1),
  ]
  if (backtrack.length !== schedule.length || done.length !== schedule.length)
    throw unit.refuse('has lists of different lengths', 'give one of each for each event')
  return { schedule, backtrack, done, floor: unit.field('floor').whole(0, schedule.length) }
}

function walkOf(part: Reader): Slice['part'] {
  return {
    strategy: part.field('strategy').oneOf(['pct', 'random'] as const, 'strategy'),
    depth: part.field('depth').whole(1, 100),
    seed: part.field('seed').whole(0, Number.MAX_SAFE_INTEGER),
    first: part.field('first').whole(0, 1e12),
    executions: part.field('executions').whole(1, WALK_EXECUTIONS),
  }
}

/** Such a job as the range of a file makes that names nothing else. */
function simulateJobOf(job: Reader): SimulateJob {
  const text = (name: string): string => job.field(name).text()
  const model = job.field('model').value
  const machine =
    model === undefined
      ? findMachine(
          job.field('machine').oneOf(
            machines.map(({ name }) => name),
            'machine',
          ),
        )!
      : checkMachine(model, 'a machine of the queue')
  const { value } = job
  const range = {
    simulate: [text('workload')],
    cpus: [job.field('cpus').value],
    designs: [text('design')],
    rwsems: [text('rwsem')],
    rss: [text('rss')],
    configs: [job.field('config').value],
    accountings: [text('accounting')],
    spinlocks: [text('spinlock')],
    constants: Object.fromEntries(
      job
        .field('constants')
        .fields()
        .map(([path, each]) => [path, [each.value]]),
    ),
    seeds: [job.field('seed').value],
    effort: job.field('effort').value,
  }
  const [made] = simulateJobs(new Reader(range, 'a task of the queue', ''), [machine])
  if (JSON.stringify(made) !== JSON.stringify(value))
    throw job.refuse('is none that a campaign makes', 'see docs/campaigns.md')
  return made!
}

function replayJobOf(job: Reader): ReplayJob {
  const threads = job.field('threads')
  return {
    kind: 'replay',
    trace: job.field('trace').text(),
    content: digestOf(job.field('content')),
    ...kernelOf(job),
    threads: threads.value === null ? null : threads.whole(1, 255),
    repeat: job.field('repeat').whole(1, 1000),
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Answers

/** The answer to a task as it came from a queue: what is read of it is what it should be. @throws CampaignRefused */
export function receivedOutcome({ work }: Task, value: unknown): Outcome {
  const reader = new Reader(value, 'an answer of the queue', '')
  reader.field('seconds').number(0, 1e9)
  const answer = reader.field('value')
  if (work.kind === 'check') readSliceOutcome(answer)
  if (work.kind === 'simulate') answer.field('faultsPerSecond').number(0, 1e15)
  if (work.kind === 'replay') readReplay(answer)
  return value as Outcome
}

function readSliceOutcome(outcome: Reader): void {
  const discovery = outcome.field('discovery')
  if (discovery.value !== undefined) {
    factsOf(discovery.field('facts'))
    const programs = discovery.field('programs')
    if (programs.value !== null)
      for (const name of ['count', 'inAll']) programs.field(name).whole(1, CELLS_MAX)
    return
  }
  for (const name of ['executions', 'redundant', 'steps']) outcome.field(name).whole(0, 1e15)
  outcome.field('estimatedLeft').number(0, Number.MAX_VALUE)
  for (const name of ['hasLeftTimeouts', 'hasLeftLoops']) outcome.field(name).flag()
  for (const demand of outcome.field('demands').items()) {
    demand.field('event').whole(0, 1e9)
    for (const name of ['threads', 'preferred']) demand.field(name).whole(0, 2 ** THREADS_MAX - 1)
  }
  if (outcome.field('remainder').value !== null) unitOf(outcome.field('remainder'))
  if (outcome.field('failed').value !== null)
    for (const thread of outcome.field('failed').items()) thread.whole(0, THREADS_MAX - 1)
  const failure = outcome.field('failure')
  if (failure.value === null) return
  failure.field('kind').oneOf(['error', 'race', 'deadlock', 'livelock'] as const, 'kind')
  failure.field('message').text()
  if (failure.field('token').value !== null) failure.field('token').text()
}

function readReplay(answer: Reader): void {
  for (const name of ['faults', 'classicFaults', 'elapsedMs']) answer.field(name).number(0, 1e15)
  answer.field('mmapLockWaitShare').field('median').number(0, 1)
  for (const name of ['ratio', 'failed']) answer.field('fidelity').field(name).number(0, 1e15)
}
