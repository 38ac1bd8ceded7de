// What an access costs by where its data was: a table of nanoseconds for each machine.

import { type Directory, FROM_CORE, FROM_LAST_LEVEL, FROM_OWN } from './protocol.ts'
import { OTHER_SOCKET, SAME_CORE, SAME_GROUP, type Topology } from './topology.ts'

/** Nanoseconds. Of a line that comes from another core, one way, as a ping-pong of compare-and-swap measures it. */
export interface LatencyTable {
  /** A plain access that hits the nearest cache: what it takes beside others, not how long it alone would. */
  readonly hitNs: number
  /** A locked instruction on a line that the core has for itself. */
  readonly atomicNs: number
  /** From a core of the same group, of another group in the socket, of another socket. */
  readonly groupNs: number
  readonly socketNs: number
  readonly remoteNs: number
  /**
   * The same within a socket that is not the home of the line. On AMD's Zen such a transfer asks the home's directory,
   * and takes as long as one between sockets.
   */
  readonly awayFromHomeNs: number
  /** From the last-level cache of the own socket. */
  readonly lastLevelNs: number
  /** From memory of the own node, and of another. */
  readonly memoryNs: number
  readonly remoteMemoryNs: number
}

/** What the last access of `directory` costs `core`, in nanoseconds, beside what a hit costs. */
export function latencyOf(
  directory: Directory,
  topology: Topology,
  table: LatencyTable,
  core: number,
  homeSocket: number,
): number {
  const { source, supplier } = directory
  let latency = 0
  if (source === FROM_CORE) latency = transfer(topology, table, supplier, core, homeSocket)
  else if (source === FROM_LAST_LEVEL) latency = table.lastLevelNs
  else if (source !== FROM_OWN) {
    latency = topology.socketOfCore[core] === homeSocket ? table.memoryNs : table.remoteMemoryNs
  }
  // Copies are ended while the data is on its way: the farthest answer is waited for.
  for (let index = 0; index < directory.endedCount; index++) {
    const answer = transfer(topology, table, directory.ended[index]!, core, homeSocket)
    if (answer > latency) latency = answer
  }
  return latency
}

function transfer(
  topology: Topology,
  table: LatencyTable,
  from: number,
  to: number,
  homeSocket: number,
): number {
  const distance = topology.distance(from, to)
  if (distance === SAME_CORE) return 0
  if (distance === SAME_GROUP) return table.groupNs
  if (distance === OTHER_SOCKET) return table.remoteNs
  return topology.socketOfCore[to] === homeSocket ? table.socketNs : table.awayFromHomeNs
}
