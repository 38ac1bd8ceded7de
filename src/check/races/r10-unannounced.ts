// Race R10: a change that is not announced.

import type { Race } from './race.ts'

export const unannounced: Race = {
  number: 'R10',
  title: 'A writer that forgets to announce itself',
  story:
    'Each of these designs is right only if every change is announced, and each published form forgot some. In the literature it is khugepaged, which collapsed a range without making its VMA odd. Here it is mprotect: the patches of 2010 and 2014 announce that borders move, but not that flags change, and Kamezawa waits only when a VMA goes away. A fault that has read “writable” installs a writable entry after mprotect has returned; the next store goes through where it must be a SIGSEGV.',
  fix: 'Dufour made the VMA odd wherever a field changes that a fault reads. A count in the mmap lock itself (Lespinasse) cannot be forgotten.',
  exhibits: [
    {
      had: 'Zijlstra 2010 and 2014, Kamezawa of 25 December 2009, as published',
      scenario: 'protect-whole',
      design: 'zijlstra-2014',
      published: true,
      fails: 'race',
      message: /two accesses to the same memory/,
      shows: /^(pte\[|vma.*(vmSequence|vmFlags)|pteTable)/,
    },
    {
      had: 'Kamezawa of 25 December 2009, as published: munmap of a part of a VMA moves borders, and does not wait',
      scenario: 'fault-munmap',
      design: 'kamezawa-2009-refcount',
      published: true,
      fails: 'error',
      message: /no sequential order/,
      shows: /^(pte\[|vma.*(refCount|vmEnd|vmStart)|pteTable)/,
    },
  ],
  holds: [
    { scenario: 'protect-whole', design: 'zijlstra-2014', complete: true },
    { scenario: 'protect-whole', design: 'zijlstra-2010', complete: true },
    { scenario: 'protect-whole', design: 'kamezawa-2009-refcount', complete: true },
    { scenario: 'protect-whole', design: 'lespinasse-2021', complete: true },
  ],
}
