// Race R37: speculative faults on pages in the swap area.

import type { Race } from './race.ts'

export const swap: Race = {
  number: 'R37',
  title: 'Faults on pages in the swap area',
  story:
    'Lespinasse’s first version took faults on pages whose content is in the swap cache; the second left them to the mmap lock, and so did the Android trees (“prevent SPF in do_swap_page”). No reason was given. Two are thinkable: readahead looks at the borders of the VMA, which may be changing (Dufour gives up there); and the slot that the fault has seen may have been freed meanwhile and be another page’s.',
  fix: 'The page is locked, then looked at once more whether it is that slot’s, and mapped only if the entry is still the one that the fault has seen, under the lock of a table of which the design says that it is the right one. A slot cannot change its owner while an entry refers to it.',
  verdict:
    'Confirmed for the guard, refuted for the first version as such. Without the comparison of the entry the late fault maps a page that belongs to another address by now, as below. With it, no interleaving that was tried fails: not with munmap, with MADV_DONTNEED and the slot used again, with reclaim, nor with another fault. What is missing in the swap cache the first version leaves to the mmap lock, so that it never reads ahead; here readahead goes by slots and looks at no VMA.',
  exhibits: [
    {
      had: 'Lespinasse 2021, without the comparison of the entry',
      scenario: 'swap-late-fault',
      design: 'lespinasse-2021',
      mutant: 'late-swap-fault',
      fails: 'error',
      message: /./,
      shows: /^(pte\[|page\[|machine\.swap)/,
    },
  ],
  holds: [
    { scenario: 'swap-late-fault', design: 'lespinasse-2021', complete: false },
    { scenario: 'swap-two-faults', design: 'lespinasse-2021', complete: false },
    { scenario: 'swap-fault', design: 'lespinasse-2021', complete: false },
    { scenario: 'swap-in-munmap', design: 'lespinasse-2021', complete: false },
  ],
}
