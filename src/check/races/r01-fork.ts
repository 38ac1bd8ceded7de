// Race R1: fork and a copy on write while the parent's TLBs are not flushed yet.

import type { Race } from './race.ts'

export const forkRace: Race = {
  number: 'R1',
  title: 'A copy on write during fork, and a thread that still writes to the old page',
  story:
    "fork takes the write permission from the parent's entries one by one and flushes the TLBs at the end. A thread of the parent faults on a page that has just lost it, copies the page without the mmap lock and installs the copy. Another thread still has the old translation and writes to the old page after it was copied: the write is gone. Dufour's v11 had it, and showed it as a pthread mutex that hung.",
  fix: 'v12 makes every VMA of the parent odd before its entries are touched and even again after the flush. A count per mm (Lespinasse) covers the whole of fork anyway.',
  exhibits: [
    {
      had: 'Dufour v11 (2018), as published',
      scenario: 'fork-cow-access',
      design: 'dufour-2018',
      published: true,
      fails: 'race',
      // Which of them it is, is a matter of which interleaving comes first: the copy is read while it is written.
      message: /use after free|no sequential order|two accesses to the same memory/,
      shows: /^(pte\[0x1000\]|frame |vma.*vmSequence)/,
    },
  ],
  holds: [
    { scenario: 'fork-cow-access', design: 'dufour-2018', complete: false },
    {
      scenario: 'fork-cow-access',
      design: 'dufour-2019',
      published: true,
      complete: false,
      because: 'as published',
    },
    { scenario: 'fork-cow-access', design: 'lespinasse-2021', complete: false },
  ],
}
