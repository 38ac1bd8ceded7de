// Mutants of the speculative fault of 2021.
//
// The CPUs of this machine answer interrupts only where they poll, and no walk of a page table polls. So some windows
// in which hardware could be interrupted are closed by construction, and what guards them is redundant as long as
// that is so. `interrupted` opens them: interrupts arrive in the middle of the walk, before the second look at the
// count, and between it and the lock. With it alone nothing breaks; with a guard taken away besides, it does.

import { type MutantTable, TWO_INTERRUPTS } from './mutant.ts'
import { type SourcePatch, at } from './patch.ts'

const design = 'designs/lespinasse-2021.ts'
const speculative = 'fault/speculative.ts'

const noCopyCheck = at(design, 'speculativeFault').drop('if (readSeqcountRetry(...$)) $')
const noBounds = at(design, 'speculativeFault').drop('if (!copyContainsPage(fault)) $')
const accessErrorKills = at(design, 'speculativeFault').replace(
  'abortSpf(cpu, VmEvent.SPF_ABORT_ACCESS_ERROR)',
  '68',
)
const interrupted: readonly SourcePatch[] = [
  at(design, 'pteMapLock').before('walkBegin(cpu)', 'pollInterrupts(cpu)'),
  at(design, 'pteMapLock').before('if (!spinTryLock(...$)) $', 'pollInterrupts(cpu)'),
  at(speculative, 'walkSpeculatively').before('fault.table = table', TWO_INTERRUPTS),
]
const noFirstCheck = at(design, 'pteMapLock').drop('if (readSeqcountRetry(...$)) return $')
const noSecondCheck = at(design, 'pteMapLock').drop('if (readSeqcountRetry(...$)) { $; $ }')
const freedAtOnce = at('tables/mmu-gather.ts', 'gatherFinish').replace(
  'if (cpu.config.MMU_GATHER_RCU_TABLE_FREE) $; else $',
  'freePageTableNow(cpu, table)',
)

export const designMutants: MutantTable = {
  'no-odd-check': {
    guard: 'a fault gives up if a writer is active at its start',
    race: 'R34',
    scenario: 'fault-mmap-fixed',
    patches: at(design, 'speculativeFault').drop('if ((fault.sequence & 1) !== 0) $'),
  },
  'no-rcu-section': {
    guard: 'the VMA is looked up and copied inside an RCU read-side critical section',
    scenario: 'rcu-freed-vma',
    redundant:
      'without preemption, each stay inside the kernel is a read-side critical section: the grace period waits until the CPU has left; lock and unlock only count, for assertions',
    patches: [
      at(design, 'speculativeFault').drop('rcuReadLock(cpu)'),
      at(design, 'speculativeFault').drop('rcuReadUnlock(cpu)'),
      at(design, 'abortReading').drop('rcuReadUnlock(cpu)'),
    ],
  },
  'miss-is-a-fault': {
    guard: 'a lookup without the lock that finds no VMA proves nothing (I1)',
    race: 'R33',
    scenario: 'fault-stack-growth',
    patches: at(design, 'speculativeFault').replace(
      'return abortReading(...$)',
      'rcuReadUnlock(cpu); return 4',
    ),
  },
  'no-check-after-the-copy': {
    guard: 'a fault uses nothing that it has read from a VMA before it has checked the count again (I2)',
    race: 'R34',
    scenario: 'split-merge-fault',
    redundant:
      'for anonymous memory, the copy decides only whether to give up or to continue to the page-table lock, after which the fault checks the count again: a wrong bound, flag or anon_vma leads to a classic fault or is discarded there',
    patches: noCopyCheck,
  },
  'access-error-before-the-check': {
    guard: 'a fault checks permissions with a copy that is known to be consistent',
    race: 'R34',
    scenario: 'split-merge-fault',
    patches: [noCopyCheck, noBounds, accessErrorKills],
  },
  'access-error-kills': {
    guard: 'a missing permission in the copy does not kill the program (I1)',
    race: 'R32',
    scenario: 'split-merge-fault',
    redundant:
      'if the count is unchanged after the copy, the VMA was like that at that moment, and some order gives SIGSEGV; the classic path decides because of faults that need further checks, which this machine does not have',
    patches: accessErrorKills,
  },
  'no-bounds-check': {
    guard: 'the copy must contain the page',
    scenario: 'split-merge-fault',
    redundant:
      'the lookup returns only a VMA that seems to contain the page, and the unchanged count after the copy says that it did at one moment',
    patches: noBounds,
  },
  'no-bounds-check-and-no-check-after-the-copy': {
    guard: 'the same, without the check of the count that makes it redundant',
    race: 'R34',
    scenario: 'split-merge-fault',
    redundant: 'the fault checks the count again under the page-table lock, see no-check-after-the-copy',
    patches: [noCopyCheck, noBounds],
  },
  'speculates-on-files': {
    guard:
      'the classic path handles faults on files: munmap drops a file at once, and not after a grace period',
    race: 'R20',
    // A page that is there is mapped without a look at the file: only one that has to be brought in shows it.
    scenario: 'bring-in-unmap',
    patches: [...interrupted, at(design, 'speculativeFault').drop('if (!this.canSpeculate(cpu, fault)) $')],
  },
  'table-made-by-speculation': {
    guard: 'no page table is made without the mmap lock (I5)',
    race: 'R5',
    scenario: 'fault-munmap-table',
    patches: at(speculative, 'walkSpeculatively').replace(
      'const pmd = findPmdTable(...$); if (pmd === 0) return WALK_NO_PUD; const table = findTableInPmd(...$)',
      'const pmd = 0; const table = allocPteTable(cpu, fault.mm, fault.page)',
    ),
  },
  'no-first-sequence-check': {
    guard:
      'in the section, the fault checks the count before it touches the lock of the table: the table still exists (I4)',
    race: 'R6',
    scenario: 'fault-munmap-table-interrupts',
    patches: [...interrupted, noFirstCheck],
  },
  'no-first-sequence-check-with-rcu': {
    guard: 'the same with tables that are freed through RCU',
    race: 'R6',
    scenario: 'fault-munmap-table',
    redundant:
      'the whole fault is one stay inside the kernel, so that no table that it has read can be freed before it ends; in Linux the allocation of the page may sleep',
    patches: [...interrupted, noFirstCheck],
  },
  'no-second-sequence-check': {
    guard: 'the fault checks the count again after it has taken the page-table lock (I3)',
    scenario: 'fault-munmap',
    patches: noSecondCheck,
  },
  'page-at-the-destination-of-mremap': {
    guard: 'the same, for a fault at the new address of mremap',
    race: 'R2',
    scenario: 'mremap-fault',
    patches: [noFirstCheck, noSecondCheck],
  },
  'lock-instead-of-try-lock': {
    guard: 'with interrupts disabled, the page-table lock is only tried (I6)',
    race: 'R11',
    scenario: 'interrupt-deadlock',
    patches: at(design, 'pteMapLock').replace(
      'if (!spinTryLock(...$)) $',
      'spinLock(cpu, fault.table + PageTable.ptl)',
    ),
  },
  'try-lock-in-a-loop': {
    guard: 'the fault tries the lock once: a loop is a lock, and can also starve',
    race: 'R12',
    scenario: 'interrupt-deadlock',
    patches: at(design, 'pteMapLock').replace(
      'if (!spinTryLock(...$)) $',
      'while (!spinTryLock(cpu, fault.table + PageTable.ptl)) Atomics.pause()',
    ),
  },
  'no-interrupts-off-window': {
    guard: 'the walk runs with interrupts disabled if tables are freed after an interrupt (I4)',
    race: 'R16',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      ...interrupted,
      at(design, 'walkBegin').drop('disableInterrupts(cpu)'),
      at(design, 'walkEnd').drop('enableInterrupts(cpu)'),
    ],
  },
  'window-left-before-the-lock': {
    guard: 'the section lasts from the first check of the count until the lock is held (I4)',
    race: 'R15',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      ...interrupted,
      at(design, 'pteMapLock').after('if (readSeqcountRetry(...$)) return $', 'walkEnd(cpu)'),
      at(design, 'pteMapLock').before('if (!spinTryLock(...$)) $', 'walkBegin(cpu)'),
    ],
  },
  'table-freed-at-once': {
    guard: 'a page table is freed after a grace period (I4)',
    race: 'R5',
    scenario: 'fault-munmap-table',
    patches: [...interrupted, freedAtOnce],
  },
  'table-freed-at-once-uninterrupted': {
    guard: 'the same on the unmodified machine',
    race: 'R5',
    scenario: 'fault-munmap-table',
    redundant:
      'the TLB flush comes after the table is unlinked, and waits for every CPU that is inside; none answers in the middle of a walk, nor between the first check of the count and the lock',
    patches: freedAtOnce,
  },
  'no-interrupt-before-tables-are-freed': {
    guard: 'without RCU, every CPU is interrupted before a page table is freed',
    race: 'R5',
    scenario: 'fault-munmap-table-interrupts',
    redundant:
      'the TLB flush interrupts the same CPUs after the table is unlinked and before it is freed; the second interrupt is for machines that flush without one',
    patches: [...interrupted, at('tables/mmu-gather.ts', 'gatherFinish').drop('callFunctionMany(...$)')],
  },
  'anon-vma-made-by-speculation': {
    guard: 'an anon_vma is created only with the mmap lock held: this reads the neighbours (I12)',
    race: 'R23',
    scenario: 'anon-vma-munmap',
    patches: [
      at(design, 'speculativeFault').replace('fault.vma = 0', 'fault.vma = vma'),
      at('fault/hold.ts', 'prepareWithoutMmapLock').replace(
        'countSpfEvent(...$); return VM_FAULT_RETRY',
        'return anonVmaPrepare(cpu, fault.vma) ? 0 : VM_FAULT_RETRY',
      ),
    ],
  },
  'no-anon-vma': {
    guard: 'a page is installed only if its VMA has an anon_vma (I12)',
    race: 'R23',
    scenario: 'first-anon-vma',
    patches: at('fault/hold.ts', 'prepareWithoutMmapLock').replace(
      'countSpfEvent(...$); return VM_FAULT_RETRY',
      'return 0',
    ),
  },
  'vma-freed-at-once': {
    guard: 'a VMA is freed after a grace period',
    race: 'R24',
    scenario: 'split-merge-fault',
    patches: at(design, 'releaseVma').replace('this.releaseVmaLater', 'releaseVmaNow'),
  },
  'never-odd': {
    guard: 'the count is odd while a writer is active',
    race: 'R10',
    scenario: 'fault-munmap',
    patches: [
      at(design, 'mmapWriteLocked').after(
        'writeSeqcountBegin(...$)',
        'writeSeqcountEnd(cpu, mm + Mm.mmapSeq)',
      ),
      at(design, 'mmapWriteUnlocking').drop('writeSeqcountEnd(...$)'),
    ],
  },
  'odd-before-the-lock': {
    guard: 'only the holder of the lock makes the count odd, so that it has one writer (I10)',
    race: 'R9',
    scenario: 'munmap-mmap',
    patches: at('mm/mmap-lock.ts', 'mmapWriteLock').swap(
      'downWrite(cpu, mm + Mm.mmapLock)',
      'cpu.design.mmapWriteLocked(cpu, mm)',
    ),
  },
  'even-after-the-unlock': {
    guard: 'the count is made even before the lock is released (I10)',
    race: 'R9',
    scenario: 'munmap-mmap',
    patches: at('mm/mmap-lock.ts', 'mmapWriteUnlock').swap(
      'cpu.design.mmapWriteUnlocking(cpu, mm)',
      'upWrite(cpu, mm + Mm.mmapLock)',
    ),
  },
  'odd-after-the-downgrade': {
    guard: 'the count is made even when the lock is downgraded',
    race: 'R9',
    scenario: 'munmap-mmap',
    patches: at('mm/mmap-lock.ts', 'mmapWriteDowngrade').drop('cpu.design.mmapWriteUnlocking(cpu, mm)'),
  },
  'even-late-after-the-downgrade': {
    guard: 'the count is made even before the downgrade, and not after',
    scenario: 'fault-munmap',
    redundant:
      'after the downgrade the thread holds the lock for reading, so that no other writer can begin before it has made the count even; faults in between give up needlessly',
    patches: at('mm/mmap-lock.ts', 'mmapWriteDowngrade').swap(
      'cpu.design.mmapWriteUnlocking(cpu, mm)',
      'downgradeWrite(cpu, mm + Mm.mmapLock)',
    ),
  },
}
