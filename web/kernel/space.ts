// What the drawing shows, read from the memory of a machine that stands still.

import type { Naming } from '../../src/check/names.ts'
import type { KernelMachine } from '../../src/check/kernel-machine.ts'
import { SHARED, type Watched } from '../../src/backends/stepped/index.ts'
import {
  Mm,
  PGD_SHIFT,
  PMD_SHIFT,
  PUD_SHIFT,
  PageTable,
  PerCpu,
  TABLE_INDEX_MASK,
  Vma,
  layouts,
} from '../../src/kernel/index.ts'
import type { Space, TreeNode, VmaView, Word } from './protocol.ts'

/** What a freed object is filled with: `POISON_FREE` of src/kernel/memory/slab.ts. */
const POISON = 0x6b6b6b6b
const VMAS_MAX = 64
/** Entries that are shown of a mapping. */
const PAGES_MAX = 8
const MM_WORDS = ['mmapLock', 'mmapSeq', 'version', 'mmSeq', 'mmLockSeq', 'mapCount'] as const
const VMA_WORDS = ['vmFlags', 'anonVma', 'vmSequence', 'vmLockSeq', 'refCount', 'vmLock'] as const

/** Reads the machine of a subject. Made where its threads begin. */
export class SpaceReader {
  readonly #machine: KernelMachine
  readonly #names: Naming
  readonly #firstCell: number
  /** VMAs that were there in the beginning, with the pages that they mapped. */
  readonly #first: ReadonlyMap<number, readonly [number, number]>
  readonly #firstWords: ReadonlySet<string>

  constructor(machine: KernelMachine, names: Naming) {
    this.#machine = machine
    this.#names = names
    this.#firstCell = (machine.heap as Watched)[SHARED]!.firstCell
    this.#first = new Map(this.#listed().map((vma) => [vma, this.#rangeOf(vma)]))
    this.#firstWords = new Set(MM_WORDS.filter((name) => machine.heap[machine.mm + Mm[name]] !== 0))
  }

  read(): Space {
    const { heap, mm, tasks } = this.#machine
    this.#names.look()
    const words = MM_WORDS.filter(
      (name) => name === 'mmapLock' || heap[mm + Mm[name]] !== 0 || this.#firstWords.has(name),
    )
    return {
      words: words.map((name) => this.#word(`mm.${name}`, mm + Mm[name])),
      vmas: this.#vmas(),
      tree: this.#tree(),
      entries: this.#entries(),
      cpuStates: tasks.map(({ base }) => this.#text(base + PerCpu.state)),
    }
  }

  #text(word: number): string {
    const value = this.#machine.heap[word]!
    return this.#names.valueOf(this.#firstCell + word, value) ?? String(value)
  }

  #word(name: string, word: number): Word {
    return { name, text: this.#text(word) }
  }

  #rangeOf(vma: number): [number, number] {
    const { heap } = this.#machine
    return [heap[vma + Vma.vmStart]!, heap[vma + Vma.vmEnd]!]
  }

  #listed(): number[] {
    const { heap, mm } = this.#machine
    const found: number[] = []
    let vma = heap[mm + Mm.mmap]!
    while (vma > 0 && vma < heap.length && found.length < VMAS_MAX && !found.includes(vma)) {
      found.push(vma)
      vma = heap[vma + Vma.vmNext]!
    }
    return found
  }

  #vmas(): VmaView[] {
    const { heap } = this.#machine
    const listed = this.#listed()
    return [...new Set([...listed, ...this.#first.keys()])].map((vma) => {
      const freed = heap[vma + Vma.vmEnd] === POISON
      const state = freed ? 'freed' : listed.includes(vma) ? 'linked' : 'unlinked'
      const words = VMA_WORDS.filter((name) => name === 'vmFlags' || heap[vma + Vma[name]] !== 0)
      return {
        name: this.#vmaName(vma),
        state,
        words: freed ? [] : words.map((name) => this.#word(name, vma + Vma[name])),
      }
    })
  }

  /** As the steps call it, and what it maps now where that is something else. */
  #vmaName(vma: number): string {
    const named = this.#names.nameOf(this.#firstCell + vma)?.replace(/\.\w+$/, '') ?? `vma ${vma}`
    const [start, end] = this.#rangeOf(vma)
    const now = `[0x${start.toString(16)}-0x${end.toString(16)}]`
    return named.includes(now) || end === POISON ? named : `${named}, now ${now}`
  }

  #tree(): Space['tree'] {
    const { heap, mm } = this.#machine
    const range = heap[mm + Mm.rangeRoot]!
    if (range !== 0) return { kind: 'range tree', root: this.#rangeNode(range, 0) }
    return { kind: 'red-black tree', root: this.#rbNode(heap[mm + Mm.rbRoot]!, new Set()) }
  }

  #rbNode(vma: number, seen: Set<number>): TreeNode | null {
    const { heap } = this.#machine
    if (vma <= 0 || vma >= heap.length || seen.has(vma)) return null
    seen.add(vma)
    const children = [Vma.rbLeft, Vma.rbRight].map((side) => this.#rbNode(heap[vma + side]!, seen))
    const mark = (heap[vma + Vma.rbParentColor]! & 1) === 0 ? 'red' : 'black'
    return { name: this.#vmaName(vma), mark, children: children.filter((child) => child !== null) }
  }

  #rangeNode(node: number, depth: number): TreeNode | null {
    const { heap } = this.#machine
    const { words, fields } = layouts.find(({ name }) => name === 'range_node')!
    if (node <= 0 || node + words > heap.length || depth > 8) return null
    const shape = heap[node + fields['shape']!]!
    const isLeaf = shape >> 8 === 0
    const slots = Array.from({ length: shape & 0xff }, (_, slot) => heap[node + fields['children']! + slot]!)
    const children = slots.map((slot) => {
      if (slot === 0) return { name: 'empty', mark: 'slot', children: [] }
      return isLeaf
        ? { name: this.#vmaName(slot), mark: 'slot', children: [] }
        : this.#rangeNode(slot, depth + 1)
    })
    const name = this.#names.nameOf(this.#firstCell + node)?.replace(/\.\w+$/, '') ?? 'rangeNode'
    return { name, mark: isLeaf ? 'leaf' : 'node', children: children.filter((child) => child !== null) }
  }

  /** The page table entries of what is mapped, and of what was mapped in the beginning. */
  #entries(): Word[] {
    const ranges = [...this.#first.values(), ...this.#listed().map((vma) => this.#rangeOf(vma))]
    const pages = new Set<number>()
    for (const [start, end] of ranges)
      for (let page = start; page < Math.min(end, start + PAGES_MAX); page++) pages.add(page)
    return [...pages]
      .sort((one, other) => one - other)
      .map((page) => ({ name: `pte[0x${page.toString(16)}]`, text: this.#entryText(page) }))
  }

  #entryText(page: number): string {
    const { heap, mm } = this.#machine
    let table = heap[mm + Mm.pgd + (page >>> PGD_SHIFT)]!
    for (const shift of [PUD_SHIFT, PMD_SHIFT]) {
      if (table <= 0 || table >= heap.length) return 'no table'
      table = heap[table + PageTable.entries + ((page >>> shift) & TABLE_INDEX_MASK)]!
    }
    if (table <= 0 || table >= heap.length) return 'no table'
    return this.#text(table + PageTable.entries + (page & TABLE_INDEX_MASK))
  }
}
