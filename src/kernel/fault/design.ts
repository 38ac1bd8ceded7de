// What all designs of speculative page faults have in common.
//
// A design is a way to find the VMA without the mmap lock, to keep it alive, to notice that it changed, and to
// commit. The rest of the fault is written once, in the handlers, which reach the page table only through the commit
// primitive. The hooks, which design-hooks.ts explains, do nothing unless a design overrides them; the classic design
// overrides none.

import type { DesignDescription, DesignHooks } from '../mm/design-hooks.ts'
import { type FaultContext, VM_FAULT_RETRY } from '../mm/fault-context.ts'
import type { Task } from '../mm/task.ts'
import type { VmEventName } from '../mm/vm-event.ts'
import { synchronizeRcu } from '../sync/rcu.ts'
import { mmHasNotifiers } from '../tables/mmu-notifier.ts'
import { releaseVmaNow } from '../vma/vma-release.ts'

export abstract class Design implements DesignHooks<Task> {
  abstract readonly description: DesignDescription
  readonly speculates: boolean = false
  readonly speculatesInKernel: boolean = false
  readonly rangeTree: boolean = false
  readonly fillsSlots: boolean = false
  readonly typesafeVmas: boolean = false
  readonly speculatesOnFileMiss: boolean = false
  readonly speculatesOnSwap: 'never' | 'cached' | 'any' = 'never'
  readonly vmaLock: 'mmap' | 'number' | 'sequence' | 'count' = 'mmap'
  readonly locksNotifiers: boolean = false
  readonly locksMovedTables: boolean = true
  readonly freesMmRcu: boolean = false
  readonly events: readonly VmEventName[] = []

  speculativeFault(_cpu: Task, _errorCode: number): number {
    return VM_FAULT_RETRY
  }

  pteMapLock(_cpu: Task, _fault: FaultContext): boolean {
    return false
  }

  vmaStands(_cpu: Task, _fault: FaultContext): boolean {
    return false
  }

  retryVma(_cpu: Task, _mm: number, _page: number): number {
    return 0
  }

  fileFaultBegin(_cpu: Task, _fault: FaultContext): boolean {
    return true
  }
  fileFaultEnd(_cpu: Task, _fault: FaultContext): void {}

  copyBegin(cpu: Task, fault: FaultContext): boolean {
    return !mmHasNotifiers(cpu, fault.mm)
  }
  copyEnd(_cpu: Task, _fault: FaultContext, _committed: boolean): void {}

  notifierRegistering(_cpu: Task, _mm: number): void {}
  notifierRegistered(cpu: Task, _mm: number): void {
    if (this.speculates) synchronizeRcu(cpu)
  }

  lockVmaUnderRcu(_cpu: Task, _mm: number, _page: number): number {
    return 0
  }
  vmaEndRead(_cpu: Task, _vma: number): void {}

  entriesChangeBegin(_cpu: Task, _mm: number, _start: number, _end: number): boolean {
    return false
  }
  entriesChangeEnd(_cpu: Task): void {}

  preparesAnonVma(_cpu: Task): boolean {
    return false
  }

  updateMmuCache(_cpu: Task, _fault: FaultContext): void {}

  mmapReadLocked(_cpu: Task, _mm: number): void {}
  mmapWriteLocked(_cpu: Task, _mm: number): void {}
  mmapWriteUnlocking(_cpu: Task, _mm: number): void {}

  treeWriteBegin(_cpu: Task, _mm: number): void {}
  treeWriteEnd(_cpu: Task, _mm: number): void {}
  vmaWriteBegin(_cpu: Task, _vma: number, _change: number): void {}
  vmaWriteEnd(_cpu: Task, _vma: number, _change: number): void {}
  rangeChanging(_cpu: Task, _mm: number, _start: number, _end: number): void {}
  rangeChanged(_cpu: Task, _vma: number, _start: number, _end: number): void {}
  vmaLinked(_cpu: Task, _vma: number): void {}
  vmaUnlinked(_cpu: Task, _vma: number): void {}
  releaseVma(cpu: Task, vma: number): void {
    releaseVmaNow(cpu, vma)
  }

  pageTablesFreeing(_cpu: Task, _mm: number, _start: number, _end: number): void {}
  mremapBegin(_cpu: Task, _mm: number, _from: number, _to: number): void {}
  mremapMoved(_cpu: Task, _mm: number, _from: number, _to: number): void {}
  mremapEnd(_cpu: Task, _mm: number, _from: number, _to: number): void {}
  forkBegin(_cpu: Task, _vma: number): void {}
  forkEnd(_cpu: Task, _mm: number): void {}
}
