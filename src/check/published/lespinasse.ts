// Lespinasse's designs of 2021 as they were published.

import { type FaultContext, Lespinasse2021, Lespinasse2021File, type Task } from '../../kernel/index.ts'
import { tellBegin, tellEnd } from './observers.ts'

/** v1, 30 April 2021: the part without files of the RFC. */
export class Lespinasse2021Published extends Lespinasse2021 {
  override readonly locksMovedTables = false
  override copyBegin(cpu: Task, fault: FaultContext): boolean {
    return tellBegin(cpu, fault)
  }
  /** Not of one that is given up (race R18). */
  override copyEnd(cpu: Task, fault: FaultContext, committed: boolean): void {
    if (committed) tellEnd(cpu, fault)
  }
  override notifierRegistered(): void {}
}

/** The RFC of 7 April 2021. */
export class Lespinasse2021FilePublished extends Lespinasse2021File {
  override readonly locksMovedTables = false
  override copyBegin(cpu: Task, fault: FaultContext): boolean {
    return tellBegin(cpu, fault)
  }
  /** Not of one that is given up (race R18). */
  override copyEnd(cpu: Task, fault: FaultContext, committed: boolean): void {
    if (committed) tellEnd(cpu, fault)
  }
  override notifierRegistered(): void {}
}
