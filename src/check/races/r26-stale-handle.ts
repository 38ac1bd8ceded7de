// Race R26: a handle that is kept over a retry.

import type { Race } from './race.ts'

export const staleHandle: Race = {
  number: 'R26',
  title: 'What was found before is used again',
  story:
    'A retry is tempted to go on from where it was. In Linux 6.4 it went on from a node of the maple tree after RCU had been left (syzbot; L. Howlett). Dufour 2018 hands the VMA of the failed try to the classic path, which saves it a lookup: the VMA may have left the tree in between, and only the test for that, under the mmap lock, makes it right.',
  fix: 'Dufour asks `can_reuse_spf_vma`; the per-VMA locks walk again from the root.',
  exhibits: [
    {
      had: 'nobody as published; here Dufour 2018 without the test',
      scenario: 'merged-away',
      design: 'dufour-2018',
      mutant: 'dufour-2018-left-vma-not-tested',
      fails: 'error',
      message: /use after free/,
      shows: /vma.*(refCount|detached|vmSequence)|mmapLock|mmRbLock/,
    },
  ],
  holds: [{ scenario: 'merged-away', design: 'dufour-2018', complete: false }],
}
