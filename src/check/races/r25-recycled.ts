// Race R25: a recycled VMA and the wrong mm.

import type { Race } from './race.ts'

export const recycled: Race = {
  number: 'R25',
  title: 'The VMA of somebody else',
  story:
    'Since 6.15, VMAs lie in type-safe memory: one that is freed is a VMA again at once, perhaps of another process. A fault finds its VMA; before it takes its reference, the VMA is freed and becomes one of a second process. The fault gets the reference all the same, sees that the mm is wrong, and gives it back; meanwhile that second process unmaps, waits for the reference, gets it, and exits. The fault then wakes the waiter in an mm that is no more (Jann Horn, 2025). The longest of all these stories, and the explorer tells it with two CPUs.',
  fix: 'The mm is pinned before the reference is given back; here its memory lives on for a grace period, which the fault is inside of.',
  exhibits: [
    {
      had: 'Linux 6.15 as first released',
      scenario: 'recycled-vma',
      design: 'per-vma-refcount-2025',
      published: true,
      fails: 'race',
      message: /use after free/,
      shows: /vma.*(refCount|vmLockSeq|vmMm)|mmLockSeq|vmaWriterWait/,
    },
  ],
  holds: [{ scenario: 'recycled-vma', design: 'per-vma-refcount-2025', complete: true }],
}
