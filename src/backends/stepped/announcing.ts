// A thread announces its next operation, and asks the scheduler who goes on.

import type { View } from './memory.ts'
import { isNothingExplored, made } from './plain-accesses.ts'
import { mustStop, raiseWhatWasCaught, refuseToStop, scheduler, soloThread, state } from './running.ts'
import { SHARED } from './tags.ts'
import { Thread, type Watched } from './thread.ts'

/** Operations that what runs alone may do until it is taken to be in a loop without end. */
const SOLO_OPERATIONS_MAX = 1_000_000
let soloOperations = 0

/** What runs without other threads does not come to an end. */
export class EndlessLoop extends Error {
  override readonly name = 'EndlessLoop'
}

/** The result of a function that has run without other threads. */
export function alone(value: unknown): unknown {
  soloOperations = 0
  if (scheduler === null) raiseWhatWasCaught()
  return value
}

/** Returns whether the thread has to stop before its operation. */
export function announce(thread: Thread): boolean {
  const { array, index } = thread
  if (state.stopping) refuseToStop()
  const view = array[SHARED] ?? viewOf(array)
  if (thread === soloThread && ++soloOperations > SOLO_OPERATIONS_MAX && !isNothingExplored) {
    // What runs alone next has operations of its own.
    soloOperations = 0
    throw new EndlessLoop(
      `more than ${SOLO_OPERATIONS_MAX} operations, though no other thread is there to wait for`,
    )
  }
  if (
    view === undefined ||
    thread === soloThread ||
    !(index >= 0 && index < view.length && index === Math.floor(index))
  ) {
    thread.local = true
    thread.native = true
    return false
  }
  thread.local = false
  thread.native = !view.int32
  thread.cell = view.firstCell + index * view.cellsPerElement
  thread.cells = view.cellsPerElement
  return mustStop(thread)
}

/** An array over shared memory that was made where the transform does not come to. */
export function viewOf(array: Watched): View | undefined {
  if (!ArrayBuffer.isView(array) || !(array.buffer instanceof SharedArrayBuffer)) return undefined
  return made(array)[SHARED]
}
