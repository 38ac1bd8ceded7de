// Mutants of the designs with a sequence count in each VMA: what they share, and Zijlstra's own parts.

import { type Mutant, patch } from './mutant.ts'

const shared = 'designs/vma-sequence.ts'
const writer = 'designs/vma-writer.ts'
const first = 'designs/zijlstra-2010.ts'
const second = 'designs/zijlstra-2014.ts'

const deadInSnapshot = ' || Atomics.load(cpu.heap, vma + Vma.detached) !== 0'

/** Interrupts arrive before the commit, as they may on hardware: for the flush, and before tables are freed. */
const interrupted: Mutant['patches'] = [
  patch(
    second,
    'import { disableInterrupts, enableInterrupts }',
    'import { disableInterrupts, enableInterrupts, pollInterrupts }',
  ),
  patch(
    second,
    '    disableInterrupts(cpu)\n    // The count',
    '    pollInterrupts(cpu)\n    pollInterrupts(cpu)\n    disableInterrupts(cpu)\n    // The count',
  ),
]

export const zijlstraMutants: readonly Mutant[] = [
  {
    name: 'zijlstra-dead-node-used',
    guard: 'a VMA that has left the tree is dead: merging takes it away without another change of its count',
    race: 'R34',
    design: 'zijlstra-2014',
    scenario: 'merged-away',
    patches: [
      patch(shared, 'Atomics.load(cpu.heap, fault.vma + Vma.detached) !== 0 ||', ''),
      patch(shared, deadInSnapshot, ''),
    ],
  },
  {
    name: 'zijlstra-dead-node-found',
    guard: 'a VMA that has left the tree is dead from the moment at which a fault finds it',
    race: 'R34',
    design: 'zijlstra-2014',
    scenario: 'fault-munmap',
    redundant: 'every later look at the count asks it again, the last one behind the page-table lock',
    patches: [patch(shared, deadInSnapshot, '')],
  },
  {
    name: 'zijlstra-no-odd-check',
    guard: 'a fault gives up on a VMA whose count is odd as it begins',
    race: 'R34',
    design: 'zijlstra-2014',
    scenario: 'protect-whole',
    patches: [patch(shared, '(fault.sequence & 1) !== 0 || Atomics.load', 'Atomics.load')],
  },
  {
    name: 'zijlstra-no-bounds-check',
    guard: 'the VMA has to contain the page: the lookup may end at the one behind it',
    race: null,
    design: 'zijlstra-2014',
    scenario: 'fault-munmap',
    patches: [
      patch(second, ' || !copyContainsPage(fault)) return VM_FAULT_RETRY', ') return VM_FAULT_RETRY'),
    ],
  },
  {
    name: 'zijlstra-flags-unannounced',
    guard: 'the count moves where mprotect changes flags',
    race: 'R34',
    design: 'zijlstra-2014',
    scenario: 'protect-whole',
    patches: [
      patch(
        writer,
        'if (change === VMA_PROTECT) return this.publishedCoversFlags || !cpu.config.PUBLISHED_FLAWS',
        'if (change === VMA_PROTECT) return false',
      ),
    ],
  },
  {
    name: 'zijlstra-borders-unannounced',
    guard: 'the count moves where borders do',
    race: 'R34',
    design: 'zijlstra-2014',
    scenario: 'border-moves',
    patches: [patch(writer, 'return change === VMA_ADJUST', 'return false')],
  },
  {
    name: 'zijlstra-unmap-unannounced',
    guard: 'the count moves where the pages of a VMA are unmapped',
    race: 'R34',
    design: 'zijlstra-2014',
    scenario: 'fault-munmap',
    redundant: 'the VMA has left the tree before its pages are unmapped, and is known as dead by then',
    patches: [patch(shared, '    if (change === VMA_UNMAP) return true\n', '')],
  },
  {
    name: 'zijlstra-destination-of-mremap-open',
    guard: 'the VMA that mremap makes is odd until its entries are there',
    race: 'R2',
    design: 'zijlstra-2014',
    scenario: 'mremap-fault',
    patches: [
      patch(
        writer,
        '(contains(cpu, vma, cpu.movingFrom) || contains(cpu, vma, cpu.movingTo))',
        'contains(cpu, vma, cpu.movingFrom)',
      ),
    ],
  },
  {
    name: 'zijlstra-source-of-mremap-open',
    guard: 'the VMA that mremap empties is odd until it is gone',
    race: 'R2',
    design: 'zijlstra-2014',
    scenario: 'mremap-source',
    patches: [
      patch(writer, '    this.begin(cpu, findVma(cpu, mm, from))\n', ''),
      patch(
        writer,
        '(contains(cpu, vma, cpu.movingFrom) || contains(cpu, vma, cpu.movingTo))',
        'contains(cpu, vma, cpu.movingTo)',
      ),
    ],
  },
  {
    name: 'zijlstra-2010-no-check-before-the-lock',
    guard: 'the count is read before the page-table lock is waited for',
    race: null,
    design: 'zijlstra-2010',
    scenario: 'fault-munmap-table',
    redundant:
      'it is read again behind the lock, and the table was found anew in the same window; it saves the wait',
    patches: [patch(first, '      !this.#isStale(cpu, fault) &&\n', '')],
  },
  {
    name: 'zijlstra-2010-no-check-behind-the-lock',
    guard: 'the count is read once more when the page-table lock is held (I3)',
    race: null,
    design: 'zijlstra-2010',
    scenario: 'fault-munmap',
    patches: [patch(first, 'const good = locked && !this.#isStale(cpu, fault)', 'const good = locked')],
  },
  {
    name: 'zijlstra-2010-no-check-after-the-copy',
    guard: 'the count is read again after the VMA was copied',
    race: 'R34',
    design: 'zijlstra-2010',
    scenario: 'split-merge-fault',
    redundant: 'a copy that is torn is thrown away at the commit, where the count is read behind the lock',
    patches: [
      patch(
        first,
        '      !accessError(errorCode, fault.vmFlags) &&\n      !this.hasChanged(cpu, fault)',
        '      !accessError(errorCode, fault.vmFlags)',
      ),
    ],
  },
  {
    name: 'zijlstra-2010-vma-freed-at-once',
    guard: 'a VMA is freed after a grace period',
    race: 'R24',
    design: 'zijlstra-2010',
    scenario: 'merged-away',
    patches: [
      patch(first, '    releaseVmaAndFileRcu(cpu, vma)', '    releaseVmaNow(cpu, vma)'),
      patch(first, 'import { releaseVmaAndFileRcu }', 'import { releaseVmaNow }'),
    ],
  },
  {
    name: 'zijlstra-source-of-mremap-opened-early',
    guard: 'the VMA that mremap empties is odd until it is gone, and not only until its entries have moved',
    race: 'R2',
    design: 'zijlstra-2014',
    scenario: 'mremap-source',
    patches: [patch(writer, 'if (cpu.config.PUBLISHED_FLAWS) this.#endMove', 'this.#endMove')],
  },
  {
    name: 'zijlstra-waits-for-the-lock-for-ever',
    guard: 'who waits for the page-table lock with interrupts disabled gives up when its holder waits for it',
    race: 'R11',
    design: 'zijlstra-2010',
    scenario: 'interrupt-deadlock',
    patches: [patch(shared, 'if (isInterruptPending(cpu)) {', 'if (false) {')],
  },
  {
    name: 'zijlstra-2014-no-check-before-the-lock',
    guard: 'the count is read before the page-table lock is touched: the table is still there (I4)',
    race: 'R15',
    design: 'zijlstra-2014',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      ...interrupted,
      patch(second, '!this.hasChanged(cpu, fault) && lockTableInterruptsOff', 'lockTableInterruptsOff'),
    ],
  },
  {
    name: 'zijlstra-2014-no-check-behind-the-lock',
    guard: 'the count is read once more when the page-table lock is held (I3)',
    race: null,
    design: 'zijlstra-2014',
    scenario: 'fault-munmap',
    patches: [patch(second, 'const good = locked && !this.hasChanged(cpu, fault)', 'const good = locked')],
  },
  {
    name: 'zijlstra-2014-no-check-after-the-copy',
    guard: 'the count is read again after the VMA was copied',
    race: 'R34',
    design: 'zijlstra-2014',
    scenario: 'split-merge-fault',
    redundant: 'a copy that is torn is thrown away at the commit, where the count is read behind the lock',
    patches: [patch(second, '    if (this.hasChanged(cpu, fault)) return VM_FAULT_RETRY\n', '')],
  },
  {
    name: 'zijlstra-2014-tree-without-seqlock',
    guard: 'a lookup beside a change of the tree is done again',
    race: 'R33',
    design: 'zijlstra-2014',
    scenario: 'lookup-rotation',
    redundant: 'a VMA that is missed only costs a classic fault, and one that is found is checked by itself',
    patches: [
      patch(
        second,
        'if (!readSeqcountRetry(cpu, mm + Mm.mmSeq, sequence, turns)) return vma',
        'if (sequence !== -1) return vma',
      ),
    ],
  },
  {
    name: 'zijlstra-2014-vma-freed-at-once',
    guard: 'a VMA is freed after a grace period of SRCU',
    race: 'R24',
    design: 'zijlstra-2014',
    scenario: 'rcu-freed-vma',
    patches: [
      patch(second, '    releaseVmaAndFileSrcu(cpu, vma)', '    releaseVmaNow(cpu, vma)'),
      patch(second, 'import { releaseVmaAndFileSrcu }', 'import { releaseVmaNow }'),
    ],
  },
  {
    name: 'zijlstra-2014-no-srcu-section',
    guard: 'the whole fault is a read-side critical section of SRCU',
    race: 'R24',
    design: 'zijlstra-2014',
    scenario: 'rcu-freed-vma',
    patches: [
      patch(second, '    const index = srcuReadLock(cpu)\n', ''),
      patch(second, '    srcuReadUnlock(cpu, index)\n', ''),
    ],
  },
]
