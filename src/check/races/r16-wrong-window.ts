// Race R16: the window of the walk and how tables are freed.

import type { Race } from './race.ts'

export const wrongWindow: Race = {
  number: 'R16',
  title: 'A window that keeps nothing',
  story:
    'A walk without locks must keep out whoever frees tables, and there are two ways to free them: after an interrupt to every CPU, or after a grace period of RCU. Disabled interrupts keep out the first; before Linux 5.0 they did not keep out the second (A. Lutomirski, P. McKenney). Shown is the mirror image: tables that are freed after an interrupt, and a walk that takes it.',
  fix: 'The window is RCU where tables are freed through RCU, and disabled interrupts where they are not.',
  exhibits: [
    {
      had: 'the RFC of 2021 on architectures that free tables through RCU; here v1 without the window',
      scenario: 'fault-munmap-table-interrupts',
      design: 'lespinasse-2021',
      mutant: 'no-interrupts-off-window',
      fails: 'race',
      message: /use after free/,
      shows: /^(pteTable|pte\[|p[um]d\[|mm\.mmapSeq|cpu\d\.mailbox)/,
    },
  ],
  holds: [{ scenario: 'fault-munmap-table', design: 'lespinasse-2021', complete: true }],
}
