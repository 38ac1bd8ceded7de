// What each event of an execution did, and on which events before it depends.
//
// Two operations depend on each other if they touch a common cell and one changes it; a failed compare-and-swap only
// reads. Two updates of one kind are independent (additions, or `or`s, whose results are unused), since they have
// the same effect in either order. Happens-before is smaller than dependence: see data-races.ts. In it, an update
// acquires nothing; a later read acquires from all updates.
//
// A spinning thread (see PAUSE) that continues reads all on which it spins. Ending another thread (STOP) depends on
// everything that this thread does, on its next operation, and, if it waits or spins, on every operation that could let
// it continue.

import {
  COMPARE_EXCHANGE,
  LOOK,
  PAUSE,
  STOP,
  STORE,
  Scheduler,
  SPINNING,
  type Thread,
  READY,
  WAITING,
  WOKEN,
} from '../backends/stepped/index.ts'
import type { Coverage } from './coverage.ts'
import { RaceDetector, type RaceReport } from './data-races.ts'
import type { OlderValues } from './older-values.ts'
import { QUEUES, READS, UPDATES, WRITES, aimStop, modeOf, modeToCover } from './operation-modes.ts'
import { hasTimeoutsLeft } from './passing-time.ts'
import {
  LAST_QUEUE,
  LAST_WRITE,
  MANY,
  PER_THREAD,
  QUEUED_BY,
  READ_BY,
  Shadow,
  THREAD_WORDS,
  UPDATED_BY,
  UPDATES_SINCE,
  WRITTEN_BY,
} from './shadow.ts'
import type { Symmetry } from './symmetry.ts'

export abstract class Dependence extends Scheduler {
  /** Events of the execution so far. */
  depth = 0
  /** Which thread did each event. */
  readonly schedule: Uint8Array
  protected readonly count: number
  protected readonly shadow: Shadow
  /** Threads that may be exchanged for one another. */
  protected readonly symmetry: Symmetry | null
  protected readonly races: RaceDetector
  /** The events of other threads that the last event depends on, and that nothing else puts before it. */
  protected readonly racing: number[] = []

  // For each event:
  protected readonly logMark: Int32Array
  /** The thread's event before, or -1. */
  readonly previous: Int32Array
  /** For each thread, one more than its last event that this one depends on; of itself, this one. */
  protected readonly clock: Int32Array
  protected readonly kind: Uint8Array
  protected readonly cell: Int32Array
  /** It went on because nothing else could. */
  protected readonly rescued: Uint8Array
  readonly #cellCount: Int32Array
  readonly #mode: Uint8Array
  readonly #site: Int32Array
  /** It is an access of racy(), which orders nothing. */
  readonly #plain: Uint8Array
  /** Of an event that ends a thread, that one. */
  readonly #victim: Int8Array
  /** The clock of happens-before. */
  readonly #sync: Int32Array

  // For each thread:
  readonly lastEvent: Int32Array
  protected readonly wokenBy: Int32Array
  /** Another thread has touched a cell at which one has passed on this path: the path is to be followed again. */
  isOutdated = false
  /** Threads end others in this program. */
  protected endsThreads = false
  /** Cells on which the thread spins that goes on or is ended in the last event. */
  readonly #watched: number[] = []
  readonly #coverage: Coverage | null
  /** Where racy accesses may read older values: what is known of them. */
  protected older: OlderValues | null = null
  /** Events are repeated, of which only that is not known any more. */
  protected isRepeating = false

  constructor(
    threadCount: number,
    maxSteps: number,
    symmetry: Symmetry | null,
    coverage: Coverage | null = null,
  ) {
    super()
    this.count = threadCount
    this.symmetry = symmetry
    this.#coverage = coverage
    this.shadow = new Shadow(threadCount, coverage !== null)
    const events = maxSteps + 1
    this.schedule = new Uint8Array(events)
    this.kind = new Uint8Array(events)
    this.cell = new Int32Array(events)
    this.#cellCount = new Int32Array(events)
    this.#mode = new Uint8Array(events)
    this.#site = new Int32Array(events)
    this.rescued = new Uint8Array(events)
    this.#plain = new Uint8Array(events)
    this.#victim = new Int8Array(events)
    this.logMark = new Int32Array(events)
    this.previous = new Int32Array(events)
    this.clock = new Int32Array(events * threadCount)
    this.#sync = new Int32Array(events * threadCount)
    this.lastEvent = new Int32Array(threadCount).fill(-1)
    this.wokenBy = new Int32Array(threadCount).fill(-1)
    this.races = new RaceDetector(threadCount, this.shadow, {
      sync: this.#sync,
      sites: this.#site,
      lastEvent: this.lastEvent,
    })
  }

  /** The event has its clock, except for what it takes over from the events in `racing`. */
  protected abstract meetRaces(event: number, thread: number): void

  get race(): RaceReport | null {
    return this.races.report
  }

  /** The next operation of `thread` does not commute with the last event. */
  protected dependsOn(thread: Thread, event: number): boolean {
    if (thread.kind === STOP) aimStop(thread)
    if (thread.kind === STOP && thread.victim!.id === this.schedule[event]) return true
    if (this.victimOf(event) === thread.id) return true
    if (thread.kind === STOP && this.#mayFree(event, thread.victim!)) return true
    const mode = modeOf(thread)
    const other = this.#mode[event]!
    if ((mode & other & UPDATES) !== 0) return false
    const conflict =
      ((mode & WRITES) !== 0 && (other & (READS | WRITES)) !== 0) ||
      ((other & WRITES) !== 0 && (mode & READS) !== 0) ||
      (mode & other & QUEUES) !== 0
    if (!conflict) return false
    if (thread.kind === PAUSE) {
      for (let read = thread.watchFrom; read < thread.watchTo; read++) {
        if (this.#touches(event, thread.readCells[read]!, 1)) return true
      }
      return false
    }
    return this.#touches(event, thread.cell, thread.cells)
  }

  /** Of the last event: see #watched. */
  #touches(event: number, cell: number, cells: number): boolean {
    const first = this.cell[event]!
    const kind = this.kind[event]
    if (kind !== PAUSE && cell < first + this.#cellCount[event]! && first < cell + cells) return true
    if (kind !== PAUSE && kind !== STOP) return false
    return this.#watched.some((watched) => watched >= cell && watched < cell + cells)
  }

  /** The event changes what a thread spins on that another is about to end. */
  #mayFree(event: number, victim: Thread): boolean {
    if (victim.state !== SPINNING || (this.#mode[event]! & WRITES) === 0) return false
    for (let read = victim.watchFrom; read < victim.watchTo; read++)
      if (this.#touches(event, victim.readCells[read]!, 1)) return true
    return false
  }

  /** Of an event that ends a thread, that one; else -1. */
  protected victimOf(event: number): number {
    return this.kind[event] === STOP ? this.#victim[event]! : -1
  }

  /** The last event of `other` with which the next operation of `thread` does not commute, or -1. */
  protected lastDependent(thread: Thread, other: number): number {
    if (thread.kind === STOP) aimStop(thread)
    if (thread.kind === STOP && thread.victim!.id === other) return this.lastEvent[other]!
    const mode = modeOf(thread)
    if (thread.kind !== PAUSE) return this.#lastDependentAt(thread.cell, thread.cells, other, mode)
    let last = -1
    for (let read = thread.watchFrom; read < thread.watchTo; read++)
      last = Math.max(last, this.#lastDependentAt(thread.readCells[read]!, 1, other, mode))
    return last
  }

  #lastDependentAt(first: number, cells: number, other: number, mode: number): number {
    const { words, stride } = this.shadow
    let last = 0
    for (let cell = first; cell < first + cells; cell++) {
      const theirs = cell * stride + PER_THREAD + other * THREAD_WORDS
      if ((mode & (READS | WRITES)) !== 0) {
        last = Math.max(last, words[theirs + WRITTEN_BY]!)
        if ((mode & UPDATES & words[cell * stride + UPDATES_SINCE]!) === 0)
          last = Math.max(last, words[theirs + UPDATED_BY]!)
      }
      if ((mode & WRITES) !== 0) last = Math.max(last, words[theirs + READ_BY]!)
      if ((mode & QUEUES) !== 0) last = Math.max(last, words[theirs + QUEUED_BY]!)
    }
    return last - 1
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Events

  protected account(event: number, thread: Thread): void {
    const { id, kind } = thread
    const count = this.count
    const clock = event * count
    const previous = this.lastEvent[id]!
    if (kind === STOP) aimStop(thread)
    const mode = modeOf(thread)
    this.kind[event] = kind
    this.cell[event] = thread.cell
    this.#cellCount[event] = thread.cells
    this.#mode[event] = mode
    this.#site[event] = thread.site
    this.#plain[event] = thread.isPlain && kind <= STORE ? 1 : 0
    this.logMark[event] = this.shadow.logLength
    this.previous[event] = previous
    for (let other = 0; other < count; other++) {
      this.clock[clock + other] = previous < 0 ? 0 : this.clock[previous * count + other]!
      this.#sync[clock + other] = previous < 0 ? 0 : this.#sync[previous * count + other]!
    }
    this.racing.length = 0
    if (this.symmetry !== null) {
      const isByTime = this.rescued[event] !== 0 || thread.state !== READY
      const before = this.symmetry.account(event, thread, this, isByTime)
      for (const other of before) this.#join(this.clock, clock, other)
    }
    if (kind === WOKEN && thread.state !== WAITING) this.#takeOverWaking(thread, clock)
    if (kind === STOP) this.#takeOverLife(event, thread.victim!.id)
    if (kind === STOP) this.#endThreads()
    this.#watched.length = 0
    if (kind === PAUSE && thread.eventWait?.joins === true) this.#joinWatched(thread, clock)
    else if (kind === PAUSE) this.#meetWatched(event, thread, thread)
    else if (mode !== 0) {
      for (let cell = thread.cell; cell < thread.cell + thread.cells; cell++)
        this.#meetCell(event, thread, cell, mode)
    }
    if (kind === STOP && thread.victim!.state === SPINNING) this.#meetWatched(event, thread, thread.victim!)
    if (this.#coverage !== null) this.#cover(this.#coverage, thread, modeToCover(thread, mode))
    // What is only known now is missing from the clocks before.
    if (this.isOutdated) return
    this.meetRaces(event, id)
    for (const racing of this.racing) this.#join(this.clock, clock, racing)
    this.clock[clock + id] = event + 1
    this.#sync[clock + id] = event + 1
    this.lastEvent[id] = event
  }

  #cover(coverage: Coverage, { id, cell, cells, site }: Thread, mode: number): void {
    if (mode === 0) coverage.reach(site)
    else coverage.meet(this.shadow, id, cell, cells, site, mode)
  }

  /** The thread looks at its clock, which nobody else sees. */
  protected accountLook(event: number, { id, site }: Thread): void {
    const previous = this.lastEvent[id]!
    const clock = event * this.count
    this.kind[event] = LOOK
    this.cell[event] = 0
    this.#cellCount[event] = 0
    this.#mode[event] = 0
    this.#site[event] = site
    this.#plain[event] = 0
    this.#watched.length = 0
    this.logMark[event] = this.shadow.logLength
    this.previous[event] = previous
    for (const clocks of [this.clock, this.#sync]) {
      for (let other = 0; other < this.count; other++)
        clocks[clock + other] = previous < 0 ? 0 : clocks[previous * this.count + other]!
      clocks[clock + id] = event + 1
    }
    this.lastEvent[id] = event
  }

  /** The event depends on whoever changes what `spinning` spins on. */
  #meetWatched(event: number, thread: Thread, spinning: Thread): void {
    for (let read = spinning.watchFrom; read < spinning.watchTo; read++) {
      const cell = spinning.readCells[read]!
      this.#watched.push(cell)
      this.#meetCell(event, thread, cell, READS)
    }
  }

  /** The thread has waited for all of that, and could not have gone on before: nothing is to be reversed. */
  #joinWatched({ id, watchFrom, watchTo, readCells }: Thread, clock: number): void {
    const { words, stride } = this.shadow
    for (let read = watchFrom; read < watchTo; read++) {
      this.#touch(id, readCells[read]!)
      const lastWrite = words[readCells[read]! * stride + LAST_WRITE]!
      if (lastWrite !== 0) this.#join(this.clock, clock, lastWrite - 1)
    }
  }

  #takeOverWaking(thread: Thread, clock: number): void {
    const { id } = thread
    const wokenBy = this.wokenBy[id]!
    if (wokenBy < 0) return
    // Its time might have been over before.
    if (thread.timeout !== Infinity && hasTimeoutsLeft(thread))
      this.#dependOn(clock, this.schedule[wokenBy]!, wokenBy)
    this.#join(this.clock, clock, wokenBy)
    this.#join(this.#sync, clock, wokenBy)
    this.wokenBy[id] = -1
  }

  /** The thread that is ended has done all that it does. */
  #takeOverLife(event: number, victim: number): void {
    const clock = event * this.count
    const last = this.lastEvent[victim]!
    this.#victim[event] = victim
    if (last >= 0) {
      this.#dependOn(clock, victim, last)
      this.#join(this.#sync, clock, last)
    }
    // What it did plainly since, too.
    this.#sync[clock + victim] = last + 2
  }

  #join(clocks: Int32Array, into: number, event: number): void {
    const from = event * this.count
    for (let other = 0; other < this.count; other++) {
      if (clocks[from + other]! > clocks[into + other]!) clocks[into + other] = clocks[from + other]!
    }
  }

  /** Notes on what the event depends at one cell, and leaves its own mark there. */
  #meetCell(event: number, thread: Thread, cell: number, wanted: number): void {
    const { shadow, count } = this
    const { words } = shadow
    const { id } = thread
    this.#touch(id, cell)
    const at = cell * shadow.stride
    const clock = event * count
    const lastWrite = words[at + LAST_WRITE]!
    const own = at + PER_THREAD + id * THREAD_WORDS
    const since = words[at + UPDATES_SINCE]!
    // Updates of another kind are there already: it is a write like others.
    const mode =
      (wanted & UPDATES) !== 0 && since !== 0 && (wanted & since) === 0 ? wanted & ~UPDATES : wanted
    if (mode !== wanted) this.#mode[event] = mode
    if ((mode & (READS | WRITES)) !== 0) {
      let isAfter = false
      if ((mode & WRITES) !== 0) {
        for (let other = 0; other < count; other++) {
          const read = words[at + PER_THREAD + other * THREAD_WORDS + READ_BY]!
          if (other === id || read <= lastWrite) continue
          isAfter = true
          this.#dependOn(clock, other, read - 1)
        }
      }
      if (since !== 0 && (mode & UPDATES) === 0) {
        this.#meetUpdates(event, thread, at, mode)
        isAfter = true
      }
      if (lastWrite !== 0 && !isAfter) this.#dependOn(clock, this.schedule[lastWrite - 1]!, lastWrite - 1)
      const isOrdered = lastWrite !== 0 && (this.#plain[event]! | this.#plain[lastWrite - 1]!) === 0
      if ((mode & READS) !== 0 && (mode & UPDATES) === 0 && isOrdered && !isQuiet(thread))
        this.#join(this.#sync, clock, lastWrite - 1)
    }
    if ((mode & QUEUES) !== 0) {
      const lastQueue = words[at + LAST_QUEUE]!
      if (lastQueue !== 0) {
        this.#dependOn(clock, this.schedule[lastQueue - 1]!, lastQueue - 1)
        this.#join(this.#sync, clock, lastQueue - 1)
      }
      shadow.set(at + LAST_QUEUE, event + 1)
      shadow.set(own + QUEUED_BY, event + 1)
    }
    if (!isQuiet(thread) && (mode & (READS | WRITES)) !== 0)
      this.races.checkAtomic(event, id, cell, (mode & WRITES) !== 0)
    if ((mode & UPDATES) !== 0) {
      shadow.set(own + UPDATED_BY, event + 1)
      if (since === 0) shadow.set(at + UPDATES_SINCE, mode & UPDATES)
      return
    }
    if ((mode & READS) !== 0) shadow.set(own + READ_BY, event + 1)
    if ((mode & WRITES) !== 0) {
      shadow.set(own + WRITTEN_BY, event + 1)
      shadow.set(at + LAST_WRITE, event + 1)
      if (since !== 0) shadow.set(at + UPDATES_SINCE, 0)
    }
  }

  /** It comes after all updates since the last write, and reads what they left together. */
  #meetUpdates(event: number, thread: Thread, at: number, mode: number): void {
    const { words } = this.shadow
    const clock = event * this.count
    for (let other = 0; other < this.count; other++) {
      const updated = words[at + PER_THREAD + other * THREAD_WORDS + UPDATED_BY]!
      if (updated <= words[at + LAST_WRITE]!) continue
      if (other !== thread.id) this.#dependOn(clock, other, updated - 1)
      if ((mode & READS) !== 0 && !isQuiet(thread) && this.#plain[event] === 0)
        this.#join(this.#sync, clock, updated - 1)
    }
  }

  /** An operation on a cell that no other thread has touched in any execution: the event only takes its place. */
  protected pass(event: number, thread: Thread): void {
    const { id } = thread
    const { count, clock } = this
    const sync = this.#sync
    const previous = this.lastEvent[id]!
    const from = previous * count
    const into = event * count
    this.schedule[event] = id
    this.kind[event] = thread.kind
    this.cell[event] = thread.cell
    this.#mode[event] = 0
    this.rescued[event] = 0
    this.previous[event] = previous
    for (let other = 0; other < count; other++) {
      clock[into + other] = clock[from + other]!
      sync[into + other] = sync[from + other]!
    }
    clock[into + id] = event + 1
    sync[into + id] = event + 1
    this.lastEvent[id] = event
    this.#coverage?.reach(thread.site)
  }

  /** A thread comes to a cell. */
  #touch(id: number, cell: number): void {
    const { owners } = this.shadow
    const owner = owners[cell]!
    if (owner === id + 1 || owner === MANY) return
    owners[cell] = owner === 0 ? id + 1 : MANY
    if (owner !== 0) this.#lookBack(cell)
  }

  /** Threads are ended, at any moment: then each operation counts. */
  #endThreads(): void {
    if (this.endsThreads) return
    this.endsThreads = true
    this.#lookBack(-1)
  }

  /** Where a thread has passed on this path, at a cell or anywhere (-1), the path is to be followed again. */
  #lookBack(cell: number): void {
    for (let event = 0; event < this.depth; event++) {
      const hasPassed = this.#mode[event] === 0 && this.kind[event]! <= COMPARE_EXCHANGE
      if (hasPassed && (cell < 0 || this.cell[event] === cell)) this.isOutdated = true
    }
  }

  #dependOn(clock: number, other: number, event: number): void {
    if (this.clock[clock + other]! <= event && !this.racing.includes(event)) this.racing.push(event)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Plain accesses

  override plainRead(id: number, firstCell: number, cells: number, site: number): void {
    if (this.isRepeating) return
    if (this.symmetry !== null) this.symmetry.plainRead(id, this)
    for (let cell = firstCell; cell < firstCell + cells; cell++) this.#touch(id, cell)
    this.races.plainRead(id, firstCell, cells, site)
    this.#coverage?.meet(this.shadow, id, firstCell, cells, site, READS)
  }

  override plainWrite(id: number, firstCell: number, cells: number, site: number): void {
    this.older?.plain(id, firstCell, cells, site, true)
    if (this.isRepeating) return
    for (let cell = firstCell; cell < firstCell + cells; cell++) this.#touch(id, cell)
    this.races.plainWrite(id, firstCell, cells, site)
    this.#coverage?.meet(this.shadow, id, firstCell, cells, site, WRITES)
  }

  /** A digest of what happened: the same for executions that differ only in the order of what commutes. */
  orderDigest(): string {
    const ordinals = new Int32Array(this.count)
    const ordinalOf = new Int32Array(this.depth)
    let first = 0
    let second = 0
    for (let event = 0; event < this.depth; event++) {
      const thread = this.schedule[event]!
      ordinalOf[event] = ++ordinals[thread]!
      let hash = (thread + 1) * 0x9e3779b1
      for (let other = 0; other < this.count; other++) {
        const last = this.clock[event * this.count + other]!
        hash = Math.imul(hash ^ (last === 0 ? 0 : ordinalOf[last - 1]!), 0x85ebca6b)
        hash ^= hash >>> 15
      }
      first = (first + Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)) | 0
      second = (second + Math.imul(hash ^ (hash >>> 16), 0x27d4eb2f)) | 0
    }
    return `${first} ${second}`
  }
}

/** Nobody is told what its next operation reads, or the program does not do it. */
function isQuiet({ kind }: Thread): boolean {
  return kind === PAUSE || kind === STOP
}
