// Ten cores of Power8 with eight threads each, in one socket: the machine with 80 CPUs of L. Dufour's figures of 2017
// and 2018. Its model is not named. No machine with more than 256 CPUs can be simulated.
//
// As far as the simulated kernel can: a page is 64 KiB there, and 4 KiB here, so that clearing one takes what 64 KiB
// take, and a mapping of 512 KiB has 16 times as many pages as there. Eight threads of a core compute as if all were
// busy, whenever two are.

import type { MachineModel } from '../machine.ts'
import { assumed } from './common.ts'

export const power8: MachineModel = {
  name: 'power8-80',
  title: 'Power8, 10 cores of 8 threads, pages of 64 KiB',
  source:
    'the machine is not named; caches and memory: anandtech 10435; core to core: 2 × Power7, ' +
    'nviennot/core-to-core-latency; the rest are estimates',
  topology: { sockets: 1, groupsPerSocket: 1, coresPerGroup: 10, threadsPerCore: 8 },
  protocol: 'MESIF',
  latency: {
    hitNs: assumed.hitNs,
    // Estimate: larx and stcx on a line of one's own.
    atomicNs: 10,
    // Of a Power7 at 3.3 GHz, median 173; not found for Power8.
    groupNs: 173,
    socketNs: 173,
    remoteNs: 173,
    awayFromHomeNs: 173,
    // The third level of another core.
    lastLevelNs: 55,
    memoryNs: 90,
    remoteMemoryNs: 90,
  },
  residencyNs: 2,
  nearHandovers: 0,
  sharedReadNs: assumed.sharedReadNs,
  // Estimates for 64 KiB, dcbz: 32 GB/s in the cache of a core, 13 from memory.
  clearing: { hotNs: 2000, coldNs: 5000 },
  copying: { hotNs: 3000, coldNs: 9000 },
  lastLevelBytes: 10 * 8 * 2 ** 20,
  // STREAM.
  bandwidthPerSocket: 90,
  // Estimates, all of them.
  software: {
    exceptionNs: 500,
    systemCallNs: 300,
    faultNs: 500,
    // For a broadcast (tlbie).
    ipiNs: 500,
    ipiPerCpuNs: 0,
    interruptNs: 0,
    wakeNs: 1500,
    wakeLatencyNs: 5000,
    kickNs: 0,
  },
  // tlbie, with the hashed page table of Linux 4.16. No lock is around it: the processor has MMU_FTR_LOCKLESS_TLBIE,
  // as all since Power5 (arch/powerpc/include/asm/mmu.h). Entries of that table, which a fault writes and munmap takes
  // out, are not simulated.
  broadcastsTlb: true,
  // Eight threads together compute about 2.4 times what one does (an estimate).
  smtFactor: 3.3,
  accounting: '5.11',
  spinlock: 'queued',
  fitted: {},
}
