// Race R20: a file that outlives its last mapping.

import type { Race } from './race.ts'

export const fileInUse: Race = {
  number: 'R20',
  title: 'After munmap the file is still in use',
  story:
    'A speculative fault on a file needs the file, so the branch with files gives it up only after a grace period. munmap returns, the next call is umount, and it says EBUSY: xfstests generic/619 (T. Ts’o). Linus had objected in 2010 already that munmap would no longer mean what it says. It is the price of the design and no slip; it stays here as it was.',
  fix: 'None in the branch. The series that was proposed left files out; per-VMA locks give the file up at once, since no fault is left in the VMA.',
  exhibits: [
    {
      had: 'Lespinasse 2021, the branch with files',
      scenario: 'file-in-use',
      design: 'lespinasse-2021-file',
      fails: 'error',
      message: /no sequential order/,
      shows: /^(file|cpu\d\.state|mm\.mmapSeq|pte\[)/,
    },
  ],
  holds: [
    { scenario: 'file-in-use', design: 'lespinasse-2021', complete: true },
    { scenario: 'file-in-use', design: 'per-vma-refcount-2025', complete: false },
  ],
}
