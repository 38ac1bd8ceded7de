// The rule of leaf slots, held at every moment: while no writer has the mmap lock, an open slot is in the table that
// covers its pages, and says of them what their VMA says.
//
// Slots change only with their table locked, and the layout only under the mmap lock held for write. So it is enough to
// look when either is given up. The kernel is only read here, as it is in the middle of things.

import {
  LEAF_SLOTS,
  LEAF_SLOT_WORDS,
  LeafSlot,
  Header,
  Mm,
  PGD_SHIFT,
  PMD_SHIFT,
  PUD_SHIFT,
  PageTable,
  TABLE_INDEX_MASK,
  Vma,
  slotBounds,
} from '../../kernel/index.ts'

export class SlotRule {
  readonly #heap: Int32Array
  /** Tables in which slots were open, when the machine was set up and in this execution. */
  readonly #initial: readonly number[]
  readonly #tables = new Set<number>()

  /** `tables` are those of the machine, which has been set up. */
  constructor(heap: Int32Array, tables: readonly number[]) {
    this.#heap = heap
    this.#initial = tables
    this.begin()
  }

  /** To be called before each execution. */
  begin(): void {
    this.restore(this.#initial)
  }

  /** What is known of this execution, and the way back to that. */
  save(): readonly number[] {
    return [...this.#tables]
  }

  restore(tables: readonly number[]): void {
    this.#tables.clear()
    for (const table of tables) this.#tables.add(table)
  }

  /**
   * What is wrong with a table that is about to be unlocked, or null. `isChanging` tells of whose layout to be silent.
   */
  inTable(table: number, isChanging: (mm: number) => boolean): string | null {
    const run = this.#heap[table + PageTable.run]!
    if (openSlots(this.#heap, table).length === 0) return null
    this.#tables.add(table)
    const mm = this.#mmOf(table, run)
    if (mm !== 0) return isChanging(mm) ? null : this.#brokenSlot(mm, table, run)
    // While it is moved, it is where the writer has it.
    return this.#mms().some(isChanging) ? null : 'a page table that is not linked has a slot open'
  }

  /** What is wrong with a page table that is being freed, or null. */
  freed(table: number): string | null {
    return openSlots(this.#heap, table).length === 0 ? null : 'a page table is freed that has a slot open'
  }

  /**
   * What is wrong with a slot of an address space whose writer is about to give the mmap lock up, or null. A table that
   * is locked may have a slot that is half written: it is looked at when it is unlocked.
   */
  inSpace(mm: number): string | null {
    for (const table of this.#tables) {
      if (this.#heap[table + PageTable.ptl] !== 0) continue
      const run = this.#heap[table + PageTable.run]!
      if (this.#mmOf(table, run) !== mm) continue
      const problem = this.#brokenSlot(mm, table, run)
      if (problem !== null) return problem
    }
    return null
  }

  #mms(): number[] {
    const mms: number[] = []
    for (let mm = this.#heap[Header.mmList]!; mm !== 0; mm = this.#heap[mm + Mm.nextMm]!) mms.push(mm)
    return mms
  }

  /** The address space in which the table covers the pages of the run, or 0. */
  #mmOf(table: number, run: number): number {
    return this.#mms().find((mm) => tableAt(this.#heap, mm, run * 2 ** PMD_SHIFT) === table) ?? 0
  }

  #brokenSlot(mm: number, table: number, run: number): string | null {
    const heap = this.#heap
    for (const slot of openSlots(heap, table)) {
      const { low, high } = slotBounds(heap[slot + LeafSlot.bounds]!)
      const first = run * 2 ** PMD_SHIFT
      const where = `the slot of pages ${hex(first + low)} to ${hex(first + high)}`
      const vma = vmaAt(heap, mm, first + low)
      if (vma === 0 || heap[vma + Vma.vmEnd]! < first + high)
        return `${where} speaks of pages that no VMA has`
      const wrong = wrongField(heap, slot, vma)
      if (wrong !== null) return `${where} has not the ${wrong} of its VMA`
    }
    return null
  }
}

function wrongField(heap: Int32Array, slot: number, vma: number): string | null {
  if (heap[slot + LeafSlot.vmFlags] !== heap[vma + Vma.vmFlags]) return 'flags'
  if (heap[slot + LeafSlot.vmFile] !== heap[vma + Vma.vmFile]) return 'file'
  const bias = (heap[vma + Vma.vmPgoff]! - heap[vma + Vma.vmStart]!) | 0
  if (heap[slot + LeafSlot.bias] !== bias) return 'place'
  // Without one, it sends the first write to the VMA.
  const anonVma = heap[slot + LeafSlot.anonVma]
  return anonVma === 0 || anonVma === heap[vma + Vma.anonVma] ? null : 'anon_vma'
}

function openSlots(heap: Int32Array, table: number): number[] {
  const open: number[] = []
  for (let n = 0; n < LEAF_SLOTS; n++) {
    const slot = table + PageTable.slots + n * LEAF_SLOT_WORDS
    if (heap[slot + LeafSlot.bounds] !== 0) open.push(slot)
  }
  return open
}

function tableAt(heap: Int32Array, mm: number, page: number): number {
  let table = heap[mm + Mm.pgd + (page >> PGD_SHIFT)]!
  for (const shift of [PUD_SHIFT, PMD_SHIFT]) {
    if (table === 0) return 0
    table = heap[table + PageTable.entries + ((page >> shift) & TABLE_INDEX_MASK)]!
  }
  return table
}

function vmaAt(heap: Int32Array, mm: number, page: number): number {
  for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
    if (page < heap[vma + Vma.vmEnd]!) return heap[vma + Vma.vmStart]! <= page ? vma : 0
  }
  return 0
}

function hex(page: number): string {
  return `0x${page.toString(16)}`
}
