// Race R27: fork did not lock the VMAs of the parent in Linux 6.4.

import type { Race } from './race.ts'

export const forkLockRace: Race = {
  number: 'R27',
  title: 'fork copies the entries of a VMA whose lock it does not hold',
  story:
    'With per-VMA locks a fault no longer excludes whoever holds the mmap lock, only whoever has locked its VMA; and fork, which holds the mmap lock for write, had not. Faults of the parent went on while its entries were write-protected and copied. It was found within days of 6.4, by programs that crashed after fork (bugzilla 217624), and per-VMA locks were switched off for a release.',
  fix: 'fork locks each VMA of the parent before it copies it (commit fb49c455323f).',
  exhibits: [
    {
      had: 'Linux 6.4, as published',
      scenario: 'fork-cow-access',
      design: 'per-vma-lock-2023',
      published: true,
      fails: 'race',
      // Which of them it is, is a matter of which interleaving comes first: the copy is read while it is written.
      message: /use after free|no sequential order|two accesses to the same memory/,
      shows: /^(pte\[0x1000\]|frame |vma.*(vmLock|vmLockSeq))/,
    },
  ],
  holds: [
    { scenario: 'fork-cow-access', design: 'per-vma-lock-2023', complete: false },
    { scenario: 'fork-cow-access', design: 'per-vma-refcount-2025', complete: false },
  ],
}
