// The virtual machine with two CPUs that this project is measured on, as `faultline bench` runs there: the kernel on
// worker threads. There are no exceptions and no system calls, and what the engine makes of the source takes its time.

import type { MachineModel } from '../machine.ts'
import { assumed } from './common.ts'

export const here: MachineModel = {
  name: 'here',
  title: 'this project’s virtual machine with 2 CPUs: the kernel on worker threads',
  source: 'docs/bench.md, "All figures", and measurements from JavaScript on that machine',
  topology: { sockets: 1, groupsPerSocket: 1, coresPerGroup: 2, threadsPerCore: 1 },
  protocol: 'MESIF',
  latency: {
    hitNs: assumed.hitNs,
    // Atomics.add on an Int32Array, 9.2 ns.
    atomicNs: 9.2,
    // A compare-and-swap between the two CPUs, one way: 48 to 75 ns.
    groupNs: 60,
    socketNs: 60,
    remoteNs: 60,
    awayFromHomeNs: 60,
    lastLevelNs: 20,
    memoryNs: 81,
    remoteMemoryNs: 81,
  },
  residencyNs: 2,
  nearHandovers: 0,
  sharedReadNs: assumed.sharedReadNs,
  // Hot as Skylake-SP, cold fitted; memory.fill of WebAssembly is what zeroes a frame.
  clearing: { hotNs: 201, coldNs: 427 },
  copying: { hotNs: 201, coldNs: 427 },
  lastLevelBytes: 2 * 1.375 * 2 ** 20,
  bandwidthPerSocket: 20,
  software: {
    exceptionNs: 0,
    systemCallNs: 0,
    faultNs: 50,
    // A word in memory, no interrupt.
    ipiNs: 0,
    ipiPerCpuNs: 100,
    interruptNs: 100,
    // Atomics.notify and Atomics.wait: a futex within a guest.
    wakeNs: 2500,
    wakeLatencyNs: 15_000,
    kickNs: 15_000,
  },
  smtFactor: 1,
  fitted: { 'clearing.coldNs': 'bench page_fault1 with ZERO_WRITTEN_SECTORS=off, 1 thread' },
}
