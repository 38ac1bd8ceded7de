// What does the tasks of a campaign: threads here, or whoever takes them from a queue.

import type { Outcome, Task } from '../task.ts'

/** Who is there, and what there is to do. */
export interface Crew {
  /** Processes that work, and threads in them. */
  readonly workers: number
  readonly threads: number
  /** Tasks that are being done, and that nobody has begun. */
  readonly active: number
  readonly waiting: number
}

export interface Executor {
  /** How many tasks should be given to it at once, so that nobody waits for one. */
  readonly width: number
  /** As it was when it was last asked for; null where that is not known yet. */
  readonly crew: Crew | null
  /**
   * Has a task done. Tasks are done in any order, some twice where a worker dies: the outcome is the same.
   * @throws TaskFailed what the task threw, or that its workers die of it
   */
  run(task: Task): Promise<Outcome>
  /** Ends it; tasks that are not done are forgotten. */
  close(): Promise<void>
}

/** A task that cannot be done. */
export class TaskFailed extends Error {
  override readonly name = 'TaskFailed'
}
