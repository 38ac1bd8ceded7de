// Race R32: a lost wake-up, and a SIGSEGV that is none.

import type { Race } from './race.ts'

export const lostWakeUp: Race = {
  number: 'R32',
  title: 'The unmapper that nobody wakes',
  story:
    'Kamezawa’s second design has the unmapper give up the reference of the tree and sleep until the last fault has given back its own. But `vma_put` wakes when *one* reference is left, which is right only while the tree still has its own: the last fault leaves none, wakes nobody, and munmap never returns. M. Kim’s remark on the first design is of another kind: a fault that began before munmap may end in a SIGSEGV after it. That is what some order of the two gives, and no error.',
  fix: 'Whoever leaves none wakes.',
  verdict:
    'The lost wake-up was suspected from reading the code: **confirmed**. The spurious SIGSEGV as an error: **refuted**, every outcome is that of some order.',
  exhibits: [
    {
      had: 'Kamezawa of 25 December 2009, as published',
      scenario: 'fault-munmap-table',
      design: 'kamezawa-2009-refcount',
      published: true,
      fails: 'deadlock',
      message: /every thread that is left waits|wake-up/,
      shows: /vma.*(refCount|waiter)|rcuwaitTask/,
    },
  ],
  holds: [
    { scenario: 'fault-munmap-table', design: 'kamezawa-2009-refcount', complete: true },
    { scenario: 'fault-munmap-table', design: 'kamezawa-2009-version', complete: true },
  ],
}
