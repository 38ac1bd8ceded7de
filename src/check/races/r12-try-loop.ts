// Race R12: the try-lock in a loop.

import type { Race } from './race.ts'

export const tryLoop: Race = {
  number: 'R12',
  title: 'A try in a loop is a lock',
  story:
    'Who tries the page-table lock again and again with interrupts disabled has the deadlock of R11 back. Dufour’s v12 tries for ever, but enables interrupts between two tries. Reviewers asked for a bound: a stream of other lockers could starve it.',
  fix: 'Lespinasse tries once and falls back.',
  verdict:
    'That v12 can hang is **refuted**: every interleaving ends. That it can starve is true of any lock that is not fair, and cannot show where the other CPUs do finitely many things.',
  exhibits: [
    {
      had: 'nobody as published; here Lespinasse 2021 with the loop and without the pause for interrupts',
      scenario: 'interrupt-deadlock',
      design: 'lespinasse-2021',
      mutant: 'try-lock-in-a-loop',
      fails: 'deadlock',
      message: /every thread that is left waits/,
      shows: /ptl|cpu\d\.(mailbox|state)|pte\[/,
    },
  ],
  holds: [{ scenario: 'interrupt-deadlock', design: 'dufour-2019', complete: true }],
}
