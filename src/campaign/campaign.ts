// A campaign: a file that names jobs over ranges. Every combination of the values in a range is a job.
//
// Principle: a file from outside is believed nothing. What is in it is held to its shape, and every name and number to
// what there is, before anything runs; what is wrong is told by its place in the file.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { scenarioNames } from '../check/index.ts'
import {
  type KernelConfig,
  defaultKernelConfig,
  designs as allDesigns,
  resolveKernelConfig,
  rwsemNames,
} from '../kernel/index.ts'
import {
  accountingNames,
  type MachineModel,
  accountingOf,
  findMachine,
  findSimulatedWorkload,
  machines as allMachines,
  mostCpus,
  spinlockNames,
  rwsemsOf,
  spinlockOf,
  simulatedWorkloads,
  usualCpus,
} from '../simulate/index.ts'
import { type DesignName, combine } from '../workloads/index.ts'
import { withConstants } from './constants.ts'
import type { CheckJob, Job, ReplayJob, SimulateJob } from './job.ts'
import { CampaignRefused, Reader } from './reader.ts'

/** Names of what there is, or all of them. */
export type Names = 'all' | readonly string[]

interface KernelRanges {
  /** Default: all. */
  readonly designs?: Names
  /** Forms of the mmap lock. Default: xadd; of a simulation and a replay, that of each design's year. */
  readonly rwsems?: Names | 'year'
  /** How resident pages are counted. Default: batched. */
  readonly rss?: readonly ('batched' | 'shared')[]
}

export interface CheckRange extends KernelRanges {
  /** Scenarios of the kernel. */
  readonly check: Names
  /** With the errors of the designs' published forms. Default false. */
  readonly published?: boolean
  /** Accesses of shared memory for each exploration, 1 to 1e15; a second takes about a million. Default 1e7. */
  readonly steps?: number
}

export interface SimulateRange extends KernelRanges {
  /** Workloads of `faultline simulate`. */
  readonly simulate: Names
  /** Default: skylake-2s. */
  readonly machines?: Names
  /** Numbers of CPUs. Default: powers of two, up to all of each machine. */
  readonly cpus?: readonly number[]
  /** What chance begins with, 0 to 2^31 - 1. Default: 1. */
  readonly seeds?: readonly number[]
  /** Options of the kernel, by name. Default: none that differs. */
  readonly configs?: readonly Partial<KernelConfig>[]
  /** What else a fault writes, by `accountings` of the kernel. Default: that of each machine. */
  readonly accountings?: Names
  /** What spinlocks are, by `spinlockKinds` of the kernel. Default: that of each machine. */
  readonly spinlocks?: Names
  /** Values of numbers of the machine, by their path in it, such as `software.faultNs`. Default: its own. */
  readonly constants?: Readonly<Record<string, readonly number[]>>
  /** How much each run does, of what it usually does: more than 0, up to 100. Default 1. */
  readonly effort?: number
}

export interface ReplayRange extends KernelRanges {
  /** Paths of recordings, from the folder of the campaign's file on. */
  readonly replay: readonly string[]
  /** Worker threads at most, 1 to 255. Default: one for each processor. */
  readonly threads?: number
  /** Runs of each design, 1 to 1000, of which the median is told. Default 3. */
  readonly repeat?: number
}

/** What the file holds, as JSON or as the default export of a module. */
export interface Campaign {
  readonly name: string
  readonly jobs: readonly (CheckRange | SimulateRange | ReplayRange)[]
}

/** More jobs are taken for a slip. */
const JOBS_MAX = 10_000_000
const STEPS = 1e7

/** Reads the file and makes its jobs, each once. @throws CampaignRefused */
export async function readCampaign(file: string): Promise<{ name: string; jobs: Job[] }> {
  const value = /\.[cm]?[jt]s$/.test(file) ? await importModule(file) : parseJson(file)
  return expandCampaign(value, file)
}

async function importModule(file: string): Promise<unknown> {
  try {
    return ((await import(pathToFileURL(resolve(file)).href)) as { default?: unknown }).default
  } catch (error) {
    throw new CampaignRefused(`${file} cannot be loaded: ${String(error)}`, 'correct what it imports or does')
  }
}

function parseJson(file: string): unknown {
  const text = readFileSync(file, 'utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new CampaignRefused(`${file} is no JSON: ${(error as Error).message}`, 'correct it')
  }
}

/** The jobs of what a file holds, in its order. @throws CampaignRefused */
export function expandCampaign(value: unknown, file: string): { name: string; jobs: Job[] } {
  const reader = new Reader(value, file, '')
  reader.onlyFields(['name', 'jobs'])
  const name = reader.field('name').text()
  const jobs = new Map<string, Job>()
  for (const range of reader.field('jobs').list()) {
    for (const job of jobsOf(range, dirname(file))) {
      jobs.set(JSON.stringify(job), job)
      if (jobs.size > JOBS_MAX) throw range.refuse(`makes more than ${JOBS_MAX} jobs`, 'narrow its ranges')
    }
  }
  return { name, jobs: [...jobs.values()] }
}

function jobsOf(range: Reader, folder: string): Iterable<Job> {
  const kind = range.oneField(['check', 'simulate', 'replay'])
  if (kind === 'check') return checkJobs(range)
  return kind === 'simulate' ? simulateJobs(range) : replayJobs(range, folder)
}

const KERNEL_FIELDS = ['designs', 'rwsems', 'rss']

/** @param machine the one that is simulated, which may say what `year` is on it */
function* kernels(
  range: Reader,
  usual: 'year' | 'xadd',
  machine?: MachineModel,
): Generator<Pick<Job, 'design' | 'rwsem' | 'rss'>> {
  const known = allDesigns.map(({ description }) => description.name)
  const designs = range.field('designs').names(known, 'design', known) as DesignName[]
  const given = range.field('rwsems')
  const isYear = given.value === 'year' || (given.value === undefined && usual === 'year')
  const rwsems = isYear ? 'year' : given.names(rwsemNames, 'rwsem', ['xadd'])
  const counts = range.field('rss').names(['batched', 'shared'] as const, 'way of counting', ['batched'])
  const forms = machine === undefined ? rwsems : rwsemsOf(machine, rwsems)
  for (const { design, rwsem } of combine(designs, forms)) {
    for (const rss of counts) yield { design, rwsem, rss }
  }
}

function* checkJobs(range: Reader): Generator<CheckJob> {
  range.onlyFields(['check', 'published', 'steps', ...KERNEL_FIELDS])
  const published = range.field('published').flag(false)
  const steps = range.field('steps').whole(1, 1e15, STEPS)
  for (const scenario of range.field('check').names(scenarioNames, 'scenario'))
    for (const kernel of kernels(range, 'xadd'))
      yield { kind: 'check', scenario, ...kernel, published, steps }
}

function* simulateJobs(range: Reader): Generator<SimulateJob> {
  const fields = [
    'simulate',
    'machines',
    'cpus',
    'seeds',
    'configs',
    'accountings',
    'spinlocks',
    'constants',
    'effort',
  ]
  range.onlyFields([...fields, ...KERNEL_FIELDS])
  const workloads = range.field('simulate').names(
    simulatedWorkloads.map(({ name }) => name),
    'workload',
  )
  const machines = range.field('machines').names(
    allMachines.map(({ name }) => name),
    'machine',
    ['skylake-2s'],
  )
  const seeds = range.field('seeds').wholes(0, 2 ** 31 - 1, [1])
  const effort = range.field('effort').number(1e-3, 100, 1)
  const configs = configsOf(range.field('configs'))
  const constants = constantsOf(range.field('constants'))
  for (const workload of workloads) {
    for (const machine of machines) {
      const all = cpusOf(range.field('cpus'), workload, machine)
      const own = accountingOf(findMachine(machine)!)
      const accounted = range.field('accountings').names(accountingNames, 'accounting', [own])
      const ownSpinlock = spinlockOf(findMachine(machine)!)
      const spinlocks = range.field('spinlocks').names(spinlockNames, 'spinlock', [ownSpinlock])
      for (const values of constants) {
        refuseConstants(range, machine, values)
        for (const kernel of kernels(range, 'year', findMachine(machine)))
          for (const config of configs)
            for (const accounting of accounted)
              for (const spinlock of spinlocks)
                for (const cpus of all)
                  for (const seed of seeds)
                    yield {
                      kind: 'simulate',
                      workload,
                      machine,
                      constants: values,
                      cpus,
                      ...kernel,
                      config,
                      accounting,
                      spinlock,
                      seed,
                      effort,
                    }
      }
    }
  }
}

function cpusOf(cpus: Reader, workload: string, machine: string): readonly number[] {
  const most = mostCpus(findMachine(machine)!, findSimulatedWorkload(workload)!)
  if (most < 1) throw cpus.refuse(`: ${machine} has too few CPUs for ${workload}`, 'choose another machine')
  const given = cpus.wholes(1, 256, usualCpus(most))
  const tooMany = given.find((count) => count > most)
  if (tooMany === undefined) return given
  throw cpus.refuse(
    `has ${tooMany}, and ${workload} on ${machine} can have ${most}`,
    'give that machine a range of its own',
  )
}

function configsOf(configs: Reader): Partial<KernelConfig>[] {
  const known = Object.keys(defaultKernelConfig)
  if (configs.value === undefined) return [{}]
  return configs.list().map((each) => {
    const entries = each.fields().map(([name, option]) => {
      each.known(name, known, 'kernel option')
      return [name, option.flag()] as const
    })
    const config = Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
    try {
      resolveKernelConfig({ ZERO_WRITTEN_SECTORS: false, ...config })
    } catch (error) {
      throw each.refuse(`cannot be: ${(error as Error).message}`, 'see `faultline designs`')
    }
    return config
  })
}

/** Every combination of the values of all constants. */
function constantsOf(constants: Reader): Record<string, number>[] {
  let all: Record<string, number>[] = [{}]
  if (constants.value === undefined) return all
  for (const [path, values] of constants.fields().toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const numbers = values.list().map((each) => each.number(0, 1e12))
    all = all.flatMap((others) => numbers.map((number) => ({ ...others, [path]: number })))
  }
  return all
}

function refuseConstants(range: Reader, machine: string, constants: Readonly<Record<string, number>>): void {
  try {
    withConstants(findMachine(machine)!, constants)
  } catch (error) {
    throw range.field('constants').refuse(`: ${(error as Error).message}`, 'see docs/simulator.md')
  }
}

function* replayJobs(range: Reader, folder: string): Generator<ReplayJob> {
  range.onlyFields(['replay', 'threads', 'repeat', ...KERNEL_FIELDS])
  const given = range.field('threads')
  const threads = given.value === undefined ? null : given.whole(1, 255)
  const repeat = range.field('repeat').whole(1, 1000, 3)
  for (const path of range.field('replay').list()) {
    const trace = resolve(folder, path.text())
    const content = contentOf(path, trace)
    for (const kernel of kernels(range, 'year'))
      yield { kind: 'replay', trace, content, ...kernel, threads, repeat }
  }
}

function contentOf(path: Reader, file: string): string {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex')
  } catch (error) {
    throw path.refuse(`cannot be read: ${(error as Error).message}`, 'check the path')
  }
}
