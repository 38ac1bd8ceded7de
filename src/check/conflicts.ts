// The conflict matrix: which cache lines of the kernel's heap two operations both use, one of them writing.
//
// Each operation runs alone, on its own CPU and from the same state, and every word that it reads or writes is noted.
// What both use, and one writes, has to travel between their CPUs when they run at the same time. That is observed in
// the code that runs, one access after the other; nothing is assumed about what a cache miss costs.

import {
  LOAD,
  NOTIFY,
  PAUSE,
  SHARED,
  Scheduler,
  Thread,
  WAIT,
  WOKEN,
  FINISHED,
  type Watched,
  alone,
  loadStepped,
  memory,
  rememberFields,
  runThreads,
  setSites,
  setWatching,
} from '../backends/stepped/index.ts'
import { Header, PAGE_STRUCT_WORDS, PTE_FRAME_SHIFT, Page, type RwsemKind } from '../kernel/index.ts'
import type { ConflictMachine, OperationName, Role } from './conflict-machine.ts'
import { KernelNames, shortName } from './kernel-names.ts'
import { oneAfterAnother } from './queue.ts'

export interface ConflictChoice {
  readonly design: string
  readonly rwsem: RwsemKind
  readonly rss: 'shared' | 'batched'
}

/** A cache line that both operations use, and at least one writes. */
export interface ConflictLine {
  /** The first word of it that both use or, where there is none, that one writes: object and field. */
  readonly name: string
  readonly firstWrites: boolean
  readonly secondWrites: boolean
  /** Both use the same word; else they use different words of the line (false sharing). */
  readonly sameWord: boolean
  /** It is so each time; else now and then, when something is fetched or given back in a batch. */
  readonly always: boolean
}

/** What two operations have in common. The first runs on CPU 0, the second on CPU 1. */
export interface PairConflicts extends ConflictChoice {
  readonly first: string
  readonly second: string
  readonly lines: readonly ConflictLine[]
}

interface Pair {
  readonly first: OperationName
  readonly second: OperationName
  /** What the second is called, where it is the same as the first at the same place. */
  readonly secondName?: string
}

const changes: readonly OperationName[] = [
  'mmap elsewhere',
  'mmap over it',
  'munmap elsewhere',
  'munmap of it',
  'mprotect elsewhere',
  'mprotect of it',
  'MADV_DONTNEED elsewhere',
  'MADV_DONTNEED of it',
  'brk',
]

const pairs: readonly Pair[] = [
  { first: 'write fault', second: 'write fault', secondName: 'write fault, same page' },
  { first: 'write fault', second: 'write fault, same page table' },
  { first: 'write fault', second: 'write fault, same VMA' },
  { first: 'write fault', second: 'write fault, other VMA' },
  { first: 'read fault', second: 'read fault', secondName: 'read fault, same page' },
  { first: 'read fault', second: 'read fault, same page table' },
  { first: 'read fault', second: 'read fault, other VMA' },
  { first: 'file fault', second: 'file fault', secondName: 'file fault, same page' },
  { first: 'file fault', second: 'file fault, same page table' },
  ...changes.map((second) => ({ first: 'write fault', second }) as const),
  { first: 'mmap elsewhere', second: 'mmap elsewhere' },
  { first: 'mmap elsewhere', second: 'munmap elsewhere' },
  { first: 'mmap elsewhere', second: 'mprotect elsewhere' },
  { first: 'munmap elsewhere', second: 'munmap elsewhere' },
  { first: 'munmap elsewhere', second: 'MADV_DONTNEED elsewhere' },
  { first: 'MADV_DONTNEED elsewhere', second: 'MADV_DONTNEED elsewhere' },
]

/** What happens each time need not be looked for in every stage. */
const OBSERVED_EVERY = 12
const LINE_SHIFT = 4
const LINE_WORDS = 1 << LINE_SHIFT
const READ = 1
const WRITTEN = 2

/** The words of a line that are read and written, as bits. */
interface LineUse {
  reads: number
  writes: number
}

/** What an operation uses, by line. */
type Footprint = Map<number, LineUse>

/** A line over all stages: words as bits, and in how many stages it is used and written. */
interface LineTotals extends LineUse {
  used: number
  written: number
}

/** The conflicts of every pair of operations on a machine. */
export function findConflicts(choice: ConflictChoice): Promise<PairConflicts[]> {
  return oneAfterAnother(async () => conflictsIn(choice, await Laboratory.open(choice)))
}

function conflictsIn(choice: ConflictChoice, lab: Laboratory): PairConflicts[] {
  const lasting = new Map<string, Map<number, LineTotals>>()
  const passing = pairs.map(() => new Map<string, PassingLine>())
  lab.eachStage(() => {
    const footprints = new Map<string, Footprint>()
    const footprint = (operation: OperationName, role: Role): Footprint => {
      const key = keyOf(operation, role)
      const found = footprints.get(key) ?? lab.record(operation, role)
      footprints.set(key, found)
      return found
    }
    pairs.forEach(({ first, second }, index) => {
      notePassing(lab, passing[index]!, footprint(first, 0), footprint(second, 1))
    })
    for (const [key, found] of footprints) {
      const totals = lasting.get(key) ?? new Map<number, LineTotals>()
      lasting.set(key, totals)
      addLasting(lab, totals, found)
    }
  })
  return pairs.map(({ first, second, secondName }, index) => {
    const firstTotals = lasting.get(keyOf(first, 0))!
    const secondTotals = lasting.get(keyOf(second, 1))!
    const lines = [
      ...lastingConflicts(lab, firstTotals, secondTotals),
      ...passingConflicts(lab, passing[index]!),
    ].toSorted((a, b) => Number(b.always) - Number(a.always) || (a.name < b.name ? -1 : 1))
    return { ...choice, first, second: secondName ?? second, lines }
  })
}

function keyOf(operation: OperationName, role: Role): string {
  return `${operation} on CPU ${role}`
}

/** Lines of objects that are there from the first stage to the last: what is used now may be used by others later. */
function addLasting(lab: Laboratory, totals: Map<number, LineTotals>, footprint: Footprint): void {
  for (const [line, { reads, writes }] of footprint) {
    if (!lab.isLasting(line)) continue
    const total = totals.get(line) ?? { reads: 0, writes: 0, used: 0, written: 0 }
    totals.set(line, total)
    total.reads |= reads
    total.writes |= writes
    total.used++
    if (writes !== 0) total.written++
  }
}

function lastingConflicts(
  lab: Laboratory,
  first: ReadonlyMap<number, LineTotals>,
  second: ReadonlyMap<number, LineTotals>,
): ConflictLine[] {
  const lines: ConflictLine[] = []
  for (const [line, ofFirst] of first) {
    const ofSecond = second.get(line)
    if (ofSecond === undefined || (ofFirst.writes | ofSecond.writes) === 0) continue
    const eachTime = ofFirst.used === lab.stages && ofSecond.used === lab.stages
    const always = eachTime && (ofFirst.written === lab.stages || ofSecond.written === lab.stages)
    lines.push({ ...lineOf(lab, line, ofFirst, ofSecond), always })
  }
  return lines
}

/** A conflict on lines that are of the same kind, but not the same line in every stage. */
interface PassingLine {
  line: Omit<ConflictLine, 'always'>
  stages: number
}

/** Lines of frames and of what is allocated: whose they are may be another's in the next stage. */
function notePassing(
  lab: Laboratory,
  found: Map<string, PassingLine>,
  first: Footprint,
  second: Footprint,
): void {
  const names = new Set<string>()
  for (const [line, ofFirst] of first) {
    const ofSecond = second.get(line)
    if (ofSecond === undefined || (ofFirst.writes | ofSecond.writes) === 0 || lab.isLasting(line)) continue
    const conflict = lineOf(lab, line, ofFirst, ofSecond)
    const key = `${conflict.name} ${String(conflict.sameWord)}`
    const before = found.get(key) ?? { line: conflict, stages: 0 }
    found.set(key, {
      line: {
        ...conflict,
        firstWrites: before.line.firstWrites || conflict.firstWrites,
        secondWrites: before.line.secondWrites || conflict.secondWrites,
      },
      stages: before.stages + (names.has(key) ? 0 : 1),
    })
    names.add(key)
  }
}

function passingConflicts(lab: Laboratory, found: ReadonlyMap<string, PassingLine>): ConflictLine[] {
  return [...found.values()].map(({ line, stages }) => ({ ...line, always: stages === lab.stages }))
}

function lineOf(
  lab: Laboratory,
  line: number,
  first: LineUse,
  second: LineUse,
): Omit<ConflictLine, 'always'> {
  const { reads, writes } = first
  const both = ((reads | writes) & second.writes) | (writes & (second.reads | second.writes))
  const words = both !== 0 ? both : writes | second.writes
  return {
    name: lab.nameOf((line << LINE_SHIFT) + (31 - Math.clz32(words & -words))),
    firstWrites: writes !== 0,
    secondWrites: second.writes !== 0,
    sameWord: both !== 0,
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// What a fault writes to shared memory

/**
 * What a fault that needs nothing made or fetched writes besides its page, the entry and the entry's lock, as
 * `sharedWrites` of a design's description has it: a first write to anonymous memory and a read of a page of a file
 * that is cached. Of a design that speculates, faults that it handles without the mmap lock.
 */
export function observeSharedWrites(choice: ConflictChoice): Promise<string[]> {
  return oneAfterAnother(async () => sharedWritesIn(await Laboratory.open(choice)))
}

function sharedWritesIn(lab: Laboratory): string[] {
  const faults = (['write fault', 'file fault'] as const).map((operation) => ({
    operation,
    isSpeculative: true,
    /** What is written each time. */
    names: null as readonly string[] | null,
  }))
  lab.eachStage(() => {
    for (const fault of faults) {
      const names = lab.sharedNames(lab.record(fault.operation, 0))
      fault.names = fault.names?.filter((name) => names.has(name)) ?? [...names]
      fault.isSpeculative &&= lab.bench.wasSpeculative(0)
    }
  }, OBSERVED_EVERY)
  const speculative = faults.filter(({ isSpeculative }) => isSpeculative)
  const counted = speculative.length > 0 ? speculative : faults
  return [...new Set(counted.flatMap(({ names }) => names!))].toSorted()
}

// ---------------------------------------------------------------------------------------------------------------------
// Recording

/** A machine of which every access of an operation is recorded. */
class Laboratory {
  readonly bench: ConflictMachine
  readonly stages: number
  readonly #heap: Int32Array
  readonly #recorder: Recorder
  readonly #names: KernelNames
  readonly #firstCell: number
  readonly #nameOfWord = new Map<number, string | undefined>()
  #reset: () => void = () => {}

  static async open(choice: ConflictChoice): Promise<Laboratory> {
    const { exports, sites } = await loadMachine()
    setSites(sites)
    memory.clear()
    const make = exports['default'] as (choice: ConflictChoice) => unknown
    return new Laboratory(alone(make(choice)) as ConflictMachine)
  }

  private constructor(bench: ConflictMachine) {
    this.bench = bench
    this.stages = bench.stages
    const { heap } = bench.machine
    this.#heap = heap
    const { firstCell } = (heap as Watched)[SHARED]!
    this.#firstCell = firstCell
    this.#recorder = new Recorder(firstCell, heap.length)
    this.#names = new KernelNames(bench.machine)
  }

  /** Calls `visit` in each stage, or in one of `every`; what it records does not last. */
  eachStage(visit: () => void, every = 1): void {
    const tasks = [...this.bench.machine.tasks]
    for (let stage = 0; stage < this.stages; stage++) {
      alone(this.bench.advance(stage))
      if (stage % every !== 0) continue
      const fields = rememberFields(tasks)
      memory.takeSnapshot()
      this.#names.look()
      this.#reset = () => {
        memory.restore()
        fields.reset()
      }
      visit()
      this.#reset()
    }
  }

  /** What the operation uses, from the state of the stage. */
  record(operation: OperationName, role: Role): Footprint {
    this.#reset()
    this.#recorder.begin()
    setWatching(true)
    const { thrown } = runThreads(
      [this.#recorder.thread],
      [() => this.bench.perform(operation, role)],
      this.#recorder,
    )
    if (thrown !== null) throw thrown.error
    return this.#recorder.footprint()
  }

  /** An object of the kernel that is the same in every stage: no frame, and nothing that was free when it began. */
  isLasting(line: number): boolean {
    const memoryMap = this.#heap[Header.memoryMap]!
    const end = this.#heap[Header.writtenSectors]! + this.#heap[Header.frameCount]!
    const word = line << LINE_SHIFT
    return (word < memoryMap || word >= end) && this.#fullName(word) !== undefined
  }

  /** Object and field, without which object of its kind it is. */
  nameOf(word: number): string {
    return shortName(this.#fullName(word) ?? 'an object that was free')
  }

  /** Names of what was written, but for the fault's own page, entry and lock, and lines of its own CPU. */
  sharedNames(footprint: Footprint): Set<string> {
    const heap = this.#heap
    const written = [...footprint].flatMap(([line, { writes }]) =>
      Array.from({ length: LINE_WORDS }, (_, word) => word)
        .filter((word) => (writes & (1 << word)) !== 0)
        .map((word) => (line << LINE_SHIFT) + word),
    )
    const own = new Set<number>()
    for (const word of written) {
      if (this.nameOf(word) !== 'pte') continue
      // A page of a file is everybody's, and only its entry the fault's own.
      const frame = heap[word]! >>> PTE_FRAME_SHIFT
      const page = heap[Header.memoryMap]! + frame * PAGE_STRUCT_WORDS
      if (heap[page + Page.mapping] !== 0) continue
      for (let at = page; at < page + PAGE_STRUCT_WORDS; at++) own.add(at)
      own.add(heap[Header.writtenSectors]! + frame)
    }
    const names = written.filter((word) => !own.has(word)).map((word) => this.nameOf(word))
    return new Set(
      names.filter((name) => name !== 'pte' && name !== 'table.ptl' && !name.startsWith('cpu0.')),
    )
  }

  #fullName(word: number): string | undefined {
    if (!this.#nameOfWord.has(word)) this.#nameOfWord.set(word, this.#names.nameOf(this.#firstCell + word))
    return this.#nameOfWord.get(word)
  }
}

let loaded: ReturnType<typeof loadStepped> | null = null

function loadMachine(): ReturnType<typeof loadStepped> {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  loaded ??= loadStepped(new URL(`./conflict-machine${extension}`, import.meta.url), { isShipped: true })
  return loaded
}

/** Notes what the one thread uses of the heap. */
class Recorder extends Scheduler {
  readonly thread = new Thread(0)
  readonly #firstCell: number
  readonly #uses: Uint8Array
  readonly #touched: number[] = []

  constructor(firstCell: number, words: number) {
    super()
    this.#firstCell = firstCell
    this.#uses = new Uint8Array(words)
  }

  begin(): void {
    for (const word of this.#touched) this.#uses[word] = 0
    this.#touched.length = 0
  }

  footprint(): Footprint {
    const lines: Footprint = new Map()
    for (const word of this.#touched) {
      const line = word >> LINE_SHIFT
      const use = lines.get(line) ?? { reads: 0, writes: 0 }
      lines.set(line, use)
      const bit = 1 << (word & (LINE_WORDS - 1))
      if ((this.#uses[word]! & READ) !== 0) use.reads |= bit
      if ((this.#uses[word]! & WRITTEN) !== 0) use.writes |= bit
    }
    return lines
  }

  override choose(): number {
    const { state, kind, cell, cells } = this.thread
    if (state === FINISHED) return -1
    // An operation that reads and writes takes the line for writing, even if it comes to nothing.
    const reads = kind === LOAD || kind === WAIT
    if (kind !== NOTIFY && kind !== PAUSE && kind !== WOKEN) this.#note(cell, cells, reads ? READ : WRITTEN)
    return 0
  }

  override plainRead(_thread: number, firstCell: number, cells: number): void {
    this.#note(firstCell, cells, READ)
  }

  override plainWrite(_thread: number, firstCell: number, cells: number): void {
    this.#note(firstCell, cells, WRITTEN)
  }

  #note(firstCell: number, cells: number, use: number): void {
    const first = firstCell - this.#firstCell
    for (let word = first; word < first + cells; word++) {
      // Frames are no part of the heap.
      if (word < 0 || word >= this.#uses.length) continue
      if (this.#uses[word] === 0) this.#touched.push(word)
      this.#uses[word]! |= use
    }
  }
}
