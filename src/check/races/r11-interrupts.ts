// Race R11: the deadlock of interrupts.

import type { Race } from './race.ts'

export const interruptDeadlock: Race = {
  number: 'R11',
  title: 'The lock, the interrupt and the answer',
  story:
    'Copy on write flushes TLBs while it holds the page-table lock: it interrupts the other CPUs and waits for their answer. A speculative fault on one of them has interrupts disabled, so that no table can be freed, and waits for that very lock. Neither ever goes on. Zijlstra found it in his own patches the day after he posted them in 2014; those of 2010 have it too.',
  fix: 'The lock is only tried (Dufour 2017, Lespinasse).',
  exhibits: [
    {
      had: 'Zijlstra 2010 and 2014, as published',
      scenario: 'interrupt-deadlock',
      design: 'zijlstra-2014',
      published: true,
      fails: 'deadlock',
      message: /every thread that is left waits/,
      shows: /ptl|cpu\d\.(mailbox|state)|pte\[/,
    },
  ],
  holds: [
    { scenario: 'interrupt-deadlock', design: 'zijlstra-2014', complete: true },
    { scenario: 'interrupt-deadlock', design: 'dufour-2017', complete: true },
    { scenario: 'interrupt-deadlock', design: 'lespinasse-2021', complete: true },
  ],
}
