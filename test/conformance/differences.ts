// Where Faultline and Linux differ by design. Everything else that differs is a defect.
//
// Each entry has an example, which differs in that way and in no other; the tests run it, so that an entry that has
// become untrue is found. Once the two sides are in different states, nothing behind it can be held against each other.

import type { Step } from './operations.ts'
import { fileSizes, PAGE, READ_ONLY, TABLE_PAGES } from './world.ts'

/** A step at which the answers differ. */
export interface Case {
  readonly steps: readonly Step[]
  readonly index: number
  /** The lines of the step, without what stayed as it was. */
  readonly theirs: string
  readonly ours: string
}

export interface Difference {
  readonly name: string
  readonly reason: string
  /** Whether the two sides are in the same state afterwards all the same. */
  readonly harmless: boolean
  /** Whether it is met whenever its example is performed, and not only where Linux could do what it was advised. */
  readonly certain: boolean
  explains(found: Case): boolean
  readonly example: readonly Step[]
}

const MMAP_ANYWHERE = 0
const MMAP_FIXED = 1
const MMAP_NOREPLACE = 2
const MMAP_POPULATE = 4
const MMAP_GROWSDOWN = 16
const MMAP_SHARED = 32
const MMAP_HINT = 64
const MREMAP_MAYMOVE = 1
const MREMAP_FIXED = 2
const MREMAP_DONTUNMAP = 4

const MADV_RANDOM = 1
const MADV_FREE = 8
const MADV_PAGEOUT = 21

/** The step, or what stands for the reading of all contents behind the last one. */
function stepOf({ steps, index }: Case): Step {
  return steps[index] ?? ['contents']
}

/** A line in its parts: what the step answered, the number of faults, the mappings and what is resident. */
function partsOf(line: string): {
  result: string
  faults: number | null
  mappings: string
  resident: string
} {
  const [answer = '', mappings = '', resident = ''] = line.split('|')
  const [result = '', faults] = answer.split(' ')
  return {
    result,
    faults: faults === undefined || faults === '' ? null : faultsOf(faults),
    mappings,
    resident,
  }
}

/** Minor and major ones together. */
function faultsOf(text: string): number {
  return text.split('+').reduce((sum, part) => sum + Number(part), 0)
}

/** The lines are the same but for the number of faults, of which one side had more. */
function moreFaults(more: string, fewer: string): boolean {
  const [most, least] = [partsOf(more), partsOf(fewer)]
  const same =
    most.result === least.result && most.mappings === least.mappings && most.resident === least.resident
  return same && most.faults !== null && least.faults !== null && most.faults > least.faults
}

/** The lines are the same but for how many pages the page tables have. */
function mapsOtherPages(found: Case): boolean {
  const [their, our] = [partsOf(found.theirs), partsOf(found.ours)]
  return stepOf(found)[0] === 'rss' && their.mappings === our.mappings && their.resident === our.resident
}

/** Whether one of the steps before `index` gave this advice. */
function wasAdvised(steps: readonly Step[], advice: number): boolean {
  return steps.some(([name, , , number]) => name === 'madvise' && number === advice)
}

/** What the step itself answered. */
function resultOf(line: string): string {
  return partsOf(line).result
}

function isAddress(result: string): boolean {
  return /^[0-9a-f]+$/.test(result)
}

/** Steps whose answer tells what memory or a file holds. */
const contentSteps = ['load', 'read', 'add', 'exchange', 'file-read', 'exit']

/** Whether a file that ended within a page has become longer. */
function hasGrownWithinPage(steps: readonly Step[]): boolean {
  const sizes = [...fileSizes]
  return steps.some(([name, number, bytes]) => {
    if (name !== 'truncate') return false
    const before = sizes[number! - 1]!
    sizes[number! - 1] = bytes!
    return before % PAGE !== 0 && bytes! > before
  })
}

export const differences: readonly Difference[] = [
  {
    name: 'addresses below a stack',
    reason:
      'Since 6.1, Linux looks for room only below the guard gap of a stack once it has met the stack on its way down, ' +
      'also behind a mapping that lies in the gap. Faultline, as Linux before, uses the room behind such a mapping.',
    harmless: false,
    certain: true,
    explains(found) {
      const { steps, index, theirs, ours } = found
      const [name, , , , flags] = stepOf(found)
      const chosen =
        name === 'mmap'
          ? (flags! & (MMAP_FIXED | MMAP_NOREPLACE)) === 0
          : name === 'mremap' && (flags! & MREMAP_FIXED) === 0
      const hasStack = steps
        .slice(0, index)
        .some(([earlier, , , , mapFlags]) => earlier === 'mmap' && (mapFlags! & MMAP_GROWSDOWN) !== 0)
      return chosen && hasStack && isAddress(resultOf(ours)) && isAddress(resultOf(theirs))
    },
    example: [
      ['mmap', 0x1000_0000 + PAGE, PAGE, 0, MMAP_FIXED, 0, 0],
      ['mmap', 0, PAGE, 3, MMAP_GROWSDOWN, 0, 0],
      ['mmap', 0, PAGE, 3, MMAP_ANYWHERE, 0, 0],
    ],
  },
  {
    name: 'addresses of large anonymous memory',
    reason:
      'Since 6.7, Linux aligns anonymous memory whose length is a multiple of 2 MiB to that, where it chooses the address, ' +
      'so that huge pages can hold it. Faultline has none.',
    harmless: false,
    certain: true,
    explains(found) {
      const [name, , length, size, flags] = stepOf(found)
      const chosen =
        (name === 'mmap' && (flags! & (MMAP_FIXED | MMAP_NOREPLACE | MMAP_HINT)) === 0) ||
        (name === 'mremap' && (flags! & MREMAP_FIXED) === 0)
      const bytes = Math.ceil((name === 'mmap' ? length! : size!) / PAGE) * PAGE
      const isLarge = bytes > 0 && bytes % (TABLE_PAGES * PAGE) === 0
      return chosen && isLarge && isAddress(resultOf(found.ours)) && isAddress(resultOf(found.theirs))
    },
    example: [['mmap', 0, TABLE_PAGES * PAGE, 3, MMAP_ANYWHERE, 0, 0]],
  },
  {
    name: 'locked pages after DONTUNMAP',
    reason:
      'mremap with DONTUNMAP unlocks the whole mapping from which it moves pages. Where some of them stay, Linux forgets ' +
      'to take these out of the count of locked pages, so that less can be locked from then on.',
    harmless: false,
    certain: true,
    explains(found) {
      const { steps, index, theirs, ours } = found
      const before = steps.slice(0, index)
      const moved = before.some(
        ([name, , , , flags]) => name === 'mremap' && (flags! & MREMAP_DONTUNMAP) !== 0,
      )
      if (!moved) return false
      const [their, our] = [resultOf(theirs), resultOf(ours)]
      if (stepOf(found)[0] !== 'sizes') {
        // No more of the heap, or of a stack.
        const less = stepOf(found)[0] === 'brk' || their.startsWith('SEGV_MAPERR')
        return less || their === 'ENOMEM' || their === 'EAGAIN'
      }
      const [theirSizes, ourSizes] = [their.split(','), our.split(',')]
      const more = Number(theirSizes.pop()) > Number(ourSizes.pop())
      return more && theirSizes.join() === ourSizes.join()
    },
    example: [
      ['mmap', 0, 2 * PAGE, 3, MMAP_FIXED, 0, 0],
      ['mlock', 0, 2 * PAGE, 0],
      ['mremap', 0, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, 8 * PAGE],
      ['sizes'],
    ],
  },
  {
    name: 'faults after mprotect',
    reason:
      'Since 6.2, mprotect makes pages writable at once where nobody else has them. In Faultline, as in Linux before, ' +
      'the first write after it faults.',
    harmless: true,
    certain: true,
    explains({ steps, index, theirs, ours }) {
      return steps.slice(0, index).some(([name]) => name === 'mprotect') && moreFaults(ours, theirs)
    },
    example: [
      ['mmap', 0, PAGE, 3, MMAP_FIXED | MMAP_POPULATE, 0, 0],
      ['mprotect', 0, PAGE, 7],
      ['store', 0, 4, 1],
    ],
  },
  {
    name: 'faults of memory advised random',
    reason:
      'Linux maps pages around a fault also where MADV_RANDOM was advised. Faultline does not, of a file on disk: looking ' +
      'for them at each fault costs more than it saves where few are cached.',
    harmless: true,
    certain: true,
    explains(found) {
      const { steps, index, theirs, ours } = found
      const differ = mapsOtherPages(found) || moreFaults(ours, theirs)
      return differ && wasAdvised(steps.slice(0, index), MADV_RANDOM)
    },
    example: [
      ['mmap', 0, 2 * PAGE, 1, MMAP_FIXED, READ_ONLY, 0],
      ['madvise', 0, 2 * PAGE, MADV_RANDOM],
      ['load', 0, 4],
      ['load', PAGE, 4],
    ],
  },
  {
    name: 'faults after pageout',
    reason:
      'MADV_PAGEOUT takes pages out of the page table, so that fewer are mapped and the next access faults, but passes ' +
      'over those that Linux cannot isolate at that moment. And what it finds no room for in the swap area Faultline leaves where it is.',
    harmless: true,
    certain: false,
    explains(found) {
      const { steps, index, theirs, ours } = found
      const differ = mapsOtherPages(found) || moreFaults(theirs, ours) || moreFaults(ours, theirs)
      return differ && wasAdvised(steps.slice(0, index), MADV_PAGEOUT)
    },
    example: [
      ['mmap', 0, PAGE, 1, MMAP_FIXED | MMAP_POPULATE, 1, 0],
      ['madvise', 0, PAGE, MADV_PAGEOUT],
      ['load', 0, 4],
    ],
  },
  {
    name: 'pages that pageout takes',
    reason:
      'MADV_PAGEOUT drops pages of shared memory that were never written, which need no swap; Faultline keeps pages of ' +
      'files in memory until there is one. And Linux passes over pages that it cannot isolate at that moment, also some ' +
      'that MADV_FREE has given up, which Faultline takes. Both may be taken at any time or never.',
    harmless: false,
    certain: false,
    explains({ steps, index, theirs, ours }) {
      const before = steps.slice(0, index + 1)
      if (!wasAdvised(before, MADV_PAGEOUT)) return false
      if (index >= steps.length) return wasAdvised(before, MADV_FREE)
      const [their, our] = [partsOf(theirs), partsOf(ours)]
      if (their.mappings !== our.mappings) return false
      return wasAdvised(before, MADV_FREE) || (their.result === our.result && their.resident !== our.resident)
    },
    example: [
      ['mmap', 0, PAGE, 3, MMAP_FIXED | MMAP_POPULATE | MMAP_SHARED, 0, 0],
      ['madvise', 0, PAGE, MADV_PAGEOUT],
    ],
  },
  {
    name: 'bytes behind the end of a file that grows',
    reason:
      'What a mapping wrote behind the end of a file, within its last page, is in a file of tmpfs once it grows over ' +
      'it. In Faultline it is zero then, as POSIX asks for and as it is on disks.',
    harmless: false,
    certain: true,
    explains({ steps, index, theirs, ours }) {
      const [their, our] = [partsOf(theirs), partsOf(ours)]
      const showsContents = index >= steps.length || contentSteps.includes(steps[index]![0])
      const same = index >= steps.length || their.mappings === our.mappings
      return showsContents && same && hasGrownWithinPage(steps.slice(0, index))
    },
    example: [
      ['mmap', 0, 3 * PAGE, 3, 33, 2, 0],
      ['store', 2 * PAGE + 100, 1, 7],
      ['truncate', 2, 3 * PAGE],
      ['load', 2 * PAGE + 100, 1],
    ],
  },
]
