// The mmap lock: the reader-writer semaphore that protects the layout of an address space (include/linux/mmap_lock.h).
//
// Every use goes through these functions, since the hooks of the designs sit here: a writer is announced after the lock
// is held and before it is given up.

import type { Cpu } from '../machine/cpu.ts'
import { bugOn } from '../machine/errors.ts'
import {
  downRead,
  downReadTryLock,
  downWrite,
  downgradeWrite,
  isWriteLockedByMe,
  upRead,
  upWrite,
} from '../sync/rwsem.ts'
import { Mm } from './mm.ts'
import type { Task } from './task.ts'
import { VmEvent } from './vm-event.ts'
import { countVmEvent } from './vmstat.ts'

export function mmapReadLock(cpu: Task, mm: number): void {
  countVmEvent(cpu, VmEvent.mmap_lock_read)
  downRead(cpu, mm + Mm.mmapLock)
  cpu.design.mmapReadLocked(cpu, mm)
}

export function mmapReadTryLock(cpu: Task, mm: number): boolean {
  if (!downReadTryLock(cpu, mm + Mm.mmapLock)) {
    countVmEvent(cpu, VmEvent.mmap_lock_contended)
    return false
  }
  countVmEvent(cpu, VmEvent.mmap_lock_read)
  cpu.design.mmapReadLocked(cpu, mm)
  return true
}

export function mmapReadUnlock(cpu: Task, mm: number): void {
  upRead(cpu, mm + Mm.mmapLock)
}

export function mmapWriteLock(cpu: Task, mm: number): void {
  countVmEvent(cpu, VmEvent.mmap_lock_write)
  downWrite(cpu, mm + Mm.mmapLock)
  cpu.design.mmapWriteLocked(cpu, mm)
}

export function mmapWriteUnlock(cpu: Task, mm: number): void {
  cpu.design.mmapWriteUnlocking(cpu, mm)
  upWrite(cpu, mm + Mm.mmapLock)
}

/** Keeps the lock for reading. What must be seen as changed has to be changed by now. */
export function mmapWriteDowngrade(cpu: Task, mm: number): void {
  cpu.design.mmapWriteUnlocking(cpu, mm)
  downgradeWrite(cpu, mm + Mm.mmapLock)
  cpu.design.mmapReadLocked(cpu, mm)
}

/** `mmap_assert_write_locked`: the caller changes what only the holder of the write lock may change. */
export function assertMmapWriteLocked(cpu: Cpu, mm: number): void {
  bugOn(
    !isWriteLockedByMe(cpu, mm + Mm.mmapLock),
    'the layout is changed without the mmap lock held for write',
  )
}
