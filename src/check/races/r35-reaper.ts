// Race R35: the OOM reaper.

import type { Race } from './race.ts'

export const reaper: Race = {
  number: 'R35',
  title: 'Zeros where the OOM reaper was',
  story:
    'When memory is used up, a program is chosen to die, and a reaper takes its private pages while its threads still run. It holds the mmap lock for reading only, so that no count moves; and what it takes is missing afterwards, as if it had never been touched. A fault that fills in zeros there gives the program, or whoever looks at its memory, a page that it never had: what was stored before is gone, and no error says so. A fault that began before the reaper came and goes on after it is no better.',
  fix: 'The reaper marks the address space before it begins, and every fault looks at the mark under the page-table lock, just before it installs a page (`check_stable_address_space`); it is then a SIGBUS. The patches of Lespinasse kept that test where it is, behind their own checks.',
  exhibits: [
    {
      had: 'nobody as published; here Lespinasse 2021, which asks before it locks the page table',
      scenario: 'fault-reap',
      design: 'lespinasse-2021',
      mutant: 'reaper-noticed-too-early',
      fails: 'error',
      message: /no sequential order/,
      shows: /^(pte\[0x1000\]|frame |mm\.(flags|mmapLock$|mmapSeq))/,
    },
  ],
  holds: [
    { scenario: 'fault-reap', design: 'lespinasse-2021', complete: false },
    { scenario: 'fault-reap', design: 'dufour-2019', complete: false },
    { scenario: 'fault-reap', design: 'per-vma-lock-2023', complete: false },
  ],
}
