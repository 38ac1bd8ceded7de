// Names of the kernel's memory: objects by what they are for, fields by their layouts, values by what they mean.
//
// A VMA is named by its range and a page table by the first page that it covers, in pages, as they are when they are
// first seen in the list and in the tree; they keep the name when they change. So two VMAs can be told apart, and the
// one that was freed is known again where somebody still uses it.

import { SHARED, type Watched } from '../backends/stepped/index.ts'
import {
  CACHE_ANON_VMA,
  CACHE_FILE,
  CACHE_MM,
  CACHE_MMU_NOTIFIER,
  CACHE_PAGE_TABLE,
  CACHE_PERCPU_RWSEM,
  CACHE_RADIX_NODE,
  CACHE_RANGE_NODE,
  CACHE_VMA,
  Header,
  Mm,
  MmuNotifier,
  PAGE_SIZE,
  PAGE_STRUCT_WORDS,
  PGD_WORDS,
  PageTable,
  PerCpu,
  nodeAt,
  zoneOf,
  Vma,
  layouts,
  percpuRwsemWords,
} from '../kernel/index.ts'
import type { KernelMachine } from './kernel-machine.ts'
import { pteWords, lockWords, rwsemWords, stateWords, cpuWords, protectionWords } from './kernel-words.ts'
import type { Naming } from './names.ts'

/** The type of a word, which decides how its values are printed. */
type Meaning =
  | 'pte'
  | 'pointer'
  | 'word'
  | 'lock'
  | 'rwsem'
  | 'state'
  | 'cpus'
  | 'protection'
  | 'page'
  | 'number'

interface NamedWord {
  readonly name: string
  readonly meaning: Meaning
}

/** An object of the heap. */
interface NamedObject {
  readonly name: string
  readonly words: number
  word(offset: number): NamedWord
}

const TABLE_ENTRIES = 512
/** See vma/range-tree.ts: the level of a node stands above these bits of its shape; 0 is a leaf. */
const RANGE_LEVEL_SHIFT = 8
/** A list that is longer is broken. */
const VMAS_MAX = 1000
const NOTIFIERS_MAX = 100
/** What an entry is called, from the lowest tables up. */
const levelNames = ['pte', 'pmd', 'pud', 'pgd']

const meanings: Readonly<Record<string, Meaning>> = {
  'vma.vmStart': 'page',
  'vma.vmEnd': 'page',
  'vma.vmFlags': 'protection',
  'vma.anonVma': 'pointer',
  'vma.vmNext': 'pointer',
  'vma.vmPrev': 'pointer',
  'vma.rbLeft': 'pointer',
  'vma.rbRight': 'pointer',
  'mm.rbRoot': 'pointer',
  'mm.mmap': 'pointer',
  'mm.mmapLock': 'rwsem',
  'mm.pageTableLock': 'lock',
  'mm.cpuMask': 'cpus',
  'cpu.state': 'state',
  'cpu.haltedOn': 'word',
  'cpu.mailbox': 'cpus',
  'cpu.waiterNext': 'pointer',
  'cpu.waiterPrevious': 'pointer',
  'cpu.rcuLock': 'lock',
  'table.ptl': 'lock',
  'zone.lock': 'lock',
  'slab.lock': 'lock',
  'machine.mmListLock': 'lock',
  'file.lock': 'lock',
  'mm.mmuNotifiers': 'pointer',
  'mm.mmuNotifierLock': 'pointer',
  'notifier.next': 'pointer',
  'notifier.lock': 'lock',
  'notifier.rangeStart': 'page',
  'notifier.rangeEnd': 'page',
  'srcu.lock': 'lock',
}

const cacheNames = new Map([
  [CACHE_RANGE_NODE, 'rangeNode'],
  [CACHE_VMA, 'vma'],
  [CACHE_PAGE_TABLE, 'table'],
  [CACHE_ANON_VMA, 'anonVma'],
  [CACHE_MM, 'mm'],
  [CACHE_FILE, 'file'],
  [CACHE_RADIX_NODE, 'radixNode'],
  [CACHE_MMU_NOTIFIER, 'notifier'],
  [CACHE_PERCPU_RWSEM, 'percpuRwsem'],
])

/** The fields of a struct, and its size in words. */
function structOf(name: string): {
  readonly words: number
  readonly fields: Readonly<Record<string, number>>
} {
  return layouts.find((each) => each.name === name)!
}

export class KernelNames implements Naming {
  readonly #heap: Int32Array
  readonly #firstCell: number
  readonly #firstFrameCell: number
  readonly #frameCells: number
  readonly #mm: number
  readonly #cpus: number
  readonly #objects = new Map<number, NamedObject>()
  readonly #names = new Set<string>()

  constructor({ heap, tasks, mm }: Pick<KernelMachine, 'heap' | 'tasks' | 'mm'>) {
    this.#heap = heap
    this.#firstCell = (heap as Watched)[SHARED]!.firstCell
    const frames = tasks[0]!.memory.words as Watched
    this.#firstFrameCell = frames[SHARED]?.firstCell ?? 0
    this.#frameCells = frames[SHARED]?.length ?? 0
    this.#mm = mm
    this.#cpus = tasks.length
    // Before the header, which it is part of.
    this.#addStruct(Header.srcu, 'srcu', 'srcu', 'srcu_struct')
    this.#addStruct(0, 'machine', 'machine', 'machine')
    this.#addMm()
    for (const { id, base } of tasks) this.#addCpu(id, base)
    this.#addNodes()
    this.#addArrays()
    this.look()
  }

  look(): void {
    this.#lookAtVmas()
    for (let index = 0; index < PGD_WORDS; index++) {
      const table = this.#heap[this.#mm + Mm.pgd + index]!
      this.#lookAtTable(table, 3, index * TABLE_ENTRIES ** 3)
    }
    this.#lookAtRangeNode(this.#heap[this.#mm + Mm.rangeRoot]!)
    this.#lookAtNotifiers()
  }

  nameOf(cell: number): string | undefined {
    const frameWord = cell - this.#firstFrameCell
    if (frameWord >= 0 && frameWord < this.#frameCells) {
      const words = PAGE_SIZE / 4
      return `frame ${Math.floor(frameWord / words)}[${frameWord % words}]`
    }
    return this.#wordAt(cell - this.#firstCell)?.name
  }

  valueOf(cell: number, value: number): string | undefined {
    switch (this.#wordAt(cell - this.#firstCell)?.meaning) {
      case 'pte':
        return pteWords(value)
      case 'pointer':
        return this.#pointerWords(value)
      case 'word':
        return value === 0 ? 'none' : this.#wordAt(value)?.name
      case 'lock':
        return lockWords(this.#heap[Header.spinlockKind]!, value, this.#cpus)
      case 'rwsem':
        return rwsemWords(this.#heap[Header.rwsemKind]!, value)
      case 'state':
        return stateWords(value)
      case 'cpus':
        return cpuWords(value)
      case 'protection':
        return protectionWords(value)
      case 'page':
        return `0x${(value >>> 0).toString(16)}`
    }
    return undefined
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Objects

  #add(base: number, name: string, words: number, word: NamedObject['word']): void {
    this.#objects.set(base, { name, words, word })
  }

  #addStruct(base: number, name: string, kind: string, struct: string): void {
    const { words, fields } = structOf(struct)
    this.#add(base, name, words, fieldsOf(name, kind, fields))
  }

  #wordAt(word: number): NamedWord | undefined {
    for (const [base, object] of this.#objects) {
      if (word >= base && word < base + object.words) return object.word(word - base)
    }
    return undefined
  }

  #addMm(): void {
    const fields = fieldsOf('mm', 'mm', Mm)
    const rwsem = fieldsOf('mm.mmapLock', 'rwsem', structOf('rw_semaphore').fields)
    this.#add(this.#mm, 'mm', structOf('mm_struct').words, (offset) => {
      const inPgd = offset - Mm.pgd
      if (inPgd >= 0 && inPgd < PGD_WORDS) return entryWord(3, inPgd * TABLE_ENTRIES ** 3)
      const inLock = offset - Mm.mmapLock
      if (inLock === 0) return { name: 'mm.mmapLock', meaning: 'rwsem' }
      if (inLock > 0 && inLock < structOf('rw_semaphore').words)
        return inLock === 1 ? { name: 'mm.mmapLock.waitLock', meaning: 'lock' } : rwsem(inLock)
      return fields(offset)
    })
  }

  #addCpu(id: number, base: number): void {
    const name = `cpu${id}`
    const fields = fieldsOf(name, 'cpu', PerCpu)
    const slab = structOf('kmem_cache_cpu')
    this.#add(base, name, structOf('cpu').words, (offset) => {
      const inSlabs = offset - PerCpu.slabs
      if (inSlabs < 0) return fields(offset)
      const cache = Math.floor(inSlabs / slab.words)
      return fieldsOf(`${name}.slab[${cacheName(cache)}]`, 'slab', slab.fields)(inSlabs % slab.words)
    })
  }

  /** The number tells one from another, where there are more. */
  #addNodes(): void {
    const heap = this.#heap
    const count = heap[Header.nodeCount]!
    for (let node = 0; node < count; node++) {
      const number = count === 1 ? '' : String(node)
      this.#addStruct(zoneOf(heap, node), `zone${number}`, 'zone', 'zone')
      this.#addStruct(nodeAt(heap, node), `node${number}`, 'node', 'pglist_data')
      if (count === 1) continue
      for (let id = 0; id < this.#cpus; id++) {
        const pageset = heap[Header.pagesets]! + (id * count + node) * structOf('per_cpu_pageset').words
        this.#addStruct(pageset, `cpu${id}.pageset[node ${node}]`, 'pageset', 'per_cpu_pageset')
      }
    }
  }

  #addArrays(): void {
    const heap = this.#heap
    const slab = structOf('kmem_cache')
    for (const [id, name] of cacheNames)
      this.#addStruct(heap[Header.slabCaches]! + id * slab.words, `slab[${name}]`, 'slab', 'kmem_cache')
    const frames = heap[Header.frameCount]!
    const { fields } = structOf('page')
    this.#add(heap[Header.memoryMap]!, 'memoryMap', frames * PAGE_STRUCT_WORDS, (offset) => {
      const frame = Math.floor(offset / PAGE_STRUCT_WORDS)
      return fieldsOf(`page[frame ${frame}]`, 'page', fields)(offset % PAGE_STRUCT_WORDS)
    })
    this.#add(heap[Header.writtenSectors]!, 'writtenSectors', frames, (frame) => ({
      name: `writtenSectors[frame ${frame}]`,
      meaning: 'number',
    }))
  }

  #lookAtVmas(): void {
    const heap = this.#heap
    let vma = heap[this.#mm + Mm.mmap]!
    for (let count = 0; vma > 0 && vma < heap.length && count < VMAS_MAX; count++) {
      const range = `[0x${heap[vma + Vma.vmStart]!.toString(16)}-0x${heap[vma + Vma.vmEnd]!.toString(16)}]`
      if (!this.#objects.has(vma)) this.#addStruct(vma, this.#unique(`vma${range}`), 'vma', 'vm_area_struct')
      const anonVma = heap[vma + Vma.anonVma]!
      if (anonVma > 0 && !this.#objects.has(anonVma))
        this.#addStruct(anonVma, this.#unique(`anonVma${range}`), 'anonVma', 'anon_vma')
      this.#lookAtFile(heap[vma + Vma.vmFile]!)
      vma = heap[vma + Vma.vmNext]!
    }
  }

  #lookAtFile(file: number): void {
    if (file <= 0 || file >= this.#heap.length) return
    if (!this.#objects.has(file)) this.#addStruct(file, this.#unique('file'), 'file', 'file')
    this.#lookAtRadixNode(this.#heap[file + structOf('file').fields['root']!]!)
  }

  #lookAtRadixNode(node: number): void {
    const { words, fields } = structOf('radix_node')
    if (node <= 0 || node + words > this.#heap.length) return
    if (!this.#objects.has(node)) this.#addStruct(node, this.#unique('radixNode'), 'radixNode', 'radix_node')
    if (this.#heap[node + fields['shift']!] === 0) return
    for (let at = node + fields['slots']!; at < node + words; at++) this.#lookAtRadixNode(this.#heap[at]!)
  }

  /** Those of the range tree in which readers find the VMAs. */
  #lookAtRangeNode(node: number): void {
    const { words, fields } = structOf('range_node')
    if (node <= 0 || node + words > this.#heap.length) return
    if (!this.#objects.has(node)) this.#addStruct(node, this.#unique('rangeNode'), 'rangeNode', 'range_node')
    const shape = this.#heap[node + fields['shape']!]!
    if (shape >> RANGE_LEVEL_SHIFT === 0) return
    // What is in slots that are not in use may be of an earlier tree, and lead anywhere, also back up.
    const first = node + fields['children']!
    const inUse = shape & ((1 << RANGE_LEVEL_SHIFT) - 1)
    for (let at = first; at < first + inUse; at++) this.#lookAtRangeNode(this.#heap[at]!)
  }

  #lookAtNotifiers(): void {
    const heap = this.#heap
    const lock = heap[this.#mm + Mm.mmuNotifierLock]!
    if (lock > 0 && lock < heap.length && !this.#objects.has(lock)) {
      const { words, fields } = structOf('percpu_rw_semaphore')
      const word = fieldsOf('mmuNotifierLock', 'percpuRwsem', fields)
      this.#add(lock, 'mmuNotifierLock', percpuRwsemWords(this.#cpus), (offset) => {
        const line = Math.floor(offset / words) - 1
        return line < 0 ? word(offset) : { name: `mmuNotifierLock.readers[CPU ${line}]`, meaning: 'number' }
      })
    }
    let notifier = heap[this.#mm + Mm.mmuNotifiers]!
    for (let count = 0; notifier > 0 && notifier < heap.length && count < NOTIFIERS_MAX; count++) {
      if (!this.#objects.has(notifier))
        this.#addStruct(notifier, this.#unique('notifier'), 'notifier', 'mmu_notifier')
      notifier = heap[notifier + MmuNotifier.next]!
    }
  }

  /** `level` is 3 for a table of pud entries, and 1 for one of pte entries. */
  #lookAtTable(table: number, level: number, first: number): void {
    if (table <= 0 || table + structOf('page_table').words > this.#heap.length) return
    const pages = TABLE_ENTRIES ** (level - 1)
    if (!this.#objects.has(table)) {
      const name = this.#unique(`${levelNames[level - 1]}Table[0x${first.toString(16)}]`)
      const fields = fieldsOf(name, 'table', PageTable)
      this.#add(table, name, structOf('page_table').words, (offset) => {
        const entry = offset - PageTable.entries
        return entry < 0 ? fields(offset) : entryWord(level - 1, first + entry * pages)
      })
    }
    if (level === 1) return
    for (let index = 0; index < TABLE_ENTRIES; index++)
      this.#lookAtTable(this.#heap[table + PageTable.entries + index]!, level - 1, first + index * pages)
  }

  #unique(name: string): string {
    let unique = name
    for (let count = 2; this.#names.has(unique); count++) unique = `${name}#${count}`
    this.#names.add(unique)
    return unique
  }

  #pointerWords(value: number): string | undefined {
    return value === 0 ? 'none' : (this.#objects.get(value)?.name ?? this.#wordAt(value)?.name)
  }
}

/** `table.ptl` for `pteTable[0x1000].ptl`, and `mm.mmapLock` for every word of the lock. */
export function shortName(name: string): string {
  return name
    .replace(/^(pte|pmd|pud)Table/, 'table')
    .replaceAll(/\[(0x|frame )[^\]]*\]/g, '')
    .replace(/#\d+/, '')
    .replace(/\[\d+\]$/, '')
    .replace(/^mm\.mmapLock\..*/, 'mm.mmapLock')
}

function cacheName(id: number): string {
  return cacheNames.get(id) ?? String(id)
}

/** An entry of a table of `level`, 0 for pte entries, that covers pages from `page` on. */
function entryWord(level: number, page: number): NamedWord {
  return { name: `${levelNames[level]}[0x${page.toString(16)}]`, meaning: level === 0 ? 'pte' : 'pointer' }
}

/** Words of a struct by their fields; what lies behind a field and has no name is counted from it. */
function fieldsOf(
  name: string,
  kind: string,
  fields: Readonly<Record<string, number>>,
): (offset: number) => NamedWord {
  return (offset) => {
    let best = ''
    for (const [field, at] of Object.entries(fields)) {
      if (at <= offset && (best === '' || at >= fields[best]!)) best = field
    }
    const behind = offset - (fields[best] ?? 0)
    const suffix = behind === 0 ? '' : `[${behind}]`
    return { name: `${name}.${best}${suffix}`, meaning: meanings[`${kind}.${best}`] ?? 'number' }
  }
}
