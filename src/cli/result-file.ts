// Results that `replay --json` and `report --json` printed, read again.
//
// Principle: a file from outside is believed nothing. What a report reads is held to its shape first, so that a wrong
// file is told of by the name of what is wrong in it, and not by where the program stumbles.
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import type { ReplayReport, TraceReport } from '../report/index.ts'
import type { WhatIf } from '../simulate/index.ts'
import { ALLOCATORS } from '../trace/index.ts'
import { UsageError } from './failure.ts'
import { packageVersion } from './package-version.ts'

/** A result: of a replay, or of a recording alone, which has no designs. */
export type Result =
  | { readonly kind: 'replay'; readonly report: ReplayReport; readonly whatIf: WhatIf | null }
  | { readonly kind: 'recording'; readonly trace: TraceReport; readonly whatIf: WhatIf | null }

/** Whether a file is JSON, as no recording begins with a brace. What cannot be read is none: its reader says why. */
export function isResult(path: string): boolean {
  if (path === '-' || !existsSync(path)) return false
  const file = openSync(path, 'r')
  try {
    // What is read from a pipe is gone.
    if (!fstatSync(file).isFile()) return false
    const start = Buffer.alloc(64)
    const length = readSync(file, start, 0, start.length, 0)
    return /^\s*\{/.test(start.toString('latin1', 0, length))
  } finally {
    closeSync(file)
  }
}

/** Counts the forms of results: where a field is added, renamed or means something else, it is one more. */
export const RESULT_FORM = 9

/** What a result begins with, to be known again. */
export function resultHead(): { readonly resultForm: number; readonly faultline: string } {
  return { resultForm: RESULT_FORM, faultline: packageVersion() }
}

/** Of another form, a result could be taken for what it is not. */
function requireForm(path: string, value: unknown): void {
  const { resultForm: form = 1, faultline = 'before results had a number' } = Object(value) as {
    readonly resultForm?: unknown
    readonly faultline?: unknown
  }
  if (form === RESULT_FORM) return
  const version = String(faultline).slice(0, 40)
  const age = typeof form === 'number' && form < RESULT_FORM ? 'an older' : 'another'
  throw new UsageError(
    `${path} is a result of ${age} form (${String(form).slice(0, 20)}, of faultline ${version}), and this is ${packageVersion()}, which reads form ${RESULT_FORM}`,
    'make it again from its recording: faultline report TRACE --json, or faultline replay TRACE --json',
  )
}

/** Reads a result. @throws UsageError where the file is none */
export function readResult(path: string): Result {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw notAResult(path, 'it is no JSON')
  }
  if (typeof value === 'object' && value !== null && ('trace' in value || 'resultForm' in value))
    requireForm(path, value)
  const has = (field: string): boolean => typeof value === 'object' && value !== null && field in value
  const isReplay = has('designs')
  const shape = isReplay ? REPLAY : { trace: TRACE }
  const problem = problemIn(value, has('whatIf') ? { ...shape, whatIf: WHAT_IF } : shape, '')
  if (problem !== null) throw notAResult(path, problem)
  const empty = emptyIn(value as { readonly whatIf?: WhatIf })
  if (empty !== null) throw notAResult(path, empty)
  const { trace, whatIf = null } = value as { trace: TraceReport; whatIf?: WhatIf }
  if (isReplay) return { kind: 'replay', report: value as ReplayReport, whatIf }
  return { kind: 'recording', trace, whatIf }
}

/** A simulation has runs, and each of them a bound at least. */
function emptyIn({ whatIf }: { readonly whatIf?: WhatIf }): string | null {
  if (whatIf === undefined) return null
  if (whatIf.runs.length === 0) return 'whatIf.runs is empty'
  const index = whatIf.runs.findIndex(({ bounds }) => bounds.length === 0)
  return index < 0 ? null : `whatIf.runs[${index}].bounds is empty`
}

function notAResult(path: string, problem: string): UsageError {
  return new UsageError(
    `${path} is no result: ${problem}`,
    'give what `faultline replay TRACE --json` or `faultline report TRACE --json` printed, or a recording',
  )
}

/** Longer than any list that a result has. */
const LONGEST_LIST = 1000

/** The shape of a value: what `typeof` says, a list of one shape, a record of one shape, or the fields of an object. */
type Shape =
  | 'string'
  | 'number'
  | 'boolean'
  | { readonly list: Shape }
  | { readonly record: Shape }
  | { readonly orNull: Shape }
  | { readonly oneOf: readonly string[] }
  | { readonly [field: string]: Shape }

const FAULT_TIME = {
  faults: 'number',
  lockedFaults: 'number',
  lockedNs: 'number',
  costNs: 'number',
  samples: 'number',
  delayedNs: 'number',
  waitedNs: 'number',
} as const
const WAITED = { waits: 'number', waitedNs: 'number', call: 'string' } as const
const WAIT_COUNT = { waits: 'number', waitedNs: 'number' } as const
const OWNER = { process: 'string', pid: 'number' } as const
const HELD_BY = { process: 'string', pid: 'number', comm: 'string', owner: OWNER, ...WAITED } as const
const LOCK_USER = {
  process: 'string',
  pid: 'number',
  comm: 'string',
  tid: 'number',
  call: 'string',
  mapping: 'string',
  owner: OWNER,
} as const
const LOCK_WAIT = { count: 'number', total: 'number', p50: 'number', p99: 'number' } as const
const SPREAD = { median: 'number', min: 'number', max: 'number' } as const

const CENSUS: Shape = {
  user: FAULT_TIME,
  kernel: { record: FAULT_TIME },
  avoidable: { user: FAULT_TIME, kernel: FAULT_TIME },
  mappedAgain: FAULT_TIME,
  dense: FAULT_TIME,
  fresh: FAULT_TIME,
  afterFork: FAULT_TIME,
  forked: FAULT_TIME,
  forkedDelayedNs: 'number',
  copied: {
    record: {
      buffers: 'number',
      faults: 'number',
      avoidableFaults: 'number',
      avoidableNs: 'number',
      samples: 'number',
      avoidableDelayedNs: 'number',
      avoidableWaitedNs: 'number',
    },
  },
  calls: { record: { count: 'number', ns: 'number', delayedNs: 'number', waitedNs: 'number' } },
}

const TRACE: Shape = {
  path: 'string',
  lines: 'number',
  events: 'number',
  threads: 'number',
  processes: 'number',
  recordedFaults: 'number',
  linux: {
    recorded: 'boolean',
    faultsUnderMmapLock: 'number',
    faultsWithoutMmapLock: 'number',
    lockWaitNs: { readers: LOCK_WAIT, writers: LOCK_WAIT },
    lockAcquisitions: { readers: 'number', writers: 'number' },
  },
  program: 'string',
  process: 'number',
  processChoice: { oneOf: ['only', 'all', 'busiest', 'asked'] },
  replayedProcesses: 'number',
  processThreads: 'number',
  durationMs: 'number',
  threadMs: 'number',
  locks: {
    holders: { list: HELD_BY },
    waiters: {
      list: {
        process: 'string',
        pid: 'number',
        comm: 'string',
        tid: 'number',
        owner: OWNER,
        threads: 'number',
        ...WAITED,
      },
    },
    matrix: {
      list: { owner: 'string', heldBy: 'string', waitedBy: 'string', waits: 'number', waitedNs: 'number' },
    },
    longest: {
      list: { line: 'number', waitedNs: 'number', waiter: LOCK_USER, holder: { orNull: LOCK_USER } },
    },
    keptNs: {
      writersByWriters: 'number',
      writersByReaders: 'number',
      readersByWriters: 'number',
      readersByReaders: 'number',
      unknown: 'number',
    },
    foreign: {
      list: {
        process: 'string',
        pid: 'number',
        owner: OWNER,
        owners: 'number',
        processes: 'number',
        delayedNs: 'number',
        shortNs: 'number',
        ...WAITED,
      },
    },
    delayedNs: 'number',
    totals: {
      held: WAIT_COUNT,
      unseen: WAIT_COUNT,
      outside: { ...WAIT_COUNT, delayedNs: 'number' },
      unexplained: WAIT_COUNT,
    },
  },
  faultCensus: CENSUS,
  unhandledFaults: 'number',
  lostEvents: 'number',
  cpus: 'number',
  programs: {
    list: {
      name: 'string',
      processes: 'number',
      threads: 'number',
      faults: 'number',
      waits: 'number',
      waitedNs: 'number',
      waitShare: 'number',
      pid: 'number',
      started: { processes: 'number', computedShare: 'number', delayedNs: 'number', aliveNs: 'number' },
      loaded: {
        processes: 'number',
        startNs: 'number',
        cpuNs: 'number',
        elapsedShare: 'number',
        aliveNs: 'number',
      },
      brief: { threads: 'number', faults: 'number', delayedNs: 'number', aliveNs: 'number' },
      collectedNs: 'number',
      allocators: {
        list: {
          oneOf: ALLOCATORS,
        },
      },
      faultCensus: CENSUS,
    },
  },
  costlyWaitShare: 'number',
  recordingMs: { orNull: 'number' },
  kernel: {
    release: 'string',
    design: { oneOf: ['classic', 'per-vma-lock-2023', 'per-vma-refcount-2025'] },
    isKnown: 'boolean',
    evidence: 'string',
    hugePages: 'string',
    reportsFreePages: 'boolean',
    counts: { record: 'number' },
  },
  hotThreads: { count: 'number', waitedNs: 'number', aliveNs: 'number' },
  warnings: { list: 'string' },
}

const WAITS = { count: 'number', totalMs: 'number' } as const

const WHAT_IF: Shape = {
  machine: { name: 'string', cpus: 'number', source: 'string' },
  recorded: { design: 'string', cpus: 'number', elapsedMs: 'number', waits: { orNull: WAITS } },
  runs: {
    list: {
      design: 'string',
      rwsem: 'string',
      cpus: 'number',
      lockedFaults: 'number',
      bounds: {
        list: { gaps: { oneOf: ['recorded', 'computing', 'blocking'] }, elapsedMs: 'number', waits: WAITS },
      },
    },
  },
  error: { elapsed: 'number', waits: { orNull: 'number' }, waitedMs: { orNull: 'number' } },
  seedSpread: 'number',
  leftOut: { list: { design: 'string', cpus: 'number' } },
}

const REPLAY: { readonly [field: string]: Shape } = {
  trace: TRACE,
  replayThreads: 'number',
  rss: { oneOf: ['batched', 'shared'] },
  processors: 'number',
  designs: {
    list: {
      design: 'string',
      rwsem: 'string',
      faults: 'number',
      speculative: { attempted: 'number', succeeded: 'number', aborted: { record: 'number' } },
      classicFaults: 'number',
      kernelFaults: 'number',
      elapsedMs: 'number',
      faultsPerSecond: 'number',
      faultLatencyNs: { p50: 'number', p99: 'number', max: 'number' },
      mmapLockWaitNs: LOCK_WAIT,
      mmapLockFaults: { orNull: { both: 'number', onlyHere: 'number', onlyLinux: 'number' } },
      fidelity: {
        recorded: 'number',
        reproduced: 'number',
        uncorrected: 'number',
        contradictory: 'number',
        notReproduced: 'number',
        failed: 'number',
        ratio: 'number',
        notReproducedByKind: { record: 'number' },
        failures: { list: { operation: 'string', address: 'number', tid: 'number', error: 'string' } },
        faults: { list: { line: 'number', tid: 'number', kind: 'string', address: 'string' } },
      },
      corrections: { record: 'number' },
      repetitions: 'number',
      elapsedMsSpread: SPREAD,
      faultsPerSecondSpread: SPREAD,
      mmapLockWaitShare: SPREAD,
    },
  },
}

/** What is wrong with a value, in words; null where nothing is. */
function problemIn(value: unknown, shape: Shape, place: string): string | null {
  const name = place === '' ? 'the whole' : place
  if (typeof shape === 'string') {
    // JSON has no infinity, but 1e999 is one.
    const fits = typeof value === shape && (shape !== 'number' || Number.isFinite(value))
    return fits ? null : `${name} is no ${shape}`
  }
  if ('oneOf' in shape) {
    const allowed = shape.oneOf as readonly unknown[]
    return allowed.includes(value) ? null : `${name} is none of ${allowed.join(', ')}`
  }
  if ('orNull' in shape) return value === null ? null : problemIn(value, shape.orNull as Shape, place)
  if ('list' in shape) {
    if (!Array.isArray(value)) return `${name} is no list`
    if (value.length > LONGEST_LIST) return `${name} has more than ${LONGEST_LIST} entries`
    return firstOf(value.map((one, index) => [one, shape.list as Shape, `${place}[${index}]`]))
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${name} is no object`
  const fields = value as Readonly<Record<string, unknown>>
  const shapes =
    'record' in shape ? Object.keys(fields).map((key) => [key, shape.record] as const) : Object.entries(shape)
  return firstOf(
    shapes.map(([key, each]) => [
      Object.hasOwn(fields, key) ? fields[key] : undefined,
      each as Shape,
      place === '' ? key : `${place}.${key}`,
    ]),
  )
}

function firstOf(all: readonly (readonly [value: unknown, shape: Shape, place: string])[]): string | null {
  for (const [value, shape, place] of all) {
    const problem = problemIn(value, shape, place)
    if (problem !== null) return problem
  }
  return null
}
