// What must hold of the kernel when all threads of a scenario have finished.

import {
  AnonVma,
  FILE_HOST,
  File,
  Header,
  MM_ANON_PAGES,
  MM_FILE_PAGES,
  MMU_NOTIFIER_WORDS,
  MM_SHMEM_PAGES,
  MM_SWAPENTS,
  Mm,
  MmuNotifier,
  PAGE_STRUCT_WORDS,
  PAGE_WORDS,
  PG_DIRTY,
  PG_LOCKED,
  PG_LRU,
  PG_SWAPCACHE,
  PG_UPTODATE,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_FRAME_SHIFT,
  PTE_LOCKED,
  PTE_PKEY,
  PTE_PRESENT,
  PTE_SPECIAL,
  PTE_SWAP,
  PTE_WRITE,
  Page,
  PageTable,
  PerCpu,
  type Task,
  VM_LOCKED,
  VM_PKEY_FLAGS,
  VM_WRITE,
  Vma,
  Zone,
  getMmCounter,
  loadPage,
  Node,
  Pageset,
  batchedPages,
  lruPages,
  nodeAt,
  pagesetOf,
  zoneOf,
  nextCachedPage,
  perCpuBase,
} from '../kernel/index.ts'
import type { KernelMachine } from './kernel-machine.ts'
import { SWAP_FILE } from './scenario-disk.ts'

/** Something that the kernel promises does not hold. */
export class KernelInvariantBroken extends Error {
  override readonly name = 'KernelInvariantBroken'
}

export function must(holds: boolean, problem: string): void {
  if (!holds) throw new KernelInvariantBroken(problem)
}

/** What refers to each frame and each slot of the swap area. */
interface References {
  /** Entries that map a frame. */
  readonly mapped: Map<number, number>
  /** Frames that an entry says are dirty. */
  readonly dirty: Set<number>
  /** Entries of page tables and of trees of files that refer to a slot. */
  readonly slots: Map<number, number>
}

/** The page tables, the VMAs, the counters, the TLBs, the caches and the disk agree. */
export function checkKernel(machine: KernelMachine): void {
  const { heap, tasks } = machine
  const references: References = { mapped: new Map(), dirty: new Set(), slots: new Map() }
  for (const mm of allMms(heap)) {
    checkEntries(tasks[0]!, mm, references)
    checkObservers(heap, mm)
    for (const task of tasks) checkTlb(heap, mm, task)
  }
  for (const file of allFiles(machine)) checkFile(machine, file, references)
  checkFrames(machine, references)
  checkSwap(heap, references)
  checkLru(heap)
  for (const task of tasks) {
    must(task.interruptsEnabled, `CPU ${task.id} is left with interrupts disabled`)
    must(task.rcuNesting === 0, `CPU ${task.id} is left inside an RCU read-side critical section`)
  }
}

function count(map: Map<number, number>, key: number): void {
  map.set(key, (map.get(key) ?? 0) + 1)
}

export function allMms(heap: Int32Array): number[] {
  const mms: number[] = []
  for (let mm = heap[Header.mmList]!; mm !== 0; mm = heap[mm + Mm.nextMm]!) mms.push(mm)
  return mms
}

/** Files that something refers to: a mapping, the list of those of the host, or the scenario. */
function allFiles({ heap, kept }: KernelMachine): ReadonlySet<number> {
  const files = new Set(kept)
  for (let file = heap[Header.fileList]!; file !== 0; file = heap[file + File.nextFile]!) files.add(file)
  for (const mm of allMms(heap)) {
    for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
      if (heap[vma + Vma.vmFile] !== 0) files.add(heap[vma + Vma.vmFile]!)
    }
  }
  return files
}

/**
 * The page table, the VMAs and the counters of an address space agree, and so do the references on its pages, none of
 * which another address space maps. Nobody is at work.
 */
export function checkAddressSpace(cpu: Task, mm: number): void {
  const { heap } = cpu
  const references: References = { mapped: new Map(), dirty: new Set(), slots: new Map() }
  checkEntries(cpu, mm, references)
  for (const [frame, mapped] of references.mapped) {
    const page = pageStructOf(heap, frame)
    const cached = isFilePage(heap, frame) || (heap[page + Page.flags]! & PG_SWAPCACHE) !== 0
    const expected = mapped + (cached ? 1 : 0)
    const refcount = heap[page + Page.refcount]!
    must(refcount === expected, `frame ${frame} has ${refcount} references and not ${expected}`)
  }
  checkObservers(heap, mm)
}

/** The entries of one page table. */
function checkEntries(cpu: Task, mm: number, references: References): void {
  const { heap } = cpu
  const own = new Set<number>()
  const pages = { anonymous: 0, file: 0, swapped: 0 }
  for (const [page, entry] of presentEntries(heap, mm)) {
    const vma = findVmaSlowly(heap, mm, page)
    must(vma !== 0, `page ${hex(page)} is mapped and belongs to no VMA`)
    if ((entry & PTE_SWAP) !== 0) {
      pages.swapped++
      count(references.slots, entry >>> PTE_FRAME_SHIFT)
      continue
    }
    const writable = (entry & PTE_WRITE) === 0 || (heap[vma + Vma.vmFlags]! & VM_WRITE) !== 0
    must(writable, `the entry of page ${hex(page)} allows writes that its VMA does not`)
    const keyed = (heap[vma + Vma.vmFlags]! & VM_PKEY_FLAGS) !== 0
    must(((entry & PTE_PKEY) !== 0) === keyed, `the entry of page ${hex(page)} has not the key of its VMA`)
    const locked = (heap[vma + Vma.vmFlags]! & VM_LOCKED) !== 0
    const word = locked ? 'not ' : ''
    must(
      ((entry & PTE_LOCKED) !== 0) === locked,
      `the entry of page ${hex(page)} is ${word}locked, and its VMA is otherwise`,
    )
    if ((entry & PTE_SPECIAL) !== 0) continue
    const frame = entry >>> PTE_FRAME_SHIFT
    count(references.mapped, frame)
    if ((entry & PTE_DIRTY) !== 0) references.dirty.add(frame)
    const file = heap[vma + Vma.vmFile]!
    const index = page - heap[vma + Vma.vmStart]! + heap[vma + Vma.vmPgoff]!
    must(
      file === 0 || index < heap[file + File.pages]!,
      `page ${hex(page)} is mapped and lies beyond the end of its file`,
    )
    if (isFilePage(heap, frame)) {
      pages.file++
      continue
    }
    must(!own.has(frame), `frame ${frame} has two owners, one of them page ${hex(page)}`)
    own.add(frame)
    checkAnonymousPage(heap, page, frame, vma, index)
    pages.anonymous++
  }
  const counter = (kind: number): number => getMmCounter(cpu, mm, kind)
  for (const [counted, found, name] of [
    [counter(MM_ANON_PAGES), pages.anonymous, 'anonymous'],
    [counter(MM_FILE_PAGES) + counter(MM_SHMEM_PAGES), pages.file, 'file'],
    [counter(MM_SWAPENTS), pages.swapped, 'swapped'],
  ] as const) {
    must(counted === found, `${found} ${name} pages are mapped and ${counted} counted`)
  }
}

/** As Linux's reverse mapping needs it: from the page, its VMAs can be found, and its place in them. */
function checkAnonymousPage(heap: Int32Array, page: number, frame: number, vma: number, index: number): void {
  const struct = pageStructOf(heap, frame)
  const place = heap[struct + Page.index]!
  must(place === index, `page ${hex(page)} is ${hex(index)} by its VMA, and by its frame ${hex(place)}`)
  const anonVma = heap[vma + Vma.anonVma]!
  must(anonVma !== 0, `page ${hex(page)} is anonymous and its VMA has no anon_vma`)
  // The VMA of a child has the pages of its parents too, whose anon_vmas may be gone.
  const made = heap[struct + Page.anonVma]!
  if (made === 0 || heap[anonVma + AnonVma.forked] !== 0) return
  must(made === anonVma, `page ${hex(page)} was made for another anon_vma than that of its VMA`)
}

/** The tree of a file. */
function checkFile({ heap, tasks }: KernelMachine, file: number, references: References): void {
  const task = tasks[0]!
  const end = 2 ** 31 - 1
  const marked = heap[file + File.dirtiedWhen] !== 0 || (heap[file + File.flags]! & FILE_HOST) === 0
  must(heap[file + File.underWriteback] === 0, 'a file is left under write-back')
  for (
    let index = nextCachedPage(task, file, 0, end);
    index < end;
    index = nextCachedPage(task, file, index + 1, end)
  ) {
    const entry = loadPage(task, file, index)
    must(index < heap[file + File.pages]!, `page ${index} of a file is cached and lies beyond its end`)
    if (entry < 0) count(references.slots, -entry)
    else {
      const page = pageStructOf(heap, entry)
      const right = heap[page + Page.mapping] === file && heap[page + Page.index] === index
      must(right, `frame ${entry} is page ${index} of a file and does not say so`)
      const dirty = (heap[page + Page.flags]! & PG_DIRTY) !== 0 || references.dirty.has(entry)
      must(marked || !dirty, `page ${index} of a file is dirty and the file does not say so`)
    }
  }
}

/** Every frame has the references that it should have, nobody has it locked, and what is clean is what is on disk. */
function checkFrames(machine: KernelMachine, { mapped, dirty }: References): void {
  const { heap, disk, tasks } = machine
  const batched = new Map<number, number>()
  for (const frame of batchedPages(heap)) count(batched, frame)
  for (let frame = 1; frame < heap[Header.frameCount]!; frame++) {
    const page = pageStructOf(heap, frame)
    const refcount = heap[page + Page.refcount]!
    const flags = heap[page + Page.flags]!
    const swapCached = refcount > 0 && (flags & PG_SWAPCACHE) !== 0
    const file = heap[page + Page.mapping]!
    const kept = (mapped.get(frame) ?? 0) + (batched.get(frame) ?? 0)
    const expected = kept + (file !== 0 ? 1 : 0) + (swapCached ? 1 : 0)
    must(refcount === expected, `frame ${frame} has ${refcount} references and not ${expected}`)
    if (refcount === 0) continue
    must((flags & PG_LOCKED) === 0, `frame ${frame} is left locked`)
    if ((flags & PG_UPTODATE) === 0 || (flags & PG_DIRTY) !== 0 || dirty.has(frame)) continue
    const onHost = file !== 0 && (heap[file + File.flags]! & FILE_HOST) !== 0
    if (!onHost && !swapCached) continue
    const inode = onHost ? heap[file + File.hostInodeLow]! : SWAP_FILE
    const place = onHost ? heap[page + Page.index]! : heap[page + Page.swapSlot]! - 1
    for (const word of [0, 1]) {
      const here = tasks[0]!.memory.words[frame * PAGE_WORDS + word]!
      const there = disk.load(inode, place, word)
      must(here === there, `frame ${frame} is clean and has ${here}, and on disk is ${there}`)
    }
  }
}

/** Every slot has as many references as are counted, and those that are free are counted. */
function checkSwap(heap: Int32Array, { slots }: References): void {
  let free = 0
  for (let slot = 1; slot <= heap[Header.swapSlots]!; slot++) {
    const counted = heap[heap[Header.swapMap]! + slot]!
    const expected = slots.get(slot) ?? 0
    must(counted === expected, `slot ${slot} has ${expected} references and ${counted} are counted`)
    const frame = heap[heap[Header.swapCache]! + slot]!
    if (frame === 0 && counted === 0) free++
    if (frame === 0) continue
    const page = pageStructOf(heap, frame)
    const right = (heap[page + Page.flags]! & PG_SWAPCACHE) !== 0 && heap[page + Page.swapSlot] === slot
    must(right, `frame ${frame} is cached for slot ${slot} and does not say so`)
  }
  const counted = heap[Header.swapFree]!
  must(counted === free, `${free} slots are free and ${counted} are counted`)
}

/** What is on the lists of the LRU, or in a batch, is charged, and no more. */
function checkLru(heap: Int32Array): void {
  const batched = batchedPages(heap)
  let all = 0
  for (let node = 0; node < heap[Header.nodeCount]!; node++) all += checkLruOf(heap, node, batched)
  const stock = sumOverCpus(heap, (base) => heap[base + PerCpu.memcgStock]!)
  for (const [counted, name] of [
    [heap[Header.memcgUsage]! - stock, 'charged'],
    [heap[Header.rootUsage]! - stock, 'charged in the root'],
  ] as const) {
    must(counted === all, `${all} pages are ${name} and ${counted} counted`)
  }
}

function sumOverCpus(heap: Int32Array, of: (base: number) => number): number {
  let total = 0
  for (let id = 0; id < heap[Header.cpuCount]!; id++) total += of(perCpuBase(heap, id))
  return total
}

/**
 * Every page of a node that says so is on the list of the LRU of that node, linked both ways, and as many are counted.
 * Returns how many these are, and those in batches.
 */
function checkLruOf(heap: Int32Array, node: number, batched: readonly number[]): number {
  const perNode = heap[Header.framesPerNode]!
  const isHere = (frame: number): boolean => Math.floor(frame / perNode) === node
  const listed = lruPages(heap, node)
  let previous = 0
  for (const frame of listed) {
    const page = pageStructOf(heap, frame)
    must(isHere(frame), `frame ${frame} is on the list of node ${node}`)
    must(heap[page + Page.refcount]! > 0, `frame ${frame} is on the list of the LRU and free`)
    must(
      (heap[page + Page.flags]! & PG_LRU) !== 0,
      `frame ${frame} is on the list of the LRU and does not say so`,
    )
    must(
      heap[page + Page.lruPrevious] === previous,
      `frame ${frame} is linked to another than frame ${previous}`,
    )
    previous = frame
  }
  let marked = 0
  for (let frame = 1; frame < heap[Header.frameCount]!; frame++)
    if (isHere(frame) && (heap[pageStructOf(heap, frame) + Page.flags]! & PG_LRU) !== 0) marked++
  must(
    marked === listed.length,
    `${marked} frames are said to be on the list of the LRU, and ${listed.length} are`,
  )
  const all = listed.length + batched.filter(isHere).length
  const counts = nodeAt(heap, node)
  const sum = (field: number): number =>
    sumOverCpus(heap, (base) => heap[pagesetOf(heap, base, node) + field]!)
  for (const [counted, found, name] of [
    [heap[counts + Node.inactive]! + sum(Pageset.inactive), listed.length, 'inactive'],
    [heap[counts + Node.mapped]! + sum(Pageset.mapped), all, 'accounted'],
  ] as const) {
    must(counted === found, `${found} pages of node ${node} are ${name} and ${counted} counted`)
  }
  return all
}

/** Each node has those of its frames that are free, each once, in its zone or with a CPU. */
export function checkZones(heap: Int32Array): void {
  const perNode = heap[Header.framesPerNode]!
  const seen = new Set<number>()
  for (let node = 0; node < heap[Header.nodeCount]!; node++) {
    const free: number[] = []
    const zone = zoneOf(heap, node)
    for (
      let frame = heap[zone + Zone.freeList]!;
      frame !== 0 && free.length <= perNode;
      frame = heap[pageStructOf(heap, frame) + Page.next]!
    )
      free.push(frame)
    for (let frame = heap[zone + Zone.frontier]!; frame < heap[zone + Zone.end]!; frame++) free.push(frame)
    const counted = heap[zone + Zone.freeCount]!
    must(counted === free.length, `${free.length} frames of zone ${node} are free and ${counted} counted`)
    for (let id = 0; id < heap[Header.cpuCount]!; id++) {
      const pageset = pagesetOf(heap, perCpuBase(heap, id), node)
      for (let index = 0; index < heap[pageset + Pageset.count]!; index++)
        free.push(heap[pageset + Pageset.frames + index]!)
    }
    for (const frame of free) {
      must(Math.floor(frame / perNode) === node, `frame ${frame} is free in node ${node}`)
      must(!seen.has(frame), `frame ${frame} is free twice`)
      seen.add(frame)
    }
  }
}

function hex(page: number): string {
  return `0x${page.toString(16)}`
}

function pageStructOf(heap: Int32Array, frame: number): number {
  return heap[Header.memoryMap]! + frame * PAGE_STRUCT_WORDS
}

function isFilePage(heap: Int32Array, frame: number): boolean {
  return heap[pageStructOf(heap, frame) + Page.mapping] !== 0
}

/** Every entry of the page table that is not empty, with its page. */
export function presentEntries(heap: Int32Array, mm: number): [number, number][] {
  const found: [number, number][] = []
  const visit = (table: number, level: number, first: number): void => {
    for (let index = 0; index < 512; index++) {
      const entry = heap[table + PageTable.entries + index]!
      if (entry === 0) continue
      const page = first + index * 512 ** level
      if (level === 0) found.push([page, entry])
      else visit(entry, level - 1, page)
    }
  }
  for (let index = 0; index < 16; index++) {
    const pud = heap[mm + Mm.pgd + index]!
    if (pud !== 0) visit(pud, 2, index * 512 ** 3)
  }
  return found
}

function findVmaSlowly(heap: Int32Array, mm: number, page: number): number {
  for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
    if (heap[vma + Vma.vmStart]! <= page && page < heap[vma + Vma.vmEnd]!) return vma
  }
  return 0
}

/** No observer waits for the end of an invalidation, and none has a translation that the page table has not. */
function checkObservers(heap: Int32Array, mm: number): void {
  const entries = new Map(presentEntries(heap, mm))
  for (let at = heap[mm + Mm.mmuNotifiers]!; at !== 0; at = heap[at + MmuNotifier.next]!) {
    const underWay = heap[at + MmuNotifier.invalidateInProgress]!
    must(underWay === 0, `an observer has heard of ${underWay} invalidations that never ended`)
    for (let slot = at + MmuNotifier.shadow; slot < at + MMU_NOTIFIER_WORDS; slot += 2) {
      const page = heap[slot]!
      if (page === 0) continue
      const frame = heap[slot + 1]! >>> PTE_FRAME_SHIFT
      const entry = entries.get(page) ?? 0
      const stale = (entry & PTE_PRESENT) === 0 || entry >>> PTE_FRAME_SHIFT !== frame
      must(!stale, `an observer holds a stale translation of page 0x${page.toString(16)}`)
      const allowed = (heap[slot + 1]! & ~entry & PTE_WRITE) === 0
      must(allowed, `an observer may write to page 0x${page.toString(16)}, and the program may not`)
    }
  }
}

const CPU_FLUSH = 4

/** A translation that a CPU could use says what the page table says, but for when it was last used. */
function checkTlb(heap: Int32Array, mm: number, task: Task): void {
  if ((heap[task.base]! & CPU_FLUSH) !== 0) return
  const entries = new Map(presentEntries(heap, mm))
  task.tlbPage.forEach((page, slot) => {
    if (page < 0 || task.tlbRoot[slot] !== mm + Mm.pgd) return
    const cached = task.tlbEntry[slot]!
    const entry = entries.get(page) ?? 0
    const stale = (entry & PTE_PRESENT) === 0 || entry >>> PTE_FRAME_SHIFT !== cached >>> PTE_FRAME_SHIFT
    must(!stale, `CPU ${task.id} holds a stale translation of page ${hex(page)}`)
    // What has a key is kept without PTE_PRESENT, see machine/mmu.ts.
    const allowed = (entry & PTE_PKEY) === 0 ? entry : entry & ~PTE_PRESENT
    must(
      (cached & ~allowed & ~(PTE_ACCESSED | PTE_LOCKED)) === 0,
      `CPU ${task.id} holds a translation of page ${hex(page)} that allows more`,
    )
  })
}
