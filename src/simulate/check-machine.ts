// Whether a description of a machine makes sense: that of a file of a user's own, or of a job.
//
// Principles:
// - All that is wrong is said at once, each with the path of the value and what would be right.
// - A number that no machine has is most likely in another unit, and is refused.
// - A name that means nothing is refused: who wrote it expects an effect.
// - A description may say only what differs from a machine that is known (`extends`).

import { accountings, rwsemKinds, spinlockKinds } from '../kernel/index.ts'
import { nearest } from '../check/nearest.ts'
import type { MachineModel } from './machine.ts'
import { machines } from './machines/index.ts'

/** A machine whose description makes no sense. */
export class MachineRefused extends TypeError {
  override readonly name = 'MachineRefused'
  readonly remedy =
    'see docs/simulator.md, "A machine of your own": one that extends another says only what differs'
}

/** More CPUs the kernel does not know of. */
const CPUS_MAX = 256

interface Range {
  readonly unit: string
  readonly from: number
  readonly to: number
  readonly isWhole?: boolean
  readonly isOptional?: boolean
}

const count: Range = { unit: 'a whole number', from: 1, to: CPUS_MAX, isWhole: true }
/** What a core does by itself, what comes from elsewhere, a page, and what software takes. */
const access: Range = { unit: 'nanoseconds', from: 0.01, to: 1000 }
const line: Range = { unit: 'nanoseconds', from: 1, to: 100_000 }
const page: Range = { unit: 'nanoseconds for 4 KiB', from: 1, to: 1e6 }
const software: Range = { unit: 'nanoseconds', from: 0, to: 1e8 }
const turn: Range = { unit: 'nanoseconds', from: 0, to: 100_000 }

/** The numbers of a machine, by its parts. */
const ranges: Readonly<Record<string, Readonly<Record<string, Range>>>> = {
  '': {
    residencyNs: turn,
    nearHandovers: { unit: 'a whole number', from: 0, to: 1e6, isWhole: true },
    sharedReadNs: turn,
    lastLevelBytes: { unit: 'bytes', from: 2 ** 15, to: 2 ** 40 },
    bandwidthPerSocket: { unit: 'bytes a nanosecond, which is GB/s', from: 0.01, to: 10_000 },
    smtFactor: { unit: 'times', from: 1, to: 16 },
  },
  topology: { sockets: count, groupsPerSocket: count, coresPerGroup: count, threadsPerCore: count },
  latency: {
    hitNs: access,
    atomicNs: access,
    groupNs: line,
    socketNs: line,
    remoteNs: line,
    awayFromHomeNs: line,
    lastLevelNs: line,
    memoryNs: line,
    remoteMemoryNs: line,
  },
  clearing: { hotNs: page, coldNs: page },
  copying: { hotNs: page, coldNs: page },
  software: {
    exceptionNs: software,
    systemCallNs: software,
    faultNs: software,
    ipiNs: software,
    ipiPerCpuNs: software,
    interruptNs: software,
    wakeNs: software,
    wakeLatencyNs: software,
    kickNs: software,
    zoneFrameNs: { ...software, isOptional: true },
    unmapPageNs: { ...software, isOptional: true },
    layoutNs: { ...software, isOptional: true },
    createNs: { ...software, isOptional: true },
  },
}

const texts = ['name', 'title', 'source'] as const
const switches = ['hasOneMemory', 'broadcastsTlb', 'prefetchesMmapLock', 'isRootApart'] as const
const choices: Readonly<Record<string, readonly string[]>> = {
  protocol: ['MESI', 'MESIF', 'MOESI'],
  accounting: Object.keys(accountings),
  spinlock: Object.keys(spinlockKinds),
  rwsem: Object.keys(rwsemKinds),
}
const parts = Object.keys(ranges).filter((part) => part !== '')
const known = [
  'extends',
  ...texts,
  ...parts,
  ...Object.keys(choices),
  ...Object.keys(ranges['']!),
  ...switches,
  'coreSpeeds',
  'fitted',
]

type Described = Readonly<Record<string, unknown>>

/** @throws MachineRefused unless `value` is a machine that can be simulated. `where` says whose it is */
export function checkMachine(value: unknown, where: string): MachineModel {
  if (!isObject(value))
    throw new MachineRefused(
      `${where}: ${value === undefined ? 'exports no machine as default' : 'is no machine'}`,
    )
  const wrong: string[] = []
  const machine = extended(value, wrong)
  // Without the machine that it stands on, nearly all would be missing.
  if (wrong.length === 0) {
    wrong.push(...misnamed(value), ...wrongWords(machine), ...wrongNumbers(machine))
    if (wrong.length === 0) wrong.push(...wrongTogether(machine as unknown as MachineModel))
  }
  if (wrong.length > 0) throw new MachineRefused(`${where}: ${wrong.join('; ')}`)
  return machine as unknown as MachineModel
}

function isObject(value: unknown): value is Described {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The description, upon the machine that it extends, if it does. */
function extended(given: Described, wrong: string[]): Described {
  if (given['extends'] === undefined) return { fitted: {}, ...given }
  const { extends: name, ...own } = given
  const base = machines.find((machine) => machine.name === name) as unknown as Described | undefined
  if (base === undefined) {
    const names = machines.map((machine) => machine.name)
    wrong.push(`there is no machine ${told(name)} that it could extend${hint(String(name), names)}`)
    return own
  }
  // Cores of another number, and constants that were fitted, are of that machine only.
  const { coreSpeeds, source, ...rest } = base
  const topology = own['topology'] === undefined && coreSpeeds !== undefined ? { coreSpeeds } : {}
  const merged: Record<string, unknown> = {
    ...rest,
    ...topology,
    source: `a description of one's own; else as ${String(name)}: ${String(source)}`,
    ...own,
    fitted: own['fitted'] ?? {},
  }
  for (const part of parts)
    if (isObject(own[part])) merged[part] = { ...(base[part] as Described), ...own[part] }
  return merged
}

function told(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value)
}

function hint(name: string, names: readonly string[]): string {
  const near = nearest(name, names)
  return near === undefined ? '' : `, did you mean '${near}'?`
}

/** Names that mean nothing. */
function misnamed(given: Described): string[] {
  const unknown = (of: Described, names: readonly string[], prefix: string): string[] =>
    Object.keys(of)
      .filter((name) => !names.includes(name))
      .map((name) => `${prefix}${name} means nothing${hint(name, names)}`)
  return [
    ...unknown(given, known, ''),
    ...parts.flatMap((part) => {
      const object = given[part]
      return isObject(object) ? unknown(object, Object.keys(ranges[part]!), `${part}.`) : []
    }),
  ]
}

function wrongWords(machine: Described): string[] {
  const wrong: string[] = texts
    .filter((name) => typeof machine[name] !== 'string' || machine[name] === '')
    .map((name) => `${name} is no text`)
  for (const [name, names] of Object.entries(choices)) {
    const value = machine[name]
    if (value === undefined && name === 'protocol') wrong.push('protocol is missing')
    else if (value !== undefined && !names.includes(value as string))
      wrong.push(`there is no ${name} ${String(value)}: one of ${names.join(', ')}`)
  }
  if (!isObject(machine['fitted'])) wrong.push('fitted is no list of what was fitted, by its path')
  for (const name of switches)
    if (machine[name] !== undefined && typeof machine[name] !== 'boolean')
      wrong.push(`${name} is ${told(machine[name])}, and not true or false`)
  return wrong
}

function wrongNumbers(machine: Described): string[] {
  return Object.entries(ranges).flatMap(([part, fields]) => {
    const object = part === '' ? machine : machine[part]
    if (!isObject(object)) return [`${part} is missing`]
    return Object.entries(fields).flatMap(([name, range]) => {
      const path = part === '' ? name : `${part}.${name}`
      return wrongNumber(path, object[name], range)
    })
  })
}

function wrongNumber(path: string, value: unknown, { unit, from, to, isWhole, isOptional }: Range): string[] {
  if (value === undefined) return isOptional === true ? [] : [`${path} is missing`]
  const isNumber = typeof value === 'number' && value >= from && value <= to
  if (isNumber && (isWhole !== true || Number.isInteger(value))) return []
  return [`${path} is ${told(value)}: ${unit}, from ${from} to ${to}`]
}

/** What does not go together, of a machine whose parts are right. */
function wrongTogether({ topology, coreSpeeds }: MachineModel): string[] {
  const { sockets, groupsPerSocket, coresPerGroup, threadsPerCore } = topology
  const cores = groupsPerSocket * coresPerGroup
  const wrong: string[] = []
  if (sockets * cores * threadsPerCore > CPUS_MAX) wrong.push(`it has more than ${CPUS_MAX} CPUs`)
  if (coreSpeeds === undefined) return wrong
  if (!Array.isArray(coreSpeeds) || coreSpeeds.length !== cores)
    return [...wrong, `coreSpeeds is no list of ${cores} numbers, one for each core of a socket`]
  for (const [core, speed] of coreSpeeds.entries())
    if (typeof speed !== 'number' || !(speed > 0 && speed <= 1))
      wrong.push(`coreSpeeds[${core}] is ${told(speed)}: above 0 and at most 1, which is the fastest`)
  return wrong
}
