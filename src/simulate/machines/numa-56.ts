// A machine of two nodes with 56 threads: that of the pft tables of per-VMA locks with a reference count (S.
// Baghdasaryan). Its model is not named; two sockets of Broadwell with 14 cores of two threads each have as many, as
// those of the Xeon E5-2680 v4, of which distances between cores are published.

import type { MachineModel } from '../machine.ts'
import { broadwell2s } from './broadwell-2s.ts'
import { x86Software } from './common.ts'

export const numa56: MachineModel = {
  ...broadwell2s,
  name: 'numa-56',
  title: 'two nodes with 56 threads, taken as Broadwell: 14 cores of 2 threads each',
  source: `the machine is not named; core to core: 2 × E5-2680 v4, nviennot/core-to-core-latency; else as broadwell-2s: ${broadwell2s.source}`,
  topology: { sockets: 2, groupsPerSocket: 1, coresPerGroup: 14, threadsPerCore: 2 },
  // Medians 45.2 and 127.5.
  latency: { ...broadwell2s.latency, groupNs: 45.2, socketNs: 45.2, remoteNs: 127.5, awayFromHomeNs: 45.2 },
  lastLevelBytes: 14 * 2.5 * 2 ** 20,
  software: x86Software(2.5, 650),
  accounting: '6.10',
  spinlock: 'queued',
  fitted: { 'software.faultNs': 'pft, per-VMA rwsem, 1 thread' },
}
