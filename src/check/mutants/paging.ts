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
    guard: 'who unlocks a page wakes those that wait for it',
    scenario: 'page-lock',
    patches: at(pageLock, 'unlockPage').drop('if ((before & PG_WAITERS) !== 0) $'),
  },
  'page-waiter-unmarked': {
    guard: 'who waits for a page says so before it looks whether to sleep',
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
    guard:
      'a page from the swap area is mapped only where the entry is still the one that the fault has seen (I7)',
    race: 'R37',
    design: 'classic',
    scenario: 'swap-dontneed',
    patches: entryNotCompared,
  },
  'late-swap-fault': {
    guard:
      'a speculative fault maps a page from the swap cache only where the entry is still the one that it has seen',
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
    guard: 'a page that another entry wants too stays in the swap cache, and is copied on write',
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
    guard: 'no CPU has an old translation of a page when it is written and freed',
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
      'a fault that maps the page to copy it needs the table, which is locked until the flush; who writes the page back needs no table',
    patches: unlockedFirst,
  },
  'reclaim-flushes-unlocked': {
    guard:
      'reclaim flushes what it has taken out before it unlocks the table: mprotect finds nothing to flush',
    scenario: 'reclaim-mprotect',
    patches: flushedUnlocked,
  },
  'file-page-flushed-unlocked': {
    guard: 'the same for an entry that becomes empty',
    scenario: 'file-reclaim-mprotect',
    patches: flushedUnlocked,
  },
  'given-page-flushed-unlocked': {
    guard: 'the same for a page that was given up, in whose place a fault puts another',
    scenario: 'freed-page-seen',
    patches: flushedUnlocked,
  },
  'second-free-unflushed': {
    guard:
      'MADV_FREE flushes also where the dirty bit is clear already: who has cleared it may not have flushed yet',
    scenario: 'two-frees',
    patches: freeFlushesChanges,
  },
  'free-of-nothing-unflushed': {
    guard: 'MADV_FREE flushes also where there is no entry: who has taken it may not have flushed yet',
    scenario: 'discard-free',
    patches: freeFlushesChanges,
  },
  'reclaim-blind-to-locks': {
    guard: 'reclaim passes over entries that mlock has marked',
    scenario: 'reclaim-mlock',
    patches: at(reclaim, 'unmapIfCold').replace('PTE_SPECIAL | PTE_LOCKED', 'PTE_SPECIAL'),
  },
  'reclaim-unobserved': {
    guard: 'reclaim tells the observers of what it takes out',
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
    guard: 'reclaim frees a page only if nobody but its cache refers to it',
    scenario: 'swap-fault',
    patches: at('memory/page-lock.ts', 'freezeIfClean').replace(
      'if (Atomics.compareExchange(...$) !== 2) $',
      'Atomics.store(cpu.heap, refcount, 0)',
    ),
  },
  'file-freed-beside-reclaim': {
    guard: 'a file is freed when nobody holds the lock of its tree',
    scenario: 'bury-reclaim',
    patches: [
      at(file, 'freeFile').drop('spinLock(cpu, file + File.lock)'),
      at(file, 'freeFile').drop('spinUnlock(cpu, file + File.lock)'),
    ],
  },
  'used-up-beside-reclaim': {
    guard: 'memory is used up only if there is nothing to free while nobody else reclaims',
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
    guard: 'dirty pages of files are flushed with the table locked that they are taken out of',
    scenario: 'discard-sync',
    patches: at(zap, 'zapPteRange').drop('if (dirtied > 0 || seen !== undefined) $'),
  },
  'dirty-before-the-flush': {
    guard: 'a page that is taken out of a page table is dirty from the flush on, not before',
    scenario: 'discard-sync',
    patches: at(zap, 'zapPteRange').swap(
      'if (dirtied > 0 || seen !== undefined) $',
      'for (let n = 0; n < dirtied; n++) $',
    ),
  },
  'downgraded-before-write-back-can-see': {
    guard: 'munmap of pages that are written to a file keeps the lock for write-back to wait for',
    scenario: 'zap-sync-again',
    patches: at(mmap, 'munmapLocked').replace('mayDowngrade && !cpu.detachedWrites', 'mayDowngrade'),
  },
  'write-back-not-awaited': {
    guard: 'fsync waits for a page that another CPU is just writing',
    scenario: 'msync-stale-write',
    patches: at(writeback, 'lockDirtyPage').replace('PG_DIRTY | PG_LOCKED', 'PG_DIRTY'),
  },
  'write-error-untold': {
    guard: 'an error of write-back is remembered until somebody was told',
    scenario: 'sync-fails',
    patches: at(writeback, 'writeLockedPages').drop('recordError(cpu, file, error)'),
  },
  'failed-page-clean': {
    guard: 'a page that could not be written is dirty still',
    scenario: 'sync-fails',
    patches: at(writeback, 'writeLockedPages').drop('for (let n = 0; n < count; n++) setPageDirty(...$)'),
  },
  'found-again-unnoticed': {
    guard: 'a file that was found while it was buried is not freed with what was written since',
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
    guard: 'a fault looks at the size of the file with the page locked',
    scenario: 'fault-truncate',
    redundant: 'truncation, too, locks the page, and unmaps it again for as long as it is mapped',
    patches: at(fileFault, 'tryFaultPage').drop('if (index >= $) { $ }'),
  },
  'around-the-end': {
    guard: 'fault-around looks at the size of the file with the page locked',
    scenario: 'truncate-around',
    redundant: 'truncation, too, locks the page, and unmaps it again for as long as it is mapped',
    patches: at(fileFault, 'mapCached').drop('index < Atomics.load(cpu.heap, file + File.pages)'),
  },
  'copies-kept': {
    guard: 'truncation takes away private copies that were made while it was at work',
    scenario: 'truncate-copy',
    patches: at(truncate, 'shrink').replace(
      'truncateInodePages(...$); unmapMappingRange(...$)',
      'truncateInodePages(cpu, file, pages)',
    ),
  },
  'hole-filled-unlocked': {
    guard: 'a page of a file of memory is locked when it enters the cache',
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
    guard: 'reading looks at the size of the file each time',
    scenario: 'read-truncate',
    patches: at(filemap, 'getFilePage').force('index >= Atomics.load(cpu.heap, file + File.pages)', false),
  },
  'closed-before-it-is-held': {
    guard: 'who uses a file that another has opened takes a reference before that one can close it',
    scenario: 'read-close',
    patches: at(openFile, 'getOpenFile').swap(
      'if (file !== 0) getFile(cpu, file)',
      'spinUnlock(cpu, Header.fileListLock)',
    ),
  },
  'closed-but-numbered': {
    guard: 'a file that is closed has no number any more when its record is free',
    scenario: 'read-close',
    patches: at(openFile, 'closeFile').drop('forgetNumber(cpu, open + OpenFile.generation)'),
  },
}
