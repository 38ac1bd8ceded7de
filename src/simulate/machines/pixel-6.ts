// Google Tensor: the phone of S. Baghdasaryan's figures of spf_test. Two fast, two middle and four small cores; here
// there is one kind of core, of what they are on average.

import type { MachineModel } from '../machine.ts'
import { assumed } from './common.ts'

export const pixel6: MachineModel = {
  name: 'pixel-6',
  title: 'Pixel 6 (Google Tensor), 8 cores taken as alike: 2 Cortex-X1, 2 A76, 4 A55',
  source: 'clocks and caches: notebookcheck.net; everything else are estimates',
  topology: { sockets: 1, groupsPerSocket: 1, coresPerGroup: 8, threadsPerCore: 1 },
  protocol: 'MOESI',
  latency: {
    hitNs: 1.5,
    atomicNs: 8,
    // Estimate: 30 to 40 ns between cores of a cluster, 50 to 60 to a small one.
    groupNs: 45,
    socketNs: 45,
    remoteNs: 45,
    awayFromHomeNs: 45,
    lastLevelNs: 20,
    memoryNs: 120,
    remoteMemoryNs: 120,
  },
  residencyNs: 2,
  nearHandovers: 0,
  sharedReadNs: assumed.sharedReadNs,
  // Estimates: 20 GB/s in the third level, 8 from memory, of one core.
  clearing: { hotNs: 200, coldNs: 500 },
  copying: { hotNs: 300, coldNs: 900 },
  // Four MiB of the cores, eight of the chip.
  lastLevelBytes: 4 * 2 ** 20,
  // Estimate: half of the 51 GB/s of four channels LPDDR5.
  bandwidthPerSocket: 25,
  // Estimates.
  software: {
    exceptionNs: 400,
    systemCallNs: 250,
    faultNs: 1500,
    // For a broadcast (TLBI).
    ipiNs: 200,
    ipiPerCpuNs: 0,
    interruptNs: 0,
    wakeNs: 2000,
    wakeLatencyNs: 10_000,
    kickNs: 0,
  },
  smtFactor: 1,
  broadcastsTlb: true,
  accounting: '5.11',
  spinlock: 'queued',
  // Linux 5.10, to which the patches of 2022 were brought for it.
  rwsem: 'reader-spinning',
  // Nothing that could be fitted reaches a row: with the semaphore of its kernel, threads hardly wait here.
  fitted: {},
}
