// Zijlstra's designs of 2010 and 2014 as they were published.

import {
  PageTable,
  type Task,
  VMA_PROTECT,
  VMA_ZAP,
  Zijlstra2010,
  Zijlstra2014,
  spinLock,
} from '../../kernel/index.ts'

/** "-v3" of 4 January 2010 with all its patches. */
export class Zijlstra2010Published extends Zijlstra2010 {
  /** anon_vma_prepare() as if the mmap lock were held (race R23). */
  override preparesAnonVma(): boolean {
    return true
  }

  /** Neither 6/8 nor 7/8 asks whether the VMA allows the access (race R38). */
  protected override allows(): boolean {
    return true
  }

  protected override isWrite(change: number): boolean {
    return countMoves(change, super.isWrite(change))
  }

  /** mremap and fork announce nothing (races R2 and R1). */
  override mremapBegin(): void {}
  override forkBegin(): void {}
}

/** The six patches of 20 October 2014. */
export class Zijlstra2014Published extends Zijlstra2014 {
  /** anon_vma_prepare() as if the mmap lock were held (race R23). */
  override preparesAnonVma(): boolean {
    return true
  }

  /** Neither 5/6 nor 6/6 asks whether the VMA allows the access (race R38). */
  protected override allows(): boolean {
    return true
  }

  protected override isWrite(change: number): boolean {
    return countMoves(change, super.isWrite(change))
  }

  override mremapBegin(): void {}
  override forkBegin(): void {}

  /** Waits with interrupts disabled (race R11). */
  protected override lockTable(cpu: Task, table: number): boolean {
    spinLock(cpu, table + PageTable.ptl)
    return true
  }
}

/** mprotect changes flags unannounced (race R10), and MADV_DONTNEED moves the count under the read lock (race R9). */
function countMoves(change: number, otherwise: boolean): boolean {
  return change === VMA_ZAP || (otherwise && change !== VMA_PROTECT)
}
