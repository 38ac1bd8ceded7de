// Race R3: the same page again (ABA), where the attributes of the VMA are compared and not a count.

import { type SourcePatch, at } from '../mutants/patch.ts'
import type { Race } from './race.ts'

const design = 'designs/lespinasse-2021.ts'
const wp = 'mm/wp.ts'

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
const interruptsAnswered = at(wp, 'wpCommit').before('const unlocked = $', 'pollInterrupts(cpu)')

/**
 * A page is reused where it has one mapping, as until Linux 5.8: the reference of another thread that is just copying
 * it does not count (it is counted in the last word of the page, which nobody uses). That one may then read what is
 * being written, word by word here.
 */
const reusedByMapcount: readonly SourcePatch[] = [
  at(wp, 'doWpPage').before(
    'if (anonymous && pageCount(cpu, frame) === 1) $',
    'const copiers = pageStruct(cpu, frame) + 7; const mapcount = pageCount(cpu, frame) - Atomics.load(cpu.heap, copiers)',
  ),
  at(wp, 'doWpPage').replace('pageCount(cpu, frame)', 'mapcount'),
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
  interruptsAnswered,
]

export const sameAgain: Race = {
  number: 'R3',
  title: 'The same page again, where attributes are compared and not a count',
  story:
    'A count per mm moves with every change anywhere, so that Lespinasse tried something finer: where it has moved, look up the VMA again and compare its attributes with the copy. He found that it helped little, and that it is wrong for a copy on write. A page is shared with a child; one thread faults on it and copies it. Meanwhile the child exits, so that the page is the parent’s own; a second thread writes to it, for which the entry just becomes writable; and mprotect takes the write permission away and gives it back, for which the entry becomes read-only again. When the first thread locks the page table, the VMA looks the same, and so does the entry, frame for frame and bit for bit. It installs its copy, and what the second thread wrote is gone.',
  fix: 'A count: it does not return to where it was. One per VMA is enough.',
  verdict:
    'The argument is right for kernels that reuse a page with one **mapping**, as Linux did up to 5.8. Since 5.9 a page is reused where it has one **reference**, and the thread that copies holds one: the second thread has to copy too, and the entry is another. With that rule, which the kernel of the patches (5.12) already had, comparing attributes is not caught by this story.',
  exhibits: [
    {
      had: 'nobody as published; here Lespinasse 2021, comparing attributes where the count has moved',
      restored: 'and pages are reused by the number of their mappings',
      scenario: 'cow-reused-page',
      design: 'lespinasse-2021',
      patches: [...attributesCompared, ...reusedByMapcount],
      fails: 'error',
      message: /no sequential order/,
      shows: /^(pte\[0x1000\]|frame |page\[.*refcount|mm\.mmapSeq|vma.*vmFlags)/,
    },
  ],
  holds: [
    {
      scenario: 'cow-reused-page',
      design: 'lespinasse-2021',
      patches: reusedByMapcount,
      complete: false,
      because: 'pages reused by their mappings, a count per mm',
    },
    {
      scenario: 'cow-reused-page',
      design: 'dufour-2019',
      patches: reusedByMapcount,
      complete: false,
      because: 'the same, a count per VMA',
    },
    {
      scenario: 'cow-reused-page',
      design: 'lespinasse-2021',
      patches: [...attributesCompared, interruptsAnswered],
      complete: false,
      because: 'attributes compared, pages reused by their references',
    },
  ],
}
