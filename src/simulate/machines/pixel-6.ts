// Google Tensor: the phone of S. Baghdasaryan's figures of spf_test. Costs are those of a Cortex-X1 at 2.80 GHz; other
// cores take longer (`coreSpeeds`).

import type { MachineModel } from '../machine.ts'
import { assumed } from './common.ts'

/**
 * How fast a core is, of a Cortex-X1 at 2,802 MHz: `capacity-dmips-mhz` times the highest frequency of its
 * `operating-points-v2`, as Linux computes the capacity of CPUs, in arch/arm64/boot/dts/exynos/google/gs101.dtsi (Linux
 * 6.19).
 */
const A76 = (620 * 2253) / (1024 * 2802)
const A55 = (250 * 1803) / (1024 * 2802)

export const pixel6: MachineModel = {
  name: 'pixel-6',
  title: 'Pixel 6 (Google Tensor), 8 cores: 2 Cortex-X1, 2 A76, 4 A55',
  source:
    'speeds: gs101.dtsi of Linux; lines: phones with such cores; waking, faults: arm64 servers; else estimates',
  topology: { sockets: 1, groupsPerSocket: 1, coresPerGroup: 8, threadsPerCore: 1 },
  protocol: 'MOESI',
  latency: {
    hitNs: assumed.hitNs,
    // 5.3 ns on Graviton 2 at 2.5 GHz (travisdowns/concurrency-hierarchy-bench), by the clock.
    atomicNs: 4.7,
    // One way between cores of Snapdragon 850 and 855+, which share one level-3 cache as here: 58 to 73 ns, most of
    // them 64 to 66 (nviennot/core-to-core-latency, issues 52 and 54). Nobody has published those of Tensor.
    groupNs: 65,
    socketNs: 65,
    remoteNs: 65,
    awayFromHomeNs: 65,
    lastLevelNs: 20,
    memoryNs: 120,
    remoteMemoryNs: 120,
  },
  residencyNs: 2,
  nearHandovers: 0,
  sharedReadNs: assumed.sharedReadNs,
  // Estimates: 20 GB/s in the third level, 8 from memory, of one core of any kind.
  clearing: { hotNs: 200, coldNs: 500 },
  copying: { hotNs: 300, coldNs: 900 },
  // Four MiB of the cores, eight of the chip.
  lastLevelBytes: 4 * 2 ** 20,
  // Estimate: half of the 51 GB/s of four channels LPDDR5.
  bandwidthPerSocket: 25,
  software: {
    // Estimates. With these, a core of 0.648 (Neoverse N1, which is an A76, at 3 GHz) takes 0.89 M faults of
    // page_fault1 a second. 0.91 M were measured on one of 128 cores of an arm64 server whose kind is not named
    // (multikernel.io, "Scaling Anonymous Page Faults on a 128-Core ARM NUMA Server", August 2026).
    exceptionNs: 150,
    systemCallNs: 100,
    faultNs: 100,
    // For a broadcast (TLBI). Estimate.
    ipiNs: 200,
    ipiPerCpuNs: 0,
    interruptNs: 0,
    // A futex hand-off takes 4.7 µs on Graviton 2 at 2.5 GHz (concurrency-hierarchy-bench, "ticket blocking", two
    // threads), of which a quarter is taken to be the waker's; by the speed of the cores.
    wakeNs: 634,
    wakeLatencyNs: 1900,
    kickNs: 0,
    // Half of the 9 µs that a thread takes that is made, run and joined on Skylake (lemire.me, 30 January 2020).
    createNs: 4500,
  },
  smtFactor: 1,
  // The fast ones first, so that the thread that makes the others has one: which it has, nobody tells.
  coreSpeeds: [1, 1, A76, A76, A55, A55, A55, A55],
  broadcastsTlb: true,
  accounting: '5.11',
  spinlock: 'queued',
  // Linux 5.10, to which the patches of 2022 were brought for it.
  rwsem: 'reader-spinning',
  fitted: {},
}
