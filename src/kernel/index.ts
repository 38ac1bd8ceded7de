// The kernel as the rest of the project sees it. Nothing outside imports deeper.

export * from './boot.ts'
export { callFunctionMany, callFunctionSingle } from './machine/calls.ts'
export {
  CALL_DRAIN_PCP,
  CALL_FLUSH_TLB,
  CPUS_MAX,
  CPU_CLAIMED,
  CPU_ENTRY,
  CPU_FLUSH,
  CPU_INSIDE,
  CPU_INTERRUPT,
  CPU_STOP,
  type Host,
  type Tracepoints,
  callEnter,
  callExit,
  declareCpuLost,
  defineCall,
  isInKernel,
  kernelEnter,
  kernelExit,
  perCpuBase,
} from './machine/cpu.ts'
export * from './machine/errors.ts'
export * from './machine/frames.ts'
export {
  type BootOptions,
  DEFAULT_OVERCOMMIT_RATIO,
  HEAP_MAGIC,
  Header,
  PAGE_STRUCT_WORDS,
  fixedHeapWords,
  heapAlloc,
} from './machine/header.ts'
export * from './machine/kconfig.ts'
export { CACHE_LINE_WORDS, type LayoutDescription, cacheLineAlign, layouts } from './machine/layout.ts'
export {
  HEAP_WORDS_MAX,
  type LockedInstructions,
  createHeapMemory,
  lockedInstructions,
} from './machine/locked.ts'
export { PerCpu, PCP_CAPACITY } from './machine/per-cpu.ts'
export {
  PGD_WORDS,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_EXEC,
  PTE_FRAME_SHIFT,
  PTE_LOCKED,
  PTE_PKEY,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_SPECIAL,
  PTE_SWAP,
  PTE_WRITE,
  PageTable,
} from './machine/pte.ts'
export { SLAB_CACHES, SLAB_CACHE_WORDS, SLAB_CPU_WORDS, SlabCache, SlabCpu } from './machine/slab-layout.ts'
export { noteWritten, sectorMask } from './machine/sectors.ts'
export { wakeUp } from './machine/sleep.ts'
export { graceBarrier } from './sync/grace.ts'
export {
  percpuDownReadTryLock,
  percpuDownWrite,
  percpuRwsemWords,
  percpuUpRead,
  percpuUpWrite,
} from './sync/percpu-rwsem.ts'
export * from './sync/rcu.ts'
export { numberAt } from './sync/number.ts'
export { refcountDecAndTest } from './sync/refcount.ts'
export { RWSEM_OWNER_WORD, RWSEM_WORDS } from './sync/rwsem-queue.ts'
export { FLAG_HANDOFF } from './sync/rwsem-spinning.ts'
export {
  RWSEM_GENERIC,
  RWSEM_SPINNING,
  RWSEM_XADD,
  type RwsemKind,
  downRead,
  downReadTryLock,
  downWrite,
  downgradeWrite,
  rwsemKinds,
  upRead,
  upWrite,
} from './sync/rwsem.ts'
export {
  readSeqcount,
  readSeqcountRetry,
  readSeqcountTurns,
  writeSeqcountBegin,
  writeSeqcountEnd,
} from './sync/seqcount.ts'
export { spinLock, spinTryLock, spinUnlock } from './sync/spinlock.ts'
export { SRCU_INDEXES, callSrcu, srcuBarrier, srcuPoll } from './sync/srcu.ts'
export * from './mm/access.ts'
export { AnonVma } from './mm/anon-vma.ts'
export { limitBytes, setLimitBytes } from './mm/accounts.ts'
export { brk, heapBytes, setStartOfHeap, startOfHeap } from './mm/brk.ts'
export * from './mm/caches.ts'
export { Design, type DesignDescription } from './mm/design.ts'
export { EBADF, EFAULT, errnoName, errnoOf } from './mm/errno.ts'
export * from './mm/file.ts'
export { forkMm } from './mm/fork.ts'
export { getFilePage } from './mm/filemap.ts'
export { openHostFile, syncAllFiles, syncFileOfGeneration } from './mm/host-file.ts'
export { readFromFile, writeToFile } from './mm/file-io.ts'
export { MADV, madvise } from './mm/madvise.ts'
export * from './mm/mm.ts'
export { createMm, destroyMm, isMm, joinMm, leaveMm, retireCpu } from './mm/mm-lifecycle.ts'
export { mincore } from './mm/mincore.ts'
export { MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, mlock, mlockall, munlock, munlockall } from './mm/mlock.ts'
export { MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_POPULATE, mmap, munmap } from './mm/mmap.ts'
export { mmapReadLock, mmapReadUnlock, mmapWriteLock, mmapWriteUnlock } from './mm/mmap-lock.ts'
export {
  MMU_NOTIFIER_WORDS,
  MmuNotifier,
  invalidateSequence,
  isInvalidating,
  registerMmuNotifier,
  unregisterMmuNotifier,
} from './mm/mmu-notifier.ts'
export { mprotect } from './mm/mprotect.ts'
export { MS_ASYNC, MS_INVALIDATE, MS_SYNC, msync } from './mm/msync.ts'
export { MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, mremap } from './mm/mremap.ts'
export {
  OVERCOMMIT_ALWAYS,
  OVERCOMMIT_GUESS,
  OVERCOMMIT_NEVER,
  commitLimit,
  memoryCommitted,
} from './mm/overcommit.ts'
export { oomReap } from './mm/oom-reaper.ts'
export { executeOnlyPkey, mmPkeyAlloc } from './mm/pkeys.ts'
export { Zone, allocFrame, freeFrame, putPage } from './mm/page-alloc.ts'
export { PG_DIRTY, PG_LOCKED, PG_SWAPCACHE, PG_UPTODATE, Page, pageStruct } from './mm/page.ts'
export { findPteTable, pteAddress } from './mm/page-table.ts'
export { pageOutRange, shrinkCaches, tryToFreePages } from './mm/reclaim.ts'
export { getMmCounter, syncMmRss } from './mm/rss.ts'
export { secondaryLoadInt32, secondaryStoreInt32 } from './mm/secondary-mmu.ts'
export { slabInUse } from './mm/slab.ts'
export { lockPage, setPageFlags, unlockPage } from './mm/page-lock.ts'
export { swapSlotsInUse } from './mm/swap.ts'
export { swapOff, swapOn } from './mm/swapfile.ts'
export {
  OPEN_FILE_WORDS,
  OpenFile,
  closeFile,
  exitFiles,
  getOpenFile,
  installFile,
  isOpenFile,
} from './mm/open-file.ts'
export { finishCall, runTaskWork } from './mm/task-work.ts'
export {
  CPU_COMING,
  CPU_DEAD,
  CPU_FREE,
  CPU_LEAVING,
  CPU_TAKEN,
  NO_THREAD,
  buryCpu,
  cancelStop,
  claimDead,
  hasStopped,
  inheritCpu,
  noticeDead,
  orderStop,
  releaseCpu,
} from './mm/thread-end.ts'
export { truncateFile } from './mm/truncate.ts'
export { findVma } from './mm/vma-tree.ts'
export { syncFileRange, writeBackFile } from './mm/writeback.ts'
export { Task } from './mm/task.ts'
export {
  VM_ACCOUNT,
  VM_DONTEXPAND,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_NORESERVE,
  VM_NO_MAYWRITE,
  VM_PKEY_FLAGS,
  VM_PKEY_SHIFT,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  Vma,
} from './mm/vma.ts'
export { VmEvent, allVmEvents, isAbortReason } from './mm/vmstat.ts'
export { designs } from './designs/index.ts'
