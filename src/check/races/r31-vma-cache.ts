// Race R31: the VMA cache of the thread in lookups without the lock.

import type { Race } from './race.ts'

export const vmaCache: Race = {
  number: 'R31',
  title: 'The VMA cache of the thread',
  story:
    'Each thread remembers where its last lookups ended, and may trust that only under the mmap lock: Zijlstra wrote in 2014 that a lookup without it must not touch the cache. Lespinasse’s RFC and v1 go through it all the same.',
  fix: 'The cache is dropped when the number of the mm has moved, which it does whenever a VMA leaves the tree. v2 does without the cache.',
  verdict:
    'That v1 is wrong there is **refuted**: the number is read inside the read-side critical section, so that a VMA which the cache gives was in the tree after the section began, and is memory until it ends; what it says is checked as always.',
  exhibits: [
    {
      had: 'nobody as published; here Lespinasse 2021 with a cache that is not dropped',
      scenario: 'fault-munmap-table',
      design: 'lespinasse-2021',
      mutant: 'stale-vma-cache',
      fails: 'error',
      message: /./,
      shows: /vma|vmacacheSeqnum|mmapSeq/,
    },
  ],
  holds: [{ scenario: 'cached-vma', design: 'lespinasse-2021', complete: true }],
}
