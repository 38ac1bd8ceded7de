// Two sockets of Xeon 8336C (Ice Lake) with 32 cores of two threads each: the machine of the pft table of February 2023
// (P. Agrawal, in reply to the second posting of per-VMA locks).

import type { MachineModel } from '../machine.ts'
import { assumed, x86Software } from './common.ts'

export const icelake2s: MachineModel = {
  name: 'icelake-2s',
  title: '2 × Xeon 8336C (Ice Lake), 32 cores of 2 threads each',
  source:
    'core to core: 2 × Xeon 8375C, nviennot/core-to-core-latency; the rest as Skylake-SP where not measured',
  topology: { sockets: 2, groupsPerSocket: 1, coresPerGroup: 32, threadsPerCore: 2 },
  protocol: 'MESIF',
  latency: {
    hitNs: assumed.hitNs,
    // ICL i5, one thread: travisdowns/concurrency-hierarchy-bench.
    atomicNs: 6.1,
    // Medians 51 and 108.
    groupNs: 51,
    socketNs: 51,
    remoteNs: 108,
    awayFromHomeNs: 51,
    // Not found: as Skylake-SP.
    lastLevelNs: 17,
    memoryNs: 80.8,
    remoteMemoryNs: 141,
  },
  residencyNs: 2,
  nearHandovers: 0,
  sharedReadNs: assumed.sharedReadNs,
  // Not found: as Skylake-SP when hot; cold by the memory's bandwidth, which is half as much again.
  clearing: { hotNs: 201, coldNs: 420 },
  copying: { hotNs: 201, coldNs: 420 },
  // 1.5 MiB a core.
  lastLevelBytes: 32 * 1.5 * 2 ** 20,
  // 160 to 175 GB/s.
  bandwidthPerSocket: 165,
  software: x86Software(2.7, 175),
  prefetchesMmapLock: true,
  smtFactor: assumed.smtFactor,
  accounting: '6.1',
  spinlock: 'queued',
  fitted: { 'software.faultNs': 'pft, 6.2-rc4, 1 thread' },
}
