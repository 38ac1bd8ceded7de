// Mutants of the kernel: each takes away one guard. A checker that does not find them proves nothing.
//
// A mutant is a change of the source, made while the kernel is loaded for the check. It names the scenario that finds
// it, and the race that the guard is there for, if that has a number.

import type { SourcePatch } from '../backends/stepped/index.ts'

export interface Mutant {
  readonly name: string
  /** What the guard is good for. */
  readonly guard: string
  readonly race: string | null
  /** The shipped scenario that finds it. */
  readonly scenario: string
  readonly patches: readonly SourcePatch[]
}

const design = 'designs/lespinasse-2021.ts'

export const mutants: readonly Mutant[] = [
  {
    name: 'no-odd-check',
    guard: 'a fault gives up when a writer is at work as it begins',
    race: 'R34',
    scenario: 'fault-mmap-fixed',
    patches: [
      {
        file: design,
        find: 'if ((fault.sequence & 1) !== 0) return abort(cpu, VmEvent.SPF_ABORT_ODD)',
        replace: '',
      },
    ],
  },
  {
    name: 'no-second-sequence-check',
    guard: 'after the page-table lock is taken, the sequence count is looked at once more',
    race: null,
    scenario: 'fault-munmap',
    patches: [
      {
        file: design,
        find: 'if (readSeqcountRetry(cpu, seqcount, fault.sequence)) {',
        replace: 'if (false) {',
      },
    ],
  },
  {
    name: 'lock-instead-of-try-lock',
    guard: 'with interrupts disabled, the page-table lock is only tried',
    race: 'R11',
    scenario: 'interrupt-deadlock',
    patches: [
      {
        file: design,
        find: 'if (!spinTryLock(cpu, fault.table + PageTable.ptl))',
        replace: 'spinLock(cpu, fault.table + PageTable.ptl); if (false)',
      },
      {
        file: design,
        find: 'import { spinTryLock, spinUnlock }',
        replace: 'import { spinLock, spinTryLock, spinUnlock }',
      },
    ],
  },
  {
    name: 'vma-freed-at-once',
    guard: 'a VMA is freed after a grace period',
    race: null,
    scenario: 'split-merge-fault',
    patches: [{ file: design, find: '    releaseVmaRcu(cpu, vma)', replace: '    releaseVmaNow(cpu, vma)' }],
  },
  {
    name: 'no-flush-on-unmap',
    guard: 'frames are freed after the TLBs are flushed',
    race: null,
    scenario: 'fault-munmap',
    patches: [
      {
        file: 'mm/mmu-gather.ts',
        find: 'if (cpu.gatherStart < cpu.gatherEnd) flushTlbMm',
        replace: 'if (false) flushTlbMm',
      },
    ],
  },
  {
    name: 'no-flush-on-mprotect',
    guard: 'mprotect flushes the TLBs',
    race: null,
    scenario: 'fault-mprotect',
    patches: [
      { file: 'mm/mprotect.ts', find: 'if (changed !== 0) flushTlbMm', replace: 'if (false) flushTlbMm' },
    ],
  },
  {
    name: 'entry-overwritten',
    guard: 'a new entry is stored only where there is none',
    race: null,
    scenario: 'fault-fault',
    patches: [
      {
        file: 'mm/anonymous.ts',
        find: 'const none = Atomics.load(cpu.heap, address) === 0',
        replace: 'const none = true',
      },
    ],
  },
  {
    name: 'no-flush-on-entry',
    guard: 'a CPU that was told to flush while it was outside does so when it enters',
    race: null,
    scenario: 'fault-munmap',
    patches: [
      {
        file: 'machine/cpu.ts',
        find: 'Atomics.and(cpu.heap, cpu.base, ~CPU_FLUSH)\n    flushTlb(cpu)',
        replace: 'Atomics.and(cpu.heap, cpu.base, ~CPU_FLUSH)',
      },
    ],
  },
  {
    name: 'no-answer-on-exit',
    guard: 'a CPU that leaves answers the interrupts that are pending',
    race: null,
    scenario: 'fault-munmap',
    patches: [
      {
        file: 'machine/cpu.ts',
        find: '  if ((before & CPU_INTERRUPT) !== 0) kernelExitSlow(cpu)',
        replace: '',
      },
    ],
  },
  {
    name: 'call-not-taken-back',
    guard: 'a call to a CPU that has just left is taken back',
    race: null,
    scenario: 'fault-munmap',
    patches: [
      {
        file: 'machine/cpu.ts',
        find: [
          '    if ((Atomics.and(heap, mailbox, ~bit) & bit) === 0) return',
          '    Atomics.sub(heap, base + PerCpu.callPending, 1)',
        ].join('\n'),
        replace: '    return',
      },
    ],
  },
  {
    name: 'stale-vma-cache',
    guard: 'the VMA cache of a thread is dropped when a VMA has left the tree',
    race: 'R31',
    scenario: 'fault-munmap-table',
    patches: [
      {
        file: 'mm/vmacache.ts',
        find: 'cpu.vmacacheMm !== mm || cpu.vmacacheSeqnum !== seqnum',
        replace: 'cpu.vmacacheMm !== mm',
      },
    ],
  },
]
