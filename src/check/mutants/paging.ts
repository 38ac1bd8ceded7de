// Mutants of what has pages leave memory and come back: page locks, the page cache, write-back, truncation, reclaim,
// swap.

import { type Mutant, patch } from './mutant.ts'

const pageLock = 'mm/page-lock.ts'
const file = 'mm/file.ts'
const filemap = 'mm/filemap.ts'
const fileFault = 'mm/file-fault.ts'
const reclaim = 'mm/reclaim.ts'
const reclaimPage = 'mm/reclaim-page.ts'
const rmap = 'mm/rmap.ts'
const swap = 'mm/swap.ts'
const swapFault = 'mm/swap-fault.ts'
const truncate = 'mm/truncate.ts'
const writeback = 'mm/writeback.ts'
const zap = 'mm/zap.ts'

const lockMutants: readonly Mutant[] = [
  {
    name: 'page-unlocked-without-a-wake-up',
    guard: 'who unlocks a page wakes those that wait for it',
    race: null,
    scenario: 'page-lock',
    patches: [patch(pageLock, '  if ((before & PG_WAITERS) !== 0) Atomics.notify(cpu.heap, flags)\n', '')],
  },
  {
    name: 'page-waiter-unmarked',
    guard: 'who waits for a page says so before it looks whether to sleep',
    race: null,
    scenario: 'page-lock',
    patches: [
      patch(pageLock, 'Atomics.or(heap, flags, PG_WAITERS)', 'Atomics.load(heap, flags)'),
      patch(pageLock, 'sleepWhile(cpu, flags, before | PG_WAITERS)', 'sleepWhile(cpu, flags, before)'),
    ],
  },
]

const swapMutants: readonly Mutant[] = [
  {
    name: 'swap-entry-not-compared',
    guard:
      'a page from the swap area is mapped only where the entry is still the one that the fault has seen (I7)',
    race: 'R37',
    scenario: 'swap-dontneed',
    design: 'classic',
    patches: [patch(swapFault, 'if (Atomics.load(heap, address) !== fault.originalPte) {', 'if (false) {')],
  },
  {
    name: 'late-swap-fault',
    guard:
      'a speculative fault maps a page from the swap cache only where the entry is still the one that it has seen',
    race: 'R37',
    scenario: 'swap-late-fault',
    patches: [patch(swapFault, 'if (Atomics.load(heap, address) !== fault.originalPte) {', 'if (false) {')],
  },
  {
    name: 'two-frames-for-a-slot',
    guard: 'a slot has one frame in the swap cache',
    race: null,
    scenario: 'swap-two-faults',
    patches: [patch(swap, '  if (used && free) {', '  if (used) {')],
  },
  {
    name: 'shared-slot-reused',
    guard: 'a page that another entry wants too stays in the swap cache, and is copied on write',
    race: null,
    scenario: 'swap-fork',
    patches: [
      patch(
        swap,
        'if (slot === 0 || swapCount(cpu, slot) !== 0) return false',
        'if (slot === 0) return false',
      ),
    ],
  },
  {
    name: 'forked-slot-uncounted',
    guard: 'fork counts the references on slots that it copies',
    race: null,
    scenario: 'swap-in-fork',
    patches: [patch('mm/fork.ts', '      swapDuplicate(cpu, entry >>> PTE_FRAME_SHIFT)\n', '')],
  },
  {
    name: 'slot-read-unpinned',
    guard: 'a slot of a file is kept while it is read',
    race: null,
    scenario: 'shm-swap',
    patches: [
      patch(filemap, '  if (present) swapDuplicate(cpu, slot)\n', ''),
      patch(filemap, '  if (pinned) freeSwapSlot(cpu, slot)\n', ''),
    ],
  },
  {
    name: 'swap-fault-after-swapoff',
    guard: 'a slot of a file is kept while it is read',
    race: null,
    scenario: 'shm-swapoff',
    patches: [
      patch(filemap, '  if (present) swapDuplicate(cpu, slot)\n', ''),
      patch(filemap, '  if (pinned) freeSwapSlot(cpu, slot)\n', ''),
    ],
  },
]

const flushedUnlocked = patch(
  reclaim,
  '  flushAllCpus(cpu, mm)\n  spinUnlock(cpu, table + PageTable.ptl)\n',
  '  spinUnlock(cpu, table + PageTable.ptl)\n  flushAllCpus(cpu, mm)\n',
)
const freeFlushesChanges = patch(
  'mm/madvise.ts',
  '(agePtes(cpu, mm, table, page, stop, gone) !== 0 || gone)',
  'agePtes(cpu, mm, table, page, stop, gone) !== 0',
)

const reclaimMutants: readonly Mutant[] = [
  {
    name: 'reclaim-without-a-flush',
    guard: 'no CPU has an old translation of a page when it is written and freed',
    race: null,
    scenario: 'swap-fault',
    patches: [patch(reclaim, '  flushAllCpus(cpu, mm)\n  spinUnlock', '  spinUnlock')],
  },
  {
    name: 'unlocked-before-the-flush',
    guard: 'a page that reclaim has unmapped is locked until no CPU has its old translation',
    race: null,
    scenario: 'reclaim-sync-write',
    patches: [
      patch(
        reclaim,
        '  flushAllCpus(cpu, mm)\n  spinUnlock',
        '  for (let n = 0; n < cpu.clockCount; n++) unlockPage(cpu, cpu.clockFrames[n])\n  flushAllCpus(cpu, mm)\n  spinUnlock',
      ),
      patch(
        reclaim,
        '  for (let n = 0; n < clockCount; n++) unlockPage(cpu, clockFrames[n])\n  writeCold',
        '  writeCold',
      ),
    ],
  },
  {
    name: 'copied-before-the-flush',
    guard: 'a page that reclaim has unmapped is locked until no CPU has its old translation',
    race: null,
    scenario: 'swap-stale-write',
    design: 'classic',
    redundant:
      'a fault that maps the page to copy it needs the table, which is locked until the flush; who writes the page back needs no table',
    patches: [
      patch(
        reclaim,
        '  flushAllCpus(cpu, mm)\n  spinUnlock',
        '  for (let n = 0; n < cpu.clockCount; n++) unlockPage(cpu, cpu.clockFrames[n])\n  flushAllCpus(cpu, mm)\n  spinUnlock',
      ),
      patch(
        reclaim,
        '  for (let n = 0; n < clockCount; n++) unlockPage(cpu, clockFrames[n])\n  writeCold',
        '  writeCold',
      ),
    ],
  },
  {
    name: 'reclaim-flushes-unlocked',
    guard:
      'reclaim flushes what it has taken out before it unlocks the table: mprotect finds nothing to flush',
    race: null,
    scenario: 'reclaim-mprotect',
    patches: [flushedUnlocked],
  },
  {
    name: 'file-page-flushed-unlocked',
    guard: 'the same for an entry that becomes empty',
    race: null,
    scenario: 'file-reclaim-mprotect',
    patches: [flushedUnlocked],
  },
  {
    name: 'given-page-flushed-unlocked',
    guard: 'the same for a page that was given up, in whose place a fault puts another',
    race: null,
    scenario: 'freed-page-seen',
    patches: [flushedUnlocked],
  },
  {
    name: 'second-free-unflushed',
    guard:
      'MADV_FREE flushes also where the dirty bit is clear already: who has cleared it may not have flushed yet',
    race: null,
    scenario: 'two-frees',
    patches: [freeFlushesChanges],
  },
  {
    name: 'free-of-nothing-unflushed',
    guard: 'MADV_FREE flushes also where there is no entry: who has taken it may not have flushed yet',
    race: null,
    scenario: 'discard-free',
    patches: [freeFlushesChanges],
  },
  {
    name: 'reclaim-blind-to-locks',
    guard: 'reclaim passes over entries that mlock has marked',
    race: null,
    scenario: 'reclaim-mlock',
    patches: [
      patch(
        reclaim,
        '(entry & (PTE_SPECIAL | PTE_LOCKED)) !== 0) return',
        '(entry & PTE_SPECIAL) !== 0) return',
      ),
    ],
  },
  {
    name: 'reclaim-unobserved',
    guard: 'reclaim tells the observers of what it takes out',
    race: 'R17',
    scenario: 'observed-reclaim',
    patches: [patch(reclaim, '  reclaimStart(cpu, mm)\n', ''), patch(reclaim, '  reclaimEnd(cpu, mm)\n', '')],
  },
  {
    name: 'reaped-parent-forked',
    guard: 'fork refuses an address space that the OOM reaper has been in',
    race: 'R35',
    scenario: 'reap-fork',
    patches: [patch('mm/fork.ts', '  if (!isStable(cpu, parent)) return false\n', '')],
  },
  {
    name: 'freed-while-referenced',
    guard: 'reclaim frees a page only if nobody but its cache refers to it',
    race: null,
    scenario: 'swap-fault',
    patches: [
      patch(
        reclaimPage,
        'if (Atomics.compareExchange(cpu.heap, refcount, 2, 0) !== 2) return false',
        'Atomics.store(cpu.heap, refcount, 0)',
      ),
    ],
  },
  {
    name: 'file-freed-beside-reclaim',
    guard: 'a file is freed when nobody holds the lock of its tree',
    race: null,
    scenario: 'bury-reclaim',
    patches: [patch(file, '  spinLock(cpu, file + File.lock)\n  spinUnlock(cpu, file + File.lock)\n', '')],
  },
  {
    name: 'used-up-beside-reclaim',
    guard: 'memory is used up only if there is nothing to free while nobody else reclaims',
    race: null,
    scenario: 'memory-exhausted',
    patches: [
      patch(reclaim, 'const found = allocAlone(cpu)', 'const found = allocFrame(cpu)'),
      patch(reclaim, 'if (found !== 0) return found', 'return found'),
    ],
  },
]

const fileMutants: readonly Mutant[] = [
  {
    name: 'cleaned-before-the-flush',
    guard: 'write-back makes entries clean and flushes them with the table locked',
    race: null,
    scenario: 'msync-stale-write',
    patches: [
      patch(
        rmap,
        '  if (cleaned) flushTlbMm(cpu, mm, start, end)\n  spinUnlock(cpu, table + PageTable.ptl)\n',
        '  spinUnlock(cpu, table + PageTable.ptl)\n  if (cleaned) flushTlbMm(cpu, mm, start, end)\n',
      ),
    ],
  },
  {
    name: 'zapped-before-the-flush',
    guard: 'dirty pages of files are flushed with the table locked that they are taken out of',
    race: null,
    scenario: 'zap-sync',
    patches: [patch(zap, '  if (dirtied) gatherFlushTlb(cpu)\n', '')],
  },
  {
    name: 'write-back-not-awaited',
    guard: 'fsync waits for a page that another CPU is just writing',
    race: null,
    scenario: 'msync-stale-write',
    patches: [patch(writeback, '(PG_DIRTY | PG_LOCKED)) !== 0', 'PG_DIRTY) !== 0')],
  },
  {
    name: 'write-error-untold',
    guard: 'an error of write-back is remembered until somebody was told',
    race: null,
    scenario: 'sync-fails',
    patches: [patch(writeback, '  recordError(cpu, file, error)\n', '')],
  },
  {
    name: 'failed-page-clean',
    guard: 'a page that could not be written is dirty still',
    race: null,
    scenario: 'sync-fails',
    patches: [
      patch(
        writeback,
        '  for (let n = 0; n < count; n++) setPageFlags(cpu, frames[n], PG_DIRTY)\n  return error',
        '  return error',
      ),
    ],
  },
  {
    name: 'found-again-unnoticed',
    guard: 'a file that was found while it was buried is not freed with what was written since',
    race: null,
    scenario: 'reopen',
    patches: [
      patch(
        'mm/host-file.ts',
        '    if (heap[file + File.burial] === BURIAL_BEGUN) heap[file + File.burial] = BURIAL_NONE\n',
        '',
      ),
    ],
  },
  {
    name: 'given-up-without-the-list',
    guard: 'the last reference on a file is dropped under the lock of the list of files',
    race: null,
    scenario: 'file-given-up',
    patches: [
      patch(
        file,
        '  spinLock(cpu, Header.fileListLock)\n  if (refcountDecAndTest(cpu, file + File.refcount)) addDeadFile(cpu, file)\n',
        '  if (!refcountDecAndTest(cpu, file + File.refcount)) return\n  spinLock(cpu, Header.fileListLock)\n  addDeadFile(cpu, file)\n',
      ),
    ],
  },
]

const truncateMutants: readonly Mutant[] = [
  {
    name: 'size-not-looked-at-again',
    guard: 'a fault looks at the size of the file with the page locked',
    race: null,
    scenario: 'fault-truncate',
    redundant: 'truncation, too, locks the page, and unmaps it again for as long as it is mapped',
    patches: [
      patch(
        fileFault,
        '  // With the page locked: truncation changes the size before it takes the lock.\n  if (index >= Atomics.load(cpu.heap, file + File.pages)) {',
        '  if (false) {',
      ),
    ],
  },
  {
    name: 'around-the-end',
    guard: 'fault-around looks at the size of the file with the page locked',
    race: null,
    scenario: 'truncate-around',
    redundant: 'truncation, too, locks the page, and unmaps it again for as long as it is mapped',
    patches: [
      patch(
        fileFault,
        '    index < Atomics.load(cpu.heap, file + File.pages)\n  if (good)',
        '    true\n  if (good)',
      ),
    ],
  },
  {
    name: 'copies-kept',
    guard: 'truncation takes away private copies that were made while it was at work',
    race: null,
    scenario: 'truncate-copy',
    patches: [
      patch(
        truncate,
        '  truncateInodePages(cpu, file, pages)\n  unmapMappingRange(cpu, file, pages, END_OF_FILES)\n',
        '  truncateInodePages(cpu, file, pages)\n',
      ),
    ],
  },
  {
    name: 'hole-filled-unlocked',
    guard: 'a page of a file of memory is locked when it enters the cache',
    race: null,
    scenario: 'fault-truncate',
    patches: [
      patch(
        filemap,
        '  const added = addToPageCache(cpu, file, index, frame, 0)\n  if (added === 1) dropIfTruncated(',
        '  unlockPage(cpu, frame)\n  const added = addToPageCache(cpu, file, index, frame, 0)\n  lockPage(cpu, frame)\n  if (added === 1) dropIfTruncated(',
      ),
    ],
  },
  {
    name: 'truncation-deaf',
    guard: 'truncation that waits for a page answers interrupts',
    race: 'R11',
    scenario: 'munmap-truncate',
    patches: [patch(truncate, '    if (pageCount(cpu, frame) > 2) cpuRelax(cpu)\n', '')],
  },
  {
    name: 'read-behind-the-end',
    guard: 'reading looks at the size of the file each time',
    race: null,
    scenario: 'read-truncate',
    patches: [
      patch(
        filemap,
        '    if (index >= Atomics.load(cpu.heap, file + File.pages)) {\n      cpu.ioError = 0\n',
        '    if (false) {\n      cpu.ioError = 0\n',
      ),
    ],
  },
]

export const pagingMutants: readonly Mutant[] = [
  ...lockMutants,
  ...swapMutants,
  ...reclaimMutants,
  ...fileMutants,
  ...truncateMutants,
]
