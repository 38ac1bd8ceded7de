// What is free: of the slab caches and of the zones, cell by cell. Who frees what is free, and who gets what is not, is
// found here; who touches it, in index.ts.

import { SHARED, TRACKED, type Watched, memory, reportWrite } from '../../backends/stepped/index.ts'
import {
  CACHE_ANON_VMA,
  CACHE_FILE,
  CACHE_MM,
  CACHE_MMU_NOTIFIER,
  CACHE_PAGE_TABLE,
  CACHE_PERCPU_RWSEM,
  CACHE_VMA,
  Header,
  Mm,
  MmuNotifier,
  PAGE_STRUCT_WORDS,
  PAGE_WORDS,
  PGD_WORDS,
  Page,
  PageTable,
  Pageset,
  PerCpu,
  SLAB_CACHES,
  SLAB_CACHE_WORDS,
  SLAB_CPU_WORDS,
  SlabCache,
  SlabCpu,
  type Task,
  Vma,
  Zone,
  pagesetOf,
  zoneOf,
} from '../../kernel/index.ts'
import type { KernelMachine } from '../kernel-machine.ts'
import { broken } from '../kernel-rule.ts'
import { cacheNames } from './lock-classes.ts'

/** In place of a CPU: it was free before the threads began. */
const NEVER_USED = 255
/** The first words of a VMA that is in use: not free, but watched. */
const WATCHED = 254
/** Entries of a page table. */
const PTRS_PER_TABLE = 512
/** Words at the beginning of a frame that scenarios use. */
const FRAME_WORDS_SEEN = 4
/** Cells of one mark. */
const MARK_SHIFT = 4

/** Of a machine that has been set up, so that what is free can be read off its lists. */
export class FreeMemory {
  /** For every 16 cells: 0, or one more than the CPU that has freed them. */
  readonly marks: Watched
  /** For every 16 words of the heap, one more than the slab cache whose object they are part of. */
  readonly kinds: Watched
  /** Of the pte tables that the set-up has allocated. */
  readonly tables: readonly number[]
  readonly #machine: KernelMachine
  /** The site that frees frames. */
  readonly #freeingSite: number
  readonly #heapCell: number
  readonly #frameCell: number

  constructor(machine: KernelMachine, freeingSite: number) {
    this.#machine = machine
    this.#freeingSite = freeingSite
    this.#heapCell = (machine.heap as Watched)[SHARED]!.firstCell
    this.#frameCell = (machine.tasks[0]!.memory.words as Watched)[SHARED]!.firstCell
    this.marks = memory.add(new Int32Array((memory.cells >> MARK_SHIFT) + 1), false)
    this.kinds = memory.add(new Int32Array((machine.heap.length >> MARK_SHIFT) + 1), false)
    this.#markWhatIsFree()
    this.tables = this.#noteKinds()
  }

  /** The free lists of the slab caches and of the zone, as the set-up has left them. */
  #markWhatIsFree(): void {
    const { heap, tasks } = this.#machine
    for (let id = 0; id < SLAB_CACHES; id++) {
      const cache = heap[Header.slabCaches]! + id * SLAB_CACHE_WORDS
      const words = heap[cache + SlabCache.objectWords]!
      const lists = [heap[cache + SlabCache.freeList]!]
      for (const task of tasks)
        lists.push(heap[task.base + PerCpu.slabs + id * SLAB_CPU_WORDS + SlabCpu.freeList]!)
      for (const list of lists) {
        for (let object = list; object !== 0; object = heap[object]!) {
          this.#markCells(this.#heapCell + object, words, NEVER_USED)
        }
      }
    }
    const memoryMap = heap[Header.memoryMap]!
    const free = (frame: number): void => this.#markFrame(frame, NEVER_USED)
    for (let node = 0; node < heap[Header.nodeCount]!; node++) {
      const zone = zoneOf(heap, node)
      for (let frame = heap[zone + Zone.freeList]!; frame !== 0;) {
        free(frame)
        frame = heap[memoryMap + frame * PAGE_STRUCT_WORDS + Page.next]!
      }
      for (let frame = heap[zone + Zone.frontier]!; frame < heap[zone + Zone.end]!; frame++) free(frame)
      for (const { base } of tasks) {
        const pageset = pagesetOf(heap, base, node)
        for (let index = 0; index < heap[pageset + Pageset.count]!; index++)
          free(heap[pageset + Pageset.frames + index]!)
      }
    }
  }

  /**
   * What the set-up has allocated: page tables, VMAs and their files, and the address space. Returns the pte tables.
   */
  #noteKinds(): number[] {
    const { heap, mm } = this.#machine
    const tables: number[] = []
    const note = (cache: number, object: number): void => {
      const words = heap[this.#cacheAt(cache) + SlabCache.objectWords]!
      this.kinds.fill(cache + 1, object >> MARK_SHIFT, (object + words) >> MARK_SHIFT)
    }
    const noteTables = (entries: number, count: number, level: number): void => {
      for (let entry = entries; entry < entries + count; entry++) {
        const table = heap[entry]!
        if (table === 0) continue
        note(CACHE_PAGE_TABLE, table)
        if (level === 1) tables.push(table)
        else noteTables(table + PageTable.entries, PTRS_PER_TABLE, level - 1)
      }
    }
    note(CACHE_MM, mm)
    if (heap[mm + Mm.mmuNotifierLock] !== 0) note(CACHE_PERCPU_RWSEM, heap[mm + Mm.mmuNotifierLock]!)
    for (let at = heap[mm + Mm.mmuNotifiers]!; at !== 0; at = heap[at + MmuNotifier.next]!)
      note(CACHE_MMU_NOTIFIER, at)
    noteTables(mm + Mm.pgd, PGD_WORDS, 3)
    for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
      note(CACHE_VMA, vma)
      this.#watch(vma)
      if (heap[vma + Vma.anonVma] !== 0) note(CACHE_ANON_VMA, heap[vma + Vma.anonVma]!)
      if (heap[vma + Vma.vmFile] !== 0) note(CACHE_FILE, heap[vma + Vma.vmFile]!)
    }
    return tables
  }

  #markCells(cell: number, cells: number, mark: number): void {
    const start = cell >> MARK_SHIFT
    const end = (cell + cells) >> MARK_SHIFT
    this.marks[TRACKED]!.touchRange(start, end)
    this.marks.fill(mark, start, end)
  }

  #markFrame(frame: number, mark: number): void {
    this.#markCells(this.#frameCell + frame * PAGE_WORDS, PAGE_WORDS, mark)
  }

  objectFreed(cpu: Task, cache: number, object: number): void {
    const mark = this.marks[(this.#heapCell + object) >> MARK_SHIFT]!
    if (mark !== 0 && mark !== WATCHED)
      broken(`double free: CPU ${cpu.id} frees a ${cacheNames[cache]} that ${whoFreed(mark)}`)
    const words = this.#machine.heap[this.#cacheAt(cache) + SlabCache.objectWords]!
    this.#markCells(this.#heapCell + object, words, cpu.id + 1)
  }

  objectAllocated(cache: number, object: number): void {
    const words = this.#machine.heap[this.#cacheAt(cache) + SlabCache.objectWords]!
    this.#markCells(this.#heapCell + object, words, 0)
    const start = object >> MARK_SHIFT
    const end = (object + words) >> MARK_SHIFT
    this.kinds[TRACKED]!.touchRange(start, end)
    this.kinds.fill(cache + 1, start, end)
    if (cache === CACHE_VMA) this.#watch(object)
  }

  #watch(vma: number): void {
    this.#markCells(this.#heapCell + vma, 1 << MARK_SHIFT, WATCHED)
  }

  #cacheAt(cache: number): number {
    return this.#machine.heap[Header.slabCaches]! + cache * SLAB_CACHE_WORDS
  }

  frameFreed(cpu: Task, frame: number): void {
    const mark = this.marks[(this.#frameCell + frame * PAGE_WORDS) >> MARK_SHIFT]!
    if (mark !== 0) broken(`double free: CPU ${cpu.id} frees frame ${frame}, which ${whoFreed(mark)}`)
    this.#markFrame(frame, cpu.id + 1)
    // Freeing a frame writes nothing to it. As if it did: then an access that nothing orders with it is a race.
    reportWrite(this.#frameCell + frame * PAGE_WORDS, FRAME_WORDS_SEEN, this.#freeingSite)
  }

  frameAllocated(cpu: Task, frame: number): void {
    const mark = this.marks[(this.#frameCell + frame * PAGE_WORDS) >> MARK_SHIFT]!
    if (mark === 0) broken(`frame ${frame} has two owners: CPU ${cpu.id} gets it, and it was not free`)
    this.#markFrame(frame, 0)
  }

  /** Cells of the first words of a VMA that is in use are watched, though they are not free. */
  isWatched(cell: number): boolean {
    return this.marks[cell >> MARK_SHIFT] === WATCHED
  }

  /** The VMA of a cell that is watched. */
  vmaAt(cell: number): number {
    return ((cell - this.#heapCell) >> MARK_SHIFT) << MARK_SHIFT
  }

  isPageTable(object: number): boolean {
    return this.kinds[object >> MARK_SHIFT] === CACHE_PAGE_TABLE + 1
  }

  /** In words. */
  whatIsAt(cell: number): string {
    if (cell >= this.#frameCell) return `frame ${Math.floor((cell - this.#frameCell) / PAGE_WORDS)}`
    const kind = this.kinds[(cell - this.#heapCell) >> MARK_SHIFT]!
    return kind === 0 ? 'an object' : `a ${cacheNames[kind - 1]}`
  }

  /** In words, of a cell that is free. */
  whoFreed(cell: number): string {
    return whoFreed(this.marks[cell >> MARK_SHIFT]!)
  }
}

function whoFreed(mark: number): string {
  return mark === NEVER_USED ? 'nobody has allocated' : `CPU ${mark - 1} has freed`
}
