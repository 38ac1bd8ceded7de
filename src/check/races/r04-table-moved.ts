// Race R4: a page table that mremap moves as a whole.

import { at } from '../mutants/patch.ts'
import type { Race } from './race.ts'

/** An interrupt is answered while the table is locked: on real hardware it may come at any moment. */
const interruptsAnswered = [
  at('mm/wp.ts', 'wpReplace').before('if (Atomics.compareExchange(...$) !== $) $', 'pollInterrupts(cpu)'),
]

export const tableMoved: Race = {
  number: 'R4',
  title: 'A page table that is somewhere else now',
  story:
    'Since Linux 5.0 mremap moves a whole page table by changing two entries of the level above, and takes only the locks of that level. A speculative fault takes only the lock of the table. So the fault has locked the table and looked at its count for the last time; mremap moves the table and flushes the old addresses; another thread touches the new address and gets the old page; the fault, which copies on write, replaces the entry, flushes the old address, where nothing is any more, and gives the old page back. The other thread still has it, and it is freed. Kalesh Singh found the use after free in the Android kernels, which switched the fast path off until there was a way.',
  fix: 'Downstream, the fast path is taken only where the VMA has no speculative users, which the fault notices. Here mremap takes the lock of the table as well: a fault that has it is done before the table moves, and one that gets it later finds the count changed.',
  verdict:
    'The source says use after free and leaves the order open. Suspected was a fault that writes into a table which is moved and then freed. That cannot be here, since whoever takes entries out before the table goes takes its lock. What it is, is the flush of an address that has moved.',
  exhibits: [
    {
      had: 'Dufour v12 (2019), as published, on a kernel with HAVE_MOVE_PMD',
      scenario: 'move-table',
      design: 'dufour-2019',
      published: true,
      fails: 'error',
      message: /translation of page 0x1400/,
      shows: /^(p(te|md)\[|frame |page\[.*refcount|pteTable.*ptl|vma.*vmSequence)/,
    },
    {
      had: 'Lespinasse 2021, as published, on a kernel with HAVE_MOVE_PMD',
      restored: 'and interrupts are answered while the table is locked',
      scenario: 'move-table',
      design: 'lespinasse-2021',
      published: true,
      patches: interruptsAnswered,
      fails: 'error',
      message: /translation of page 0x1400/,
      shows: /^(p(te|md)\[|frame |page\[.*refcount|pteTable.*ptl|mm\.mmapSeq)/,
    },
  ],
  holds: [
    { scenario: 'move-table', design: 'lespinasse-2021', patches: interruptsAnswered, complete: false },
    { scenario: 'move-table', design: 'dufour-2019', complete: false },
    { scenario: 'move-table', design: 'zijlstra-2014', patches: interruptsAnswered, complete: false },
    {
      scenario: 'move-table',
      design: 'per-vma-lock-2023',
      published: true,
      patches: interruptsAnswered,
      complete: false,
      because: 'without the lock of the table: no fault is in a VMA that moves',
    },
  ],
}
