// What several machines have in common, where nobody has measured it for each.

import type { MachineModel } from '../machine.ts'

/**
 * Kernel entry and calls to other CPUs on x86 at `ghz`.
 *
 * - exception: 1,050 cycles into the handler and back, on Haswell without page-table isolation (L. Torvalds, 30 April
 *   2014, quoted at d.hatena.ne.jp/yohei-a/20160509).
 * - system call: 339 ns, getppid of FreeBSD on Haswell without page-table isolation (reviews.freebsd.org/D13985).
 * - calls to other CPUs: 1 µs and 200 ns for each (unseel.com); what who is called takes is an assumption.
 * - waking: a futex hand-off takes 2 to 7 µs on bare metal (travisdowns/concurrency-hierarchy-bench, "ticket blocking",
 *   3.8 µs for two threads on Skylake), of which a quarter is taken to be the waker's.
 *
 * `faultNs` is fitted where there is a row of one thread, and else assumed to be 500.
 */
export function x86Software(ghz: number, faultNs: number): MachineModel['software'] {
  return {
    exceptionNs: 1050 / ghz,
    systemCallNs: 339,
    faultNs,
    ipiNs: 1000,
    ipiPerCpuNs: 200,
    interruptNs: 1000,
    wakeNs: 950,
    wakeLatencyNs: 2850,
    kickNs: 0,
  }
}

/**
 * Assumed of all: what a plain access takes beside others; how soon after each other the last level gives copies; how
 * much slower two threads of a core compute together.
 */
export const assumed = { hitNs: 1, sharedReadNs: 10, smtFactor: 1.6 } as const

/**
 * A page that is unmapped, beside what is simulated of that. 320 GB in pages of 4 KiB are freed in 10.8 s by one thread
 * of Linux 4.10 on a Haswell-EX, 129 ns for each (A. Lu, "mm: support parallel free of memory", 24 February 2017), of
 * which the simulated kernel's own accesses take 45 with the accounting of 5.11. On skylake-2s these, and the zone's
 * time for a frame, make 136 together, so that nothing is missing there.
 */
export const UNMAP_PAGE_NS = 84

/** One locked instruction on a line of one's own, 7.0 ns on Skylake: travisdowns/concurrency-hierarchy-bench. */
export const ATOMIC_NS = 7
