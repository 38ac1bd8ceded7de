// Releasing a VMA that has left the tree: its file and its memory, at once or when no thread can be looking at it.
//
// Each design uses one of these functions. A fault that looks at VMAs without the mmap lock needs their memory to stay
// for a grace period; a fault that also takes pages of the file needs the file to stay as well. The price: after
// munmap() has returned, the file is still in use for a while (race R20).

import { putFile } from '../memory/file.ts'
import type { Task } from '../mm/task.ts'
import { RCU_PUT_VMA, RCU_RELEASE_VMA, callRcu, defineRcuCallback } from '../sync/rcu.ts'
import { refcountDecAndTest } from '../sync/refcount.ts'
import { callSrcu } from '../sync/srcu.ts'
import { Vma, vmAreaFreeNow, vmAreaFreeRcu } from './vma.ts'

/** Drops the reference that the VMA has on its file. */
function putVmaFile(cpu: Task, vma: number): void {
  const file = cpu.heap[vma + Vma.vmFile]
  if (file !== 0) putFile(cpu, file)
}

/** The file and the VMA at once. */
export function releaseVmaNow(cpu: Task, vma: number): void {
  putVmaFile(cpu, vma)
  vmAreaFreeNow(cpu, vma)
}

/** The file at once, the VMA after a grace period. */
export function releaseVmaRcu(cpu: Task, vma: number): void {
  putVmaFile(cpu, vma)
  vmAreaFreeRcu(cpu, vma)
}

/** The file and the VMA after a grace period. */
export function releaseVmaAndFileRcu(cpu: Task, vma: number): void {
  callRcu(cpu, vma + Vma.rcuHead, RCU_RELEASE_VMA)
}

/** The file and the VMA after a grace period of SRCU, whose readers may sleep. */
export function releaseVmaAndFileSrcu(cpu: Task, vma: number): void {
  callSrcu(cpu, vma + Vma.rcuHead, RCU_RELEASE_VMA)
}

defineRcuCallback<Task>(RCU_RELEASE_VMA, (cpu, head) => releaseVmaNow(cpu, head - Vma.rcuHead))

/** The file and the reference of the tree at once. */
export function releaseVmaReference(cpu: Task, vma: number): void {
  putVmaFile(cpu, vma)
  putVma(cpu, vma)
}

/** The file at once; after a grace period the reference of the tree, of which the last one frees the VMA. */
export function releaseVmaReferenceRcu(cpu: Task, vma: number): void {
  putVmaFile(cpu, vma)
  callRcu(cpu, vma + Vma.rcuHead, RCU_PUT_VMA)
}

defineRcuCallback<Task>(RCU_PUT_VMA, (cpu, head) => putVma(cpu, head - Vma.rcuHead))

/** `put_vma`: drops a reference; the last one frees the VMA. */
export function putVma(cpu: Task, vma: number): void {
  if (refcountDecAndTest(cpu, vma + Vma.refCount)) vmAreaFreeNow(cpu, vma)
}
