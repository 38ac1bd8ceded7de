// The races of the literature that are not shown, and why.

import type { AbsentRace } from './race.ts'

export const absentRaces: readonly AbsentRace[] = [
  {
    number: 'R3',
    title: 'the same page again (ABA) where attributes are compared',
    reason:
      'needs two address spaces that share a page, with calls in both while a third CPU copies: no scenario has that yet',
  },
  {
    number: 'R4',
    title: 'a whole page table moved by mremap',
    reason: 'mremap moves entries one by one here, so that no table changes its owner',
  },
  {
    number: 'R7',
    title: 'waiting for a migration entry in a table that is gone',
    reason: 'there are no swap entries yet',
  },
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
    number: 'R17',
    title: 'an MMU notifier that registers during a copy',
    reason: 'there are no MMU notifiers yet',
  },
  {
    number: 'R18',
    title: 'a notifier that hears of a beginning without an end',
    reason: 'there are no MMU notifiers yet; the handlers call the end on every way out',
  },
  {
    number: 'R19',
    title: 'a per-CPU semaphore destroyed in a hotplug callback',
    reason: 'CPUs are not plugged in or out here',
  },
  {
    number: 'R21',
    title: 'a fault after vm_ops->close',
    reason: 'there are no drivers here whose mappings could assume that',
  },
  {
    number: 'R28',
    title: 'the memory policy of a VMA is dropped too early',
    reason: 'there are no NUMA policies here',
  },
  {
    number: 'R29',
    title: 'vm_ops read before the check',
    reason:
      'the operations of a file are code that is never unloaded here; the copy of the VMA is judged after its check in every design',
  },
  { number: 'R35', title: 'the OOM reaper', reason: 'there is none yet' },
  { number: 'R37', title: 'swap', reason: 'there is none yet' },
]
