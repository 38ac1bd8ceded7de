// Race R2: mremap and a fault at either end of it.

import type { Race } from './race.ts'

export const mremapRace: Race = {
  number: 'R2',
  title: 'A page at a place that mremap is about to fill, or has just emptied',
  story:
    'mremap links the new VMA, moves the entries, and unmaps the old place. A speculative fault can come in between at either end. At the new place it installs a fresh page, over which the moved entry is written: the page leaks and what was stored to it is gone. At the old place, once the entries have left, it installs one that munmap throws away a moment later: the store succeeded and is lost. Dufour closed both ends in v12 by keeping both VMAs odd, but let go of the old one when the entries had moved, before it was unmapped; this second window was found here by the explorer.',
  fix: 'Both VMAs stay odd until the old place is gone. A count per mm (Lespinasse) or a lock that is held until the mmap lock is free (per-VMA locks) has no such window.',
  exhibits: [
    {
      had: 'Zijlstra 2010 and 2014, Dufour before 2018, Kamezawa of 25 December 2009, as published: a fault at the new place',
      scenario: 'mremap-fault',
      design: 'dufour-2017',
      published: true,
      fails: 'error',
      message: /anonymous pages are mapped and \d+ counted|no sequential order/,
      shows: /^(pte\[|vma.*(vmSequence|detached)|mm\.rbRoot)/,
    },
    {
      had: 'Dufour v12 (2019), as published: a fault at the old place',
      scenario: 'mremap-source',
      design: 'dufour-2019',
      published: true,
      fails: 'error',
      message: /no sequential order/,
      shows: /^(pte\[|vma.*(vmSequence|detached))/,
    },
  ],
  holds: [
    { scenario: 'mremap-source', design: 'dufour-2019', complete: true },
    { scenario: 'mremap-source', design: 'zijlstra-2014', complete: true },
    { scenario: 'mremap-source', design: 'lespinasse-2021', complete: true },
    { scenario: 'mremap-fault', design: 'dufour-2019', complete: false },
  ],
}
