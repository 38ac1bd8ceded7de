// Mutants of Dufour's designs: what is theirs besides the sequence count in each VMA.

import { type MutantTable, TWO_INTERRUPTS } from './mutant.ts'
import { type SourcePatch, at } from './patch.ts'

const shared = 'designs/dufour.ts'
const first = 'designs/dufour-2017.ts'
const second = 'designs/dufour-2018.ts'
const third = 'designs/dufour-2019.ts'

const noAnonVmaCheck = at(shared, 'handleVma').drop('if (fault.anonVma === 0) $')
/** The designs of 2017 and 2018 share the commit. */
const lockInsteadOfTry = at(shared, '#tryLockTable').replace(
  'if (!spinTryLock(cpu, fault.table + PageTable.ptl)) $',
  'spinLock(cpu, fault.table + PageTable.ptl)',
)
/** Interrupts arrive before it, too. */
const noCheckBefore: readonly SourcePatch[] = [
  at(shared, 'pteMapLock').before('disableInterrupts(cpu)', TWO_INTERRUPTS),
  at(shared, '#tryLockTable').drop('if (this.hasChanged(cpu, fault)) $'),
]
const noCheckBehind = at(shared, '#tryLockTable').force('!this.hasChanged(cpu, fault)', true)
const referenceKept = at(second, 'speculativeFault').drop('putVma(cpu, vma)')
const leftReferenceKept = at(second, 'retryVma').drop('putVma(cpu, leftVma)')

export const dufourMutants: MutantTable = {
  'dufour-refusal-kills': {
    guard: 'a missing permission in the copy does not kill the program: the classic path decides (I1)',
    race: 'R34',
    design: 'dufour-2019',
    scenario: 'torn-snapshot',
    patches: at(shared, 'handleVma').replace(
      'this.refuse(cpu, fault, errorCode)',
      'accessSignal(errorCode, fault.vmFlags)',
    ),
  },
  'dufour-no-check-after-the-walk': {
    guard: 'the fault checks the count again after it has walked the page table',
    race: 'R34',
    design: 'dufour-2017',
    scenario: 'split-merge-fault',
    redundant: 'the results are discarded at the commit, which checks the count under the lock',
    patches: at(shared, 'handleVma').drop('if (this.hasChanged(cpu, fault)) $'),
  },
  'dufour-no-anon-vma-check': {
    guard: 'a VMA without an anon_vma is left to the classic path (I12)',
    race: 'R23',
    design: 'dufour-2017',
    scenario: 'anon-vma-munmap',
    redundant:
      'the handlers refuse to create one without the mmap lock, for every design that does not request it',
    patches: noAnonVmaCheck,
  },
  'dufour-speculates-on-stacks': {
    guard: 'a stack is left to the classic path, as it may have to grow (I12)',
    design: 'dufour-2017',
    scenario: 'fault-stack-growth',
    redundant:
      'a fault below the stack is outside its borders, and growing moves them, which changes the count',
    patches: at(shared, 'handleVma').drop('if ((fault.vmFlags & VM_GROWSDOWN) !== 0) $'),
  },
  'dufour-2018-speculates-on-files': {
    guard: 'the classic path handles faults on files: munmap drops a file at once',
    race: 'R20',
    design: 'dufour-2018',
    scenario: 'bring-in-unmap',
    patches: [
      noAnonVmaCheck,
      at(shared, 'handleVma').drop('if (fault.vmFile !== 0) $'),
      at(shared, 'handleVma').before('countVmEvent(cpu, VmEvent.pgfault)', 'pollInterrupts(cpu)'),
    ],
  },
  'dufour-2017-lock-instead-of-try-lock': {
    guard: 'with interrupts disabled, the page-table lock is only tried (I6)',
    race: 'R11',
    design: 'dufour-2017',
    scenario: 'interrupt-deadlock',
    patches: lockInsteadOfTry,
  },
  'dufour-2017-no-check-before-the-lock': {
    guard: 'the fault checks the count before it touches the page-table lock: the table still exists (I4)',
    race: 'R15',
    design: 'dufour-2017',
    scenario: 'fault-munmap-table-interrupts',
    patches: noCheckBefore,
  },
  'dufour-2017-no-check-behind-the-lock': {
    guard: 'the fault checks the count again when it holds the page-table lock (I3)',
    design: 'dufour-2017',
    scenario: 'fault-munmap',
    patches: noCheckBehind,
  },
  'dufour-2017-no-srcu-section': {
    guard: 'the whole fault is a read-side critical section of SRCU',
    race: 'R24',
    design: 'dufour-2017',
    scenario: 'rcu-freed-vma',
    patches: [
      at(first, 'speculativeFault').drop('const index = srcuReadLock(cpu)'),
      at(first, 'speculativeFault').drop('srcuReadUnlock(cpu, index)'),
    ],
  },
  'dufour-2018-lock-instead-of-try-lock': {
    guard: 'with interrupts disabled, the page-table lock is only tried (I6)',
    race: 'R11',
    design: 'dufour-2018',
    scenario: 'interrupt-deadlock',
    patches: lockInsteadOfTry,
  },
  'dufour-2018-no-check-before-the-lock': {
    guard: 'the fault checks the count before it touches the page-table lock: the table still exists (I4)',
    race: 'R15',
    design: 'dufour-2018',
    scenario: 'fault-munmap-table-interrupts',
    patches: noCheckBefore,
  },
  'dufour-2018-no-check-behind-the-lock': {
    guard: 'the fault checks the count again when it holds the page-table lock (I3)',
    design: 'dufour-2018',
    scenario: 'fault-munmap',
    patches: noCheckBehind,
  },
  'dufour-2018-no-reference': {
    guard: 'a fault counts itself in the VMA that it has found',
    design: 'dufour-2018',
    scenario: 'rcu-freed-vma',
    patches: [referenceKept, leftReferenceKept, at(second, 'getVma').drop('if (vma !== 0) $')],
  },
  'dufour-2018-reference-kept': {
    guard: 'a fault drops its reference',
    design: 'dufour-2018',
    scenario: 'fault-munmap',
    patches: referenceKept,
  },
  'dufour-2018-left-reference-kept': {
    guard: 'the classic path drops the reference that the speculative try has passed to it',
    design: 'dufour-2018',
    scenario: 'fault-munmap',
    patches: leftReferenceKept,
  },
  'dufour-2018-tree-without-lock': {
    guard: 'the lookup holds the lock of the tree: a VMA is found and counted before it can leave',
    design: 'dufour-2018',
    scenario: 'rcu-freed-vma',
    patches: [
      at(second, 'getVma').drop('readLock(cpu, mm + Mm.mmRbLock)'),
      at(second, 'getVma').drop('readUnlock(cpu, mm + Mm.mmRbLock)'),
    ],
  },
  'dufour-2018-writer-without-lock': {
    guard: 'a change of the tree holds its lock for writing',
    design: 'dufour-2018',
    scenario: 'rcu-freed-vma',
    patches: [
      at(second, 'treeWriteBegin').drop('writeLock(cpu, mm + Mm.mmRbLock)'),
      at(second, 'treeWriteEnd').drop('writeUnlock(cpu, mm + Mm.mmRbLock)'),
    ],
  },
  'dufour-2018-left-vma-not-tested': {
    guard: 'the classic path uses the VMA of the failed try only if it is still in the tree',
    race: 'R26',
    design: 'dufour-2018',
    scenario: 'merged-away',
    patches: at(second, 'retryVma').drop('Atomics.load(heap, leftVma + Vma.detached) === 0'),
  },
  'dufour-2018-left-vma-bounds-not-tested': {
    guard: 'and only if it contains the page',
    race: 'R26',
    design: 'dufour-2018',
    scenario: 'fault-munmap',
    patches: [
      at(second, 'retryVma').drop('heap[leftVma + Vma.vmStart] <= page'),
      at(second, 'retryVma').drop('page < heap[leftVma + Vma.vmEnd]'),
    ],
  },
  'dufour-2019-no-check-before-the-lock': {
    guard: 'the fault checks the count before it touches the page-table lock: the table still exists (I4)',
    race: 'R15',
    design: 'dufour-2019',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      at(third, 'pteMapLock').before('const lock = fault.table + PageTable.ptl', TWO_INTERRUPTS),
      at(third, 'pteMapLock').drop('if (this.hasChanged(cpu, fault)) return this.#lockFails(...$)'),
    ],
  },
  'dufour-2019-no-check-behind-the-lock': {
    guard: 'the fault checks the count again when it holds the page-table lock (I3)',
    design: 'dufour-2019',
    scenario: 'fault-munmap',
    patches: at(third, 'pteMapLock').drop('if (this.hasChanged(cpu, fault)) { $; $ }'),
  },
  'dufour-2019-pmd-not-compared': {
    guard: 'the table is still the one that the walk saw',
    race: 'R13',
    design: 'dufour-2019',
    scenario: 'fault-munmap-table-interrupts',
    redundant:
      'only unmapping removes a table here, which changes the count; collapsing to a huge page removed one without',
    patches: at(third, 'pteMapLock').force('findTableInPmd(...$) !== fault.table', false),
  },
  'dufour-2019-loops-with-interrupts-off': {
    guard: 'between two tries of the page-table lock interrupts are enabled, and answered',
    race: 'R11',
    design: 'dufour-2019',
    scenario: 'interrupt-deadlock',
    patches: at(third, 'pteMapLock').replace('enableInterrupts(cpu); cpuRelax(cpu)', 'cpuRelax(cpu)'),
  },
  'dufour-2019-waits-on-a-lock-that-may-be-gone': {
    guard: 'with interrupts enabled, a fault that waits for the page-table lock does not read it',
    race: 'R6',
    design: 'dufour-2019',
    scenario: 'fault-munmap-table-interrupts',
    patches: at(third, 'pteMapLock').replace(
      'enableInterrupts(cpu); cpuRelax(cpu)',
      'enableInterrupts(cpu); if (Atomics.load(cpu.heap, lock) !== 0) cpuRelax(cpu)',
    ),
  },
  'dufour-2019-no-reference': {
    guard: 'a fault counts itself in the VMA that it has found',
    design: 'dufour-2019',
    scenario: 'rcu-freed-vma',
    redundant:
      'without preemption the whole fault is a read-side critical section of RCU, and the reference of the tree is dropped after a grace period',
    patches: [
      at(third, 'speculativeFault').drop('putVma(cpu, vma)'),
      at(third, 'getVmaRcu').drop('if (vma !== 0) refcountInc(cpu, vma + Vma.refCount)'),
      at(third, 'getVmaRcu').drop('if (vma !== 0) putVma(cpu, vma)'),
    ],
  },
  'dufour-2019-reference-of-the-tree-dropped-at-once': {
    guard:
      'the reference of the tree is dropped after a grace period, since a fault may be about to take its own',
    race: 'R24',
    design: 'dufour-2019',
    scenario: 'merged-away',
    patches: at(third, 'releaseVma').replace('releaseVmaReferenceRcu', 'releaseVmaReference'),
  },
  'dufour-2019-tree-without-seqlock': {
    guard: 'a lookup during a change of the tree is repeated',
    race: 'R33',
    design: 'dufour-2019',
    scenario: 'lookup-rotation',
    redundant: 'a missed VMA only costs a classic fault, and a found VMA has its own check',
    patches: at(third, 'getVmaRcu').force('!readSeqcountRetry(...$)', true),
  },
}
