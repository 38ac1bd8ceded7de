// Mutants of the designs with a sequence count in each VMA: what they share, and Zijlstra's own parts.

import { type MutantTable, TWO_INTERRUPTS } from './mutant.ts'
import { at } from './patch.ts'

const shared = 'designs/vma-sequence.ts'
const writer = 'designs/vma-writer.ts'
const first = 'designs/zijlstra-2010.ts'
const second = 'designs/zijlstra-2014.ts'

const deadInSnapshot = at(shared, 'snapshot').drop('Atomics.load(cpu.heap, vma + Vma.detached) !== 0')

export const zijlstraMutants: MutantTable = {
  'zijlstra-dead-node-used': {
    guard: 'a VMA that has left the tree is dead: merging removes it without another change of its count',
    race: 'R34',
    design: 'zijlstra-2014',
    scenario: 'merged-away',
    patches: [
      deadInSnapshot,
      at(shared, 'hasChanged').drop('Atomics.load(cpu.heap, fault.vma + Vma.detached) !== 0'),
    ],
  },
  'zijlstra-dead-node-found': {
    guard: 'a VMA that has left the tree is dead from the moment at which a fault finds it',
    race: 'R34',
    design: 'zijlstra-2014',
    scenario: 'fault-munmap',
    redundant: 'every later check of the count includes this, the last one under the page-table lock',
    patches: deadInSnapshot,
  },
  'zijlstra-no-odd-check': {
    guard: 'a fault gives up if the VMA’s count is odd at its start',
    race: 'R34',
    design: 'zijlstra-2014',
    scenario: 'protect-whole',
    patches: at(shared, 'snapshot').drop('(fault.sequence & 1) !== 0'),
  },
  'zijlstra-no-bounds-check': {
    guard: 'the VMA must contain the page: the lookup may end at the next VMA',
    design: 'zijlstra-2014',
    scenario: 'fault-munmap',
    patches: at(second, '#tryFault').drop('!copyContainsPage(fault)'),
  },
  'zijlstra-flags-unannounced': {
    guard: 'the count changes when mprotect changes flags',
    race: 'R34',
    design: 'zijlstra-2014',
    scenario: 'protect-whole',
    patches: at(writer, 'isWrite').force('change === VMA_PROTECT', false),
  },
  'zijlstra-borders-unannounced': {
    guard: 'the count changes when borders move',
    race: 'R34',
    design: 'zijlstra-2014',
    scenario: 'border-moves',
    patches: at(writer, 'isWrite').force('change === VMA_ADJUST', false),
  },
  'zijlstra-unmap-unannounced': {
    guard: 'the count changes when the pages of a VMA are unmapped',
    race: 'R34',
    design: 'zijlstra-2014',
    scenario: 'fault-munmap',
    redundant: 'the VMA has left the tree before its pages are unmapped, and is known as dead by then',
    patches: at(shared, 'isWrite').drop('change === VMA_UNMAP'),
  },
  'zijlstra-destination-of-mremap-open': {
    guard: 'the count of the VMA that mremap creates is odd until its entries are there',
    race: 'R2',
    design: 'zijlstra-2014',
    scenario: 'mremap-fault',
    patches: at(writer, 'isMoving').drop('contains(cpu, vma, cpu.movingTo)'),
  },
  'zijlstra-source-of-mremap-open': {
    guard: 'the count of the VMA that mremap empties is odd until the VMA is gone',
    race: 'R2',
    design: 'zijlstra-2014',
    scenario: 'mremap-source',
    patches: [
      at(writer, 'mremapBegin').drop('this.begin(cpu, findVma(cpu, mm, from))'),
      at(writer, 'isMoving').drop('contains(cpu, vma, cpu.movingFrom)'),
    ],
  },
  'zijlstra-2010-no-check-before-the-lock': {
    guard: 'the fault checks the count before it touches the page-table lock: the table still exists (I4)',
    race: 'R15',
    design: 'zijlstra-2010',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      at(first, 'pteMapLock').before('disableInterrupts(cpu)', TWO_INTERRUPTS),
      at(first, 'pteMapLock').replace('const changed = this.hasChanged(cpu, fault)', 'const changed = false'),
    ],
  },
  'zijlstra-2010-no-check-behind-the-lock': {
    guard: 'the fault checks the count again when it holds the page-table lock (I3)',
    design: 'zijlstra-2010',
    scenario: 'fault-munmap',
    patches: at(first, 'pteMapLock').replace('locked && !this.hasChanged(cpu, fault)', 'locked'),
  },
  'zijlstra-2010-no-check-after-the-copy': {
    guard: 'the fault checks the count again after it has copied the VMA',
    race: 'R34',
    design: 'zijlstra-2010',
    scenario: 'split-merge-fault',
    redundant: 'a torn copy is discarded at the commit, which checks the count under the lock',
    patches: at(first, '#readLocked').drop('!this.hasChanged(cpu, fault)'),
  },
  'zijlstra-2010-interrupts-in-the-look-up': {
    guard:
      'interrupts stay disabled during the VMA lookup with the table locked: otherwise the table may be freed',
    race: 'R6',
    design: 'zijlstra-2010',
    scenario: 'fault-munmap-table-interrupts',
    patches: at(first, '#lookUp').before('const good = $', 'if (locked) enableInterrupts(cpu)'),
  },
  'zijlstra-2010-vma-freed-at-once': {
    guard: 'a VMA is freed after a grace period',
    race: 'R24',
    design: 'zijlstra-2010',
    scenario: 'merged-away',
    patches: at(first, 'releaseVma').replace('releaseVmaAndFileRcu', 'releaseVmaNow'),
  },
  'zijlstra-source-of-mremap-opened-early': {
    guard:
      'the count of the VMA that mremap empties is odd until the VMA is gone, and not only until its entries have moved',
    race: 'R2',
    design: 'zijlstra-2014',
    scenario: 'mremap-source',
    patches: at('calls/mremap.ts', 'moveVmaLocked').replace(
      'cpu.design.mremapMoved(cpu, mm, from, to)',
      'cpu.design.mremapEnd(cpu, mm, from, to)',
    ),
  },
  'zijlstra-waits-for-the-lock-for-ever': {
    guard:
      'a fault that waits for the page-table lock with interrupts disabled gives up when the holder waits for it',
    race: 'R11',
    design: 'zijlstra-2014',
    scenario: 'interrupt-deadlock',
    patches: at(second, 'lockTable').force('isInterruptPending(cpu)', false),
  },
  'zijlstra-2010-waits-with-interrupts-disabled': {
    guard: 'a fault that does not get the page-table lock enables interrupts before it tries again',
    race: 'R11',
    design: 'zijlstra-2010',
    scenario: 'interrupt-deadlock',
    patches: at(first, 'pteMapLock').replace(
      'const locked = !changed && spinTryLock(cpu, fault.table + PageTable.ptl)',
      'const locked = !changed; if (locked) spinLock(cpu, fault.table + PageTable.ptl)',
    ),
  },
  'zijlstra-2014-no-check-before-the-lock': {
    guard: 'the fault checks the count before it touches the page-table lock: the table still exists (I4)',
    race: 'R15',
    design: 'zijlstra-2014',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      at(second, 'pteMapLock').before('disableInterrupts(cpu)', TWO_INTERRUPTS),
      at(second, 'pteMapLock').replace(
        '!this.hasChanged(cpu, fault) && this.lockTable(...$)',
        'this.lockTable(cpu, fault.table)',
      ),
    ],
  },
  'zijlstra-2014-no-check-behind-the-lock': {
    guard: 'the fault checks the count again when it holds the page-table lock (I3)',
    design: 'zijlstra-2014',
    scenario: 'fault-munmap',
    patches: at(second, 'pteMapLock').replace('locked && !this.hasChanged(cpu, fault)', 'locked'),
  },
  'zijlstra-2014-no-check-after-the-copy': {
    guard: 'the fault checks the count again after it has copied the VMA',
    race: 'R34',
    design: 'zijlstra-2014',
    scenario: 'split-merge-fault',
    redundant: 'a torn copy is discarded at the commit, which checks the count under the lock',
    patches: at(second, '#tryFault').drop('if (this.hasChanged(cpu, fault)) $'),
  },
  'zijlstra-2014-tree-without-seqlock': {
    guard: 'a lookup during a change of the tree is repeated',
    race: 'R33',
    design: 'zijlstra-2014',
    scenario: 'lookup-rotation',
    redundant: 'a missed VMA only costs a classic fault, and a found VMA has its own check',
    patches: at(second, 'findVmaSrcu').force('!readSeqcountRetry(...$)', true),
  },
  'zijlstra-2014-vma-freed-at-once': {
    guard: 'a VMA is freed after a grace period of SRCU',
    race: 'R24',
    design: 'zijlstra-2014',
    scenario: 'rcu-freed-vma',
    patches: at(second, 'releaseVma').replace('releaseVmaAndFileSrcu', 'releaseVmaNow'),
  },
  'zijlstra-2014-no-srcu-section': {
    guard: 'the whole fault is a read-side critical section of SRCU',
    race: 'R24',
    design: 'zijlstra-2014',
    scenario: 'rcu-freed-vma',
    patches: [
      at(second, 'speculativeFault').drop('const index = srcuReadLock(cpu)'),
      at(second, 'speculativeFault').drop('srcuReadUnlock(cpu, index)'),
    ],
  },
}
