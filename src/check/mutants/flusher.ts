// Mutants of writing back beside programs, and of telling its errors.

import type { MutantTable } from './mutant.ts'
import { at } from './patch.ts'

const dirty = 'memory/dirty.ts'
const errseq = 'sync/errseq.ts'
const flusher = 'cache/flusher.ts'
const msync = 'calls/msync.ts'
const writeback = 'cache/writeback.ts'

export const flusherMutants: MutantTable = {
  'mark-taken-off-too-late': {
    guard: 'the flusher takes the mark off a file before it looks for dirty pages',
    scenario: 'flush-read-page',
    patches: [
      at(flusher, 'writePart').drop('if (first === 0) $'),
      at(flusher, 'writePart').before(
        'heap[file + File.writebackIndex] = $',
        'if (first === 0) Atomics.store(heap, file + File.dirtiedWhen, 0)',
      ),
    ],
  },
  'file-marked-with-the-page': {
    guard: 'a file is marked also where the page that is written to was dirty before',
    scenario: 'flush-again',
    patches: at(dirty, 'setPageDirty').replace(
      'markFileDirty(cpu, file)',
      'if ((before & PG_DIRTY) === 0) markFileDirty(cpu, file)',
    ),
  },
  'pinned-page-passed': {
    guard: 'the flusher comes back to pages that are pinned, to which their holders write without a fault',
    scenario: 'flush-pin',
    patches: at(writeback, 'mustComeBack').replace('isPinned(cpu, frame)', 'false'),
  },
  'locked-page-passed': {
    guard: 'the flusher comes back to pages that are locked, which may be about to become writable',
    scenario: 'flush-new-page',
    patches: at(writeback, 'mustComeBack').force('(pageFlags(cpu, frame) & PG_LOCKED) !== 0', false),
  },
  'flusher-not-awaited': {
    guard: 'a file is not freed while the flusher is at work on it',
    scenario: 'flush-bury',
    patches: at('cache/task-work.ts', 'buryFile').drop('waitForWriteback(cpu, file)'),
  },
  'failed-page-unmarked': {
    guard: 'a file of which a page could not be written says that it is dirty',
    scenario: 'flush-fails',
    patches: at(writeback, 'writeLockedPages').replace(
      'setPageDirty(cpu, frames[n])',
      'Atomics.or(cpu.heap, pageStruct(cpu, frames[n]) + Page.flags, PG_DIRTY)',
    ),
  },
  'error-told-again': {
    guard: 'who was told of an error is not told again',
    scenario: 'flush-fails',
    patches: at(errseq, 'errseqCheckAndAdvance').force(
      'Atomics.compareExchange(heap, since, before, seen) === before',
      true,
    ),
  },
  'error-told-to-both': {
    guard: 'of two threads that have only mapped a file, one is told of an error',
    scenario: 'msync-shared',
    patches: at(errseq, 'errseqCheckAndAdvance').replace(
      'if (Atomics.compareExchange(heap, since, before, seen) === before) $',
      'Atomics.store(heap, since, seen); return -(seen & ERROR_MASK)',
    ),
  },
  'error-told-once-only': {
    guard: 'each who has a file open is told of an error',
    scenario: 'flush-fails-two',
    patches: at('memory/open-file.ts', 'checkOpenError').replace(
      'open + OpenFile.writeErrorSeen',
      'file + File.writeErrorSeen',
    ),
  },
  'done-before-it-is': {
    guard: 'the flusher says that something is done when it is',
    scenario: 'flush-asked',
    patches: at(msync, 'serveSync').before(
      'const mm = $',
      'Atomics.store(heap, base + PerCpu.syncDone, wanted)',
    ),
  },
}
