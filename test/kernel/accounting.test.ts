// What is counted is what there is: after any sequence of calls, of which some fail, the pages mapped, locked and
// committed are the sums over all mappings, and an entry says that it is locked where its mapping does.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type AddressSpace,
  type DesignName,
  Machine,
  type MachineOptions,
  MemoryError,
  SegmentationFault,
  designs,
} from '../../src/index.ts'
import {
  File,
  Mm,
  PGD_WORDS,
  PTE_LOCKED,
  PageTable,
  VM_ACCOUNT,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_SHARED,
  VM_WRITE,
  Vma,
} from '../../src/kernel/index.ts'
import { Random } from '../reference/random.ts'
import { isTurn } from '../extent.ts'

const PAGE = 4096
const PAGES = 40
/** Over a boundary of page tables. */
const ARENA = 0x400_0000_0000 - 9 * PAGE
const HEAP = 0x600_0000_0000
/** Places in page tables of their own, so that memory for these can run out. */
const FAR = 2 ** 30

const protections = ['none', 'r', 'rw', 'rx', 'rwx', 'w'] as const

function place(random: Random): number {
  const page = random.below(PAGES) * PAGE
  if (random.oneIn(12)) return HEAP + page
  return ARENA + page + (random.oneIn(6) ? random.below(60) * FAR : 0)
}

/** One call or access, which may fail as such do. `look` is shown what is forked. */
function step(
  space: AddressSpace,
  random: Random,
  machine: Machine,
  look: (child: AddressSpace) => void,
): void {
  const address = place(random)
  const length = (1 + random.below(8)) * PAGE
  const yes = (times: number): boolean => random.oneIn(times)
  const call = random.weighted({
    mmap: 12,
    munmap: 5,
    mprotect: 8,
    mremap: 8,
    brk: 4,
    mlock: 5,
    munlock: 3,
    mlockall: 2,
    munlockall: 1,
    limit: 3,
    store: 8,
    madvise: 4,
    fork: 2,
  })
  try {
    if (call === 'mmap') {
      const file = yes(6) ? machine.createFile({ size: 5 * PAGE }) : null
      try {
        space.mmap(length, {
          ...(yes(4) ? {} : { address, fixed: yes(5) ? 'noreplace' : true }),
          protection: random.pick(protections),
          shared: yes(5),
          growsDown: yes(8),
          noReserve: yes(6),
          locked: yes(8),
          populate: yes(6),
          ...(file === null ? {} : { file }),
        })
      } finally {
        file?.close()
      }
    } else if (call === 'munmap') space.munmap(address, length)
    else if (call === 'mprotect') space.mprotect(address, length, random.pick(protections))
    else if (call === 'mremap') {
      const mode = random.pick(['stay', 'move', 'fixed', 'twice'] as const)
      space.mremap(address, length, mode === 'twice' ? length : (1 + random.below(9)) * PAGE, {
        mayMove: mode !== 'stay',
        dontUnmap: mode === 'twice',
        ...(mode === 'fixed' || (mode === 'twice' && yes(2)) ? { fixed: place(random) } : {}),
      })
    } else if (call === 'brk') space.brk(HEAP + random.below(20 * PAGE))
    else if (call === 'mlock') space.mlock(address, length, { onFault: yes(3) })
    else if (call === 'munlock') space.munlock(address, length)
    else if (call === 'mlockall') space.mlockall({ current: yes(2), future: yes(2), onFault: yes(3) })
    else if (call === 'munlockall') space.munlockall()
    else if (call === 'limit') {
      const { total, data } = space.mapped
      const room = random.below(30 * PAGE)
      const none = yes(2)
      const limit = random.pick(['as', 'data', 'memlock'] as const)
      const used = { as: total, data, memlock: 0 }[limit]
      space.setLimit(limit, none ? Infinity : used + room)
    } else if (call === 'store') space.writeUint8(address, 1)
    else if (call === 'madvise') space.madvise(address, length, random.pick(['dontneed', 'free', 'cold']))
    else {
      const child = space.fork()
      look(child)
      child.destroy()
    }
  } catch (error) {
    if (!(error instanceof MemoryError || error instanceof SegmentationFault)) {
      if ((error as Error).name !== 'BusError') throw error
    }
  }
}

function mappingsOf(space: AddressSpace): { flags: number; pages: number; file: number; start: number }[] {
  const { heap } = space.machine.task
  const { mm } = space.handle
  const list = []
  for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
    const start = heap[vma + Vma.vmStart]!
    list.push({
      flags: heap[vma + Vma.vmFlags]!,
      pages: heap[vma + Vma.vmEnd]! - start,
      file: heap[vma + Vma.vmFile]!,
      start,
    })
  }
  return list
}

/** The entries of the page table that are not empty, by page. */
function entriesOf(space: AddressSpace): Map<number, number> {
  const { heap } = space.machine.task
  const found = new Map<number, number>()
  const visit = (table: number, level: number, first: number): void => {
    for (let index = 0; index < 512; index++) {
      const entry = heap[table + PageTable.entries + index]!
      if (entry === 0) continue
      const page = first + index * 512 ** level
      if (level === 0) found.set(page, entry)
      else visit(entry, level - 1, page)
    }
  }
  for (let index = 0; index < PGD_WORDS; index++) {
    const pud = heap[space.handle.mm + Mm.pgd + index]!
    if (pud !== 0) visit(pud, 2, index * 512 ** 3)
  }
  return found
}

/** Holds the counts of one address space to its mappings. */
function checkSpace(space: AddressSpace): void {
  const mappings = mappingsOf(space)
  const sum = (counts: (flags: number) => boolean): number =>
    mappings.reduce((pages, each) => pages + (counts(each.flags) ? each.pages : 0), 0)
  const isExecutable = (flags: number): boolean => (flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) === VM_EXEC
  const expected = {
    total: sum(() => true),
    data: sum((flags) => (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) === VM_WRITE),
    stack: sum((flags) => !isExecutable(flags) && (flags & VM_GROWSDOWN) !== 0),
    executable: sum(isExecutable),
    locked: sum((flags) => (flags & VM_LOCKED) !== 0),
  }
  const counted = Object.fromEntries(
    Object.entries(space.mapped).map(([name, bytes]) => [name, (bytes as number) / PAGE]),
  )
  assert.deepEqual(counted, expected)
  for (const [page, entry] of entriesOf(space)) {
    const mapping = mappings.find(({ start, pages }) => start <= page && page < start + pages)
    assert.ok(mapping !== undefined)
    assert.equal((entry & PTE_LOCKED) !== 0, (mapping.flags & VM_LOCKED) !== 0, `page ${page.toString(16)}`)
  }
}

/** Set in the flags of a file whose size is committed. */
const FILE_ACCOUNT = 0x200

/** Holds the counts of all address spaces, and what they have committed together, to their mappings. */
function check(machine: Machine, spaces: readonly AddressSpace[], strictLimit: number | null): void {
  const { heap } = machine.task
  for (const space of spaces) checkSpace(space)
  // This waits for files that are still in use for a grace period, and count until then.
  const { pagesCommitted } = machine.usage()
  const all = spaces.flatMap(mappingsOf)
  let expected = 0
  for (const { flags, pages } of all) if ((flags & VM_ACCOUNT) !== 0) expected += pages
  for (const file of new Set(all.map((mapping) => mapping.file))) {
    if (file !== 0 && (heap[file + File.flags]! & FILE_ACCOUNT) !== 0) expected += heap[file + File.pages]!
  }
  assert.equal(pagesCommitted, expected)
  if (strictLimit !== null) assert.ok(pagesCommitted < strictLimit, `${pagesCommitted} pages are committed`)
}

interface Setting {
  readonly name: string
  readonly options: Partial<MachineOptions>
  readonly maxMapCount?: number
  /** How many mappings there is kernel memory for, a handful of page tables aside. */
  readonly spare?: number
}

const settings: readonly Setting[] = [
  { name: 'a heuristic', options: { overcommit: 'heuristic' } },
  { name: 'few mappings allowed', options: { overcommit: 'always' }, maxMapCount: 9 },
  { name: 'a commit limit', options: { overcommit: 'never', overcommitKbytes: 4 * 60 } },
  { name: 'little kernel memory', options: { overcommit: 'always', kernelHeap: '512KiB' }, spare: 5 },
]

/** Takes what kernel memory there is, but for so many mappings. */
function useUp(machine: Machine, spare: number): AddressSpace {
  const hog = machine.createAddressSpace()
  // What a fork takes for itself, its mappings aside, is there when it is wanted.
  const first = hog.fork()
  hog.fork().destroy()
  first.destroy()
  const at = (index: number): number => 2 ** 40 + index * 2 ** 28
  let mapped = 0
  try {
    for (; ; mapped++) {
      hog.mmap(PAGE, { address: at(mapped), fixed: true, protection: mapped % 2 === 0 ? 'rw' : 'r' })
      // Page tables of its own, for the first ones.
      if (mapped < 4) hog.readUint8(at(mapped))
    }
  } catch (error) {
    if (!(error instanceof MemoryError)) throw error
  }
  for (let index = 0; index < spare; index++) hog.munmap(at(index), PAGE)
  machine.usage()
  return hog
}

describe('what is counted is what there is', () => {
  for (const [turn, setting] of settings.entries()) {
    test(`with ${setting.name}`, () => {
      const seed = Number(process.env['FAULTLINE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
      for (const [index, { name: design }] of designs.entries()) {
        if (isTurn(index, turn)) sequence(setting, design, seed, index)
      }
    })
  }
})

function sequence(setting: Setting, design: DesignName, seed: number, stream: number): void {
  const { options, maxMapCount, spare } = setting
  const random = Random.derive(seed, stream)
  const machine = Machine.create({ memory: '2MiB', cpus: 1, design, ...options })
  const limit = options.overcommit === 'never' ? machine.usage().commitLimitPages : null
  const space = machine.createAddressSpace({
    stackLimit: 30 * PAGE,
    ...(maxMapCount === undefined ? {} : { maxMapCount }),
  })
  space.setBrk(HEAP)
  const spaces = spare === undefined ? [space] : [space, useUp(machine, spare)]
  const wrong = (error: unknown, index: number): Error =>
    new Error(`FAULTLINE_SEED=${seed}, ${design}, step ${index}`, { cause: error })
  for (let index = 0; index < 250; index++) {
    try {
      step(space, random, machine, (child) => check(machine, [...spaces, child], limit))
      check(machine, spaces, limit)
    } catch (error) {
      throw wrong(error, index)
    }
  }
  for (const each of spaces) each.destroy()
  assert.equal(machine.usage().pagesCommitted, 0)
  machine.detach()
}
