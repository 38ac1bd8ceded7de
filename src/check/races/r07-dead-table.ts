// Race R7: waiting for a page, and the table that was there before.

import { at } from '../mutants/patch.ts'
import type { Race } from './race.ts'

export const deadTable: Race = {
  number: 'R7',
  title: 'Waiting for a page with the table of before',
  story:
    'A fault that finds a migration entry waits until the page has moved, and looks at the entry for that, with the lock of its table (`migration_entry_wait`). Without the mmap lock the table may be gone, and its memory somebody else’s. Zijlstra marked it with three X in 2014; Dufour listed it. There is no migration here; the fault that waits for a page from the swap area is the same: it sleeps, outside every section that keeps tables, while munmap takes table and page away.',
  fix: 'What the fault has seen before it slept is worth nothing: the table is touched only behind the commit primitive, which asks the design first (invariant I4). A fault that holds the mmap lock, or that has given it up and begins anew, has its table for certain.',
  exhibits: [
    {
      had: 'Zijlstra 2014 by its own remark; here with a fault that looks at the entry once more when the page has come',
      scenario: 'swap-in-munmap',
      design: 'zijlstra-2014',
      restored: 'the look at the entry, under the lock of its table',
      patches: [
        at('mm/swap-fault.ts', 'readMissing').after(
          'const error = swapIn(cpu, slot)',
          'if (!locked) spinLock(cpu, fault.table + PageTable.ptl); if (!locked) spinUnlock(cpu, fault.table + PageTable.ptl)',
        ),
      ],
      fails: 'race',
      message: /page table/,
      shows: /^(pte\[|p[um]d\[|pteTable\[|mm\.)/,
    },
  ],
  holds: [
    { scenario: 'swap-in-munmap', design: 'zijlstra-2014', complete: false },
    { scenario: 'swap-in-munmap', design: 'kamezawa-2009-version', complete: false },
  ],
}
