// The CPUs of this machine, as Linux shows them under /sys: which share a core, a last-level cache, a socket. Elsewhere
// each CPU is taken to be a core, and all to share one cache.

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import type { TopologyShape } from '../topology.ts'

export interface Processor {
  readonly cpu: number
  readonly socket: number
  /** The least CPU of its last-level cache, and of its core. */
  readonly group: number
  readonly core: number
}

export interface Processors {
  readonly all: readonly Processor[]
  /** Bytes of the last-level cache; 0 where it is not known. */
  readonly lastLevelBytes: number
  /** Whether it is known who shares what. */
  readonly isKnown: boolean
}

/** @param root where /sys/devices/system/cpu is */
export function readProcessors(root = '/sys/devices/system/cpu'): Processors {
  const online = readText(join(root, 'online'))
  if (online === '') {
    const all = Array.from({ length: os.availableParallelism() }, (_, cpu) => {
      return { cpu, socket: 0, group: 0, core: cpu }
    })
    return { all, lastLevelBytes: 0, isKnown: false }
  }
  const caches = parseList(online).map((cpu) => lastLevelOf(join(root, `cpu${cpu}`, 'cache')))
  const all = parseList(online).map((cpu, index): Processor => {
    const topology = join(root, `cpu${cpu}`, 'topology')
    const socket = Math.max(0, Number(readText(join(topology, 'physical_package_id'))) || 0)
    const siblings = parseList(readText(join(topology, 'thread_siblings_list')))
    const sharing = caches[index]!.sharing
    return { cpu, socket, core: siblings[0] ?? cpu, group: sharing[0] ?? -1 - socket }
  })
  return { all, lastLevelBytes: Math.max(...caches.map(({ bytes }) => bytes)), isKnown: true }
}

/** What most sockets, groups and cores have: a machine whose parts differ is taken as if they did not. */
export function shapeOf({ all }: Processors): TopologyShape {
  const count = (of: (one: Processor) => number): number => new Set(all.map(of)).size
  const sockets = count(({ socket }) => socket)
  const groups = count(({ group }) => group)
  const cores = count(({ core }) => core)
  return {
    sockets,
    groupsPerSocket: Math.max(1, Math.round(groups / sockets)),
    coresPerGroup: Math.max(1, Math.round(cores / Math.max(groups, sockets))),
    threadsPerCore: Math.max(1, Math.round(all.length / cores)),
  }
}

/** How far two CPUs are apart. */
export type Distance = 'sameCore' | 'group' | 'socket' | 'remote'

function distanceOf(one: Processor, other: Processor): Distance {
  if (one.core === other.core) return 'sameCore'
  if (one.socket !== other.socket) return 'remote'
  return one.group === other.group ? 'group' : 'socket'
}

/** Pairs of CPUs by their distance, at most `most` of each, spread over the machine. */
export function pairsOf({ all }: Processors, most: number): Map<Distance, (readonly [number, number])[]> {
  const pairs = new Map<Distance, (readonly [number, number])[]>()
  for (let apart = 1; apart < all.length; apart++) {
    for (let at = 0; at + apart < all.length; at += apart) {
      const [one, other] = [all[at]!, all[at + apart]!]
      const distance = distanceOf(one, other)
      const known = pairs.get(distance) ?? []
      pairs.set(distance, known)
      if (known.length < most) known.push([one.cpu, other.cpu])
    }
  }
  return pairs
}

function lastLevelOf(folder: string): { readonly bytes: number; readonly sharing: readonly number[] } {
  const none = { bytes: 0, sharing: [] as number[], level: 0 }
  if (!existsSync(folder)) return none
  const levels = readdirSync(folder)
    .filter((name) => /^index\d+$/.test(name))
    .map((name) => ({
      level: Number(readText(join(folder, name, 'level'))),
      bytes: parseSize(readText(join(folder, name, 'size'))),
      sharing: parseList(readText(join(folder, name, 'shared_cpu_list'))),
    }))
  return levels.toSorted((a, b) => b.level - a.level)[0] ?? none
}

function parseSize(text: string): number {
  const [, number, unit] = /^(\d+)([KMG]?)$/.exec(text) ?? []
  return Number(number ?? 0) * { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[(unit ?? '') as '' | 'K']!
}

/** `0-3,8`. */
function parseList(text: string): number[] {
  if (text === '') return []
  return text.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number) as [number, number?]
    return Array.from({ length: last! - first + 1 }, (_, at) => first + at)
  })
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}
