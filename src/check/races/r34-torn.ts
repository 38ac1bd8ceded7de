// Race R34: the torn copy of a VMA.

import type { Race } from './race.ts'

export const torn: Race = {
  number: 'R34',
  title: 'Flags and borders that were never true together',
  story:
    'A fault copies a VMA field by field while a writer changes it. The copy is checked afterwards, and thrown away. But Dufour judges the permission before that check, and what it refuses is a SIGSEGV at once. The fault reads the flags of a read-only VMA that lies behind its page; the VMA becomes writable, and takes the page in; the fault reads the borders, which contain its page, and kills a program that could have stored there.',
  fix: 'A missing permission leads to the classic path (invariant I1).',
  verdict:
    'Suspected from reading the code: **confirmed** for Dufour 2017 to 2019. No order of the three calls gives SEGV_ACCERR.',
  exhibits: [
    {
      had: 'Dufour 2017, 2018 and 2019, as published',
      scenario: 'torn-snapshot',
      design: 'dufour-2019',
      published: true,
      fails: 'error',
      message: /no sequential order gives CPU 0: SEGV_ACCERR/,
      shows: /vma.*(vmFlags|vmStart|vmEnd|vmSequence)/,
    },
  ],
  holds: [
    { scenario: 'torn-snapshot', design: 'dufour-2019', complete: true },
    { scenario: 'torn-snapshot', design: 'dufour-2018', complete: true },
    { scenario: 'torn-snapshot', design: 'dufour-2017', complete: true },
  ],
}
