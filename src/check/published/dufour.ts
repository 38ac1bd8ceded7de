// Dufour's designs of 2017 to 2019 as they were published.

import {
  Dufour2017,
  Dufour2018,
  Dufour2019,
  type FaultContext,
  type Task,
  VMA_ZAP,
  VmEvent,
  accessSignal,
  countVmEvent,
} from '../../kernel/index.ts'

/** RFC v5, 16 June 2017. */
export class Dufour2017Published extends Dufour2017 {
  protected override isWrite(change: number): boolean {
    return change === VMA_ZAP || super.isWrite(change)
  }

  protected override refuse(cpu: Task, fault: FaultContext, errorCode: number): number {
    return refuseAtOnce(cpu, fault, errorCode)
  }

  /** mremap and fork announce nothing (races R2 and R1). */
  override mremapBegin(): void {}
  override forkBegin(): void {}
}

/** v10, 17 April 2018. */
export class Dufour2018Published extends Dufour2018 {
  protected override isWrite(change: number): boolean {
    return change === VMA_ZAP || super.isWrite(change)
  }

  protected override refuse(cpu: Task, fault: FaultContext, errorCode: number): number {
    return refuseAtOnce(cpu, fault, errorCode)
  }

  /** Faults may use the old range before it is unmapped (race R2). */
  override mremapMoved(cpu: Task, mm: number, from: number, to: number): void {
    this.mremapEnd(cpu, mm, from, to)
  }

  /** fork announces nothing (race R1). */
  override forkBegin(): void {}
}

/** v12, 16 April 2019. */
export class Dufour2019Published extends Dufour2019 {
  protected override isWrite(change: number): boolean {
    return change === VMA_ZAP || super.isWrite(change)
  }

  protected override refuse(cpu: Task, fault: FaultContext, errorCode: number): number {
    return refuseAtOnce(cpu, fault, errorCode)
  }

  /** Faults may use the old range before it is unmapped (race R2). */
  override mremapMoved(cpu: Task, mm: number, from: number, to: number): void {
    this.mremapEnd(cpu, mm, from, to)
  }
}

/** Raises SIGSEGV at once, before the count is checked again (race R34). */
function refuseAtOnce(cpu: Task, fault: FaultContext, errorCode: number): number {
  countVmEvent(cpu, VmEvent.spf_vma_access)
  return accessSignal(errorCode, fault.vmFlags)
}
