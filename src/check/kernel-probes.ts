// The functions of the kernel whose calls are reported to the detectors, and by what numbers.

import type { Probe } from '../backends/stepped/index.ts'

// What the runtime calls the functions whose calls the detectors want to know.
export const SLAB_FREE = 0
export const SLAB_ALLOC = 1
export const FREE_FRAME = 2
export const ALLOC_FRAME = 3
export const SPIN_LOCK = 4
export const SPIN_UNLOCK = 5
export const SPIN_TRY_LOCK = 6
export const DOWN_READ = 7
export const UP_READ = 8
export const DOWN_WRITE = 9
export const UP_WRITE = 10
export const DOWNGRADE_WRITE = 11
export const DOWN_READ_TRY_LOCK = 12
export const SYNCHRONIZE_RCU = 13
export const KERNEL_EXIT = 14
export const SLEEP_UNTIL_WOKEN = 15
export const WALK = 16
export const MUNMAP = 17
export const MADVISE_LOCKED = 18
export const MPROTECT = 19
export const MREMAP = 20
export const TRY_LOCK_PAGE = 21
export const LOCK_PAGE = 22
export const UNLOCK_PAGE = 23
export const FRESH_PAGE = 24
export const LEAVE_FOR_HOST = 25
export const WAIT_ON_PAGE = 26
export const LOCK_INODE = 27
export const CALL_CPUS = 28
export const CALL_CPU = 29
export const CALL_RCU = 30

/** The functions, and of which the result is wanted too. */
export const kernelProbes: readonly Probe[] = [
  { file: 'memory/slab.ts', function: 'slabFree', id: SLAB_FREE },
  { file: 'memory/slab.ts', function: 'slabAlloc', id: SLAB_ALLOC, result: true },
  { file: 'memory/page-alloc.ts', function: 'freeFrame', id: FREE_FRAME },
  { file: 'memory/page-alloc.ts', function: 'allocFrame', id: ALLOC_FRAME, result: true },
  { file: 'memory/page-alloc.ts', function: 'allocZoneFrame', id: ALLOC_FRAME, result: true },
  { file: 'memory/page-alloc.ts', function: 'takeFrame', id: ALLOC_FRAME, result: true },
  { file: 'sync/spinlock.ts', function: 'spinLock', id: SPIN_LOCK },
  { file: 'sync/spinlock.ts', function: 'spinUnlock', id: SPIN_UNLOCK },
  { file: 'sync/spinlock.ts', function: 'spinTryLock', id: SPIN_TRY_LOCK, result: true },
  { file: 'sync/rwsem.ts', function: 'downRead', id: DOWN_READ },
  { file: 'sync/rwsem.ts', function: 'upRead', id: UP_READ },
  { file: 'sync/rwsem.ts', function: 'downWrite', id: DOWN_WRITE },
  { file: 'sync/rwsem.ts', function: 'upWrite', id: UP_WRITE },
  { file: 'sync/rwsem.ts', function: 'downgradeWrite', id: DOWNGRADE_WRITE },
  { file: 'sync/rwsem.ts', function: 'downReadTryLock', id: DOWN_READ_TRY_LOCK, result: true },
  { file: 'sync/rcu.ts', function: 'synchronizeRcu', id: SYNCHRONIZE_RCU },
  { file: 'machine/cpu.ts', function: 'kernelExit', id: KERNEL_EXIT },
  { file: 'machine/sleep.ts', function: 'sleepUntilWoken', id: SLEEP_UNTIL_WOKEN },
  { file: 'machine/sleep.ts', function: 'leaveForHost', id: LEAVE_FOR_HOST },
  { file: 'memory/page-lock.ts', function: 'tryLockPage', id: TRY_LOCK_PAGE, result: true },
  { file: 'memory/page-lock.ts', function: 'lockPage', id: LOCK_PAGE },
  { file: 'memory/page-lock.ts', function: 'waitOnPageLocked', id: WAIT_ON_PAGE },
  { file: 'memory/inode-lock.ts', function: 'lockInode', id: LOCK_INODE },
  { file: 'sync/rcu.ts', function: 'callRcu', id: CALL_RCU },
  { file: 'machine/calls.ts', function: 'callFunctionMany', id: CALL_CPUS },
  { file: 'machine/calls.ts', function: 'callFunctionSingle', id: CALL_CPU },
  { file: 'memory/page-lock.ts', function: 'unlockPage', id: UNLOCK_PAGE },
  { file: 'cache/read-pages.ts', function: 'freshPage', id: FRESH_PAGE },
  { file: 'machine/mmu.ts', function: 'walk', id: WALK },
  { file: 'calls/mmap.ts', function: 'munmap', id: MUNMAP, result: true },
  { file: 'calls/madvise.ts', function: 'madviseLocked', id: MADVISE_LOCKED, result: true },
  { file: 'calls/mprotect.ts', function: 'mprotect', id: MPROTECT, result: true },
  { file: 'calls/mremap.ts', function: 'mremap', id: MREMAP, result: true },
]
