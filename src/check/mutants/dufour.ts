// Mutants of Dufour's designs: what is theirs besides the sequence count in each VMA.

import { type Mutant, patch } from './mutant.ts'

const shared = 'designs/dufour.ts'
const first = 'designs/dufour-2017.ts'
const second = 'designs/dufour-2018.ts'
const third = 'designs/dufour-2019.ts'

/** The designs of 2017 and 2018 share the commit. */
const lockInsteadOfTry: Mutant['patches'] = [
  patch(
    shared,
    'if (!spinTryLock(cpu, fault.table + PageTable.ptl)) return this.lockFails(cpu, VmEvent.spf_pte_lock)',
    'spinLock(cpu, fault.table + PageTable.ptl)',
  ),
  patch(shared, 'import { spinTryLock, spinUnlock }', 'import { spinLock, spinUnlock }'),
]
/** Interrupts arrive before the commit, as they may on hardware: for the flush, and before tables are freed. */
const interrupted = (file: string): Mutant['patches'] => [
  patch(file, 'enableInterrupts } from', 'enableInterrupts, pollInterrupts } from'),
  patch(
    file,
    'pteMapLock(cpu: Task, fault: FaultContext): boolean {\n',
    'pteMapLock(cpu: Task, fault: FaultContext): boolean {\n    pollInterrupts(cpu)\n    pollInterrupts(cpu)\n',
  ),
]
const noCheckBefore = 'if (this.hasChanged(cpu, fault)) return this.lockFails(cpu, VmEvent.spf_vma_changed)\n'
const noCheckBehind = 'if (!this.hasChanged(cpu, fault)) return true\n'

export const dufourMutants: readonly Mutant[] = [
  {
    name: 'dufour-refusal-kills',
    guard:
      'a permission that is missing in the copy does not kill the program: the classic path decides (I1)',
    race: 'R34',
    design: 'dufour-2019',
    scenario: 'torn-snapshot',
    patches: [
      patch(
        shared,
        'return cpu.config.PUBLISHED_FLAWS ? accessSignal(errorCode, fault.vmFlags) : VM_FAULT_RETRY',
        'return accessSignal(errorCode, fault.vmFlags)',
      ),
    ],
  },
  {
    name: 'dufour-no-check-after-the-walk',
    guard: 'the count is read again after the page table was walked',
    race: 'R34',
    design: 'dufour-2017',
    scenario: 'split-merge-fault',
    redundant:
      'what was copied and walked is thrown away at the commit, where the count is read behind the lock',
    patches: [
      patch(
        shared,
        '    if (this.hasChanged(cpu, fault)) return this.giveUp(cpu, VmEvent.spf_vma_changed)\n    countVm',
        '    countVm',
      ),
    ],
  },
  {
    name: 'dufour-no-anon-vma-check',
    guard: 'a VMA without an anon_vma is left to the classic path (I12)',
    race: 'R23',
    design: 'dufour-2017',
    scenario: 'anon-vma-munmap',
    redundant:
      'the handlers refuse to make one without the mmap lock, for every design that does not ask for it',
    patches: [
      patch(shared, '    if (fault.anonVma === 0) return this.giveUp(cpu, VmEvent.spf_vma_noanon)\n', ''),
    ],
  },
  {
    name: 'dufour-speculates-on-stacks',
    guard: 'a stack is left to the classic path, as it may have to grow (I12)',
    race: null,
    design: 'dufour-2017',
    scenario: 'fault-stack-growth',
    redundant:
      'a fault below the stack is outside its borders, and growing moves them, which the count tells',
    patches: [
      patch(
        shared,
        '    if ((fault.vmFlags & VM_GROWSDOWN) !== 0) return this.giveUp(cpu, VmEvent.spf_vma_notsup)\n',
        '',
      ),
    ],
  },
  {
    name: 'dufour-2018-speculates-on-files',
    guard: 'faults on files are left to the classic path: munmap gives a file up at once',
    race: 'R20',
    design: 'dufour-2018',
    scenario: 'file-fault-munmap',
    patches: [
      patch(
        shared,
        'import { type FaultContext',
        "import { pollInterrupts } from '../machine/cpu.ts'\nimport { type FaultContext",
      ),
      patch(
        shared,
        '    countVmEvent(cpu, VmEvent.pgfault)\n',
        '    pollInterrupts(cpu)\n    countVmEvent(cpu, VmEvent.pgfault)\n',
      ),
      patch(shared, '    if (fault.vmFile !== 0) return this.giveUp(cpu, VmEvent.spf_vma_notsup)\n', ''),
      patch(shared, '    if (fault.anonVma === 0) return this.giveUp(cpu, VmEvent.spf_vma_noanon)\n', ''),
    ],
  },
  {
    name: 'dufour-2017-lock-instead-of-try-lock',
    guard: 'with interrupts disabled, the page-table lock is only tried (I6)',
    race: 'R11',
    design: 'dufour-2017',
    scenario: 'interrupt-deadlock',
    patches: lockInsteadOfTry,
  },
  {
    name: 'dufour-2017-no-check-before-the-lock',
    guard: 'the count is read before the page-table lock is touched: the table is still there (I4)',
    race: 'R15',
    design: 'dufour-2017',
    scenario: 'fault-munmap-table-interrupts',
    patches: [...interrupted(shared), patch(shared, noCheckBefore, '\n')],
  },
  {
    name: 'dufour-2017-no-check-behind-the-lock',
    guard: 'the count is read once more when the page-table lock is held (I3)',
    race: null,
    design: 'dufour-2017',
    scenario: 'fault-munmap',
    patches: [patch(shared, noCheckBehind, 'if (cpu.id >= 0) return true\n')],
  },
  {
    name: 'dufour-2017-no-srcu-section',
    guard: 'the whole fault is a read-side critical section of SRCU',
    race: 'R24',
    design: 'dufour-2017',
    scenario: 'rcu-freed-vma',
    patches: [
      patch(first, '    const index = srcuReadLock(cpu)\n', ''),
      patch(first, '    srcuReadUnlock(cpu, index)\n', ''),
    ],
  },
  {
    name: 'dufour-2018-lock-instead-of-try-lock',
    guard: 'with interrupts disabled, the page-table lock is only tried (I6)',
    race: 'R11',
    design: 'dufour-2018',
    scenario: 'interrupt-deadlock',
    patches: lockInsteadOfTry,
  },
  {
    name: 'dufour-2018-no-check-before-the-lock',
    guard: 'the count is read before the page-table lock is touched: the table is still there (I4)',
    race: 'R15',
    design: 'dufour-2018',
    scenario: 'fault-munmap-table-interrupts',
    patches: [...interrupted(shared), patch(shared, noCheckBefore, '\n')],
  },
  {
    name: 'dufour-2018-no-check-behind-the-lock',
    guard: 'the count is read once more when the page-table lock is held (I3)',
    race: null,
    design: 'dufour-2018',
    scenario: 'fault-munmap',
    patches: [patch(shared, noCheckBehind, 'if (cpu.id >= 0) return true\n')],
  },
  {
    name: 'dufour-2018-no-reference',
    guard: 'a fault counts itself in the VMA that it has found',
    race: null,
    design: 'dufour-2018',
    scenario: 'rcu-freed-vma',
    patches: [
      patch(second, '  if (vma !== 0) refcountInc(cpu, vma + Vma.refCount)\n', ''),
      patch(second, '    else putVma(cpu, vma)\n', ''),
      patch(second, '    putVma(cpu, leftVma)\n', ''),
    ],
  },
  {
    name: 'dufour-2018-reference-kept',
    guard: 'a fault gives its reference back',
    race: null,
    design: 'dufour-2018',
    scenario: 'fault-munmap',
    patches: [patch(second, '    else putVma(cpu, vma)\n', '')],
  },
  {
    name: 'dufour-2018-left-reference-kept',
    guard: 'the classic path gives back the reference that the speculative try has left to it',
    race: null,
    design: 'dufour-2018',
    scenario: 'fault-munmap',
    patches: [patch(second, '    putVma(cpu, leftVma)\n', '')],
  },
  {
    name: 'dufour-2018-tree-without-lock',
    guard: 'the lookup holds the lock of the tree: a VMA is found and counted before it can leave',
    race: null,
    design: 'dufour-2018',
    scenario: 'rcu-freed-vma',
    patches: [
      patch(second, '  readLock(cpu, mm + Mm.mmRbLock)\n', ''),
      patch(second, '  readUnlock(cpu, mm + Mm.mmRbLock)\n', ''),
    ],
  },
  {
    name: 'dufour-2018-writer-without-lock',
    guard: 'who changes the tree holds its lock for writing',
    race: null,
    design: 'dufour-2018',
    scenario: 'rcu-freed-vma',
    patches: [
      patch(second, '    writeLock(cpu, mm + Mm.mmRbLock)\n', ''),
      patch(second, '    writeUnlock(cpu, mm + Mm.mmRbLock)\n', ''),
    ],
  },
  {
    name: 'dufour-2018-left-vma-not-tested',
    guard: 'the VMA that the try has left is used by the classic path only if it is still in the tree',
    race: 'R26',
    design: 'dufour-2018',
    scenario: 'merged-away',
    patches: [patch(second, '      Atomics.load(heap, leftVma + Vma.detached) === 0 &&\n', '')],
  },
  {
    name: 'dufour-2018-left-vma-bounds-not-tested',
    guard: 'and only if it contains the page',
    race: 'R26',
    design: 'dufour-2018',
    scenario: 'fault-munmap',
    patches: [
      patch(
        second,
        '      heap[leftVma + Vma.vmStart] <= page &&\n      page < heap[leftVma + Vma.vmEnd]\n',
        '      page >= 0\n',
      ),
    ],
  },
  {
    name: 'dufour-2019-no-check-before-the-lock',
    guard: 'the count is read before the page-table lock is touched: the table is still there (I4)',
    race: 'R15',
    design: 'dufour-2019',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      ...interrupted(third),
      patch(
        third,
        '      if (this.hasChanged(cpu, fault)) return this.#lockFails(cpu, VmEvent.spf_vma_changed)\n',
        '',
      ),
    ],
  },
  {
    name: 'dufour-2019-no-check-behind-the-lock',
    guard: 'the count is read once more when the page-table lock is held (I3)',
    race: null,
    design: 'dufour-2019',
    scenario: 'fault-munmap',
    patches: [patch(third, '    if (this.hasChanged(cpu, fault)) {\n', '    if (cpu.id < 0) {\n')],
  },
  {
    name: 'dufour-2019-pmd-not-compared',
    guard: 'the table is still the one that the walk saw',
    race: 'R13',
    design: 'dufour-2019',
    scenario: 'fault-munmap-table-interrupts',
    redundant:
      'only unmapping takes a table away here, which the count tells; collapsing to a huge page did so without',
    patches: [patch(third, 'if (findTableInPmd(cpu, fault.pmd, fault.page) !== fault.table)', 'if (false)')],
  },
  {
    name: 'dufour-2019-loops-with-interrupts-off',
    guard: 'between two tries of the page-table lock interrupts are enabled, and answered',
    race: 'R11',
    design: 'dufour-2019',
    scenario: 'interrupt-deadlock',
    patches: [patch(third, '      enableInterrupts(cpu)\n      const held', '      const held')],
  },
  {
    name: 'dufour-2019-no-reference',
    guard: 'a fault counts itself in the VMA that it has found',
    race: null,
    design: 'dufour-2019',
    scenario: 'rcu-freed-vma',
    redundant:
      'without preemption the whole fault is a read-side critical section of RCU, and the reference of the tree is dropped after a grace period',
    patches: [
      patch(third, '    if (vma !== 0) refcountInc(cpu, vma + Vma.refCount)\n', ''),
      patch(third, '    if (vma !== 0) putVma(cpu, vma)\n', ''),
      patch(third, '    putVma(cpu, vma)\n    return this.finish', '    return this.finish'),
    ],
  },
  {
    name: 'dufour-2019-reference-of-the-tree-dropped-at-once',
    guard:
      'the reference of the tree is dropped after a grace period, since a fault may be about to take its own',
    race: 'R24',
    design: 'dufour-2019',
    scenario: 'merged-away',
    patches: [
      patch(third, '    releaseVmaReferenceRcu(cpu, vma)', '    releaseVmaReference(cpu, vma)'),
      patch(third, 'releaseVmaReferenceRcu }', 'releaseVmaReference }'),
    ],
  },
  {
    name: 'dufour-2019-tree-without-seqlock',
    guard: 'a lookup beside a change of the tree is done again',
    race: 'R33',
    design: 'dufour-2019',
    scenario: 'lookup-rotation',
    redundant: 'a VMA that is missed only costs a classic fault, and one that is found is checked by itself',
    patches: [
      patch(
        third,
        'if (!readSeqcountRetry(cpu, mm + Mm.mmSeq, sequence, turns)) return vma',
        'if (sequence !== -1) return vma',
      ),
    ],
  },
]
