// What the designs that commit by the page-table lock alone have in common, as they were published: MMU notifiers are
// called beside a copy on write as if the mmap lock kept others from being registered (race R17), and mremap moves
// whole page tables beside faults that have locked them (race R4).

import {
  type Design,
  type FaultContext,
  type Task,
  invalidateRangeEnd,
  invalidateRangeStart,
} from '../../kernel/index.ts'

type Hooks = Pick<Design, 'locksMovedTables' | 'copyBegin' | 'copyEnd' | 'notifierRegistered'>

/** Hooks of such a design. */
export const observedUnlocked: Hooks = {
  locksMovedTables: false,
  copyBegin(cpu: Task, fault: FaultContext): boolean {
    invalidateRangeStart(cpu, fault.mm, fault.page, fault.page + 1)
    return true
  },
  copyEnd(cpu: Task, fault: FaultContext): void {
    invalidateRangeEnd(cpu, fault.mm)
  },
  notifierRegistered(): void {},
}

/**
 * The same, but that observers do not hear of the end of a copy that is given up (race R18): so until patch 5/31 of
 * Dufour's v12, 20190416134522.17540-6-ldufour@linux.ibm.com, and in Lespinasse's RFC of 7 April 2021, of which v1 is the
 * part without files. Of Zijlstra's patches of 2014 that is an inference: Dufour's is a port of them.
 */
export const observedUntilGivenUp: Hooks = {
  ...observedUnlocked,
  copyEnd(cpu: Task, fault: FaultContext, committed: boolean): void {
    if (committed) invalidateRangeEnd(cpu, fault.mm)
  },
}
