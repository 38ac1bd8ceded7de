// The races of the literature that are not shown, and why.

import type { AbsentRace } from './race.ts'

export const absentRaces: readonly AbsentRace[] = [
  { number: 'R8', title: 'userfaultfd', reason: 'there is none yet' },
  {
    number: 'R13',
    title: 'a collapse in progress looks like an empty pmd',
    reason: 'there are no huge pages yet; the look at the pmd that guards against it is in Dufour 2019',
  },
  {
    number: 'R14',
    title: 'a page table that leaks',
    reason:
      'the milder half of R5, shown there: whether the table is lost or corrupts depends on when it is hooked in',
  },
  {
    number: 'R19',
    title: 'a per-CPU semaphore destroyed in a hotplug callback',
    reason:
      'it was the destructor that waited, for a callback which the last writer had left behind, while its caller held what that callback waited for. The semaphore here leaves none behind: it is at rest as soon as its writer is gone, as the grace period that Linux begins there orders what `Atomics` order anyway. Destroying it waits for nobody',
  },
  {
    number: 'R21',
    title: 'a fault after vm_ops->close',
    reason:
      'vm_ops->close of a driver would free what its fault uses; the mappings here are of memory and of files, whose “close” is the reference on the file, and that it outlives every fault is what R20 pays for and `file-write-munmap` holds to',
  },
  {
    number: 'R28',
    title: 'the memory policy of a VMA is dropped too early',
    reason:
      'a policy is an object that the VMA refers to and that unmapping drops at once; there are no NUMA policies, and the two objects of a VMA that a fault uses, file and anon_vma, are in R20 and R23',
  },
  {
    number: 'R29',
    title: 'vm_ops read before the check',
    reason:
      'the operations of a file are code that is never unloaded here; the copy of the VMA is judged after its check in every design',
  },
]
