// Mutants of what has pages leave memory and come back: page locks, the page cache, write-back, truncation, reclaim,
// swap.

import type { MutantTable } from './mutant.ts'
import { type SourcePatch, at } from './patch.ts'

const pageLock = 'memory/page-lock.ts'
const file = 'memory/file.ts'
const filemap = 'cache/filemap.ts'
const openFile = 'memory/open-file.ts'
const fileFault = 'fault/file-fault.ts'
const reclaim = 'cache/reclaim.ts'
const rmap = 'tables/rmap.ts'
const swapSlots = 'memory/swap.ts'
const swapFault = 'fault/swap-fault.ts'
const truncate = 'cache/truncate.ts'
const writeback = 'cache/writeback.ts'
const mmap = 'calls/mmap.ts'
const zap = 'tables/zap.ts'

const entryNotCompared = at(swapFault, 'mapSwapPage').force(
  'Atomics.load(heap, address) !== fault.originalPte',
  false,
)
const slotUnpinned: readonly SourcePatch[] = [
  at(filemap, 'swapInFilePage').drop('if (pinned) $'),
  at(filemap, 'pinSwapEntry').drop('if (present) $'),
]
const unlockedFirst: readonly SourcePatch[] = [
  at(reclaim, 'unmapAndFree').replace('freeCleanPages(cpu)', '0'),
  at(reclaim, 'unmapCold').before(
    'flushAllCpus(cpu, mm)',
    'for (let n = 0; n < cpu.clockCount; n++) unlockPage(cpu, cpu.clockFrames[n])',
  ),
]
const flushedUnlocked = at(reclaim, 'unmapCold').replace(
  'flushAllCpus(cpu, mm); spinUnlock(...$)',
  'spinUnlock(cpu, table + PageTable.ptl); flushAllCpus(cpu, mm)',
)
const freeFlushesChanges = at('calls/madvise.ts', 'agePages').replace(
  'agePtes(cpu, mm, table, page, stop, gone) !== 0 || gone',
  'agePtes(cpu, mm, table, page, stop, gone) !== 0',
)

export const pagingMutants: MutantTable = {
  'page-unlocked-without-a-wake-up': {
    guard: 'unlocking a page wakes its waiters',
    scenario: 'page-lock',
    patches: at(pageLock, 'unlockPage').drop('if ((before & PG_WAITERS) !== 0) $'),
  },
  'page-waiter-unmarked': {
    guard: 'a waiter for a page announces itself before it checks whether to sleep',
    scenario: 'page-lock',
    patches: [
      at(pageLock, 'waitOnPageLocked').replace(
        'Atomics.or(heap, flags, PG_WAITERS)',
        'Atomics.load(heap, flags)',
      ),
      at(pageLock, 'waitOnPageLocked').replace('before | PG_WAITERS', 'before'),
    ],
  },
  'swap-entry-not-compared': {
    guard: 'a page from the swap area is mapped only if the entry has not changed (I7)',
    race: 'R37',
    design: 'classic',
    scenario: 'swap-dontneed',
    patches: entryNotCompared,
  },
  'late-swap-fault': {
    guard: 'a speculative fault maps a page from the swap cache only if the entry has not changed',
    race: 'R37',
    scenario: 'swap-late-fault',
    patches: entryNotCompared,
  },
  'two-frames-for-a-slot': {
    guard: 'a slot has one frame in the swap cache',
    scenario: 'swap-two-faults',
    patches: at(swapSlots, 'addToSwapCache').replace('used && free', 'used'),
  },
  'shared-slot-reused': {
    guard: 'a page that another entry refers to stays in the swap cache, and is copied on write',
    scenario: 'swap-fork',
    patches: at(swapSlots, 'tryToFreeSwap').drop('swapCount(cpu, slot) !== 0'),
  },
  'forked-slot-uncounted': {
    guard: 'fork counts the references on slots that it copies',
    scenario: 'swap-in-fork',
    patches: at('calls/fork.ts', 'copyPteRange').drop('swapDuplicate(cpu, entry >>> PTE_FRAME_SHIFT)'),
  },
  'slot-read-unpinned': {
    guard: 'a slot of a file is kept while it is read',
    scenario: 'shm-swap',
    patches: slotUnpinned,
  },
  'swap-fault-after-swapoff': {
    guard: 'a slot of a file is kept while it is read',
    scenario: 'shm-swapoff',
    patches: slotUnpinned,
  },
  'reclaim-without-a-flush': {
    guard: 'no CPU has an old translation of a page when reclaim writes and frees it',
    scenario: 'swap-fault',
    patches: at(reclaim, 'unmapCold').drop('flushAllCpus(cpu, mm)'),
  },
  'unlocked-before-the-flush': {
    guard: 'a page that reclaim has unmapped is locked until no CPU has its old translation',
    scenario: 'reclaim-sync-write',
    patches: unlockedFirst,
  },
  'copied-before-the-flush': {
    guard: 'a page that reclaim has unmapped is locked until no CPU has its old translation',
    design: 'classic',
    scenario: 'swap-stale-write',
    redundant:
      'a fault that maps the page to copy it needs the table, which is locked until the flush; write-back needs no table',
    patches: unlockedFirst,
  },
  'reclaim-flushes-unlocked': {
    guard: 'reclaim flushes removed entries before it unlocks the table: mprotect finds nothing to flush',
    scenario: 'reclaim-mprotect',
    patches: flushedUnlocked,
  },
  'file-page-flushed-unlocked': {
    guard: 'the same for an entry that becomes empty',
    scenario: 'file-reclaim-mprotect',
    patches: flushedUnlocked,
  },
  'given-page-flushed-unlocked': {
    guard: 'the same for a page after MADV_FREE, which a fault replaces',
    scenario: 'freed-page-seen',
    patches: flushedUnlocked,
  },
  'second-free-unflushed': {
    guard:
      'MADV_FREE flushes even if the dirty bit is clear: the call that cleared it may not have flushed yet',
    scenario: 'two-frees',
    patches: freeFlushesChanges,
  },
  'free-of-nothing-unflushed': {
    guard: 'MADV_FREE flushes even without an entry: the call that removed it may not have flushed yet',
    scenario: 'discard-free',
    patches: freeFlushesChanges,
  },
  'reclaim-blind-to-locks': {
    guard: 'reclaim skips entries that mlock has marked',
    scenario: 'reclaim-mlock',
    patches: at(reclaim, 'unmapIfCold').replace('PTE_SPECIAL | PTE_LOCKED', 'PTE_SPECIAL'),
  },
  'reclaim-unobserved': {
    guard: 'reclaim notifies the observers of the pages that it removes',
    race: 'R17',
    scenario: 'observed-reclaim',
    patches: [
      at(reclaim, 'unmapAndFree').drop('reclaimStart(cpu, mm)'),
      at(reclaim, 'unmapAndFree').drop('reclaimEnd(cpu, mm)'),
    ],
  },
  'reaped-parent-forked': {
    guard: 'fork refuses an address space that the OOM reaper has been in',
    race: 'R35',
    scenario: 'reap-fork',
    patches: at('calls/fork.ts', 'dupMmap').drop('if (!isStable(cpu, parent)) $'),
  },
  'freed-while-referenced': {
    guard: 'reclaim frees a page only if there are no references besides its cache’s',
    scenario: 'swap-fault',
    patches: at('memory/page-lock.ts', 'freezeIfClean').replace(
      'if (Atomics.compareExchange(...$) !== 2) $',
      'Atomics.store(cpu.heap, refcount, 0)',
    ),
  },
  'file-freed-beside-reclaim': {
    guard: 'a file is freed only when no thread holds the lock of its tree',
    scenario: 'bury-reclaim',
    patches: [
      at(file, 'freeFile').drop('spinLock(cpu, file + File.lock)'),
      at(file, 'freeFile').drop('spinUnlock(cpu, file + File.lock)'),
    ],
  },
  'used-up-beside-reclaim': {
    guard: 'an allocation fails only if there is nothing to free and no other thread reclaims',
    scenario: 'memory-exhausted',
    patches: [
      at(reclaim, 'allocPageSlow').replace('const found = allocAlone(cpu)', 'const found = allocFrame(cpu)'),
      at(reclaim, 'allocPageSlow').replace('if (found !== 0) return $', 'return found'),
    ],
  },
  'cleaned-before-the-flush': {
    guard: 'write-back makes entries clean and flushes them with the table locked',
    scenario: 'msync-stale-write',
    patches: at(rmap, 'cleanPteRange').swap('if (cleaned) $', 'spinUnlock(cpu, table + PageTable.ptl)'),
  },
  'zapped-before-the-flush': {
    guard: 'dirty pages of files are flushed while the table from which they are removed is locked',
    scenario: 'discard-sync',
    patches: at(zap, 'zapPteRange').drop('if (dirtied > 0 || seen !== undefined) $'),
  },
  'dirty-before-the-flush': {
    guard: 'a page that is removed from a page table becomes dirty at the flush, not before',
    scenario: 'discard-sync',
    patches: at(zap, 'zapPteRange').swap(
      'if (dirtied > 0 || seen !== undefined) $',
      'for (let n = 0; n < dirtied; n++) $',
    ),
  },
  'downgraded-before-write-back-can-see': {
    guard: 'munmap of pages that are written to a file keeps the lock, so that write-back waits for it',
    scenario: 'zap-sync-again',
    patches: at(mmap, 'munmapLocked').replace('mayDowngrade && !cpu.detachedWrites', 'mayDowngrade'),
  },
  'write-back-not-awaited': {
    guard: 'fsync waits for a page that another CPU is writing',
    scenario: 'msync-stale-write',
    patches: at(writeback, 'lockDirtyPage').replace('PG_DIRTY | PG_LOCKED', 'PG_DIRTY'),
  },
  'write-back-passed-over': {
    guard: 'fsync looks for pages that another CPU is writing, and not only for dirty ones',
    scenario: 'msync-stale-write',
    patches: at(file, 'nextDirtyPage').replace('PG_DIRTY | PG_LOCKED', 'PG_DIRTY'),
  },
  'write-error-untold': {
    guard: 'an error of write-back is kept until it is reported',
    scenario: 'sync-fails',
    patches: at(writeback, 'writeLockedPages').drop('recordError(cpu, file, error)'),
  },
  'failed-page-clean': {
    guard: 'a page that could not be written stays dirty',
    scenario: 'sync-fails',
    patches: at(writeback, 'writeLockedPages').drop('for (let n = 0; n < count; n++) setPageDirty(...$)'),
  },
  'found-again-unnoticed': {
    guard: 'a file that was found while it was torn down is not freed together with later writes',
    scenario: 'reopen',
    patches: at('cache/host-file.ts', 'findHostFile').drop(
      'if (heap[file + File.burial] === BURIAL_BEGUN) $',
    ),
  },
  'given-up-without-the-list': {
    guard: 'the last reference on a file is dropped under the lock of the list of files',
    scenario: 'file-given-up',
    patches: [
      at(file, 'putFile').before(
        'spinLock(cpu, Header.fileListLock)',
        'if (!refcountDecAndTest(cpu, file + File.refcount)) return',
      ),
      at(file, 'putFile').force('refcountDecAndTest(cpu, file + File.refcount)', true),
    ],
  },
  'size-not-looked-at-again': {
    guard: 'a fault checks the size of the file with the page locked',
    scenario: 'fault-truncate',
    redundant: 'truncation locks the page too, and unmaps it again while it is mapped',
    patches: at(fileFault, 'tryFaultPage').drop('if (index >= $) { $ }'),
  },
  'around-the-end': {
    guard: 'fault-around checks the size of the file with the page locked',
    scenario: 'truncate-around',
    redundant: 'truncation locks the page too, and unmaps it again while it is mapped',
    patches: at(fileFault, 'mapCached').drop('index < Atomics.load(cpu.heap, file + File.pages)'),
  },
  'copies-kept': {
    guard: 'truncation removes private copies that were made while it ran',
    scenario: 'truncate-copy',
    patches: at(truncate, 'shrink').replace(
      'truncateInodePages(...$); unmapMappingRange(...$)',
      'truncateInodePages(cpu, file, pages)',
    ),
  },
  'hole-filled-unlocked': {
    guard: 'a page of a file in memory is locked when it enters the cache',
    scenario: 'fault-truncate',
    patches: [
      at(filemap, 'addZeroPage').before('const added = $', 'unlockPage(cpu, frame)'),
      at(filemap, 'addZeroPage').before('if (added === 1) $', 'lockPage(cpu, frame)'),
    ],
  },
  'truncation-deaf': {
    guard: 'truncation that waits for a page answers interrupts',
    race: 'R11',
    scenario: 'munmap-truncate',
    patches: at(truncate, 'dropPage').drop('if (unpinnedCount(cpu, frame) > 2) $'),
  },
  'read-behind-the-end': {
    guard: 'reading checks the size of the file each time',
    scenario: 'read-truncate',
    patches: at(filemap, 'getFilePage').force('index >= Atomics.load(cpu.heap, file + File.pages)', false),
  },
  'closed-before-it-is-held': {
    guard: 'a thread that uses a file of another thread takes a reference before that one can close it',
    scenario: 'read-close',
    patches: at(openFile, 'getOpenFile').swap(
      'if (file !== 0) getFile(cpu, file)',
      'spinUnlock(cpu, Header.fileListLock)',
    ),
  },
  'closed-but-numbered': {
    guard: 'a closed file has no number any more when its record is free',
    scenario: 'read-close',
    patches: at(openFile, 'closeFile').drop('forgetNumber(cpu, open + OpenFile.generation)'),
  },
}
