// Mutants of the memory manager: what stands between a fault and the page table, teardown, files, mremap, stacks.

import type { MutantTable } from './mutant.ts'
import { at } from './patch.ts'

const anonymous = 'fault/anonymous.ts'
const file = 'fault/file-fault.ts'
const wp = 'fault/wp.ts'
const zap = 'tables/zap.ts'
const gather = 'tables/mmu-gather.ts'

export const memoryMutants: MutantTable = {
  'entry-overwritten': {
    guard: 'a new entry is stored only if there is none (I7)',
    scenario: 'fault-fault',
    patches: at(anonymous, 'installIfNone').force('Atomics.load(cpu.heap, address) === 0', true),
  },
  'frame-kept-on-abort': {
    guard: 'a fault that gives up frees the frame that it has taken (I11)',
    scenario: 'fault-munmap',
    patches: at(anonymous, 'doAnonymousPage').drop('putPage(cpu, frame)'),
  },
  'reaped-page-filled-in': {
    guard: 'a fault on a page that may have been reaped is refused',
    race: 'R35',
    scenario: 'fault-reap',
    patches: at(anonymous, 'installIfNone').replace(
      'isStable(cpu, fault.mm)',
      'isStable(cpu, fault.mm) || true',
    ),
  },
  'reaped-copy-mapped-around': {
    guard: 'fault-around maps no pages that may have been reaped',
    race: 'R35',
    design: 'leaf-slots',
    scenario: 'reap-copy',
    patches: at('fault/file-fault.ts', 'doFaultAround').drop('mayBeReaped(cpu, fault)'),
  },
  'reaper-noticed-too-early': {
    guard: 'the fault checks for reaped pages under the page-table lock',
    race: 'R35',
    scenario: 'fault-reap',
    patches: [
      at(anonymous, 'installIfNone').before(
        'if (!fault.hold.lockTable(cpu, fault)) $',
        'const stable = isStable(cpu, fault.mm)',
      ),
      at(anonymous, 'installIfNone').drop('const stable = isStable(cpu, fault.mm)'),
    ],
  },
  'entry-not-compared': {
    guard: 'the fault checks under the lock that the entry has not changed (I7)',
    race: 'R3',
    scenario: 'protected-dontneed',
    patches: at('fault/fault.ts', 'handlePteFault').force(
      'Atomics.load(heap, address) !== fault.originalPte',
      false,
    ),
  },
  'copy-overwrites': {
    guard: 'copy on write replaces only the entry that it has copied (I7)',
    race: 'R3',
    scenario: 'cow-fault',
    patches: at(wp, 'wpReplace').replace(
      'if (Atomics.compareExchange(...$) !== fault.originalPte) $',
      'Atomics.store(cpu.heap, address, 0)',
    ),
  },
  'no-flush-on-copy': {
    guard: 'copy on write flushes the translation of the old page',
    race: 'R1',
    scenario: 'cow-access',
    patches: at(wp, 'wpReplace').drop('flushTlbMm(cpu, fault.mm, fault.page, fault.page + 1)'),
  },
  'copy-stored-before-the-flush': {
    guard: 'the old translation is flushed before anyone can write to the copy',
    race: 'R1',
    scenario: 'cow-order',
    patches: at(wp, 'wpReplace').swap(
      'flushTlbMm(cpu, fault.mm, fault.page, fault.page + 1)',
      'Atomics.store(cpu.heap, address, entry)',
    ),
  },
  'copied-frame-kept-on-abort': {
    guard: 'copy on write that gives up frees its copy (I11)',
    race: 'R18',
    scenario: 'zero-page-cow-munmap',
    patches: at(wp, 'wpPageCopy').drop('putPage(cpu, frame)'),
  },
  'losing-copy-kept': {
    guard: 'copy on write that is too late frees its copy (I11)',
    scenario: 'cow-fault',
    patches: at(wp, 'wpPageCopy').replace('putPage(cpu, frame)', 'if (replaced < 0) putPage(cpu, frame)'),
  },
  'copy-without-a-reference': {
    guard: 'the fault holds a reference on the page while it copies it without the lock',
    scenario: 'reclaim-cow',
    redundant:
      'a thread that frees the page clears its entry first, and the fault discards its copy if the entry has changed; only a frame that returns to the same entry meanwhile would deceive it, for which the scenario is too short',
    patches: [
      at(wp, 'doWpPage').drop('if (!special) getPage(cpu, frame)'),
      at(wp, 'doWpPage').drop('if (!special) freePageAndSwapCache(cpu, frame)'),
    ],
  },
  'zap-without-lock': {
    guard: 'entries are removed under the page-table lock (I8)',
    scenario: 'fault-munmap',
    patches: [
      at(zap, 'lockStanding').drop('spinLock(cpu, table + PageTable.ptl)'),
      at(zap, 'zapPteRange').drop('spinUnlock(cpu, table + PageTable.ptl)'),
    ],
  },
  'zap-not-atomic': {
    guard: 'an entry is read and cleared in one operation',
    scenario: 'stale-access',
    redundant:
      'between the two, only hardware can change the entry, which sets the accessed and the dirty bit; these do not matter for anonymous memory that is freed; the fault that allowed the write marked a page of a file on disk dirty, and a page of a file in memory is written out in any case',
    patches: at(zap, 'zapPteRange').replace(
      'const entry = Atomics.exchange(heap, address, 0)',
      'const entry = Atomics.load(heap, address); Atomics.store(heap, address, 0)',
    ),
  },
  'no-flush-on-unmap': {
    guard: 'the TLBs are flushed before munmap returns',
    scenario: 'fault-munmap',
    patches: at(gather, 'gatherFlushTlb').force('cpu.gatherStart < cpu.gatherEnd', false),
  },
  'frames-freed-before-the-flush': {
    guard: 'frames are freed after the TLBs are flushed',
    scenario: 'stale-access',
    patches: at(gather, 'gatherFlush').swap(
      'gatherFlushTlb(cpu)',
      'for (let index = 0; index < cpu.gatherCount; index++) freePageAndSwapCache(...$)',
    ),
  },
  'flush-of-this-cpu-only': {
    guard: 'the TLBs of all CPUs of the address space are flushed',
    scenario: 'stale-access',
    patches: at(gather, 'flushTlbMm').force('Atomics.load(cpu.heap, mm + Mm.users) > own', false),
  },
  'flush-before-the-tables-are-unhooked': {
    guard: 'unlinking a page table extends the range to flush',
    race: 'R5',
    scenario: 'table-flush',
    patches: [
      at('tables/page-table.ts', 'unhookTable').drop('cpu.gatherStart = Math.min(cpu.gatherStart, page)'),
      at('tables/page-table.ts', 'unhookTable').drop('cpu.gatherEnd = Math.max(cpu.gatherEnd, page + 1)'),
      at('calls/mmap.ts', 'unmapRegion').before(
        'cpu.design.pageTablesFreeing(cpu, mm, start, end)',
        'gatherFlush(cpu)',
      ),
    ],
  },
  'no-flush-on-mprotect': {
    guard: 'mprotect flushes the TLBs',
    scenario: 'fault-mprotect',
    patches: at('calls/mprotect.ts', 'changeProtection').force('changed !== 0', false),
  },
  'key-forgotten-by-the-tlb': {
    guard: 'if the page has a protection key, the translation of an instruction fetch is not valid for loads',
    scenario: 'execute-only',
    patches: at('machine/mmu.ts', 'walk').replace(
      '(entry & PTE_PKEY) === 0 ? entry : entry & ~PTE_PRESENT',
      'entry',
    ),
  },
  'mprotect-without-lock': {
    guard: 'mprotect changes entries under the page-table lock (I8)',
    scenario: 'fault-mprotect',
    patches: [
      at('calls/mprotect.ts', 'changePteRange').drop('spinLock(cpu, table + PageTable.ptl)'),
      at('calls/mprotect.ts', 'changePteRange').drop('spinUnlock(cpu, table + PageTable.ptl)'),
    ],
  },
  'mprotect-not-atomic': {
    guard: 'mprotect changes an entry only if hardware has not changed it meanwhile',
    scenario: 'freed-page-protect',
    patches: at('calls/mprotect.ts', 'changePteRange').replace(
      'if (Atomics.compareExchange(...$) !== entry) $',
      'Atomics.store(heap, address, wanted)',
    ),
  },
  'mlock-without-lock': {
    guard: 'mlock changes entries under the page-table lock (I8)',
    scenario: 'fault-mlock',
    patches: [
      at('calls/mlock.ts', 'changeLockedPtes').drop('spinLock(cpu, table + PageTable.ptl)'),
      at('calls/mlock.ts', 'changeLockedPtes').drop('spinUnlock(cpu, table + PageTable.ptl)'),
    ],
  },
  'mlock-not-atomic': {
    guard: 'mlock changes an entry only if hardware has not changed it meanwhile',
    scenario: 'access-mlock',
    patches: at('calls/mlock.ts', 'changeLockedPtes').replace(
      'if (Atomics.compareExchange(...$) === entry) break',
      'Atomics.store(heap, address, wanted); break',
    ),
  },
  'mlock-marks-no-entry': {
    guard: 'mlock and munlock mark present entries',
    scenario: 'fault-munlock',
    patches: at('calls/mlock.ts', 'mlockFixup').force('wasLocked !== isLocked', false),
  },
  'mlock-unannounced': {
    guard: 'mlock is announced: a fault that saw the flags before it gives up',
    race: 'R10',
    design: 'dufour-2019',
    scenario: 'fault-mlock',
    patches: [
      at('calls/mlock.ts', 'mlockFixup').drop('cpu.design.vmaWriteBegin(cpu, target, VMA_PROTECT)'),
      at('calls/mlock.ts', 'mlockFixup').drop('cpu.design.vmaWriteEnd(cpu, target, VMA_PROTECT)'),
    ],
  },
  'dontneed-without-lock': {
    guard: 'MADV_DONTNEED holds the mmap lock for reading',
    scenario: 'dontneed-munmap',
    patches: [
      at('calls/madvise.ts', 'madviseLocked').drop('mmapReadLock(cpu, mm)'),
      at('calls/madvise.ts', 'madviseLocked').drop('mmapReadUnlock(cpu, mm)'),
    ],
  },
  'stale-vma-cache': {
    guard: 'the VMA cache of a thread is dropped when a VMA has left the tree',
    race: 'R31',
    scenario: 'fault-munmap-table',
    patches: [
      at('vma/vmacache.ts', 'vmacacheFind').drop('cpu.vmacacheSeqnum !== seqnum'),
      at('vma/vmacache.ts', 'vmacacheFind').drop('cpu.vmacacheTurns !== $'),
    ],
  },
  'vma-cache-turns-ignored': {
    guard: 'a second word counts the wraps of the VMA caches’ number, which may wrap while a thread sleeps',
    race: 'R31',
    scenario: 'vmacache-wrap',
    patches: at('vma/vmacache.ts', 'vmacacheFind').drop('cpu.vmacacheTurns !== $'),
  },
  'moved-to-another-place-of-its-own': {
    guard: 'anonymous memory that has pages keeps its page numbers when it moves',
    scenario: 'mremap-merge',
    patches: at('calls/mremap.ts', 'copyVma').drop('anonVma === 0'),
  },
  'different-anon-vmas-merged': {
    guard: 'VMAs with different anon_vmas do not merge, since their pages refer to these',
    scenario: 'bridged-anon-vmas',
    patches: at('vma/anon-vma.ts', 'isMergeableAnonVma').force('false', true),
  },
  'vma-cache-kept-on-unlink': {
    guard: 'a VMA that leaves the tree changes the number of the VMA caches',
    race: 'R31',
    scenario: 'fault-munmap-table',
    patches: at('vma/vma-link.ts', 'unlinkVma').drop('vmacacheInvalidate(cpu, mm)'),
  },
  'table-overwritten': {
    guard: 'a page table is linked only if there is none, under the lock of the upper levels',
    scenario: 'first-faults',
    patches: at('tables/page-table.ts', 'populate').replace(
      'const winner = Atomics.load(heap, entry)',
      'const winner = 0',
    ),
  },
  'losing-table-kept': {
    guard: 'a page table that is too late is freed',
    race: 'R14',
    scenario: 'first-faults',
    patches: at('tables/page-table.ts', 'populate').drop('slabFree(cpu, CACHE_PAGE_TABLE, fresh)'),
  },
  'upper-levels-without-lock': {
    guard: 'the upper levels are changed under their lock',
    scenario: 'first-faults',
    patches: [
      at('tables/page-table.ts', 'populate').drop('spinLock(cpu, mm + Mm.pageTableLock)'),
      at('tables/page-table.ts', 'populate').drop('spinUnlock(cpu, mm + Mm.pageTableLock)'),
    ],
  },
  'anon-vma-overwritten': {
    guard: 'a VMA gets one anon_vma, even if two faults create one',
    scenario: 'first-anon-vma',
    patches: at('vma/anon-vma.ts', 'setFirstAnonVma').force(
      'Atomics.load(heap, vma + Vma.anonVma) !== 0',
      false,
    ),
  },
  'losing-anon-vma-kept': {
    guard: 'an anon_vma that is too late is freed',
    scenario: 'first-anon-vma',
    patches: at('vma/anon-vma.ts', 'anonVmaPrepare').drop('if (!won && shared === 0) $'),
  },
  'file-entry-overwritten': {
    guard: 'a page of a file is mapped only if the entry is empty (I7)',
    scenario: 'file-fault-fault',
    patches: at(file, 'finishFault').force('Atomics.load(cpu.heap, address) === 0', true),
  },
  'file-reference-kept': {
    guard: 'a fault that is too late drops its reference on the page',
    race: 'R22',
    scenario: 'file-fault-fault',
    patches: at(file, 'finishFault').replace(
      'if (!none || reaped) $; else $',
      'if (none && !reaped) addMmCounterFast(cpu, fault.mm, kind, 1)',
    ),
  },
  'fault-around-overwrites': {
    guard: 'fault-around maps pages only into empty entries (I7)',
    scenario: 'fault-around',
    patches: at(file, 'doFaultAround').drop('if (Atomics.load(cpu.heap, address) !== 0) $'),
  },
  'two-pages-in-the-cache': {
    guard: 'a page enters the page cache only if there is none, under the lock of the file',
    scenario: 'file-fault-fault',
    patches: at('memory/file.ts', 'addToPageCache').replace(
      'Atomics.load(heap, slot) === expected',
      'expected === 0',
    ),
  },
  'stack-grown-by-a-reader': {
    guard: 'a stack grows under the mmap lock held for writing',
    scenario: 'stack-growths',
    patches: [
      at('fault/fault.ts', 'growStackTo').drop('mmapReadUnlock(cpu, mm)'),
      at('fault/fault.ts', 'growStackTo').drop('mmapWriteLock(cpu, mm)'),
      at('fault/fault.ts', 'growStackTo').drop('mmapWriteDowngrade(cpu, mm)'),
    ],
  },
  'stack-not-looked-up-again': {
    guard: 'the stack is looked up again once the lock is held for writing',
    race: 'R26',
    scenario: 'stack-growth-munmap',
    patches: at('fault/fault.ts', 'growStackTo').replace('findVma(cpu, mm, page)', 'vma'),
  },
  'no-flush-on-mremap': {
    guard: 'mremap flushes the TLBs',
    scenario: 'mremap-dontunmap',
    patches: at('calls/mremap.ts', 'movePtes').drop('flushTlbMm(cpu, mm, from, from + pages)'),
  },
  'moved-table-not-flushed': {
    guard: 'mremap flushes the translations through a table that it moves as a whole',
    scenario: 'move-table',
    patches: at('calls/mremap.ts', 'moveNormalPmd').drop('if (moved) flushTlbMm(...$)'),
  },
  'table-moved-beside-its-lock': {
    guard: 'a table moves as a whole only while nobody has its lock',
    race: 'R4',
    design: 'dufour-2019',
    scenario: 'move-table',
    patches: at('calls/mremap.ts', 'moveNormalPmd').force('cpu.design.locksMovedTables', false),
  },
  'moved-table-remembers-its-vma': {
    guard: 'a table that moves drops the VMA of its old address',
    design: 'kamezawa-2009-version',
    scenario: 'moved-table-faults',
    patches: at('calls/mremap.ts', 'moveNormalPmd').drop('if (moved) Atomics.store(...$)'),
  },
  'mremap-flushes-unlocked': {
    guard: 'the old translations are flushed before the new address can be used',
    race: 'R4',
    scenario: 'mremap-reclaim',
    redundant:
      'truncation needs the mmap lock; reclaim, which does not take it, flushes the whole address space before it frees a page, including the old address of a moved page (CVE-2018-18281)',
    patches: [
      at('calls/mremap.ts', 'movePtes').drop('flushTlbMm(cpu, mm, from, from + pages)'),
      at('calls/mremap.ts', 'movePtes').after(
        'spinUnlock(cpu, oldTable + PageTable.ptl)',
        'flushTlbMm(cpu, mm, from, from + pages)',
      ),
    ],
  },
  'zone-without-lock': {
    guard: 'the list of free frames is changed under the lock of the zone',
    scenario: 'frame-allocator',
    patches: [
      at('memory/page-alloc.ts', 'refillPcp').drop('const enabled = $'),
      at('memory/page-alloc.ts', 'refillPcp').drop('spinUnlockIrqRestore(cpu, zone + Zone.lock, enabled)'),
    ],
  },
  'slab-without-lock': {
    guard: 'the list of free objects of a cache is changed under its lock',
    scenario: 'first-faults',
    patches: [
      at('memory/slab.ts', 'slabRefill').drop('spinLock(cpu, cache + SlabCache.lock)'),
      at('memory/slab.ts', 'slabRefill').drop('spinUnlock(cpu, cache + SlabCache.lock)'),
    ],
  },
}
