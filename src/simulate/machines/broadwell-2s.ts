// Two sockets of Xeon E5-2650 v4 (Broadwell) with 12 cores of two threads each: the machine of the will-it-scale table
// of Zi Yan, 2 June 2021; one generation from the machine of Dufour's figures.

import type { MachineModel } from '../machine.ts'
import { ATOMIC_NS, UNMAP_PAGE_NS, assumed, x86Software } from './common.ts'

export const broadwell2s: MachineModel = {
  name: 'broadwell-2s',
  title: '2 × Xeon E5-2650 v4 (Broadwell), 12 cores of 2 threads each',
  source:
    'core to core: 2 × E5-2630 v4, nviennot/core-to-core-latency; clearing: E5-2630 v4, A. Arora, "clear_huge_page"',
  topology: { sockets: 2, groupsPerSocket: 1, coresPerGroup: 12, threadsPerCore: 2 },
  protocol: 'MESIF',
  latency: {
    hitNs: assumed.hitNs,
    atomicNs: ATOMIC_NS,
    // Medians 39.3 and 118.
    groupNs: 39.3,
    socketNs: 39.3,
    remoteNs: 118,
    awayFromHomeNs: 39.3,
    // 46 cycles, as the Xeon 8280 has; of this one not found.
    lastLevelNs: 18,
    // Not found: as Cascade Lake (gjbex/Code-optimization).
    memoryNs: 80.8,
    remoteMemoryNs: 141,
  },
  residencyNs: 2,
  nearHandovers: 0,
  sharedReadNs: assumed.sharedReadNs,
  // perf bench memset: 17.35 and 5.4 GB/s.
  clearing: { hotNs: 236, coldNs: 757 },
  copying: { hotNs: 236, coldNs: 757 },
  // 2.5 MiB a core.
  lastLevelBytes: 12 * 2.5 * 2 ** 20,
  // Of a Haswell-EP, E5-2695 v3 (hofmann.id).
  bandwidthPerSocket: 62,
  // faultNs is 1650 less what is in unmapPageNs now: the row is of whole rounds, which map, touch and unmap a page.
  // layoutNs: of processes, which share no lock. One that maps and unmaps 128 MiB takes 18.3 µs, one that moves its
  // break 9.0 µs for a call; less the 0.9 and 0.3 that are simulated, both leave 8.7 for each call.
  software: { ...x86Software(2.5, 1566), unmapPageNs: UNMAP_PAGE_NS, layoutNs: 8700 },
  prefetchesMmapLock: true,
  isRootApart: true,
  smtFactor: assumed.smtFactor,
  accounting: '5.11',
  spinlock: 'queued',
  fitted: {
    'software.faultNs': 'page_fault1_processes, 16 tasks: 346,634 a second for each',
    'software.layoutNs': 'mmap1_processes and brk1_processes, 16 tasks: 54,600 and 111,000 a second for each',
  },
}
