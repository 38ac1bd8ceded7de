// The machine that measurements make, with where each of its numbers is from.

import os from 'node:os'
import type { Spread } from '../../workloads/statistics.ts'
import type { MachineModel } from '../machine.ts'
import { Topology, type TopologyShape } from '../topology.ts'

export interface Measurement extends Spread {
  readonly what: string
  readonly unit: 'ns' | 'GB/s' | 'times'
  readonly samples: number
}

export interface Described {
  readonly machine: MachineModel
  /** By its path in the machine, where each number is from. */
  readonly origins: Readonly<Record<string, string>>
}

export interface Known {
  readonly name: string
  /** Where numbers are taken from that were not measured. */
  readonly base: MachineModel
  readonly shape: TopologyShape
  /** 0 where it is not known. */
  readonly lastLevelBytes: number
  /** By the path of the number that it is, or `wake`. */
  readonly found: ReadonlyMap<string, Measurement>
}

/** Where the numbers of a machine are from, as they are taken. */
class Origins {
  readonly byPath: Record<string, string> = {}
  readonly #known: Known

  constructor(known: Known) {
    this.#known = known
  }

  number(path: string, otherwise: number): number {
    const found = this.#known.found.get(path)
    if (found === undefined) return this.taken(path, otherwise)
    return this.derived(path, found.median, `measured: ${found.what}, ${rangeOf(found)}`)
  }

  taken(path: string, value: number): number {
    this.byPath[path] = `not measured, taken over from ${this.#known.base.name}`
    return value
  }

  derived(path: string, value: number, from: string): number {
    this.byPath[path] = from
    return rounded(value)
  }
}

export function describe(known: Known): Described {
  const { name, base, shape, lastLevelBytes } = known
  const origins = new Origins(known)
  const model = (os.cpus()[0]?.model ?? os.arch()).trim()
  const on = new Date().toISOString().slice(0, 10)
  const machine: MachineModel = {
    name,
    title: `${model}, ${new Topology(shape).cpus} CPUs: the kernel on worker threads`,
    source:
      `measured by faultline simulate --calibrate on ${on}, Node ${process.versions.node}; ` +
      `what is not measured is of “${base.name}”`,
    topology: shape,
    protocol: base.protocol,
    latency: latencyOf(known, origins),
    residencyNs: origins.taken('residencyNs', base.residencyNs),
    nearHandovers: origins.taken('nearHandovers', base.nearHandovers),
    sharedReadNs: origins.taken('sharedReadNs', base.sharedReadNs),
    clearing: {
      hotNs: origins.number('clearing.hotNs', base.clearing.hotNs),
      coldNs: origins.number('clearing.coldNs', base.clearing.coldNs),
    },
    copying: {
      hotNs: origins.number('copying.hotNs', base.copying.hotNs),
      coldNs: origins.number('copying.coldNs', base.copying.coldNs),
    },
    lastLevelBytes:
      lastLevelBytes === 0
        ? origins.taken('lastLevelBytes', base.lastLevelBytes)
        : origins.derived('lastLevelBytes', lastLevelBytes, AS_TOLD),
    bandwidthPerSocket: origins.number('bandwidthPerSocket', base.bandwidthPerSocket),
    software: softwareOf(known, origins),
    smtFactor: Math.max(1, origins.number('smtFactor', shape.threadsPerCore === 1 ? 1 : base.smtFactor)),
    ...(base.accounting === undefined ? {} : { accounting: base.accounting }),
    ...(base.spinlock === undefined ? {} : { spinlock: base.spinlock }),
    fitted: {},
  }
  return { machine, origins: origins.byPath }
}

export const AS_TOLD = 'as the operating system tells'
const NO_SUCH = 'there is no such distance here: as groupNs'

function latencyOf({ base, shape, found }: Known, origins: Origins): MachineModel['latency'] {
  const { latency } = base
  const groupNs = origins.number('latency.groupNs', found.get('latency.socketNs')?.median ?? latency.groupNs)
  const socketNs =
    shape.groupsPerSocket === 1
      ? origins.derived('latency.socketNs', groupNs, NO_SUCH)
      : origins.number('latency.socketNs', latency.socketNs)
  const memoryNs = origins.number('latency.memoryNs', latency.memoryNs)
  const isOne = shape.sockets === 1
  return {
    hitNs: origins.taken('latency.hitNs', latency.hitNs),
    atomicNs: origins.number('latency.atomicNs', latency.atomicNs),
    groupNs,
    socketNs,
    remoteNs: isOne
      ? origins.derived('latency.remoteNs', groupNs, NO_SUCH)
      : origins.number('latency.remoteNs', latency.remoteNs),
    awayFromHomeNs: origins.derived(
      'latency.awayFromHomeNs',
      socketNs,
      'where the home of a line is cannot be seen: as socketNs',
    ),
    lastLevelNs: origins.number('latency.lastLevelNs', latency.lastLevelNs),
    memoryNs,
    remoteMemoryNs: isOne
      ? origins.derived('latency.remoteMemoryNs', memoryNs, 'there is one socket: as memoryNs')
      : origins.taken('latency.remoteMemoryNs', latency.remoteMemoryNs),
  }
}

/** Of what software takes only waking can be measured. */
function softwareOf({ base, found }: Known, origins: Origins): MachineModel['software'] {
  const { software } = base
  for (const key of Object.keys(software) as (keyof typeof software)[])
    origins.taken(`software.${key}`, software[key] ?? 0)
  const wake = found.get('wake')
  if (wake === undefined) return software
  const from = `measured: ${wake.what}, ${rangeOf(wake)}`
  const waker = found.get('software.wakeNs')
  const wakeNs =
    waker === undefined
      ? origins.derived(
          'software.wakeNs',
          wake.median / 4,
          `${from}; a quarter is taken to be the waker’s: see common.ts`,
        )
      : origins.number('software.wakeNs', software.wakeNs)
  const latencyNs = Math.max(0, wake.median - wakeNs)
  return {
    ...software,
    wakeNs,
    wakeLatencyNs: origins.derived('software.wakeLatencyNs', latencyNs, `${from}, less wakeNs`),
    kickNs: software.kickNs === 0 ? 0 : origins.derived('software.kickNs', latencyNs, from),
  }
}

function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 10) / 10
}

/** The median, with the lowest and the highest. */
export function rangeOf({ median, min, max, unit, samples }: Measurement): string {
  return `${rounded(median)} ${unit}, ${rounded(min)} to ${rounded(max)} of ${samples}`
}
