// Race R17: an MMU notifier that is registered during a copy on write.

import { at } from '../mutants/patch.ts'
import type { Race } from './race.ts'

export const registration: Race = {
  number: 'R17',
  title: 'An observer that comes in the middle of a copy',
  story:
    'A virtual machine, or a device, uses pages of a program through translations of its own, and registers an observer that is told when a translation is withdrawn. A copy on write calls the observers before and after. Registration holds the mmap lock for write and the locks of the reverse mapping; a speculative fault holds none of them. So it calls nobody before, as there is nobody; the observer is registered, and its owner looks the old page up; the fault puts the copy in its place, and calls the end of what the observer never heard the beginning of. The owner goes on with the old page. KVM would stop at the end (`BUG_ON(kvm->mmu_notifier_count < 0)`), and so does the observer here. v1 of 2021 says that it is not protected; v2 found the way.',
  fix: 'In v2 the fault holds a per-CPU semaphore for reading, which costs it a word of its own CPU, and whoever registers takes it for write. In the other designs here, what has observers is left to the locked path, and whoever registers waits for a grace period, after which no fault is left that saw none. Per-VMA locks: whoever registers locks every VMA.',
  verdict:
    'The window is not equally wide. With a count per mm it is narrow, since registration moves the count: the fault must be past its last look at it, and the owner must look the page up without the page-table lock, as `gup_fast` does. With a count per VMA nothing stops the fault. And in v2 the semaphore has no work to do here: while whoever registers waits for its grace period, every fault from before ends, and every later one gives up at the odd count. In Linux a fault may sleep between the two, which no grace period waits for.',
  exhibits: [
    {
      had: 'Lespinasse v1 (2021), as published',
      scenario: 'observed-copy',
      design: 'lespinasse-2021',
      published: true,
      fails: 'error',
      message: /end of an invalidation that it did not hear of/,
      shows: /^(pte\[0x1000\]|mm\.(mmapSeq|mmuNotifiers)$|notifier.*(invalidate|shadow)|frame )/,
    },
    {
      had: 'Dufour v12 (2019), as published',
      scenario: 'observed-copy',
      design: 'dufour-2019',
      published: true,
      restored: 'and an observer that passes over an end without a beginning',
      patches: [
        at('mm/mmu-notifier.ts', 'endInvalidation').replace(
          'const before = Atomics.sub(...$)',
          `const before = Atomics.load(heap, notifier + MmuNotifier.invalidateInProgress) || 1;
          Atomics.store(heap, notifier + MmuNotifier.invalidateInProgress, before - 1)`,
        ),
      ],
      fails: 'error',
      message: /no sequential order|stale translation/,
      shows: /^(pte\[0x1000\]|vma.*vmSequence|mm\.mmuNotifiers$|notifier.*(invalidate|shadow)|frame )/,
    },
  ],
  holds: [
    { scenario: 'observed-copy', design: 'lespinasse-2021', complete: false },
    { scenario: 'observed-copy', design: 'lespinasse-2022', complete: false },
    { scenario: 'observed-copy', design: 'dufour-2019', complete: false },
    { scenario: 'observed-copy', design: 'per-vma-lock-2023', complete: false },
    { scenario: 'observed-copy', design: 'per-vma-refcount-2025', complete: false },
  ],
}
