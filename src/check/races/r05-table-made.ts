// Race R5: page tables and speculation. R14, the table that leaks, is its milder half.

import type { Race } from './race.ts'

export const tableMade: Race = {
  number: 'R5',
  title: 'A page table made by a fault that holds nothing',
  story:
    'The fault has passed its checks and is delayed; munmap takes the whole region away, its page tables included; the fault goes on and hooks a new table into one that was freed. Jann Horn found it in the Android kernels that carried the patches (CVE-2023-20937), with a mapping of 1 GiB and a delay of two seconds; here the explorer picks the moment. Where only the lowest table is gone, as here, the new one leaks (R14).',
  fix: 'A speculative fault makes no table (invariant I5). The first fault of every table is a classic one.',
  exhibits: [
    {
      had: 'Android kernels 5.10; here Lespinasse 2021 with a walk that makes tables',
      scenario: 'fault-munmap-table',
      design: 'lespinasse-2021',
      mutant: 'table-made-by-speculation',
      fails: 'error',
      message: /page tables?|PAGE_TABLE|pageTables|never freed/i,
      shows: /^(pte\[|p[um]d\[|mm\.(pgd|mmapSeq|pageTables))/,
    },
  ],
  holds: [{ scenario: 'fault-munmap-table', design: 'lespinasse-2021', complete: true }],
}
