// A virtual machine with 16 CPUs: that of the ebizzy and kernbench rows of 2018. Its host is not named; taken as one
// socket of Broadwell. What a guest has besides: a CPU that would spin halts and is kicked, and every wake-up and every
// call to another CPU leaves the guest.

import type { MachineModel } from '../machine.ts'
import { broadwell2s } from './broadwell-2s.ts'
import { UNMAP_PAGE_NS, x86Software } from './common.ts'

export const guest16: MachineModel = {
  ...broadwell2s,
  name: 'guest-16',
  title: 'a virtual machine with 16 CPUs, taken as 8 cores of 2 threads of one Broadwell',
  source: `the host is not named; as broadwell-2s: ${broadwell2s.source}`,
  topology: { sockets: 1, groupsPerSocket: 1, coresPerGroup: 8, threadsPerCore: 2 },
  lastLevelBytes: 8 * 2.5 * 2 ** 20,
  software: {
    ...x86Software(2.5, 500),
    unmapPageNs: UNMAP_PAGE_NS,
    // From memory, nothing measured: an exit for the sender, 5 to 50 µs to wake a halted CPU.
    ipiNs: 2000,
    ipiPerCpuNs: 1500,
    interruptNs: 2000,
    wakeNs: 2500,
    // Fitted, from 15 µs, with the semaphore of 4.16; with that of 2010 it was 31 µs.
    wakeLatencyNs: 64_000,
    kickNs: 15_000,
  },
  fitted: { 'software.wakeLatencyNs': 'ebizzy -mTRp, 4.16, 16 CPUs' },
}
