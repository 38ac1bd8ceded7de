// The result of a fault that had to wait for a page, of a file or of the swap area.

import { ENOMEM } from '../mm/errno.ts'
import { type FaultContext, VM_FAULT_DROPPED, VM_FAULT_RETRY, VM_FAULT_SIGBUS } from '../mm/fault-context.ts'
import type { Task } from '../mm/task.ts'

/** Instead of a result: the fault has waited, or has found another page there, and must look again. */
export const LOOK_AGAIN = -1

/**
 * `error` is 0 or a negative errno. `left`: the fault has released its lock meanwhile, and begins anew; otherwise it
 * looks for the page again. `major` is VM_FAULT_MAJOR if the page was in no cache, else 0.
 */
export function afterWait(
  cpu: Task,
  fault: FaultContext,
  left: boolean,
  error: number,
  major: number,
): number {
  const dropped = left ? VM_FAULT_DROPPED : 0
  if (error === -ENOMEM) return fault.hold.outOfMemory | dropped
  if (error < 0) {
    cpu.ioError = error
    return VM_FAULT_SIGBUS | dropped
  }
  return left ? VM_FAULT_RETRY | VM_FAULT_DROPPED | major : LOOK_AGAIN
}
