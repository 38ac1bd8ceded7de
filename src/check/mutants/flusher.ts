// Mutants of writing back beside programs, of telling its errors, and of what makes pages dirty without reading them.

import type { MutantTable } from './mutant.ts'
import { at } from './patch.ts'

const dirty = 'memory/dirty.ts'
const fileIo = 'cache/file-io.ts'
const errseq = 'sync/errseq.ts'
const flusher = 'cache/flusher.ts'
const msync = 'calls/msync.ts'
const truncate = 'cache/truncate.ts'
const writeback = 'cache/writeback.ts'
const readPages = 'cache/read-pages.ts'

export const flusherMutants: MutantTable = {
  'read-ahead-shown-early': {
    guard: 'a page that is being read ahead is not up to date before it was read',
    scenario: 'read-ahead-read',
    patches: at(readPages, 'takeFrames').replace(
      'PG_LOCKED | PG_REFERENCED',
      'PG_LOCKED | PG_REFERENCED | PG_UPTODATE',
    ),
  },
  'two-pages-read-ahead': {
    guard: 'pages that are read enter the page cache only if there are none, under the lock of the file',
    scenario: 'read-ahead-both',
    patches: at('memory/file.ts', 'addManyToPageCache').drop('Atomics.load(heap, slot) !== 0'),
  },
  'read-ahead-keeps-no-file': {
    guard: 'a fault that reads ahead holds a reference on the file meanwhile',
    scenario: 'read-ahead-munmap',
    patches: at('fault/file-fault.ts', 'readOn').before(
      'countHits(cpu, file, 1)',
      'if (leaves) putFile(cpu, file)',
    ),
  },
  'mark-taken-off-too-late': {
    guard: 'the flusher clears the mark of a file before it looks for dirty pages',
    scenario: 'flush-read-page',
    patches: [
      at(flusher, 'writePart').drop('if (first === 0) $'),
      at(flusher, 'writePart').before(
        'heap[file + File.writebackIndex] = $',
        'if (first === 0) Atomics.store(heap, file + File.dirtiedWhen, 0)',
      ),
    ],
  },
  'period-comes-round': {
    guard: 'a file that becomes dirty is marked even if the number of the period wraps to 0',
    rwsem: 'generic',
    scenario: 'flush-write',
    patches: at(dirty, 'storeDirtiedWhen').replace('when === 0', 'false'),
  },
  'file-marked-with-the-page': {
    guard: 'a file is marked even if the written page was dirty before',
    scenario: 'flush-again',
    patches: at(dirty, 'setPageDirty').replace(
      'markFileDirty(cpu, file)',
      'if ((before & PG_DIRTY) === 0) markFileDirty(cpu, file)',
    ),
  },
  'pinned-page-passed': {
    guard: 'the flusher returns to pinned pages, to which their holders write without a fault',
    scenario: 'flush-pin',
    patches: at(writeback, 'mustComeBack').replace('isPinned(cpu, frame)', 'false'),
  },
  'locked-page-passed': {
    guard: 'the flusher returns to locked pages, which may be about to become writable',
    scenario: 'flush-new-page',
    patches: at(writeback, 'mustComeBack').force('(pageFlags(cpu, frame) & PG_LOCKED) !== 0', false),
  },
  'flusher-not-awaited': {
    guard: 'a file is not freed while the flusher works on it',
    scenario: 'flush-bury',
    patches: at('cache/task-work.ts', 'buryFile').drop('waitForWriteback(cpu, file)'),
  },
  'failed-page-unmarked': {
    guard: 'a file with a page that could not be written stays marked dirty',
    scenario: 'flush-fails-write',
    patches: at(writeback, 'writeLockedPages').replace(
      'setPageDirty(cpu, frames[n])',
      'Atomics.or(cpu.heap, pageStruct(cpu, frames[n]) + Page.flags, PG_DIRTY)',
    ),
  },
  'error-told-again': {
    guard: 'a caller gets an error only once',
    scenario: 'flush-fails',
    patches: at(errseq, 'errseqCheckAndAdvance').force(
      'Atomics.compareExchange(heap, since, before, seen) === before',
      true,
    ),
  },
  'error-told-to-both': {
    guard: 'one of two threads that have only mapped a file gets an error',
    scenario: 'msync-shared',
    patches: at(errseq, 'errseqCheckAndAdvance').replace(
      'if (Atomics.compareExchange(heap, since, before, seen) === before) $',
      'Atomics.store(heap, since, seen); return -(seen & ERROR_MASK)',
    ),
  },
  'error-told-once-only': {
    guard: 'each opener of a file gets an error',
    scenario: 'flush-fails-two',
    patches: at('memory/open-file.ts', 'checkOpenError').replace(
      'open + OpenFile.writeErrorSeen',
      'file + File.writeErrorSeen',
    ),
  },
  'done-before-it-is': {
    guard: 'the flusher reports a request as done only when it is',
    scenario: 'flush-asked',
    patches: at(msync, 'serveSync').before(
      'const mm = $',
      'Atomics.store(heap, base + PerCpu.syncDone, wanted)',
    ),
  },
  'asked-for-a-space-that-is-gone': {
    guard: 'the flusher serves an address space only while it is the requested one',
    scenario: 'flush-asked-exit',
    patches: at(msync, 'serveSync').replace(
      'if (grabMmOf(...$)) $',
      `if (mm !== 0) {
        result = syncMappings(cpu, mm, heap[base + PerCpu.syncStart], heap[base + PerCpu.syncEnd], MS_WRITE);
        finishCall(cpu)
      }`,
    ),
  },
  'marked-before-it-is-written': {
    guard:
      'write() marks a page dirty after it has written to it: write-back may have cleared an earlier mark',
    scenario: 'flush-write-call',
    patches: at(fileIo, 'writePage').swap(
      'copyToFrame(cpu, frame, within, source, start, length)',
      'setPageDirty(cpu, frame, PG_REFERENCED)',
    ),
  },
  'appended-unlocked': {
    guard: 'only one CPU at a time appends to a file',
    scenario: 'append-append',
    patches: [
      at(fileIo, 'appendToFile').drop('lockInode(cpu, file)'),
      at(fileIo, 'appendToFile').drop('unlockInode(cpu, file)'),
    ],
  },
  'size-of-what-is-not-there': {
    guard: 'the size of a file includes appended data only when it is there',
    scenario: 'append-size',
    patches: [
      at(truncate, 'readFileSize').force('!tryLockInode(cpu, file)', false),
      at(truncate, 'readFileSize').drop('unlockInode(cpu, file)'),
    ],
  },
  'longer-though-it-failed': {
    guard: 'a file keeps its old end if an append fails',
    scenario: 'append-fails',
    patches: at(fileIo, 'appendToFile').replace('cutBack(cpu, file, oldPages, oldLast)', '0'),
  },
  'up-to-date-before-it-is': {
    guard: 'an overwritten page is up to date only when its content is there',
    scenario: 'write-read',
    patches: [
      at(fileIo, 'addWholePage').replace(
        'freshPage(cpu, allocPage(cpu), PG_LOCKED)',
        'freshPage(cpu, allocPage(cpu), PG_LOCKED | PG_UPTODATE)',
      ),
      at(fileIo, 'addWholePage').drop('if (present) $'),
      at(fileIo, 'addWholePage').before(
        'if (added) $',
        'copyToFrame(cpu, frame, 0, source, start, PAGE_SIZE)',
      ),
    ],
  },
  'overwritten-beyond-the-end': {
    guard: 'an overwritten page is removed if the end of the file was cut off meanwhile',
    scenario: 'overwrite-truncate',
    redundant:
      'truncation flushes the TLB of a CPU that is about to add a page, which answers afterwards; a CPU that waits for memory has answered, but no scenario includes this',
    patches: at(fileIo, 'addWholePage').drop('dropIfTruncated(cpu, file, index, frame)'),
  },
  'overwritten-and-clean': {
    guard: 'an overwritten page is dirty',
    scenario: 'overwrite-sync',
    patches: at(fileIo, 'addWholePage').replace('setPageDirty', 'setPageFlags'),
  },
}
