// Race R3: the same page again (ABA), where the attributes of the VMA are compared and not a count.

import { type SourcePatch } from '../../backends/stepped/index.ts'
import type { Race } from './race.ts'

const design = 'designs/lespinasse-2021.ts'
const wp = 'mm/wp.ts'

/** "Re-fetch the VMA and compare": where the count has moved, what the VMA at the page looks like decides. */
const attributesCompared: readonly SourcePatch[] = [
  {
    file: design,
    find: '    if (readSeqcountRetry(cpu, seqcount, fault.sequence, fault.turns))\n      return lockFailed(cpu, VmEvent.SPF_ABORT_PTE_MAP_LOCK_SEQ1)\n',
    replace:
      '    if (readSeqcountRetry(cpu, seqcount, fault.sequence, fault.turns) && !looksTheSame(cpu, fault))\n      return lockFailed(cpu, VmEvent.SPF_ABORT_PTE_MAP_LOCK_SEQ1)\n',
  },
  {
    file: design,
    find: 'function abortReading(',
    replace: `function looksTheSame(cpu: Task, fault: FaultContext): boolean {
  const { heap } = cpu
  const turns = readSeqcountTurns(cpu, fault.mm + Mm.mmapSeq)
  const sequence = readSeqcount(cpu, fault.mm + Mm.mmapSeq)
  const vma = findVmaRcu(cpu, fault.mm, fault.page)
  if ((sequence & 1) !== 0 || vma === 0) return false
  const same =
    Atomics.load(heap, vma + Vma.vmStart) === fault.vmStart &&
    Atomics.load(heap, vma + Vma.vmEnd) === fault.vmEnd &&
    Atomics.load(heap, vma + Vma.vmFlags) === fault.vmFlags &&
    Atomics.load(heap, vma + Vma.vmPgoff) === fault.vmPgoff &&
    Atomics.load(heap, vma + Vma.vmFile) === fault.vmFile &&
    Atomics.load(heap, vma + Vma.anonVma) === fault.anonVma
  fault.turns = turns
  fault.sequence = sequence
  return same && !readSeqcountRetry(cpu, fault.mm + Mm.mmapSeq, sequence, turns)
}

function abortReading(`,
  },
]

/** An interrupt is answered after the page was copied: on real hardware it may come at any moment. */
const interruptsAnswered: readonly SourcePatch[] = [
  {
    file: wp,
    find: '  const unlocked = (fault',
    replace: '  pollInterrupts(cpu)\n  const unlocked = (fault',
  },
  {
    file: wp,
    find: 'import {\n  PTE_ACCESSED,',
    replace: "import { pollInterrupts } from '../machine/cpu.ts'\nimport {\n  PTE_ACCESSED,",
  },
]

/**
 * A page is reused where it has one mapping, as until Linux 5.8: the reference of another thread that is just copying
 * it does not count. That one may then read what is being written, word by word here.
 */
const reusedByMapcount: readonly SourcePatch[] = [
  { file: 'mm/page.ts', find: '  next: 4,\n', replace: '  next: 4,\n  copiers: 7,\n' },
  { file: wp, find: 'import { PG_DIRTY, getPage,', replace: 'import { PG_DIRTY, Page, pageStruct, getPage,' },
  {
    file: wp,
    find: '  if (anonymous && pageCount(cpu, frame) === 1) return',
    replace:
      '  const copiers = pageStruct(cpu, frame) + Page.copiers\n  const mapcount = pageCount(cpu, frame) - Atomics.load(cpu.heap, copiers)\n  if (anonymous && mapcount === 1) return',
  },
  {
    file: wp,
    find: '  if (!special) getPage(cpu, frame)\n',
    replace: '  if (!special) getPage(cpu, frame)\n  if (!special) Atomics.add(cpu.heap, copiers, 1)\n',
  },
  {
    file: wp,
    find: '  if (!special) freePageAndSwapCache(cpu, frame)\n',
    replace:
      '  if (!special) Atomics.sub(cpu.heap, copiers, 1)\n  if (!special) freePageAndSwapCache(cpu, frame)\n',
  },
  {
    file: wp,
    find: '  else copyFrame(cpu, frame, from)\n',
    replace: `  else {
    noteWritten(cpu, frame, 1)
    for (let word = 0; word < 4; word++) {
      const value = Atomics.load(cpu.memory.words, from * PAGE_WORDS + word)
      Atomics.store(cpu.memory.words, frame * PAGE_WORDS + word, value)
    }
  }
`,
  },
  { file: wp, find: 'import { clearFrame, copyFrame }', replace: 'import { clearFrame, noteWritten }' },
  {
    file: wp,
    find: 'import { clearFrame, noteWritten }',
    replace: "import { PAGE_WORDS } from '../machine/frames.ts'\nimport { clearFrame, noteWritten }",
  },
  ...interruptsAnswered,
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
      patches: [...attributesCompared, ...interruptsAnswered],
      complete: false,
      because: 'attributes compared, pages reused by their references',
    },
  ],
}
