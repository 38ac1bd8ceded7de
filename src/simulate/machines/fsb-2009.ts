// Two sockets of quad-core Core-2 Xeon on a front-side bus: the machine of K. Hiroyuki's figures of 2009 and 2010
// (eight cores in two sockets), which is not named. 24,000 to 32,000 cycles for a fault, a third of them in clear_page,
// are not those of a Nehalem; they fit a bus that all cores share. Two cores of a die share a cache, and no others.

import type { MachineModel } from '../machine.ts'
import { assumed, x86Software } from './common.ts'

/**
 * Over the bus, from another cache or from memory. Fitted: no measurement was found, and about 130 would be expected of
 * an idle bus. It stands for whatever made each of the 33 misses of a fault so dear, a bus that is full above all. It
 * was 735 on the same row before faults read the root of the page table on the line of the lock.
 */
const BUS_NS = 378

export const fsb2009: MachineModel = {
  name: 'fsb-2009',
  title: '2 × Core-2 Xeon on a front-side bus, 4 cores each in pairs that share a cache',
  source:
    'the machine is not named; a core’s bandwidth over such a bus: hexus.net, Core 2 Duo; two Harpertowns with four ' +
    'channels: 9 GB/s, quoted at forums.techgage.com; distances are fitted or estimated',
  topology: { sockets: 2, groupsPerSocket: 2, coresPerGroup: 2, threadsPerCore: 1 },
  protocol: 'MESI',
  latency: {
    hitNs: assumed.hitNs,
    // Estimate: about 20 cycles.
    atomicNs: 7,
    // Estimate: two trips to the second level, of 15 cycles each, and the other core's first.
    groupNs: 30,
    socketNs: BUS_NS,
    remoteNs: BUS_NS,
    awayFromHomeNs: BUS_NS,
    // 15 cycles at 2.8 GHz, the second level.
    lastLevelNs: 5.4,
    memoryNs: BUS_NS,
    remoteMemoryNs: BUS_NS,
  },
  residencyNs: 2,
  nearHandovers: 0,
  sharedReadNs: assumed.sharedReadNs,
  // Cold: 8 KiB at the "sub-6 GiB/s" of one Core 2 on an idle bus. Hot: an estimate.
  clearing: { hotNs: 250, coldNs: 1300 },
  copying: { hotNs: 350, coldNs: 2000 },
  lastLevelBytes: 6 * 2 ** 20,
  bandwidthPerSocket: 9,
  hasOneMemory: true,
  // The cycles of a Core Duo, 940, at 2.8 GHz are those of common.ts within a tenth.
  software: x86Software(2.8, 500),
  smtFactor: 1,
  // What 5.11 does is nearest to the one lock of a zone and the 14 pages of PAGEVEC_SIZE of that time.
  accounting: '5.11',
  spinlock: 'ticket',
  fitted: { 'latency.socketNs, remoteNs, memoryNs': 'multi-fault-all-split, 2.6.32-mmotm, 8 threads' },
}
