// Race R15: the page-table lock is freed before its user is done.

import type { Race } from './race.ts'

export const lockFreed: Race = {
  number: 'R15',
  title: 'The lock itself is freed',
  story:
    'D. Hildenbrand asked in review: where the lock of a page table is an object of its own, it is freed before the grace period that protects the table, and a fault between its first look at the count and the try-lock touches freed memory. Nobody answered. Here the lock lies in the table, so that the window has to be left to see the same.',
  fix: 'The window lasts from the first look at the count until the lock is held.',
  exhibits: [
    {
      had: 'kernels with separately allocated locks; here Lespinasse 2021, leaving the window before the lock is tried',
      scenario: 'fault-munmap-table-interrupts',
      design: 'lespinasse-2021',
      mutant: 'window-left-before-the-lock',
      fails: 'race',
      message: /use after free/,
      shows: /^(pteTable|p[um]d\[|mm\.mmapSeq|cpu\d\.mailbox)/,
    },
  ],
  holds: [{ scenario: 'fault-munmap-table-interrupts', design: 'lespinasse-2021', complete: false }],
}
