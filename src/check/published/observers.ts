// What the designs that commit by the page-table lock alone have in common, as they were published: MMU notifiers are
// called beside a copy on write as if the mmap lock kept others from being registered (race R17), and mremap moves
// whole page tables beside faults that have locked them (race R4). A design takes these functions for its hooks.

import { type FaultContext, type Task, invalidateRangeEnd, invalidateRangeStart } from '../../kernel/index.ts'

/** `copyBegin`: the observers that there are hear of the copy. */
export function tellBegin(cpu: Task, fault: FaultContext): boolean {
  invalidateRangeStart(cpu, fault.mm, fault.page, fault.page + 1)
  return true
}

/** `copyEnd`: and of its end. */
export function tellEnd(cpu: Task, fault: FaultContext): void {
  invalidateRangeEnd(cpu, fault.mm)
}
