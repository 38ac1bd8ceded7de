// Two sockets of Skylake-SP with 28 cores of two threads each: the machine of the pft tables of 2021 (M. Lespinasse,
// "Speculative page faults", v5.12). Its model is not named there.

import type { MachineModel } from '../machine.ts'
import { ATOMIC_NS, assumed, x86Software } from './common.ts'

export const skylake2s: MachineModel = {
  name: 'skylake-2s',
  title: '2 × Skylake-SP, 28 cores of 2 threads each',
  source:
    'core to core: 2 × Xeon Gold 6242, nviennot/core-to-core-latency; clearing: Xeon 8270CL, A. Arora, "clear_huge_page"',
  topology: { sockets: 2, groupsPerSocket: 1, coresPerGroup: 28, threadsPerCore: 2 },
  protocol: 'MESIF',
  latency: {
    hitNs: assumed.hitNs,
    atomicNs: ATOMIC_NS,
    // Medians 48.0 and 141.4.
    groupNs: 48,
    socketNs: 48,
    remoteNs: 141.4,
    awayFromHomeNs: 48,
    // 46 cycles of the Xeon 8280 at 2.7 GHz (anandtech 14694).
    lastLevelNs: 17,
    // Intel Memory Latency Checker on Cascade Lake (gjbex/Code-optimization).
    memoryNs: 80.8,
    remoteMemoryNs: 141,
  },
  residencyNs: 2,
  nearHandovers: 0,
  sharedReadNs: assumed.sharedReadNs,
  // perf bench memset: 20.4 and 6.5 GB/s.
  clearing: { hotNs: 201, coldNs: 630 },
  // Not found: taken as clearing.
  copying: { hotNs: 201, coldNs: 630 },
  // 1.375 MiB a core.
  lastLevelBytes: 28 * 1.375 * 2 ** 20,
  // Six channels of DDR4-2666: 105 to 110 of 128 GB/s.
  bandwidthPerSocket: 105,
  // faultNs is 590 less what is in zoneFrameNs now. That: with 8.0 M faults a second of page_fault1 in processes on all
  // of 112 CPUs of two Skylakes (Linux 4.15-rc4; A. Lu, 23 January 2018), 80 % of the time was spent spinning for the
  // locks of the two zones, mostly for structs of pages that are in no cache (A. Lu, 20 March 2018, "Eliminate
  // zone->lock contention"). So a page takes 250 ns of such a lock, on its way out and back, which are taken as alike;
  // 10 of each half are handing over, which is simulated.
  software: { ...x86Software(2.7, 475), zoneFrameNs: 115 },
  prefetchesMmapLock: true,
  isRootApart: true,
  smtFactor: assumed.smtFactor,
  accounting: '5.11',
  spinlock: 'queued',
  fitted: { 'software.faultNs': 'pft, v5.12, 1 thread' },
}
