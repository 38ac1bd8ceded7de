// A machine of two nodes with 56 threads: that of the pft tables of per-VMA locks with a reference count (S.
// Baghdasaryan). Its model is not named; two sockets of Broadwell with 14 cores of two threads each have as many.

import type { MachineModel } from '../machine.ts'
import { broadwell2s } from './broadwell-2s.ts'
import { x86Software } from './common.ts'

export const numa56: MachineModel = {
  ...broadwell2s,
  name: 'numa-56',
  title: 'two nodes with 56 threads, taken as Broadwell: 14 cores of 2 threads each',
  source: `the machine is not named; as broadwell-2s: ${broadwell2s.source}`,
  topology: { sockets: 2, groupsPerSocket: 1, coresPerGroup: 14, threadsPerCore: 2 },
  lastLevelBytes: 14 * 2.5 * 2 ** 20,
  software: x86Software(2.5, 650),
  accounting: '6.10',
  spinlock: 'queued',
  fitted: { 'software.faultNs': 'pft, per-VMA rwsem, 1 thread' },
}
