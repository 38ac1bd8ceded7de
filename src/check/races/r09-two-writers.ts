// Race R9: two writers in one sequence count.

import { at } from '../mutants/patch.ts'
import type { Race } from './race.ts'

export const twoWriters: Race = {
  number: 'R9',
  title: 'Two writers in one sequence count',
  story:
    'A sequence count is odd while its writer is at work; two writers make it even. `unmap_page_range` moves the count of the VMA wherever it is called from, and `madvise(MADV_DONTNEED)` calls it with the mmap lock held for reading only: two threads that throw away pages of one VMA are in the count together, and a fault that looks now sees a VMA at rest. Jann Horn found it in the downstream kernels; the published patches of 2010 to 2019 have it.',
  fix: 'Only who excludes other writers moves the count (invariant I10); who holds the lock for reading relies on the page-table lock and on comparing entries, which is enough.',
  verdict:
    'Whether the even count does harm: **none was found**. With the assertion taken out, two calls and a fault beside them give nothing but what some order gives, as far as was explored; the space of three CPUs is too large to say more.',
  exhibits: [
    {
      had: 'Zijlstra 2010 and 2014, Dufour 2017 to 2019, as published',
      scenario: 'two-discards',
      design: 'dufour-2019',
      published: true,
      fails: 'error',
      message: /two writers in one sequence count/,
      shows: /vmSequence|pte\[|mmapLock/,
    },
  ],
  holds: [
    { scenario: 'two-discards', design: 'dufour-2019', complete: true },
    { scenario: 'two-discards', design: 'zijlstra-2014', complete: true },
    {
      scenario: 'two-discards-fault',
      design: 'dufour-2019',
      published: true,
      complete: false,
      because: 'as published, without the assertion: the even count does no harm',
      patches: [
        at('sync/seqcount.ts', 'writeSeqcountBegin').drop('bugOn(...$)'),
        at('sync/seqcount.ts', 'writeSeqcountEnd').drop('bugOn(...$)'),
      ],
    },
  ],
}
