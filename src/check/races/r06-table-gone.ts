// Race R6: page-table reads that nothing protects.

import type { Race } from './race.ts'

export const tableGone: Race = {
  number: 'R6',
  title: 'A page table that is looked at after it was freed',
  story:
    'The walk reads a table inside a window in which none can be freed, leaves the window to allocate a page, and later comes back to lock the table. If nothing tells it that the table is still there, it reads, or locks, freed memory. The Android backports looked at the pmd outside the window (Jann Horn, issues 1 and 3).',
  fix: 'The window is entered again, and the count is read in it before the table is touched: what it says then holds until the lock is held (invariant I4).',
  exhibits: [
    {
      had: 'Android kernels; here Lespinasse 2021 without the first look at the count in `pte_map_lock`',
      scenario: 'fault-munmap-table-interrupts',
      design: 'lespinasse-2021',
      mutant: 'no-first-sequence-check',
      fails: 'race',
      message: /use after free/,
      shows: /^(pte\[|pteTable|p[um]d\[|mm\.mmapSeq|cpu\d\.mailbox)/,
    },
  ],
  holds: [{ scenario: 'fault-munmap-table-interrupts', design: 'lespinasse-2021', complete: false }],
}
