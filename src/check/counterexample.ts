// The counterexample: the execution that failed, run once more and written down step by step.
//
// It is plain data: who did what in which function, what was read and written under which name, why another thread went
// on, and what broke. What concerns one thread only is left out of a long execution. Names come from the source: where
// it says `mm + Mm.mmapSeq`, the cell is `mm.mmapSeq`, wherever else it is used.

import { basename } from 'node:path'
import {
  COMPARE_EXCHANGE,
  FINISHED,
  LOAD,
  NOTIFY,
  PAUSE,
  READY,
  SHARED,
  SPINNING,
  type Site,
  Scheduler,
  Thread,
  WAIT,
  WAITING,
  WOKEN,
  type Watched,
  operationNames,
  runThreads,
  setTracer,
  timeOut,
} from '../backends/stepped/index.ts'
import type { FailureKind, Subject } from './explore.ts'
import { NotDeterministic } from './execution.ts'

export type CounterexampleRow =
  | {
      readonly kind: 'call'
      readonly thread: number
      readonly depth: number
      /** Functions that call each other, the outermost first. */
      readonly functions: readonly string[]
      /** File and line of the innermost. */
      readonly place: string
    }
  | {
      readonly kind: 'operation'
      readonly thread: number
      readonly depth: number
      /** The step of the execution, from 1; null for a plain access, which is none. */
      readonly step: number | null
      /** An operation of Atomics, or 'read' or 'write' for a plain access. */
      readonly operation: string
      /** What is read or written; '' for an operation without memory. */
      readonly name: string
      /** The operation with its values, in words. */
      readonly text: string
      readonly place: string
    }
  | { readonly kind: 'switch'; readonly thread: number; readonly reason: string }
  /** The last `operations` operations happen `times` times more. */
  | { readonly kind: 'repeat'; readonly thread: number; readonly operations: number; readonly times: number }

export interface Counterexample {
  /** What the columns are: 'CPU' or 'thread'. */
  readonly noun: 'CPU' | 'thread'
  readonly threads: number
  readonly rows: readonly CounterexampleRow[]
  /** Operations and plain accesses that are left out of a long execution. */
  readonly leftOut: number
  readonly broken: {
    readonly kind: FailureKind
    readonly message: string
    /** Of a data race, its two accesses; of a deadlock, where each thread waits. */
    readonly details: readonly string[]
  }
}

export interface FailedExecution {
  readonly noun: 'CPU' | 'thread'
  readonly schedule: readonly number[]
  readonly kind: FailureKind
  readonly message: string
  readonly details: readonly string[]
}

/** Executions with more operations and accesses than this are shortened. */
const WHOLE_MAX = 60
/** Characters of source that a reason quotes. */
const QUOTE_MAX = 60

/** Operations of a turn of a loop that is told once, at most. */
const TURN_MAX = 24

interface Frame {
  readonly function: string
  readonly place: string
  /** Of its row, or -1 before it has one. */
  depth: number
}

interface Recorded {
  readonly thread: number
  readonly frames: readonly Frame[]
  readonly step: number | null
  readonly operation: string
  /** -1 where there is none. */
  readonly cell: number
  readonly index: number
  readonly changes: boolean
  /** The name is left open: it may be told by a later access. */
  readonly say: (name: string) => string
  readonly place: string
  /** Why this thread is the one that goes on. */
  readonly reason: string
}

/** Runs the execution again and writes it down. `sites` are those of the program that `subject` runs. */
export function recordCounterexample(
  subject: Subject,
  sites: readonly Site[],
  failed: FailedExecution,
): Counterexample {
  const threads = Array.from({ length: subject.threads }, (_, id) => new Thread(id))
  const bodies = subject.begin()
  const recorder = new Recorder(threads, sites, failed, subject.names?.() ?? new Map())
  setTracer(recorder)
  try {
    runThreads(threads, bodies, recorder)
  } finally {
    setTracer(null)
  }
  if (recorder.isLost) {
    throw new NotDeterministic('the execution that failed takes another way when it is written down')
  }
  const { rows, leftOut } = recorder.rows()
  const { kind, message } = failed
  const details = kind === 'deadlock' ? recorder.waiting() : failed.details
  return { noun: failed.noun, threads: subject.threads, rows, leftOut, broken: { kind, message, details } }
}

/** File, line and source of a place, short enough for a line. */
export function shortPlace(site: Site | undefined): string {
  return site === undefined ? 'an unknown place' : `${basename(site.file)}:${site.line}`
}

/** Follows a schedule and notes what happens. */
class Recorder extends Scheduler {
  isLost = false
  readonly #threads: readonly Thread[]
  readonly #sites: readonly Site[]
  readonly #failed: FailedExecution
  readonly #stacks: Frame[][]
  readonly #recorded: Recorded[] = []
  readonly #names: Names
  #step = 0
  #last = -1
  #reason = ''

  constructor(
    threads: readonly Thread[],
    sites: readonly Site[],
    failed: FailedExecution,
    known: ReadonlyMap<number, string>,
  ) {
    super()
    this.#threads = threads
    this.#sites = sites
    this.#failed = failed
    this.#names = new Names(known)
    this.#stacks = threads.map(() => [])
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The schedule

  override choose(): number {
    const { schedule } = this.#failed
    if (this.#step === schedule.length) return -1
    const chosen = this.#threads[schedule[this.#step]!]!
    if (chosen.state === FINISHED) {
      this.isLost = true
      return -1
    }
    if (this.#last >= 0 && this.#last !== chosen.id) this.#reason = this.#whySwitch()
    if (chosen.state === WAITING) {
      timeOut(chosen)
      this.#reason = `${this.#nameOf(chosen)} has waited as long as it was ready to`
    }
    chosen.state = READY
    this.#step++
    this.#last = chosen.id
    return chosen.id
  }

  override plainRead(): void {
    // The tracer is told of the same access, with its value.
  }

  override plainWrite(): void {
    // See plainRead.
  }

  #whySwitch(): string {
    const last = this.#threads[this.#last]!
    const name = this.#nameOf(last)
    if (last.state === FINISHED) return `${name} has finished`
    if (last.state === WAITING) return `${name} waits`
    if (last.state === SPINNING) return `${name} waits until something of what it reads changes`
    return `${name} is stopped before ${this.#quote(last.site)}`
  }

  #quote(site: number): string {
    const source = this.#sites[site]?.source ?? 'its next operation'
    return source.length > QUOTE_MAX ? `${source.slice(0, QUOTE_MAX - 1)}…` : source
  }

  #nameOf(thread: Thread): string {
    return `${this.#failed.noun} ${thread.id}`
  }

  /** Where each thread that has not finished waits. */
  waiting(): string[] {
    return this.#threads
      .filter((thread) => thread.state !== FINISHED)
      .map(
        (thread) =>
          `${this.#nameOf(thread)} waits at ${shortPlace(this.#sites[thread.site])}: ${this.#quote(thread.site)}`,
      )
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What happens

  enter(thread: Thread, site: number): void {
    const place = this.#sites[site]
    this.#stacks[thread.id]?.push({
      function: place?.function ?? 'unknown',
      place: shortPlace(place),
      depth: -1,
    })
  }

  leave(thread: Thread): void {
    this.#stacks[thread.id]?.pop()
  }

  operation(thread: Thread, kind: number, before: number, after: number): void {
    const hasMemory = kind !== PAUSE && kind !== WOKEN
    const operation = operationNames[kind]!
    if (hasMemory) this.#names.learn(thread.cell, thread.index, this.#sites[thread.site]?.source ?? '')
    const { expected } = thread
    this.#note(thread, thread.site, {
      step: this.#step,
      operation,
      cell: hasMemory ? thread.cell : -1,
      index: thread.index,
      changes: before !== after,
      say: (name) => sayOperation(kind, name, before, after, expected),
    })
  }

  access(thread: Thread, array: Watched, index: number, value: number, write: boolean, site: number): void {
    const view = array[SHARED]
    if (view === undefined) return
    const cell = view.firstCell + index * view.cellsPerElement
    this.#names.learn(cell, index, this.#sites[site]?.source ?? '')
    this.#note(thread, site, {
      step: null,
      operation: write ? 'write' : 'read',
      cell,
      index,
      changes: write,
      say: (name) => (write ? `write ${name} ← ${value}` : `read ${name} = ${value}`),
    })
  }

  #note(thread: Thread, site: number, what: Omit<Recorded, 'thread' | 'frames' | 'place' | 'reason'>): void {
    const stack = this.#stacks[thread.id]
    if (stack === undefined) return
    const place = shortPlace(this.#sites[site])
    this.#recorded.push({ ...what, thread: thread.id, frames: [...stack], place, reason: this.#reason })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Rows

  rows(): { rows: CounterexampleRow[]; leftOut: number } {
    const common = commonCells(this.#recorded)
    const whole = this.#recorded.length <= WHOLE_MAX
    const plain = this.#failed.kind === 'race'
    const kept = this.#recorded.filter(
      ({ cell, step }) => whole || (common.has(cell) && (plain || step !== null)),
    )
    const rows: CounterexampleRow[] = []
    let last = -1
    for (let at = 0; at < kept.length;) {
      const { operations, turns } = repetition(kept, at)
      for (const each of kept.slice(at, at + operations)) {
        const { thread, reason } = each
        if (last >= 0 && last !== thread && reason !== '') rows.push({ kind: 'switch', thread, reason })
        last = thread
        this.#addRows(rows, each)
      }
      if (turns > 1) rows.push({ kind: 'repeat', thread: last, operations, times: turns - 1 })
      at += operations * turns
    }
    return { rows, leftOut: this.#recorded.length - kept.length }
  }

  /** The operation, and before it the calls that are new. */
  #addRows(rows: CounterexampleRow[], recorded: Recorded): void {
    const { thread, step, operation, cell, index, place } = recorded
    const frames = recorded.frames.filter((frame) => this.#failed.noun === 'thread' || isKernels(frame))
    const fresh = frames.filter((frame) => frame.depth < 0)
    if (fresh.length > 0) {
      const depth = (frames.at(-fresh.length - 1)?.depth ?? -1) + 1
      for (const frame of fresh) frame.depth = depth
      const functions = fresh.map((frame) => frame.function)
      rows.push({ kind: 'call', thread, depth, functions, place: fresh.at(-1)!.place })
    }
    const name = cell < 0 ? '' : this.#names.nameOf(cell, index)
    const text = recorded.say(name)
    const depth = (frames.at(-1)?.depth ?? -1) + 1
    rows.push({ kind: 'operation', thread, depth, step, operation, name, text, place })
  }
}

/** What the scenario itself is made of says nothing. */
function isKernels(frame: Frame): boolean {
  return frame.function !== '(anonymous)' && frame.function !== 'perform'
}

/** How often what begins at `at` is there, one after the other; at least three times, or it is one operation once. */
function repetition(kept: readonly Recorded[], at: number): { operations: number; turns: number } {
  const same = (first: number, second: number): boolean => {
    const [one, other] = [kept[first], kept[second]]
    return (
      one !== undefined &&
      other !== undefined &&
      one.thread === other.thread &&
      one.place === other.place &&
      one.cell === other.cell &&
      one.say('') === other.say('')
    )
  }
  for (let operations = 1; operations <= TURN_MAX; operations++) {
    let length = operations
    while (same(at + length - operations, at + length)) length++
    const turns = Math.floor(length / operations)
    if (turns > 2) return { operations, turns }
  }
  return { operations: 1, turns: 1 }
}

/** The cells that one thread changes and another uses. */
function commonCells(recorded: readonly Recorded[]): Set<number> {
  const users = new Map<number, Set<number>>()
  const changed = new Set<number>()
  for (const { cell, thread, changes } of recorded) {
    if (cell < 0) continue
    users.set(cell, (users.get(cell) ?? new Set()).add(thread))
    if (changes) changed.add(cell)
  }
  return new Set([...changed].filter((cell) => users.get(cell)!.size > 1))
}

function sayOperation(kind: number, name: string, before: number, after: number, expected: number): string {
  const operation = operationNames[kind]!
  switch (kind) {
    case PAUSE:
    case WOKEN:
      return operation
    case LOAD:
      return `load ${name} = ${before}`
    case NOTIFY:
      return `notify ${name}, wakes ${before}`
    case WAIT:
      return before === expected
        ? `wait ${name} = ${before}`
        : `wait ${name} = ${before}, not ${expected}: goes on`
    case COMPARE_EXCHANGE:
      return before === expected
        ? `cas ${name} ${before} → ${after}`
        : `cas ${name} = ${before}, not ${expected}`
  }
  return `${operation} ${name} ${before} → ${after}`
}

// ---------------------------------------------------------------------------------------------------------------------
// Names

/** Names of cells, taken from the source of what uses them. */
class Names {
  readonly #fields = new Map<number, string>()
  readonly #elements = new Map<number, string>()
  /** How many cells have the name. */
  readonly #uses = new Map<string, number>()
  readonly #known: ReadonlyMap<number, string>

  constructor(known: ReadonlyMap<number, string>) {
    this.#known = known
  }

  learn(cell: number, index: number, source: string): void {
    const parts = arrayAndIndex(source)
    if (parts === null) return
    const field = fieldName(parts.index)
    if (field !== null) {
      if (this.#fields.has(cell)) return
      this.#fields.set(cell, field)
      this.#uses.set(field, (this.#uses.get(field) ?? 0) + 1)
    } else if (!this.#elements.has(cell)) {
      const isConstant = /^[A-Z][A-Z0-9_]*$/.test(parts.index)
      this.#elements.set(cell, `${parts.array}[${isConstant ? parts.index : index}]`)
    }
  }

  nameOf(cell: number, index: number): string {
    const known = this.#known.get(cell)
    if (known !== undefined) return known
    const field = this.#fields.get(cell)
    if (field === undefined) return this.#elements.get(cell) ?? `[${index}]`
    return this.#uses.get(field) === 1 ? field : `${field}@${index}`
  }
}

/** `mm.mmapSeq` for `mm + Mm.mmapSeq`, whatever the base is; null where no field of a struct is named. */
function fieldName(index: string): string | null {
  if (index.startsWith('pteAddress(')) return 'pte'
  const match = /(?:^|\+ )([A-Z])(\w*)\.(\w+)$/.exec(index)
  return match && `${match[1]!.toLowerCase()}${match[2]}.${match[3]}`
}

/** The array and the index, as written, of an operation of Atomics or of an access to an element. */
function arrayAndIndex(source: string): { array: string; index: string } | null {
  const call = /^Atomics\.\w+\(/.exec(source)
  if (call !== null) {
    const [array, index] = splitArguments(source.slice(call[0].length))
    return array === undefined || index === undefined ? null : { array: lastPart(array), index }
  }
  const element = /^([\w.#!]+?)!?\[/.exec(source)
  if (element === null) return null
  const [index] = splitArguments(source.slice(element[0].length))
  return index === undefined ? null : { array: lastPart(element[1]!), index }
}

function lastPart(array: string): string {
  return /^[\w.#]+$/.test(array) ? array.slice(array.lastIndexOf('.') + 1) : array
}

/** What stands between commas, up to the bracket that closes. */
function splitArguments(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if ('([{'.includes(character)) depth++
    else if (depth === 0 && ',)]'.includes(character)) {
      parts.push(text.slice(start, at).trim())
      start = at + 1
      if (character !== ',') return parts
    } else if (')]}'.includes(character)) depth--
  }
  return parts
}
