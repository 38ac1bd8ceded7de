// The parts of the kernel by themselves, for those who check it: locks, sequence counts and grace periods without an
// address space, calls between CPUs, the state of a CPU, page tables, and the structs of pages and slabs. Who runs
// programs on the kernel needs none of it. The designs are here to be extended: as they were published, see src/check.

export { callFunctionMany, callFunctionSingle } from './machine/calls.ts'
export {
  CALL_DRAIN_PCP,
  CALL_FLUSH_TLB,
  CPU_CLAIMED,
  CPU_ENTRY,
  CPU_FLUSH,
  CPU_INSIDE,
  CPU_INTERRUPT,
  CPU_STOP,
  defineCall,
  flushTlbRange,
  kernelEnter,
  kernelExit,
} from './machine/cpu.ts'
export { NODE_WORDS, PAGE_STRUCT_WORDS, heapAlloc } from './machine/header.ts'
export { cacheLineAlign, layouts } from './machine/layout.ts'
export { translate } from './machine/mmu.ts'
export {
  FAULT_PROTECTION,
  PAGE_TABLE_WORDS,
  PGD_SHIFT,
  PGD_WORDS,
  PMD_SHIFT,
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
  PUD_SHIFT,
  PageTable,
  TABLE_INDEX_MASK,
} from './machine/pte.ts'
export { SLAB_CACHES, SLAB_CACHE_WORDS, SLAB_CPU_WORDS, SlabCache, SlabCpu } from './machine/slab-layout.ts'
export { noteWritten, sectorMask } from './machine/sectors.ts'
export { wakeUp } from './machine/sleep.ts'
export { osqLock, osqUnlock } from './sync/osq.ts'
export {
  percpuDownReadTryLock,
  percpuDownWrite,
  percpuRwsemWords,
  percpuUpRead,
  percpuUpWrite,
} from './sync/percpu-rwsem.ts'
export * from './sync/rcu.ts'
export { rcuwaitWake } from './sync/rcuwait.ts'
export { refcountDecAndTest } from './sync/refcount.ts'
export { READERS_NONSPINNABLE, RWSEM_WORDS } from './sync/rwsem-queue.ts'
export { FLAG_HANDOFF } from './sync/rwsem-spinning.ts'
export { downRead, downReadTryLock, downWrite, downgradeWrite, upRead, upWrite } from './sync/rwsem.ts'
export {
  readSeqcount,
  readSeqcountRetry,
  readSeqcountTurns,
  writeSeqcountBegin,
  writeSeqcountEnd,
} from './sync/seqcount.ts'
export { spinLock, spinTryLock, spinUnlock } from './sync/spinlock.ts'
export { SRCU_INDEXES, callSrcu, srcuBarrier, srcuPoll } from './sync/srcu.ts'
export { AnonVma } from './vma/anon-vma.ts'
export { Design } from './fault/design.ts'
export { accessSignal } from './fault/fault.ts'
export { type FaultContext, VM_FAULT_ERROR, VM_FAULT_RETRY } from './mm/fault-context.ts'
export { invalidateRangeEnd, invalidateRangeStart } from './tables/mmu-notifier.ts'
export { releaseVmaNow } from './vma/vma-release.ts'
export { retireCpu } from './calls/mm-lifecycle.ts'
export { MMU_NOTIFIER_WORDS } from './tables/mmu-notifier.ts'
export { executeOnlyPkey, mmPkeyAlloc } from './vma/pkeys.ts'
export { allocFrame, freeFrame } from './memory/page-alloc.ts'
export { PG_LOCKED, PG_SWAPCACHE } from './memory/page.ts'
export { LEAF_SLOTS, LEAF_SLOT_WORDS, LeafSlot, slotBounds } from './tables/leaf-slots.ts'
export { findPteTable, pteAddress } from './tables/page-table.ts'
export { pageOutRange, shrinkCaches, tryToFreePages } from './cache/reclaim.ts'
export { WB_SYNC_NONE, writeBackPages } from './cache/writeback.ts'
export { syncMmRss } from './memory/rss.ts'
export { lockPage, unlockPage } from './memory/page-lock.ts'
export { findVma } from './vma/vma-tree.ts'
export { VMA_ADJUST, VMA_PROTECT, VMA_ZAP, VM_ACCOUNT, VM_PKEY_FLAGS, VM_PKEY_SHIFT } from './vma/vma.ts'
export { Dufour2017 } from './designs/dufour-2017.ts'
export { Dufour2018 } from './designs/dufour-2018.ts'
export { Dufour2019 } from './designs/dufour-2019.ts'
export { Kamezawa2009Refcount } from './designs/kamezawa-2009-refcount.ts'
export { Kamezawa2009Version, isCurrent } from './designs/kamezawa-2009-version.ts'
export { Lespinasse2021 } from './designs/lespinasse-2021.ts'
export { Lespinasse2021File } from './designs/lespinasse-2021-file.ts'
export { PerVmaLock2023 } from './designs/per-vma-lock-2023.ts'
export { PerVmaRefcount2025 } from './designs/per-vma-refcount-2025.ts'
export { Zijlstra2010 } from './designs/zijlstra-2010.ts'
export { Zijlstra2014 } from './designs/zijlstra-2014.ts'
export { VmEvent } from './mm/vm-event.ts'
export { countVmEvent } from './mm/vmstat.ts'
