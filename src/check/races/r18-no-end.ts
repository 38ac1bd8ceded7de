// Race R18: an observer that hears of a beginning and never of the end.

import type { Race } from './race.ts'

export const noEnd: Race = {
  number: 'R18',
  title: 'A beginning without an end',
  story:
    'A copy on write tells the observers that a translation is about to be withdrawn, and then locks the page table. A speculative fault may fail there, since the layout has changed. In the patches it then frees its page and returns, past the call that tells the observers of the end: in `wp_page_copy` of Lespinasse’s RFC, and of Dufour’s v12 (5/31) and its forerunners. The observers wait for that end; until it comes they enter no translation of the page, and it never comes: the virtual machine hangs at its next access.',
  fix: 'v2 calls the end on every way out. In the other designs here, a fault that would have to tell an observer leaves it to the locked path, which cannot fail at its commit.',
  verdict: 'It was a suspicion from reading the RFC. It is **confirmed**, and Dufour’s series has it too.',
  exhibits: [
    {
      had: 'Lespinasse 2021, as published: read in the RFC, of which v1 is a part',
      scenario: 'observed-changes',
      design: 'lespinasse-2021',
      published: true,
      fails: 'deadlock',
      message: /every thread that is left waits/,
      shows: /^(pte\[0x1000\]|mm\.mmapSeq|notifier.*(invalidate|shadow))/,
    },
    {
      had: 'Dufour v12 (2019), as published',
      scenario: 'observed-changes',
      design: 'dufour-2019',
      published: true,
      fails: 'deadlock',
      message: /every thread that is left waits/,
      shows: /^(pte\[0x1000\]|vma.*vmSequence|notifier.*(invalidate|shadow))/,
    },
  ],
  holds: [
    { scenario: 'observed-changes', design: 'lespinasse-2021', complete: true },
    { scenario: 'observed-changes', design: 'dufour-2019', complete: true },
    { scenario: 'observed-changes', design: 'lespinasse-2022', complete: false },
    { scenario: 'observed-changes', design: 'per-vma-lock-2023', complete: true },
  ],
}
