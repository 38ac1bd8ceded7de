// Mutants of the memory manager: what stands between a fault and the page table, teardown, files, mremap, stacks.

import { type Mutant, patch } from './mutant.ts'

const anonymous = 'mm/anonymous.ts'
const file = 'mm/file-fault.ts'
const wp = 'mm/wp.ts'
const zap = 'mm/zap.ts'
const gather = 'mm/mmu-gather.ts'

export const memoryMutants: readonly Mutant[] = [
  {
    name: 'entry-overwritten',
    guard: 'a new entry is stored only where there is none (I7)',
    race: null,
    scenario: 'fault-fault',
    patches: [patch(anonymous, 'const none = Atomics.load(cpu.heap, address) === 0', 'const none = true')],
  },
  {
    name: 'frame-kept-on-abort',
    guard: 'a fault that gives up frees the frame that it has taken (I11)',
    race: null,
    scenario: 'fault-munmap',
    patches: [
      patch(
        anonymous,
        '  putPage(cpu, frame)\n  return notInstalled(installed)',
        '  return notInstalled(installed)',
      ),
    ],
  },
  {
    name: 'reaped-page-filled-in',
    guard: 'a fault on a page that may have been reaped is refused',
    race: 'R35',
    scenario: 'fault-reap',
    patches: [
      patch(
        anonymous,
        '  const stable = isStable(cpu, fault.mm)\n',
        '  const stable = isStable(cpu, fault.mm) || true\n',
      ),
    ],
  },
  {
    name: 'reaper-noticed-too-early',
    guard: 'whether pages were reaped is asked under the page-table lock',
    race: 'R35',
    scenario: 'fault-reap',
    patches: [
      patch(
        anonymous,
        '  if (!pteMapLock(cpu, fault)) return -1\n',
        '  const stable = isStable(cpu, fault.mm)\n  if (!pteMapLock(cpu, fault)) return -1\n',
      ),
      patch(
        anonymous,
        '  const none = Atomics.load(cpu.heap, address) === 0\n  const stable = isStable(cpu, fault.mm)\n',
        '  const none = Atomics.load(cpu.heap, address) === 0\n',
      ),
    ],
  },
  {
    name: 'entry-not-compared',
    guard: 'the entry is still what the fault has seen, under the lock (I7)',
    race: 'R3',
    scenario: 'protected-dontneed',
    patches: [
      patch('mm/fault.ts', 'if (Atomics.load(heap, address) !== fault.originalPte) {', 'if (false) {'),
    ],
  },
  {
    name: 'copy-overwrites',
    guard: 'copy on write replaces only the entry that it has copied (I7)',
    race: 'R3',
    scenario: 'cow-fault',
    patches: [
      patch(
        wp,
        'if (Atomics.compareExchange(cpu.heap, address, fault.originalPte, 0) !== fault.originalPte) return false',
        'Atomics.store(cpu.heap, address, 0)',
      ),
    ],
  },
  {
    name: 'no-flush-on-copy',
    guard: 'copy on write flushes the translation of the old page',
    race: 'R1',
    scenario: 'cow-access',
    patches: [patch(wp, '  flushTlbMm(cpu, fault.mm, fault.page, fault.page + 1)\n', '')],
  },
  {
    name: 'copy-stored-before-the-flush',
    guard: 'the old translation is gone before the copy can be written',
    race: 'R1',
    scenario: 'cow-order',
    patches: [
      patch(
        wp,
        '  flushTlbMm(cpu, fault.mm, fault.page, fault.page + 1)\n  Atomics.store(cpu.heap, address, entry)',
        '  Atomics.store(cpu.heap, address, entry)\n  flushTlbMm(cpu, fault.mm, fault.page, fault.page + 1)',
      ),
    ],
  },
  {
    name: 'copied-frame-kept-on-abort',
    guard: 'copy on write that gives up frees its copy (I11)',
    race: 'R18',
    scenario: 'zero-page-cow-munmap',
    patches: [patch(wp, '    putPage(cpu, frame)\n    return replaced < 0', '    return replaced < 0')],
  },
  {
    name: 'losing-copy-kept',
    guard: 'copy on write that comes too late frees its copy (I11)',
    race: null,
    scenario: 'cow-fault',
    patches: [
      patch(
        wp,
        '    putPage(cpu, frame)\n    return replaced < 0',
        '    if (replaced < 0) putPage(cpu, frame)\n    return replaced < 0',
      ),
    ],
  },
  {
    name: 'copy-without-a-reference',
    guard: 'the page is held while it is copied without the lock',
    race: null,
    scenario: 'reclaim-cow',
    redundant:
      'whoever frees the page empties its entry first, and what was copied is thrown away where the entry has changed; only a frame that came back to the same entry meanwhile would deceive it, for which the scenario is too short',
    patches: [
      patch(wp, 'if (!special) getPage(cpu, frame)', ''),
      patch(wp, 'if (!special) freePageAndSwapCache(cpu, frame)', ''),
    ],
  },
  {
    name: 'zap-without-lock',
    guard: 'entries are taken away under the page-table lock (I8)',
    race: null,
    scenario: 'fault-munmap',
    patches: [
      patch(zap, '  spinLock(cpu, table + PageTable.ptl)\n', ''),
      patch(zap, '  spinUnlock(cpu, table + PageTable.ptl)\n', ''),
    ],
  },
  {
    name: 'zap-not-atomic',
    guard: 'an entry is read and cleared in one operation',
    race: null,
    scenario: 'stale-access',
    redundant:
      'between the two, only hardware can change the entry, which sets the accessed and the dirty bit; nobody asks for those of anonymous memory that goes away; a page of a file on disk was marked dirty by the fault that allowed the write, and one of a file in memory is written out in any case',
    patches: [
      patch(
        zap,
        'const entry = Atomics.exchange(heap, address, 0)',
        'const entry = Atomics.load(heap, address); Atomics.store(heap, address, 0)',
      ),
    ],
  },
  {
    name: 'no-flush-on-unmap',
    guard: 'the TLBs are flushed before munmap returns',
    race: null,
    scenario: 'fault-munmap',
    patches: [patch(gather, 'if (cpu.gatherStart < cpu.gatherEnd) flushTlbMm', 'if (false) flushTlbMm')],
  },
  {
    name: 'frames-freed-before-the-flush',
    guard: 'frames are freed after the TLBs are flushed',
    race: null,
    scenario: 'stale-access',
    patches: [
      patch(
        gather,
        '  gatherFlushTlb(cpu)\n  for (let index = 0; index < cpu.gatherCount; index++) freePageAndSwapCache(cpu, cpu.gatherFrames[index])\n',
        '  for (let index = 0; index < cpu.gatherCount; index++) freePageAndSwapCache(cpu, cpu.gatherFrames[index])\n  gatherFlushTlb(cpu)\n',
      ),
    ],
  },
  {
    name: 'flush-of-this-cpu-only',
    guard: 'the TLBs of all CPUs of the address space are flushed',
    race: null,
    scenario: 'stale-access',
    patches: [patch(gather, 'if (Atomics.load(cpu.heap, mm + Mm.users) > 1) {', 'if (false) {')],
  },
  {
    name: 'flush-before-the-tables-are-unhooked',
    guard: 'unhooking a page table extends the range to be flushed',
    race: 'R5',
    scenario: 'table-flush',
    patches: [
      patch(
        'mm/page-table.ts',
        '  cpu.gatherStart = Math.min(cpu.gatherStart, page)\n  cpu.gatherEnd = Math.max(cpu.gatherEnd, page + 1)\n',
        '',
      ),
      patch(
        'mm/mmap.ts',
        '  cpu.design.pageTablesFreeing(cpu, mm, start, end)',
        '  gatherFlush(cpu)\n  cpu.design.pageTablesFreeing(cpu, mm, start, end)',
      ),
      patch(
        'mm/mmap.ts',
        'import { gatherBegin, gatherFinish }',
        'import { gatherBegin, gatherFinish, gatherFlush }',
      ),
    ],
  },
  {
    name: 'no-flush-on-mprotect',
    guard: 'mprotect flushes the TLBs',
    race: null,
    scenario: 'fault-mprotect',
    patches: [patch('mm/mprotect.ts', 'if (changed !== 0) flushTlbMm', 'if (false) flushTlbMm')],
  },
  {
    name: 'key-forgotten-by-the-tlb',
    guard:
      'a translation that an instruction fetch has left is for no load where the page has a protection key',
    race: null,
    scenario: 'execute-only',
    patches: [patch('machine/mmu.ts', '(entry & PTE_PKEY) === 0 ? entry : entry & ~PTE_PRESENT', 'entry')],
  },
  {
    name: 'mprotect-without-lock',
    guard: 'mprotect changes entries under the page-table lock (I8)',
    race: null,
    scenario: 'fault-mprotect',
    patches: [
      patch('mm/mprotect.ts', '  spinLock(cpu, table + PageTable.ptl)\n', ''),
      patch('mm/mprotect.ts', '  spinUnlock(cpu, table + PageTable.ptl)\n', ''),
    ],
  },
  {
    name: 'mprotect-not-atomic',
    guard: 'mprotect changes an entry only if hardware has not changed it meanwhile',
    race: null,
    scenario: 'freed-page-protect',
    patches: [
      patch(
        'mm/mprotect.ts',
        'if (Atomics.compareExchange(heap, address, entry, wanted) !== entry) continue',
        'Atomics.store(heap, address, wanted)',
      ),
    ],
  },
  {
    name: 'mlock-without-lock',
    guard: 'mlock changes entries under the page-table lock (I8)',
    race: null,
    scenario: 'fault-mlock',
    patches: [
      patch('mm/mlock.ts', '  spinLock(cpu, table + PageTable.ptl)\n', ''),
      patch('mm/mlock.ts', '  spinUnlock(cpu, table + PageTable.ptl)\n', ''),
    ],
  },
  {
    name: 'mlock-not-atomic',
    guard: 'mlock changes an entry only if hardware has not changed it meanwhile',
    race: null,
    scenario: 'access-mlock',
    patches: [
      patch(
        'mm/mlock.ts',
        'if (Atomics.compareExchange(heap, address, entry, wanted) === entry) break',
        'Atomics.store(heap, address, wanted); break',
      ),
    ],
  },
  {
    name: 'mlock-marks-no-entry',
    guard: 'mlock and munlock mark the entries that are there',
    race: null,
    scenario: 'fault-munlock',
    patches: [
      patch(
        'mm/mlock.ts',
        'if (wasLocked !== isLocked) changeLockedEntries',
        'if (false) changeLockedEntries',
      ),
    ],
  },
  {
    name: 'mlock-unannounced',
    guard: 'mlock is announced: a fault that saw the flags before it gives up',
    race: 'R10',
    scenario: 'fault-mlock',
    design: 'dufour-2019',
    patches: [
      patch(
        'mm/mlock.ts',
        '  cpu.design.vmaWriteBegin(cpu, target, VMA_PROTECT)\n  Atomics.store(heap, target + Vma.vmFlags, newFlags)',
        '  Atomics.store(heap, target + Vma.vmFlags, newFlags)',
      ),
      patch(
        'mm/mlock.ts',
        'changeLockedEntries(cpu, mm, start, end, isLocked)\n  cpu.design.vmaWriteEnd(cpu, target, VMA_PROTECT)',
        'changeLockedEntries(cpu, mm, start, end, isLocked)',
      ),
    ],
  },
  {
    name: 'dontneed-without-lock',
    guard: 'MADV_DONTNEED holds the mmap lock for reading',
    race: null,
    scenario: 'dontneed-munmap',
    patches: [
      patch('mm/madvise.ts', '  mmapReadLock(cpu, mm)\n  const result', '  const result'),
      patch('mm/madvise.ts', '  mmapReadUnlock(cpu, mm)\n  return result', '  return result'),
    ],
  },
  {
    name: 'stale-vma-cache',
    guard: 'the VMA cache of a thread is dropped when a VMA has left the tree',
    race: 'R31',
    scenario: 'fault-munmap-table',
    patches: [
      patch(
        'mm/vmacache.ts',
        '    cpu.vmacacheSeqnum !== seqnum ||\n    cpu.vmacacheTurns !== Atomics.load(heap, mm + Mm.vmacacheTurns)\n',
        '    false\n',
      ),
    ],
  },
  {
    name: 'vma-cache-turns-ignored',
    guard: 'the number of the VMA caches has turns, as it may come round while a thread sleeps',
    race: 'R31',
    scenario: 'vmacache-wrap',
    patches: [
      patch('mm/vmacache.ts', 'cpu.vmacacheTurns !== Atomics.load(heap, mm + Mm.vmacacheTurns)', 'false'),
    ],
  },
  {
    name: 'moved-to-another-place-of-its-own',
    guard: 'anonymous memory that has pages keeps its page numbers when it moves',
    race: null,
    scenario: 'mremap-merge',
    patches: [patch('mm/mremap.ts', 'file === 0 && anonVma === 0 ? to', 'file === 0 ? to')],
  },
  {
    name: 'different-anon-vmas-merged',
    guard: 'VMAs with different anon_vmas stay apart, as their pages refer to them',
    race: null,
    scenario: 'bridged-anon-vmas',
    patches: [
      patch(
        'mm/anon-vma.ts',
        'if (first !== 0 && second !== 0) return false',
        'if (first !== 0 && second !== 0) return true',
      ),
    ],
  },
  {
    name: 'vma-cache-kept-on-unlink',
    guard: 'a VMA that leaves the tree moves the number of the VMA caches',
    race: 'R31',
    scenario: 'fault-munmap-table',
    patches: [patch('mm/vma-link.ts', '  vmacacheInvalidate(cpu, mm)\n', '')],
  },
  {
    name: 'table-overwritten',
    guard: 'a page table is hooked in only where there is none, under the lock of the upper levels',
    race: null,
    scenario: 'first-faults',
    patches: [patch('mm/page-table.ts', 'const winner = Atomics.load(heap, entry)', 'const winner = 0')],
  },
  {
    name: 'losing-table-kept',
    guard: 'a page table that comes too late is freed',
    race: 'R14',
    scenario: 'first-faults',
    patches: [patch('mm/page-table.ts', '  slabFree(cpu, CACHE_PAGE_TABLE, fresh)\n', '')],
  },
  {
    name: 'upper-levels-without-lock',
    guard: 'the upper levels are changed under their lock',
    race: null,
    scenario: 'first-faults',
    patches: [
      patch('mm/page-table.ts', '  spinLock(cpu, mm + Mm.pageTableLock)\n  const winner', '  const winner'),
      patch(
        'mm/page-table.ts',
        '  spinUnlock(cpu, mm + Mm.pageTableLock)\n  if (winner === 0) return fresh',
        '  if (winner === 0) return fresh',
      ),
    ],
  },
  {
    name: 'anon-vma-overwritten',
    guard: 'a VMA gets one anon_vma, though two faults make one',
    race: null,
    scenario: 'first-anon-vma',
    patches: [
      patch('mm/anon-vma.ts', 'const won = Atomics.load(heap, vma + Vma.anonVma) === 0', 'const won = true'),
    ],
  },
  {
    name: 'losing-anon-vma-kept',
    guard: 'an anon_vma that comes too late is freed',
    race: null,
    scenario: 'first-anon-vma',
    patches: [patch('mm/anon-vma.ts', '  if (!won && !shared) slabFree(cpu, CACHE_ANON_VMA, anonVma)\n', '')],
  },
  {
    name: 'file-entry-overwritten',
    guard: 'a page of a file is mapped only where nothing is (I7)',
    race: null,
    scenario: 'file-fault-fault',
    patches: [patch(file, 'const none = Atomics.load(cpu.heap, address) === 0', 'const none = true')],
  },
  {
    name: 'file-reference-kept',
    guard: 'a fault that comes too late gives back its reference on the page',
    race: 'R22',
    scenario: 'file-fault-fault',
    patches: [
      patch(
        file,
        '  if (!none || reaped) putPage(cpu, frame)\n  else addMmCounterFast',
        '  if (none && !reaped) addMmCounterFast',
      ),
    ],
  },
  {
    name: 'fault-around-overwrites',
    guard: 'what is around a fault is mapped only where nothing is (I7)',
    race: null,
    scenario: 'fault-around',
    patches: [patch(file, 'if (Atomics.load(cpu.heap, address) !== 0) continue', '')],
  },
  {
    name: 'two-pages-in-the-cache',
    guard: 'a page enters the page cache only where there is none, under the lock of the file',
    race: null,
    scenario: 'file-fault-fault',
    patches: [
      patch(
        'mm/file.ts',
        'slot !== 0 && Atomics.load(heap, slot) === expected',
        'slot !== 0 && expected === 0',
      ),
    ],
  },
  {
    name: 'stack-grown-by-a-reader',
    guard: 'a stack grows under the mmap lock held for writing',
    race: null,
    scenario: 'stack-growths',
    patches: [
      patch('mm/fault.ts', '  mmapReadUnlock(cpu, mm)\n  mmapWriteLock(cpu, mm)\n', ''),
      patch('mm/fault.ts', '  mmapWriteDowngrade(cpu, mm)\n', ''),
    ],
  },
  {
    name: 'stack-not-looked-up-again',
    guard: 'the stack is looked up again once the lock is held for writing',
    race: 'R26',
    scenario: 'stack-growth-munmap',
    patches: [patch('mm/fault.ts', 'const found = findVma(cpu, mm, page)', 'const found = vma')],
  },
  {
    name: 'no-flush-on-mremap',
    guard: 'mremap flushes the TLBs',
    race: null,
    scenario: 'mremap-dontunmap',
    patches: [patch('mm/mremap.ts', '  flushTlbMm(cpu, mm, from, from + pages)\n', '')],
  },
  {
    name: 'moved-table-not-flushed',
    guard: 'mremap flushes what was reached through a table that it moves as a whole',
    race: null,
    scenario: 'move-table',
    patches: [patch('mm/mremap.ts', '  if (moved) flushTlbMm(cpu, mm, from, from + 2 ** PMD_SHIFT)\n', '')],
  },
  {
    name: 'table-moved-beside-its-lock',
    guard: 'a table moves as a whole only while nobody has its lock',
    race: 'R4',
    scenario: 'move-table',
    design: 'dufour-2019',
    patches: [
      patch(
        'mm/mremap.ts',
        'const locks = !cpu.config.PUBLISHED_FLAWS',
        'const locks = cpu.config.PUBLISHED_FLAWS',
      ),
    ],
  },
  {
    name: 'moved-table-remembers-its-vma',
    guard: 'a table that moves forgets the VMA of its old place',
    race: null,
    scenario: 'moved-table-faults',
    design: 'kamezawa-2009-version',
    patches: [patch('mm/mremap.ts', '  if (moved) Atomics.store(cpu.heap, table + PageTable.vma, 0)\n', '')],
  },
  {
    name: 'mremap-flushes-unlocked',
    guard: 'the old translations are flushed before the new place can be used',
    race: 'R4',
    scenario: 'mremap-reclaim',
    redundant:
      'truncation needs the mmap lock; reclaim, which takes none, flushes all of the address space before it frees a page, the old place of one that has moved included (CVE-2018-18281)',
    patches: [
      patch(
        'mm/mremap.ts',
        '  flushTlbMm(cpu, mm, from, from + pages)\n  if (newTable !== oldTable) spinUnlock(cpu, newTable + PageTable.ptl)\n  spinUnlock(cpu, oldTable + PageTable.ptl)\n',
        '  if (newTable !== oldTable) spinUnlock(cpu, newTable + PageTable.ptl)\n  spinUnlock(cpu, oldTable + PageTable.ptl)\n  flushTlbMm(cpu, mm, from, from + pages)\n',
      ),
    ],
  },
  {
    name: 'zone-without-lock',
    guard: 'the list of free frames is changed under the lock of the zone',
    race: null,
    scenario: 'frame-allocator',
    patches: [
      patch(
        'mm/page-alloc.ts',
        '  const enabled = spinLockIrqSave(cpu, zone + Zone.lock)\n  const take',
        '  const take',
      ),
      patch(
        'mm/page-alloc.ts',
        '  heap[base + PerCpu.pcpCount] = take\n  spinUnlockIrqRestore(cpu, zone + Zone.lock, enabled)\n',
        '  heap[base + PerCpu.pcpCount] = take\n',
      ),
    ],
  },
  {
    name: 'slab-without-lock',
    guard: 'the list of free objects of a cache is changed under its lock',
    race: null,
    scenario: 'first-faults',
    patches: [
      patch(
        'mm/slab.ts',
        '  spinLock(cpu, cache + SlabCache.lock)\n  if (heap[cache + SlabCache.freeList] === 0)',
        '  if (heap[cache + SlabCache.freeList] === 0)',
      ),
      patch(
        'mm/slab.ts',
        '  spinUnlock(cpu, cache + SlabCache.lock)\n  heap[own + SlabCpu.freeList] = list',
        '  heap[own + SlabCpu.freeList] = list',
      ),
    ],
  },
]
