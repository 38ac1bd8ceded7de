// Changes of the source that restore what a race needs, or that show it where the fixed kernel does not have it.

import { type SourcePatch, at } from '../mutants/patch.ts'

const design = 'designs/lespinasse-2021.ts'
const wp = 'fault/wp.ts'

/** "Re-fetch the VMA and compare": where the count has moved, what the VMA at the page looks like decides. */
const attributesCompared: readonly SourcePatch[] = [
  at(design, 'pteMapLock').before(
    'const seqcount = $',
    `const looksTheSame = () => {
      const { heap } = cpu;
      const turns = readSeqcountTurns(cpu, fault.mm + Mm.mmapSeq);
      const sequence = readSeqcount(cpu, fault.mm + Mm.mmapSeq);
      const vma = findVmaRcu(cpu, fault.mm, fault.page);
      if ((sequence & 1) !== 0 || vma === 0) return false;
      const same =
        Atomics.load(heap, vma + Vma.vmStart) === fault.vmStart &&
        Atomics.load(heap, vma + Vma.vmEnd) === fault.vmEnd &&
        Atomics.load(heap, vma + Vma.vmFlags) === fault.vmFlags &&
        Atomics.load(heap, vma + Vma.vmPgoff) === fault.vmPgoff &&
        Atomics.load(heap, vma + Vma.vmFile) === fault.vmFile &&
        Atomics.load(heap, vma + Vma.anonVma) === fault.anonVma;
      fault.turns = turns;
      fault.sequence = sequence;
      return same && !readSeqcountRetry(cpu, fault.mm + Mm.mmapSeq, sequence, turns)
    }`,
  ),
  at(design, 'pteMapLock').replace(
    'if (readSeqcountRetry(...$)) return $',
    `if (readSeqcountRetry(cpu, seqcount, fault.sequence, fault.turns) && !looksTheSame())
      return lockFailed(cpu, VmEvent.SPF_ABORT_PTE_MAP_LOCK_SEQ1)`,
  ),
]

/** An interrupt is answered after the page was copied: on real hardware it may come at any moment. */
const answersAfterCopy = at(wp, 'wpCommit').before(
  'if (!fault.hold.copyBegin(...$)) $',
  'pollInterrupts(cpu)',
)

/**
 * A page is reused where it has one mapping, as until Linux 5.8: the reference of another thread that is just copying
 * it does not count (it is counted in the last word of the page, which nobody uses). That one may then read what is
 * being written, word by word here.
 */
const reusedByMapcount: readonly SourcePatch[] = [
  at(wp, 'doWpPage').before(
    'if (anonymous && (isExclusive(cpu, frame) || $)) $',
    'const copiers = pageStruct(cpu, frame) + 7; const mapcount = pageCount(cpu, frame) - Atomics.load(cpu.heap, copiers)',
  ),
  at(wp, 'doWpPage').replace('isExclusive(cpu, frame)', 'mapcount === 1'),
  at(wp, 'doWpPage').after(
    'if (!special) getPage(cpu, frame)',
    'if (!special) Atomics.add(cpu.heap, copiers, 1)',
  ),
  at(wp, 'doWpPage').before(
    'if (!special) freePageAndSwapCache(cpu, frame)',
    'if (!special) Atomics.sub(cpu.heap, copiers, 1)',
  ),
  at(wp, 'wpPageCopy').replace(
    'copyFrame(cpu, frame, from)',
    `noteWritten(cpu, frame, 1);
    for (let word = 0; word < 4; word++) {
      const value = Atomics.load(cpu.memory.words, from * PAGE_WORDS + word);
      Atomics.store(cpu.memory.words, frame * PAGE_WORDS + word, value)
    }`,
  ),
  answersAfterCopy,
]

/** An interrupt is answered while the table is locked: on real hardware it may come at any moment. */
const answersUnderTableLock = at(wp, 'wpReplace').before(
  'if (Atomics.compareExchange(...$) !== $) $',
  'pollInterrupts(cpu)',
)

/** By name, as the races call them. */
export const racePatches: Readonly<Record<string, readonly SourcePatch[]>> = {
  attributesCompared,
  reusedByMapcount,
  answersAfterCopy: [answersAfterCopy],
  answersUnderTableLock: [answersUnderTableLock],
  locksTableAfterWait: [
    at('fault/swap-fault.ts', 'readMissing').after(
      'const error = swapIn(cpu, slot)',
      `if (fault.hold.gone !== 0) {
        spinLock(cpu, fault.table + PageTable.ptl);
        spinUnlock(cpu, fault.table + PageTable.ptl)
      }`,
    ),
  ],
  countsWithTwoWriters: [
    at('sync/seqcount.ts', 'writeSeqcountBegin').drop('bugOn(...$)'),
    at('sync/seqcount.ts', 'writeSeqcountEnd').drop('bugOn(...$)'),
  ],
  countsNotAtomically: [
    at('tables/mmu-notifier.ts', 'endInvalidation').replace(
      'const before = Atomics.sub(...$)',
      `const before = Atomics.load(heap, notifier + MmuNotifier.invalidateInProgress) || 1;
      Atomics.store(heap, notifier + MmuNotifier.invalidateInProgress, before - 1)`,
    ),
  ],
  looksUpOnce: [at('designs/zijlstra-2014.ts', 'findVmaSrcu').force('!readSeqcountRetry(...$)', true)],
}
