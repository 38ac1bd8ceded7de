// Mutants of the speculative fault of 2021.
//
// The CPUs of this machine answer interrupts only where they poll, and no walk of a page table polls. So some windows
// in which hardware could be interrupted are closed by construction, and what guards them is redundant as long as
// that is so. `interrupted` opens them: interrupts arrive in the middle of the walk, before the second look at the
// count, and between it and the lock. With it alone nothing breaks; with a guard taken away besides, it does.

import type { SourcePatch } from '../../backends/stepped/index.ts'
import { type Mutant, patch } from './mutant.ts'

const design = 'designs/lespinasse-2021.ts'
const speculative = 'mm/speculative.ts'

const interrupted: readonly SourcePatch[] = [
  patch(
    design,
    'import { disableInterrupts, enableInterrupts }',
    'import { disableInterrupts, enableInterrupts, pollInterrupts }',
  ),
  // Twice: once for the flush of the TLBs, and once for the interrupt before tables are freed.
  patch(
    speculative,
    'import { type FaultContext',
    "import { pollInterrupts } from '../machine/cpu.ts'\nimport { type FaultContext",
  ),
  patch(
    speculative,
    '  fault.table = table\n',
    '  pollInterrupts(cpu)\n  pollInterrupts(cpu)\n  fault.table = table\n',
  ),
  patch(
    design,
    '    walkBegin(cpu)\n    // The tables',
    '    pollInterrupts(cpu)\n    walkBegin(cpu)\n    // The tables',
  ),
  patch(design, '    // A try: the holder', '    pollInterrupts(cpu)\n    // A try: the holder'),
]

const freedAtOnce = patch(
  'mm/mmu-gather.ts',
  'if (cpu.config.MMU_GATHER_RCU_TABLE_FREE) callRcu(cpu, table + PageTable.rcuHead, RCU_FREE_PAGE_TABLE)\n    else',
  '',
)
const noFirstCheck = patch(
  design,
  'if (readSeqcountRetry(cpu, seqcount, fault.sequence, fault.turns))\n      return lockFailed(cpu, VmEvent.SPF_ABORT_PTE_MAP_LOCK_SEQ1)',
  '',
)
const noCopyCheck = patch(
  design,
  'if (readSeqcountRetry(cpu, mm + Mm.mmapSeq, fault.sequence, fault.turns))\n      return abortSpf(cpu, VmEvent.SPF_ABORT_VMA_COPY)',
  '',
)
const noBounds = patch(
  design,
  'if (!copyContainsPage(fault)) return abortSpf(cpu, VmEvent.SPF_ABORT_UNMAPPED)',
  '',
)

export const designMutants: readonly Mutant[] = [
  {
    name: 'no-odd-check',
    guard: 'a fault gives up when a writer is at work as it begins',
    race: 'R34',
    scenario: 'fault-mmap-fixed',
    patches: [
      patch(design, 'if ((fault.sequence & 1) !== 0) return abortSpf(cpu, VmEvent.SPF_ABORT_ODD)', ''),
    ],
  },
  {
    name: 'no-rcu-section',
    guard: 'the VMA is looked up and copied inside an RCU read-side critical section',
    race: null,
    scenario: 'rcu-freed-vma',
    redundant:
      'without preemption, a stay inside the kernel is a read-side critical section: the grace period waits until the CPU has left it; the lock and the unlock only count, for assertions',
    patches: [
      patch(design, '    rcuReadLock(cpu)\n    const vma', '    const vma'),
      patch(design, '    copyVma(cpu, fault, vma)\n    rcuReadUnlock(cpu)', '    copyVma(cpu, fault, vma)'),
      patch(design, '  rcuReadUnlock(cpu)\n  return abortSpf', '  return abortSpf'),
    ],
  },
  {
    name: 'miss-is-a-fault',
    guard: 'a lookup without the lock that finds no VMA proves nothing (I1)',
    race: 'R33',
    scenario: 'fault-stack-growth',
    patches: [
      patch(design, 'return abortReading(cpu, VmEvent.SPF_ABORT_UNMAPPED)', 'return (rcuReadUnlock(cpu), 4)'),
    ],
  },
  {
    name: 'no-check-after-the-copy',
    guard: 'nothing that was read from a VMA is used before the count is read once more (I2)',
    race: 'R34',
    scenario: 'split-merge-fault',
    redundant:
      'of anonymous memory, the copy decides only between giving up and going on to the page-table lock, behind which the count is read again: a wrong bound, flag or anon_vma ends in a classic fault or is thrown away there',
    patches: [noCopyCheck],
  },
  {
    name: 'access-error-before-the-check',
    guard: 'permissions are judged by a copy that is known to be of one moment',
    race: 'R34',
    scenario: 'split-merge-fault',
    patches: [
      noCopyCheck,
      noBounds,
      patch(design, 'return abortSpf(cpu, VmEvent.SPF_ABORT_ACCESS_ERROR)', 'return 68'),
    ],
  },
  {
    name: 'access-error-kills',
    guard: 'a permission that is missing in the copy does not kill the program (I1)',
    race: 'R32',
    scenario: 'split-merge-fault',
    redundant:
      'once the count is unchanged after the copy, the VMA was like that at that moment, so that SIGSEGV is what some order gives; the classic path decides because of faults that need more than a look, which this machine does not have',
    patches: [patch(design, 'return abortSpf(cpu, VmEvent.SPF_ABORT_ACCESS_ERROR)', 'return 68')],
  },
  {
    name: 'no-bounds-check',
    guard: 'the copy has to contain the page',
    race: null,
    scenario: 'split-merge-fault',
    redundant:
      'the lookup returns only a VMA that seems to contain the page, and the count that is unchanged after the copy says that it was so at one moment',
    patches: [noBounds],
  },
  {
    name: 'no-bounds-check-and-no-check-after-the-copy',
    guard: 'the same, without the look at the count that makes it redundant',
    race: 'R34',
    scenario: 'split-merge-fault',
    redundant: 'the count is read again under the page-table lock, see no-check-after-the-copy',
    patches: [noBounds, noCopyCheck],
  },
  {
    name: 'speculates-on-files',
    guard:
      'faults on files are left to the classic path: munmap gives a file up at once, and not after a grace period',
    race: 'R20',
    scenario: 'file-fault-munmap',
    patches: [
      ...interrupted,
      patch(
        design,
        'if (!this.canSpeculate(cpu, fault)) return abortSpf(cpu, VmEvent.SPF_ABORT_NO_SPECULATE)',
        '',
      ),
    ],
  },
  {
    name: 'table-made-by-speculation',
    guard: 'no page table is made without the mmap lock (I5)',
    race: 'R5',
    scenario: 'fault-munmap-table',
    patches: [
      patch(
        speculative,
        'import { findPmdTable, findTableInPmd, pteAddress }',
        'import { allocPteTable, pteAddress }',
      ),
      patch(
        speculative,
        'const pmd = findPmdTable(cpu, fault.mm, fault.page)\n  if (pmd === 0) return WALK_NO_PUD\n  const table = findTableInPmd(cpu, pmd, fault.page)',
        'const pmd = 0\n  const table = allocPteTable(cpu, fault.mm, fault.page)',
      ),
    ],
  },
  {
    name: 'no-first-sequence-check',
    guard:
      'in the window, and before the lock of the table is touched, the count is read: the table is still there (I4)',
    race: 'R6',
    scenario: 'fault-munmap-table-interrupts',
    patches: [...interrupted, noFirstCheck],
  },
  {
    name: 'no-first-sequence-check-with-rcu',
    guard: 'the same where tables are freed through RCU',
    race: 'R6',
    scenario: 'fault-munmap-table',
    redundant:
      'the whole fault is one stay inside the kernel, so that no table that it has seen can be freed before it ends; in Linux the allocation of the page may sleep',
    patches: [...interrupted, noFirstCheck],
  },
  {
    name: 'no-second-sequence-check',
    guard: 'after the page-table lock is taken, the count is read once more (I3)',
    race: null,
    scenario: 'fault-munmap',
    patches: [
      patch(design, 'if (readSeqcountRetry(cpu, seqcount, fault.sequence, fault.turns)) {', 'if (false) {'),
    ],
  },
  {
    name: 'page-at-the-destination-of-mremap',
    guard: 'the same, for a fault where mremap moves its entries to',
    race: 'R2',
    scenario: 'mremap-fault',
    patches: [
      patch(design, 'if (readSeqcountRetry(cpu, seqcount, fault.sequence, fault.turns)) {', 'if (false) {'),
      noFirstCheck,
    ],
  },
  {
    name: 'lock-instead-of-try-lock',
    guard: 'with interrupts disabled, the page-table lock is only tried (I6)',
    race: 'R11',
    scenario: 'interrupt-deadlock',
    patches: [
      patch(
        design,
        'if (!spinTryLock(cpu, fault.table + PageTable.ptl))',
        'spinLock(cpu, fault.table + PageTable.ptl); if (false)',
      ),
      patch(design, 'import { spinTryLock, spinUnlock }', 'import { spinLock, spinTryLock, spinUnlock }'),
    ],
  },
  {
    name: 'try-lock-in-a-loop',
    guard: 'the lock is tried once: in a loop it is a lock, and can starve besides',
    race: 'R12',
    scenario: 'interrupt-deadlock',
    patches: [
      patch(
        design,
        'if (!spinTryLock(cpu, fault.table + PageTable.ptl))',
        'while (!spinTryLock(cpu, fault.table + PageTable.ptl)) Atomics.pause()\n    if (false)',
      ),
    ],
  },
  {
    name: 'no-interrupts-off-window',
    guard: 'the walk runs with interrupts disabled where tables are freed after an interrupt (I4)',
    race: 'R16',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      ...interrupted,
      patch(design, 'else disableInterrupts(cpu)', ''),
      patch(design, 'else enableInterrupts(cpu)', ''),
    ],
  },
  {
    name: 'window-left-before-the-lock',
    guard: 'the window lasts from the first look at the count until the lock is held (I4)',
    race: 'R15',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      ...interrupted,
      patch(
        design,
        '      return lockFailed(cpu, VmEvent.SPF_ABORT_PTE_MAP_LOCK_SEQ1)\n    pollInterrupts(cpu)',
        '      return lockFailed(cpu, VmEvent.SPF_ABORT_PTE_MAP_LOCK_SEQ1)\n    walkEnd(cpu)\n    pollInterrupts(cpu)\n    walkBegin(cpu)',
      ),
    ],
  },
  {
    name: 'table-freed-at-once',
    guard: 'a page table is freed after a grace period (I4)',
    race: 'R5',
    scenario: 'fault-munmap-table',
    patches: [...interrupted, freedAtOnce],
  },
  {
    name: 'table-freed-at-once-uninterrupted',
    guard: 'the same on this machine as it is',
    race: 'R5',
    scenario: 'fault-munmap-table',
    redundant:
      'the flush of the TLBs comes after the table is unhooked, and waits for every CPU that is inside; none answers in the middle of a walk, nor between the first look at the count and the lock',
    patches: [freedAtOnce],
  },
  {
    name: 'no-interrupt-before-tables-are-freed',
    guard: 'without RCU, every CPU is interrupted before a page table is freed',
    race: 'R5',
    scenario: 'fault-munmap-table-interrupts',
    redundant:
      'the flush of the TLBs interrupts the same CPUs after the table is unhooked, and before it is freed; the second interrupt is for machines that flush without one',
    patches: [
      ...interrupted,
      patch(
        'mm/mmu-gather.ts',
        'callFunctionMany(cpu, cpu.gatherMm + Mm.cpuMask, CALL_NOTHING, 0, 0, 0)',
        '',
      ),
    ],
  },
  {
    name: 'anon-vma-made-by-speculation',
    guard: 'an anon_vma is made with the mmap lock only: its making reads the neighbours (I12)',
    race: 'R23',
    scenario: 'anon-vma-munmap',
    patches: [
      patch(design, 'fault.vma = 0', 'fault.vma = vma'),
      patch(
        'mm/anonymous.ts',
        '    countSpfEvent(cpu, VmEvent.SPF_ABORT_ANON_VMA)\n    return false',
        '    return anonVmaPrepare(cpu, fault.vma)',
      ),
    ],
  },
  {
    name: 'no-anon-vma',
    guard: 'a page is installed only where its VMA has an anon_vma (I12)',
    race: 'R23',
    scenario: 'first-anon-vma',
    patches: [
      patch(
        'mm/anonymous.ts',
        '    countSpfEvent(cpu, VmEvent.SPF_ABORT_ANON_VMA)\n    return false',
        '    return true',
      ),
    ],
  },
  {
    name: 'vma-freed-at-once',
    guard: 'a VMA is freed after a grace period',
    race: 'R24',
    scenario: 'split-merge-fault',
    patches: [patch(design, 'else this.releaseVmaLater(cpu, vma)', 'else releaseVmaNow(cpu, vma)')],
  },
  {
    name: 'never-odd',
    guard: 'the count is odd while a writer is at work',
    race: 'R10',
    scenario: 'fault-munmap',
    patches: [
      patch(
        design,
        'writeSeqcountBegin(cpu, mm + Mm.mmapSeq)',
        'writeSeqcountBegin(cpu, mm + Mm.mmapSeq); writeSeqcountEnd(cpu, mm + Mm.mmapSeq)',
      ),
      patch(
        design,
        'override mmapWriteUnlocking(cpu: Task, mm: number): void {\n    writeSeqcountEnd(cpu, mm + Mm.mmapSeq)',
        'override mmapWriteUnlocking(): void {',
      ),
    ],
  },
  {
    name: 'odd-before-the-lock',
    guard: 'the count is made odd by who holds the lock, so that there is one writer in it (I10)',
    race: 'R9',
    scenario: 'munmap-mmap',
    patches: [
      patch(
        'mm/mmap-lock.ts',
        'downWrite(cpu, mm + Mm.mmapLock)\n  cpu.design.mmapWriteLocked(cpu, mm)',
        'cpu.design.mmapWriteLocked(cpu, mm)\n  downWrite(cpu, mm + Mm.mmapLock)',
      ),
    ],
  },
  {
    name: 'even-after-the-unlock',
    guard: 'the count is made even before the lock is released (I10)',
    race: 'R9',
    scenario: 'munmap-mmap',
    patches: [
      patch(
        'mm/mmap-lock.ts',
        'cpu.design.mmapWriteUnlocking(cpu, mm)\n  upWrite(cpu, mm + Mm.mmapLock)',
        'upWrite(cpu, mm + Mm.mmapLock)\n  cpu.design.mmapWriteUnlocking(cpu, mm)',
      ),
    ],
  },
  {
    name: 'odd-after-the-downgrade',
    guard: 'the count is made even when the lock is downgraded',
    race: 'R9',
    scenario: 'munmap-mmap',
    patches: [
      patch(
        'mm/mmap-lock.ts',
        'cpu.design.mmapWriteUnlocking(cpu, mm)\n  downgradeWrite(cpu, mm + Mm.mmapLock)',
        'downgradeWrite(cpu, mm + Mm.mmapLock)',
      ),
    ],
  },
  {
    name: 'even-late-after-the-downgrade',
    guard: 'the count is made even before the downgrade, and not after',
    race: null,
    scenario: 'fault-munmap',
    redundant:
      'who has downgraded holds the lock for reading, so that no other writer can begin before it has made the count even; faults in between give up for nothing',
    patches: [
      patch(
        'mm/mmap-lock.ts',
        'cpu.design.mmapWriteUnlocking(cpu, mm)\n  downgradeWrite(cpu, mm + Mm.mmapLock)',
        'downgradeWrite(cpu, mm + Mm.mmapLock)\n  cpu.design.mmapWriteUnlocking(cpu, mm)',
      ),
    ],
  },
]
