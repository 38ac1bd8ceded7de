// Two sockets of Xeon E5-2690 v4 (Broadwell) with 14 cores of two threads each: the machine of the pft tables of
// per-VMA locks (S. Baghdasaryan; its `lscpu` is in his reply to M. Guzik of August 2024, which we found when all
// numbers here stood). Distances between cores are published of the E5-2680 v4, which has as many of the same cores.

import type { MachineModel } from '../machine.ts'
import { broadwell2s } from './broadwell-2s.ts'
import { x86Software } from './common.ts'

export const numa56: MachineModel = {
  ...broadwell2s,
  name: 'numa-56',
  title: '2 × Xeon E5-2690 v4 (Broadwell), 14 cores of 2 threads each',
  source: `core to core: 2 × E5-2680 v4, nviennot/core-to-core-latency; else as broadwell-2s: ${broadwell2s.source}`,
  topology: { sockets: 2, groupsPerSocket: 1, coresPerGroup: 14, threadsPerCore: 2 },
  // Medians 45.2 and 127.5.
  latency: { ...broadwell2s.latency, groupNs: 45.2, socketNs: 45.2, remoteNs: 127.5, awayFromHomeNs: 45.2 },
  lastLevelBytes: 14 * 2.5 * 2 ** 20,
  software: x86Software(2.5, 650),
  accounting: '6.10',
  spinlock: 'queued',
  fitted: { 'software.faultNs': 'pft, per-VMA rwsem, 1 thread' },
}
