// Race R24: a VMA that is read after it left the tree.

import type { Race } from './race.ts'

export const freedVma: Race = {
  number: 'R24',
  title: 'Reading a VMA that is gone',
  story:
    'A lookup without the lock may end at a VMA that has just left the tree. It must still be memory: hence the grace period. And even then its words need not be what they were: Lespinasse laid the rcu_head over the borders, so that a late fault reads list pointers where it expects addresses. Jann Horn noted the same of Linux in 2024, and that it is harmless.',
  fix: 'A grace period, and nothing that was read is used before a check that comes after the read (invariant I2).',
  exhibits: [
    {
      had: 'Kamezawa of 18 December 2009, as published: the VMA is freed at once',
      scenario: 'merged-away',
      design: 'kamezawa-2009-version',
      published: true,
      fails: 'race',
      message: /use after free/,
      shows: /vma|PageTable|pteTable|mm\.version/,
    },
    {
      had: 'nobody as published; here Lespinasse 2021 without the grace period',
      scenario: 'split-merge-fault',
      design: 'lespinasse-2021',
      mutant: 'vma-freed-at-once',
      fails: 'race',
      message: /use after free/,
      shows: /vma.*(vmStart|vmEnd|vmFlags|rb)|mm\.(mmapSeq|rbRoot)/,
    },
  ],
  holds: [
    { scenario: 'merged-away', design: 'kamezawa-2009-version', complete: false },
    { scenario: 'split-merge-fault', design: 'lespinasse-2021', complete: false },
  ],
}
