// A campaign: a file that names jobs over ranges. Every combination of the values in a range is a job.
//
// Principle: nothing in a file from outside is trusted. Its structure, names and numbers are validated before
// anything runs; an error names its place in the file.

import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { KernelConfig } from '../kernel/index.ts'
import type { Job } from './job.ts'
import { jobsOf } from './ranges.ts'
import { CampaignRefused, Reader } from './reader.ts'

/** Known names, or all of them. */
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
  /**
   * Scenarios of the kernel, and paths of files that export one as default, or what linearizable() is given: in the
   * folder of the campaign, or below.
   */
  readonly check: Names
  /** With the errors of the designs' published forms. Default false. */
  readonly published?: boolean
  /** Steps for each exploration, 1 to 1e15; about a million run per second. Default 1e7. */
  readonly steps?: number
  /** Random executions. Default: every interleaving, as far as the steps allow. */
  readonly strategy?: 'pct' | 'random'
  /** Of a strategy: executions for each seed, 1 to 1e12. Default 100,000. */
  readonly executions?: number
  /** Of a strategy: the seed, 0 to 2^53 - 1. Default: 0. */
  readonly seeds?: readonly number[]
  /** Of 'pct': how many ordered steps a failure needs, 1 to 100. Default 3. */
  readonly depth?: number
}

export interface MutantRange {
  /** Mutants of the kernel, by name: each must be caught, unless it is redundant. */
  readonly mutants: Names
  /** As for a check. Default 5e7. */
  readonly steps?: number
}

export interface SimulateRange extends KernelRanges {
  /** Workloads of `faultline simulate`. */
  readonly simulate: Names
  /** Names, or paths of files that contain one. Default: skylake-2s. */
  readonly machines?: Names
  /** Numbers of CPUs. Default: powers of two, up to all of each machine. */
  readonly cpus?: readonly number[]
  /** Seeds, 0 to 2^31 - 1. Default: 1. */
  readonly seeds?: readonly number[]
  /** Options of the kernel, by name. Default: the kernel's own. */
  readonly configs?: readonly Partial<KernelConfig>[]
  /** What else a fault writes: names of `accountings` in the kernel. Default: that of each machine. */
  readonly accountings?: Names
  /** The kind of spinlocks: names of `spinlockKinds` in the kernel. Default: that of each machine. */
  readonly spinlocks?: Names
  /** Values of numbers of the machine, by their path in it, such as `software.faultNs`. Default: its own. */
  readonly constants?: Readonly<Record<string, readonly number[]>>
  /** The length of each run, relative to the usual one: more than 0, up to 100. Default 1. */
  readonly effort?: number
}

export interface ReplayRange extends KernelRanges {
  /** Paths of recordings, relative to the folder of the campaign's file. */
  readonly replay: readonly string[]
  /** Maximum number of worker threads, 1 to 255. Default: one for each processor. */
  readonly threads?: number
  /** Runs of each design, 1 to 1000, of which the median is reported. Default 3. */
  readonly repeat?: number
}

/** The content of the file, as JSON or as the default export of a module. */
export interface Campaign {
  readonly name: string
  readonly jobs: readonly (CheckRange | MutantRange | SimulateRange | ReplayRange)[]
}

/** More jobs are assumed to be a mistake. */
const JOBS_MAX = 10_000_000

/** A campaign that was read from a file. */
export interface CampaignPlan {
  readonly name: string
  readonly jobs: readonly Job[]
  /** The folder of the file: all code that it names must be in it. */
  readonly folder: string
}

/** Reads the file and creates its jobs, each once. @throws CampaignRefused */
export async function readCampaign(file: string): Promise<CampaignPlan> {
  const value = /\.[cm]?[jt]s$/.test(file) ? await importModule(file) : parseJson(file)
  return expandCampaign(value, file)
}

async function importModule(file: string): Promise<unknown> {
  try {
    return ((await import(pathToFileURL(resolve(file)).href)) as { default?: unknown }).default
  } catch (error) {
    if (!existsSync(file)) throw new CampaignRefused(`there is no file ${file}`, 'check the path')
    throw new CampaignRefused(`${file} cannot be loaded: ${String(error)}`, 'correct what it imports or does')
  }
}

function parseJson(file: string): unknown {
  const text = readFileSync(file, 'utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new CampaignRefused(`${file} is not JSON: ${(error as Error).message}`, 'correct it')
  }
}

/** The jobs of a file's content, in its order. @throws CampaignRefused */
export async function expandCampaign(value: unknown, file: string): Promise<CampaignPlan> {
  const folder = dirname(resolve(file))
  const reader = new Reader(value, file, '')
  reader.onlyFields(['name', 'jobs'])
  const name = reader.field('name').text()
  const jobs = new Map<string, Job>()
  for (const range of reader.field('jobs').list()) {
    for (const job of await jobsOf(range, folder)) {
      jobs.set(JSON.stringify(job), job)
      if (jobs.size > JOBS_MAX) throw range.refuse(`makes more than ${JOBS_MAX} jobs`, 'narrow its ranges')
    }
  }
  return { name, jobs: [...jobs.values()], folder }
}
