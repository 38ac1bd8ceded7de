// Two sockets of EPYC 7742 (Rome) with 64 cores of two threads each, in sixteen groups of four cores that share a
// last-level cache: the second machine of the pft tables of 2021.

import type { MachineModel } from '../machine.ts'
import { ATOMIC_NS, assumed, x86Software } from './common.ts'

export const rome2s: MachineModel = {
  name: 'rome-2s',
  title: '2 × EPYC 7742 (Rome), 64 cores of 2 threads each',
  source:
    'core to core: 2 × EPYC 7742, nviennot/core-to-core-latency; clearing: EPYC 7742, A. Arora, "clear_huge_page"',
  topology: { sockets: 2, groupsPerSocket: 16, coresPerGroup: 4, threadsPerCore: 2 },
  protocol: 'MOESI',
  latency: {
    hitNs: assumed.hitNs,
    atomicNs: ATOMIC_NS,
    // 25 in a group; 118 to 135 across a socket that is the line's home, 252 to 271 across one that is not; 267
    // between.
    groupNs: 25,
    socketNs: 130,
    remoteNs: 267,
    awayFromHomeNs: 265,
    // 34 cycles at 2.25 GHz (anandtech 14694).
    lastLevelNs: 15,
    // 122 to 134 ns with one node a socket (anandtech 14694); the other socket's is not found: the distance between.
    memoryNs: 128,
    remoteMemoryNs: 267,
  },
  residencyNs: 2,
  nearHandovers: 8,
  sharedReadNs: assumed.sharedReadNs,
  // 15.4 and 11.0 to 11.9 GB/s.
  clearing: { hotNs: 266, coldNs: 344 },
  copying: { hotNs: 266, coldNs: 344 },
  // 16 MiB a group.
  lastLevelBytes: 16 * 2 ** 20,
  // Eight channels of DDR4-3200: 150 to 165 GB/s.
  bandwidthPerSocket: 155,
  // Both together fitted: the 1,050 cycles of a Haswell would be more than there is.
  software: { ...x86Software(3.35, 0), exceptionNs: 249 },
  prefetchesMmapLock: true,
  isRootApart: true,
  smtFactor: assumed.smtFactor,
  accounting: '5.11',
  spinlock: 'queued',
  fitted: {
    'software.exceptionNs': 'pft, v5.12, 1 thread',
    nearHandovers: 'pft, v5.12, 7 and 128 threads',
  },
}
