// Mutants of pinned pages: of what takes them, and of what meets them.

import type { MutantTable } from './mutant.ts'
import { at } from './patch.ts'

const pin = 'fault/pin.ts'
const collapse = 'fault/collapse.ts'

export const pinMutants: MutantTable = {
  'pinned-page-reclaimed': {
    guard: 'reclaim leaves pinned pages',
    scenario: 'pin-reclaim',
    redundant:
      'a page with more references than those of its cache and of reclaim is neither written out nor freed, and the next fault finds it in the swap cache: this costs only a slot and two faults',
    patches: at('cache/reclaim.ts', 'unmapIfCold').drop('if (isPinned(cpu, frame)) return'),
  },
  'pinned-page-shared-by-fork': {
    guard: 'fork copies a pinned page at once, since the pin’s holder writes without a fault',
    scenario: 'pin-fork',
    patches: at('calls/fork.ts', 'needsCopyNow').force(
      'isPinned(cpu, frame) && !isFilePage(cpu, frame)',
      false,
    ),
  },
  'truncation-waits-for-pins': {
    guard: 'truncation removes a page from the cache even if pins refer to it',
    scenario: 'pin-truncate',
    patches: at('cache/truncate.ts', 'dropPage').replace(
      'unpinnedCount(cpu, frame) === 2',
      'pageCount(cpu, frame) === 2',
    ),
  },
  'pinned-page-copied': {
    guard: 'a write to a pinned page that is mapped for reading goes to that page',
    scenario: 'pin-mprotect',
    patches: at('memory/page.ts', 'isExclusive').drop('count >= PIN_BIAS'),
  },
  'shared-page-pinned': {
    guard: 'a shared page is copied before it is pinned, for reading too',
    scenario: 'pin-shared',
    patches: at(pin, 'mustUnshare').drop('!isExclusive(cpu, frame)'),
  },
  'zero-page-pinned': {
    guard: 'the zero page is never pinned',
    scenario: 'pin-zero-page',
    patches: at(pin, 'mustUnshare').replace(
      'isFilePage(cpu, frame) || !isExclusive(cpu, frame)',
      'isFilePage(cpu, frame) || (frame !== 0 && !isExclusive(cpu, frame))',
    ),
  },
  'pinned-without-the-table-lock': {
    guard: 'a page is pinned while its entry cannot be removed',
    scenario: 'pin-dontneed',
    redundant:
      'a thread that removes the entry flushes the TLBs of all users of the address space before it frees the frame, and so waits until this CPU has pinned the page',
    patches: [
      at(pin, 'walkRun').drop('spinLock(cpu, table + PageTable.ptl)'),
      at(pin, 'walkRun').drop('spinUnlock(cpu, table + PageTable.ptl)'),
    ],
  },
  'unpinned-clean': {
    guard: 'a page of a file that was pinned for writing is dirty afterwards',
    scenario: 'pin-sync',
    patches: at(pin, 'unpinPages').drop('if (written && isFilePage(cpu, frame)) $'),
  },
  'moved-page-not-flushed': {
    guard: 'no CPU can reach a page while it is copied to another frame',
    scenario: 'collapse-write',
    patches: at(collapse, 'moveEntry').drop('flushTlbMm(cpu, mm, page, page + 1)'),
  },
  'pinned-page-moved': {
    guard: 'a pinned page stays in its frame',
    scenario: 'collapse-pinned',
    patches: at(collapse, 'moveEntry').force('busy !== 0', false),
  },
  'pinned-clean': {
    guard: 'the entry of a page that is pinned for writing is dirty',
    scenario: 'pin-freed',
    patches: at(pin, 'pinEntry').drop('if ((entry & bits) !== bits && $ !== entry) $'),
  },
  'pinned-page-given-up': {
    guard: 'MADV_FREE skips a pinned page',
    scenario: 'pin-freed',
    patches: at('calls/madvise.ts', 'markLazyFree').force('pageCount(cpu, frame) === 1', true),
  },
  'pinned-without-the-mmap-lock': {
    guard: 'the VMA of a page that is being pinned stays',
    scenario: 'pin-munmap',
    patches: [
      at(pin, 'pinPages').drop('mmapReadLock(cpu, mm)'),
      at(pin, 'pinPages').drop('mmapReadUnlock(cpu, mm)'),
    ],
  },
  'unpinned-and-kept': {
    guard: 'a frame that only a pin has kept is freed with it',
    scenario: 'pin-munmap',
    patches: at(pin, 'unpinPages').replace('if (unpinPage(cpu, frame)) $', 'unpinPage(cpu, frame)'),
  },
  'copied-though-unpinned': {
    guard: 'fork checks again whether a page is pinned before it copies it',
    scenario: 'unpin-fork',
    patches: at('calls/fork.ts', 'copyPinnedPage').force('needsCopyNow(cpu, entry)', true),
  },
  'shared-page-moved': {
    guard: 'a shared page is copied before it is moved, for reading too',
    scenario: 'collapse-shared',
    patches: at(collapse, 'moveEntry').drop('mustUnshare(cpu, seen)'),
  },
  'page-moved-untold': {
    guard: 'the observers of a page are notified before it moves',
    scenario: 'collapse-observed',
    patches: [
      at(collapse, 'moveRun').drop('invalidateRangeStart(cpu, mm, page, stop)'),
      at(collapse, 'moveRun').drop('invalidateRangeEnd(cpu, mm)'),
    ],
  },
  'page-moved-unlocked': {
    guard: 'no CPU reads the entry of a page, or brings the page in, while it moves',
    scenario: 'collapse-reclaim',
    patches: [
      at(collapse, 'moveRun').drop('spinLock(cpu, table + PageTable.ptl)'),
      at(collapse, 'moveRun').drop('spinUnlock(cpu, table + PageTable.ptl)'),
    ],
  },
}
