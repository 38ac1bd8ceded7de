// Race R30: the shortcut for a process with one thread.

import type { Race } from './race.ts'

export const alone: Race = {
  number: 'R30',
  title: 'Alone, for a moment',
  story:
    'Lespinasse frees a VMA at once when the mm has one user, as nobody can be looking. M. Gorman doubted that: a second thread may appear between the test and the freeing.',
  fix: 'None needed.',
  verdict:
    '**Refuted.** The VMA has left the tree before the test, and whoever joins counts itself before it looks anything up: it finds the tree without the VMA. Every interleaving of a CPU that joins and faults with one that unmaps and maps was explored.',
  exhibits: [],
  holds: [
    { scenario: 'joining-cpu', design: 'lespinasse-2021', complete: true },
    { scenario: 'joining-cpu', design: 'lespinasse-2022', complete: false },
  ],
}
