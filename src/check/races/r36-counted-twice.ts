// Race R36: the accounting of a fault that is tried twice.

import type { Race } from './race.ts'

export const countedTwice: Race = {
  number: 'R36',
  title: 'One fault, counted twice',
  story:
    'A speculative fault counts PGFAULT when it enters the handlers. If it gives up later, the classic path counts the same fault again. A comment in the code admits as much for `mmap_miss`.',
  fix: 'None as published; every published design that counts in the handlers has it, and it is kept here as it was.',
  verdict: 'Suspected from reading the code: **confirmed**.',
  exhibits: [
    {
      had: 'Lespinasse 2021, and every other that gives up after it has counted',
      scenario: 'counted-faults',
      design: 'lespinasse-2021',
      fails: 'error',
      message: /no sequential order gives CPU 0: stored, 3/,
      shows: /mmapSeq|pte\[|mmapLock/,
    },
  ],
  holds: [{ scenario: 'counted-faults', design: 'classic', complete: true }],
}
