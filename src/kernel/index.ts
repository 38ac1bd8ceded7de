// The kernel as the rest of the project sees it. Nothing outside imports deeper.

export * from './boot.ts'
export * from './internals.ts'
export {
  CPUS_MAX,
  type Host,
  NEED_RESCHED,
  SPUN_FOR_READERS,
  type Tracepoints,
  callEnter,
  callExit,
  declareCpuLost,
  isInKernel,
  perCpuBase,
  throwIfCpuLost,
} from './machine/cpu.ts'
export * from './machine/errors.ts'
export * from './machine/frames.ts'
export {
  type BootOptions,
  DEFAULT_OVERCOMMIT_RATIO,
  HEAP_MAGIC,
  Header,
  type NodeOptions,
  fixedHeapWords,
} from './machine/header.ts'
export * from './machine/kconfig.ts'
export { CACHE_LINE_WORDS, type LayoutDescription } from './machine/layout.ts'
export { PerCpu, PCP_CAPACITY } from './machine/per-cpu.ts'
export { sleepWhile } from './machine/sleep.ts'
export {
  futexHasWaiters,
  futexQueue,
  futexSleep,
  futexUnqueue,
  futexWake,
  isFutexWaiting,
} from './sync/futex.ts'
export { graceBarrier } from './sync/grace.ts'
export { numberAt } from './sync/number.ts'
export { READER_OWNED, RWSEM_OWNER_WORD } from './sync/rwsem-queue.ts'
export { readersOf } from './sync/rwsem-spinning.ts'
export {
  RWSEM_GENERIC,
  RWSEM_READER_SPINNING,
  RWSEM_SPINNING,
  RWSEM_XADD,
  type RwsemKind,
  rwsemKinds,
  rwsemNames,
} from './sync/rwsem.ts'
export {
  SPINLOCK_QUEUED,
  SPINLOCK_TICKET,
  type SpinlockKind,
  spinlockKinds,
  spinlockNames,
} from './sync/spinlock.ts'
export * from './fault/access.ts'
export { limitBytes, setLimitBytes } from './vma/accounts.ts'
export { brk, heapBytes, setStartOfHeap, startOfHeap } from './calls/brk.ts'
export * from './mm/caches.ts'
export { type DesignDescription, type DesignHooks } from './mm/design-hooks.ts'
export { EBADF, EFAULT, errnoName, errnoOf } from './mm/errno.ts'
export * from './memory/file.ts'
export { CHANGED_PAGES_MAX, changedPages } from './calls/changed-pages.ts'
export { forkMm } from './calls/fork.ts'
export { getFilePage } from './cache/filemap.ts'
export {
  FLUSHER_STOP,
  FLUSHER_WORK,
  advanceWriteback,
  beginWriteback,
  isOverBackground,
  writeBackSome,
} from './cache/flusher.ts'
export { isCopyOf, openHostFile, syncAllFiles, syncFileOfGeneration } from './cache/host-file.ts'
export { appendToFile, readFromFile, writeToFile } from './cache/file-io.ts'
export { MADV, madvise } from './calls/madvise.ts'
export * from './mm/mm.ts'
export { createMm, destroyMm, isMm, joinMm, leaveMm } from './calls/mm-lifecycle.ts'
export { mincore } from './calls/mincore.ts'
export { MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, mlock, mlockall, munlock, munlockall } from './calls/mlock.ts'
export { MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_POPULATE, mmap, munmap } from './calls/mmap.ts'
export { mmapReadLock, mmapReadUnlock, mmapWriteLock, mmapWriteUnlock } from './mm/mmap-lock.ts'
export {
  MmuNotifier,
  invalidateSequence,
  isInvalidating,
  registerMmuNotifier,
  unregisterMmuNotifier,
} from './tables/mmu-notifier.ts'
export { mprotect } from './calls/mprotect.ts'
export { MS_ASYNC, MS_INVALIDATE, MS_SYNC, finishSync, msync, requestSync, serveSync } from './calls/msync.ts'
export { MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, mremap } from './calls/mremap.ts'
export {
  OVERCOMMIT_ALWAYS,
  OVERCOMMIT_GUESS,
  OVERCOMMIT_NEVER,
  commitLimit,
  memoryCommitted,
} from './memory/overcommit.ts'
export { collapsePages } from './fault/collapse.ts'
export { pinPages, unpinPages, unpinTo } from './fault/pin.ts'
export { oomReap } from './fault/oom-reaper.ts'
export {
  type Accounting,
  type AccountingName,
  accountingNames,
  accountings,
  batchedPages,
  lruPages,
} from './memory/lru.ts'
export { Node, Pageset, Zone, framesFree, nodeAt, pagesetOf, zoneOf } from './memory/node.ts'
export { drainAllPcp, putPage } from './memory/page-alloc.ts'
export { PG_DIRTY, PG_LRU, PG_UPTODATE, Page, pageStruct } from './memory/page.ts'
export { getMmCounter } from './memory/rss.ts'
export { secondaryLoadInt32, secondaryStoreInt32 } from './fault/secondary-mmu.ts'
export { slabInUse } from './memory/slab.ts'
export { setPageFlags } from './memory/page-lock.ts'
export { swapSlotsInUse } from './memory/swap.ts'
export { swapOff, swapOn } from './calls/swapfile.ts'
export {
  OPEN_FILE_WORDS,
  OpenFile,
  closeFile,
  exitFiles,
  getOpenFile,
  installFile,
  isOpenFile,
} from './memory/open-file.ts'
export { finishCall, runTaskWork } from './cache/task-work.ts'
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
} from './calls/thread-end.ts'
export { readFileSize, truncateFile } from './cache/truncate.ts'
export { syncFileRange, syncOpenFile, writeBackFile } from './cache/writeback.ts'
export { Task } from './mm/task.ts'
export {
  VM_ACCOUNT,
  VM_DONTEXPAND,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_NOHUGEPAGE,
  VM_NORESERVE,
  VM_NO_MAYWRITE,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  Vma,
} from './vma/vma.ts'
export { isAbortReason } from './mm/vm-event.ts'
export { allVmEvents } from './mm/vmstat.ts'
export { designs } from './designs/index.ts'
