// Two sockets of Xeon X5650 (Westmere-EP) with 6 cores of two threads each: what stands for the Nehalem machines of
// 2010.

import type { MachineModel } from '../machine.ts'
import { ATOMIC_NS, assumed, x86Software } from './common.ts'

export const westmere2s: MachineModel = {
  name: 'westmere-2s',
  title: '2 × Xeon X5650 (Westmere-EP), 6 cores of 2 threads each',
  source: 'core to core: 2 × X5650, nviennot/core-to-core-latency; memory: X5670, anandtech 2978',
  topology: { sockets: 2, groupsPerSocket: 1, coresPerGroup: 6, threadsPerCore: 2 },
  protocol: 'MESIF',
  latency: {
    hitNs: assumed.hitNs,
    atomicNs: ATOMIC_NS,
    // Medians 37.2 and 73.7.
    groupNs: 37.2,
    socketNs: 37.2,
    remoteNs: 73.7,
    awayFromHomeNs: 37.2,
    // 47 clocks of the X5570 at 2.93 GHz.
    lastLevelNs: 16,
    memoryNs: 87,
    // Not found: the way to the other socket more.
    remoteMemoryNs: 125,
  },
  residencyNs: 2,
  nearHandovers: 0,
  sharedReadNs: assumed.sharedReadNs,
  // Not found: as Broadwell; cold by the bandwidth below.
  clearing: { hotNs: 236, coldNs: 757 },
  copying: { hotNs: 236, coldNs: 757 },
  lastLevelBytes: 12 * 2 ** 20,
  // STREAM of a Nehalem-EP: 17 to 18 of 32 GB/s.
  bandwidthPerSocket: 17.5,
  software: x86Software(2.67, 500),
  smtFactor: assumed.smtFactor,
  // Of 2010; of the accounting what comes nearest.
  accounting: '5.11',
  spinlock: 'ticket',
  fitted: {},
}
