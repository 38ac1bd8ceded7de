// Race R23: making an anon_vma reads the neighbours.

import type { Race } from './race.ts'

export const anonVma: Race = {
  number: 'R23',
  title: 'The neighbours of a VMA',
  story:
    'A VMA gets its anon_vma on its first write fault, and may share that of a neighbour: to find out, the fault reads the VMAs beside it. It has no right to: it has locked or counted its own VMA only. Kamezawa and Zijlstra called `anon_vma_prepare` as if the mmap lock were held. Linux 6.4 asked for the anon_vma before it locked the VMA, and mremap with MREMAP_DONTUNMAP takes it away in between (Jann Horn, commit 657b5146955e).',
  fix: 'No anon_vma: classic path; and the question comes after the lock.',
  exhibits: [
    {
      had: 'Kamezawa 2009, Zijlstra 2010 and 2014, as published',
      scenario: 'anon-vma-munmap',
      design: 'zijlstra-2014',
      published: true,
      fails: 'race',
      message: /two accesses to the same memory|use after free/,
      shows: /anonVma|vmNext|vmPrev|vmSequence|detached/,
    },
    {
      had: 'Linux 6.4 as first released',
      scenario: 'dontunmap-neighbour',
      design: 'per-vma-lock-2023',
      published: true,
      fails: 'race',
      message: /two accesses to the same memory|use after free/,
      shows: /anonVma|vmNext|vmPrev|vmLockSeq|mmLockSeq|vmLock/,
    },
  ],
  holds: [
    { scenario: 'anon-vma-munmap', design: 'zijlstra-2014', complete: true },
    { scenario: 'anon-vma-munmap', design: 'lespinasse-2021', complete: true },
    { scenario: 'dontunmap-neighbour', design: 'per-vma-lock-2023', complete: true },
  ],
}
