// Explores the interleavings of a program: each execution that differs from the others in the order of two dependent
// operations once, and as few others as can be helped.
//
// Dynamic partial-order reduction with source sets and sleep sets (Abdulla, Aronis, Jonsson, Sagonas: Optimal dynamic
// partial order reduction, POPL 2014). Two operations depend on each other if they touch a common cell and one changes
// it; a compare-and-swap that fails only reads. Programs are run again from the beginning for every execution, but what
// is known of the common prefix is kept, so that a prefix costs nothing but its steps.
//
// A thread that spins (see PAUSE) is one that waits for a change of what it read: its going on is a read of all of
// that, which is not possible before the change. Where nothing else can go on, spinning threads and threads that wait
// with a timeout are let go on a number of times, as time would; if that leads nowhere, it is a deadlock.
//
// Plain accesses are not scheduled. They are held against happens-before instead, which is what ECMAScript promises: a
// program without data races is sequentially consistent. Happens-before here is smaller than the dependence above: an
// atomic read takes over what the write that it read from knew, and nothing else orders two threads.

import {
  COMPARE_EXCHANGE,
  FINISHED,
  LOAD,
  NOTIFY,
  PAUSE,
  READY,
  SPINNING,
  STORE,
  Scheduler,
  Thread,
  WAIT,
  WAITING,
  WOKEN,
  memory,
  setWatching,
  timeOut,
} from '../backends/stepped/index.ts'

/** Threads at most: sets of threads are the bits of a word. */
export const THREADS_MAX = 16

// What an operation does to its cell.
const READS = 1
const WRITES = 2
/** Looks at or changes the queue of those who wait on the cell. */
const QUEUES = 4

/** Why the execution ended. */
export const RUNNING = 0
/** Every thread is finished. */
export const COMPLETE = 1
/** Every way to go on was explored before in another order. */
export const REDUNDANT = 2
export const DEADLOCK = 3
export const RACE = 4
export const TOO_LONG = 5

/** Two plain accesses, or a plain one and an atomic one, that nothing orders. */
export interface RaceReport {
  readonly cell: number
  readonly first: {
    readonly thread: number
    readonly site: number
    readonly write: boolean
    readonly atomic: boolean
  }
  readonly second: {
    readonly thread: number
    readonly site: number
    readonly write: boolean
    readonly atomic: boolean
  }
}

/** The program did something else when it was run again with the same choices. */
export class NotDeterministic extends Error {
  override readonly name = 'NotDeterministic'
}

// Words of a cell's shadow: the last atomic write and the last use of the queue, then for each thread in turn:
const LAST_WRITE = 0
const LAST_QUEUE = 1
const PER_THREAD = 2
// the event of its last atomic read and write,
const READ_BY = 0
const WRITTEN_BY = 1
// and when and where it last read and wrote plainly.
const PLAIN_READ = 2
const PLAIN_READ_SITE = 3
const PLAIN_WRITE = 4
const PLAIN_WRITE_SITE = 5
const THREAD_WORDS = 6

export interface ExplorerOptions {
  /** Steps after which an execution is given up. */
  readonly maxSteps: number
  /** How often a thread may go on because nothing else can. */
  readonly rescuesMax: number
}

export class Explorer extends Scheduler {
  readonly threads: readonly Thread[]
  status = RUNNING
  race: RaceReport | null = null
  /** Events of the execution so far. */
  depth = 0
  /** Which thread did each event. */
  readonly schedule: Uint8Array
  /** Steps of all executions, and those that were not a repetition of a prefix. */
  steps = 0
  newSteps = 0

  readonly #count: number
  readonly #options: ExplorerOptions
  readonly #stride: number
  #shadow = new Int32Array(0)
  /** Where in the shadow something changed, and what was there. */
  #log = new Int32Array(1 << 16)
  #logLength = 0

  // For each event:
  readonly #kind: Uint8Array
  readonly #cell: Int32Array
  readonly #cellCount: Int32Array
  readonly #mode: Uint8Array
  readonly #site: Int32Array
  readonly #rescued: Uint8Array
  readonly #logMark: Int32Array
  /** The thread's event before, or -1. */
  readonly #previous: Int32Array
  /** For each thread, one more than its last event that this one depends on; of itself, this one. */
  readonly #clock: Int32Array
  /** The same for happens-before. */
  readonly #sync: Int32Array
  /** Sets of threads: what could go on, what is to be tried, what was tried, what need not be tried. */
  readonly #enabled: Int32Array
  readonly #backtrack: Int32Array
  readonly #done: Int32Array
  readonly #sleep: Int32Array

  readonly #lastEvent: Int32Array
  readonly #wokenBy: Int32Array
  /** The event at which this execution leaves the last one, and the thread that does it. */
  #branch = 0
  #branchThread = -1
  #lastThread = -1
  readonly #racing: number[] = []
  readonly #first: Int32Array
  readonly #watched: number[] = []

  constructor(threadCount: number, options: ExplorerOptions) {
    super()
    this.threads = Array.from({ length: threadCount }, (_, id) => new Thread(id))
    this.#count = threadCount
    this.#options = options
    this.#stride = PER_THREAD + threadCount * THREAD_WORDS
    const events = options.maxSteps + 1
    this.schedule = new Uint8Array(events)
    this.#kind = new Uint8Array(events)
    this.#cell = new Int32Array(events)
    this.#cellCount = new Int32Array(events)
    this.#mode = new Uint8Array(events)
    this.#site = new Int32Array(events)
    this.#rescued = new Uint8Array(events)
    this.#logMark = new Int32Array(events)
    this.#previous = new Int32Array(events)
    this.#clock = new Int32Array(events * threadCount)
    this.#sync = new Int32Array(events * threadCount)
    this.#enabled = new Int32Array(events)
    this.#backtrack = new Int32Array(events)
    this.#done = new Int32Array(events)
    this.#sleep = new Int32Array(events)
    this.#lastEvent = new Int32Array(threadCount).fill(-1)
    this.#wokenBy = new Int32Array(threadCount).fill(-1)
    this.#first = new Int32Array(threadCount)
  }

  /** To be called before each execution. */
  begin(): void {
    this.status = RUNNING
    this.race = null
    this.depth = 0
    this.#lastThread = -1
    this.#wokenBy.fill(-1)
    this.#growShadow()
    // What happens before the first operation is the same in every execution.
    setWatching(this.#branchThread < 0 && this.#branch === 0)
  }

  override memoryGrew(): void {
    this.#growShadow()
  }

  /** Instead of advance(): the next execution repeats this one. */
  repeat(): void {
    this.#branch = this.depth
    this.#branchThread = -1
  }

  /** To be called after each execution. Finds the next one; false when there is none left. */
  advance(): boolean {
    setWatching(false)
    this.steps += this.depth
    this.newSteps += this.depth - this.#branch
    for (let event = this.depth - 1; event >= 0; event--) {
      this.#done[event]! |= 1 << this.schedule[event]!
      const todo = this.#backtrack[event]! & ~this.#done[event]! & ~this.#sleep[event]!
      this.#lastEvent[this.schedule[event]!] = this.#previous[event]!
      if (todo === 0) continue
      this.#branch = event
      this.#branchThread = 31 - Math.clz32(todo & -todo)
      this.#undo(this.#logMark[event]!)
      return true
    }
    return false
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Choosing

  override choose(): number {
    const event = this.depth
    this.#noticeChanges(event)
    if (this.race !== null) return this.#end(RACE)
    if (event < this.#branch) return this.#replay(event)
    if (event >= this.#options.maxSteps) return this.#end(TOO_LONG)
    let enabled = this.#enabledThreads()
    this.#rescued[event] = 0
    if (enabled === 0) {
      enabled = this.#rescue(event)
      if (enabled === 0) return -1
    }
    const atBranch = event === this.#branch && this.#branchThread >= 0
    if (!atBranch) {
      if (event === 0) this.#sleep[0] = 0
      const candidates = enabled & ~this.#sleep[event]!
      if (candidates === 0) return this.#end(REDUNDANT)
      const last = 1 << this.#lastThread
      const pick = this.#lastThread >= 0 && (candidates & last) !== 0 ? last : candidates & -candidates
      this.#backtrack[event] = pick
      this.#done[event] = 0
      this.schedule[event] = 31 - Math.clz32(pick)
    } else {
      this.schedule[event] = this.#branchThread
    }
    this.#enabled[event] = enabled
    const chosen = this.schedule[event]!
    const thread = this.threads[chosen]!
    thread.state = READY
    this.#account(event, thread)
    this.#passSleep(event, chosen)
    this.depth = event + 1
    this.#lastThread = chosen
    if (atBranch) setWatching(true)
    return this.race === null ? chosen : this.#end(RACE)
  }

  #end(status: number): number {
    this.status = status
    return -1
  }

  #replay(event: number): number {
    const chosen = this.schedule[event]!
    const thread = this.threads[chosen]!
    if (this.#rescued[event] !== 0) this.#letGoOn(thread)
    if (thread.kind !== this.#kind[event] || (thread.kind !== WOKEN && thread.cell !== this.#cell[event])) {
      throw new NotDeterministic(
        `run again with the same choices, thread ${chosen} came to another operation at step ${event + 1}`,
      )
    }
    thread.state = READY
    this.depth = event + 1
    this.#lastThread = chosen
    return chosen
  }

  /** Threads that spin go on when what they read has changed; those that were notified, because of that. */
  #noticeChanges(event: number): void {
    for (const thread of this.threads) {
      if (thread.state === SPINNING && thread.sawChange()) thread.state = READY
    }
    if (event === 0 || this.#kind[event - 1] !== NOTIFY) return
    for (const thread of this.threads) {
      if (thread.kind === WOKEN && thread.state === READY && this.#wokenBy[thread.id]! < 0)
        this.#wokenBy[thread.id] = event - 1
    }
  }

  #enabledThreads(): number {
    let enabled = 0
    for (const thread of this.threads) if (thread.state === READY) enabled |= 1 << thread.id
    return enabled
  }

  /** Nothing can go on. Lets one go on for which time would pass; else it is the end, good or bad. */
  #rescue(event: number): number {
    if (this.threads.every((thread) => thread.state === FINISHED)) return this.#stop(COMPLETE)
    for (const thread of this.threads) {
      const waits = thread.state === WAITING && thread.timeout !== Infinity
      if ((!waits && thread.state !== SPINNING) || thread.rescues >= this.#options.rescuesMax) continue
      this.#letGoOn(thread)
      this.#rescued[event] = 1
      return 1 << thread.id
    }
    return this.#stop(DEADLOCK)
  }

  #stop(status: number): number {
    this.status = status
    return 0
  }

  #letGoOn(thread: Thread): void {
    thread.rescues++
    if (thread.state === WAITING) {
      timeOut(thread)
      this.#wokenBy[thread.id] = -1
    }
    thread.state = READY
  }

  /** What need not be tried after the event: what need not be before it, or was tried instead, and commutes with it. */
  #passSleep(event: number, chosen: number): void {
    let asleep = (this.#sleep[event]! | this.#done[event]!) & ~(1 << chosen)
    let stays = 0
    while (asleep !== 0) {
      const bit = asleep & -asleep
      asleep ^= bit
      if (!this.#dependsOn(this.threads[31 - Math.clz32(bit)]!, event)) stays |= bit
    }
    this.#sleep[event + 1] = stays
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Dependence

  /** What the next operation of a thread does to its cell, as memory is now. */
  #modeOf(thread: Thread): number {
    switch (thread.kind) {
      case LOAD:
      case PAUSE:
        return READS
      case COMPARE_EXCHANGE:
        return this.#seesExpected(thread) ? READS | WRITES : READS
      case WAIT:
        return this.#seesExpected(thread) ? READS | QUEUES : READS
      case NOTIFY:
        return QUEUES
      case WOKEN:
        return 0
      case STORE:
        return WRITES
      default:
        return READS | WRITES
    }
  }

  #seesExpected(thread: Thread): boolean {
    const value = thread.array[thread.index]
    // Elements that are no 32-bit integers: it might.
    return thread.native || value === thread.expected || value === (thread.expected | 0)
  }

  /** The next operation of `thread` does not commute with an event. */
  #dependsOn(thread: Thread, event: number): boolean {
    const mode = this.#modeOf(thread)
    const other = this.#mode[event]!
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

  #touches(event: number, cell: number, cells: number): boolean {
    const first = this.#cell[event]!
    if (this.#kind[event] !== PAUSE) return cell < first + this.#cellCount[event]! && first < cell + cells
    // Of a pause, the watched cells are kept where its first cell would be: see #account.
    return this.#watched.some((watched) => watched >= cell && watched < cell + cells)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Events

  #account(event: number, thread: Thread): void {
    const { id, kind } = thread
    const count = this.#count
    const clock = event * count
    const previous = this.#lastEvent[id]!
    const mode = this.#modeOf(thread)
    this.#kind[event] = kind
    this.#cell[event] = thread.cell
    this.#cellCount[event] = thread.cells
    this.#mode[event] = mode
    this.#site[event] = thread.site
    this.#logMark[event] = this.#logLength
    this.#previous[event] = previous
    for (let other = 0; other < count; other++) {
      this.#clock[clock + other] = previous < 0 ? 0 : this.#clock[previous * count + other]!
      this.#sync[clock + other] = previous < 0 ? 0 : this.#sync[previous * count + other]!
    }
    this.#racing.length = 0
    if (kind === WOKEN) {
      if (this.#wokenBy[id]! >= 0) {
        this.#join(this.#clock, clock, this.#wokenBy[id]!)
        this.#join(this.#sync, clock, this.#wokenBy[id]!)
        this.#wokenBy[id] = -1
      }
    } else if (kind === PAUSE) {
      this.#watched.length = 0
      for (let read = thread.watchFrom; read < thread.watchTo; read++) {
        this.#watched.push(thread.readCells[read]!)
        this.#meetCell(event, thread, thread.readCells[read]!, mode)
      }
    } else {
      for (let cell = thread.cell; cell < thread.cell + thread.cells; cell++)
        this.#meetCell(event, thread, cell, mode)
    }
    this.#reverseRaces(event, id)
    for (const racing of this.#racing) this.#join(this.#clock, clock, racing)
    this.#clock[clock + id] = event + 1
    this.#sync[clock + id] = event + 1
    this.#lastEvent[id] = event
  }

  #join(clocks: Int32Array, into: number, event: number): void {
    const from = event * this.#count
    for (let other = 0; other < this.#count; other++) {
      if (clocks[from + other]! > clocks[into + other]!) clocks[into + other] = clocks[from + other]!
    }
  }

  /** Notes on what the event depends at one cell, and leaves its own mark there. */
  #meetCell(event: number, thread: Thread, cell: number, mode: number): void {
    const shadow = this.#shadow
    const { id } = thread
    const at = cell * this.#stride
    const clock = event * this.#count
    const lastWrite = shadow[at + LAST_WRITE]!
    if ((mode & (READS | WRITES)) !== 0) {
      let readers = false
      if ((mode & WRITES) !== 0) {
        for (let other = 0; other < this.#count; other++) {
          const read = shadow[at + PER_THREAD + other * THREAD_WORDS + READ_BY]!
          if (other === id || read <= lastWrite) continue
          readers = true
          this.#dependOn(clock, other, read - 1)
        }
      }
      if (lastWrite !== 0 && !readers) this.#dependOn(clock, this.schedule[lastWrite - 1]!, lastWrite - 1)
      if ((mode & READS) !== 0 && lastWrite !== 0 && thread.kind !== PAUSE)
        this.#join(this.#sync, clock, lastWrite - 1)
    }
    if ((mode & QUEUES) !== 0) {
      const lastQueue = shadow[at + LAST_QUEUE]!
      if (lastQueue !== 0) {
        this.#dependOn(clock, this.schedule[lastQueue - 1]!, lastQueue - 1)
        this.#join(this.#sync, clock, lastQueue - 1)
      }
      this.#set(at + LAST_QUEUE, event + 1)
    }
    if (thread.kind !== PAUSE) this.#checkAtomic(event, id, cell, mode)
    const own = at + PER_THREAD + id * THREAD_WORDS
    if ((mode & READS) !== 0) this.#set(own + READ_BY, event + 1)
    if ((mode & WRITES) !== 0) {
      this.#set(own + WRITTEN_BY, event + 1)
      this.#set(at + LAST_WRITE, event + 1)
    }
  }

  #dependOn(clock: number, other: number, event: number): void {
    if (this.#clock[clock + other]! <= event && !this.#racing.includes(event)) this.#racing.push(event)
  }

  #set(at: number, value: number): void {
    if (this.#logLength + 2 > this.#log.length) {
      const log = new Int32Array(this.#log.length * 2)
      log.set(this.#log)
      this.#log = log
    }
    this.#log[this.#logLength++] = at
    this.#log[this.#logLength++] = this.#shadow[at]!
    this.#shadow[at] = value
  }

  #undo(mark: number): void {
    while (this.#logLength > mark) {
      const value = this.#log[--this.#logLength]!
      this.#shadow[this.#log[--this.#logLength]!] = value
    }
  }

  #growShadow(): void {
    const words = memory.cells * this.#stride
    if (words <= this.#shadow.length) return
    const shadow = new Int32Array(words)
    shadow.set(this.#shadow)
    this.#shadow = shadow
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reversing races: each pair of dependent events that nothing forces into this order is to be seen in the other, too

  #reverseRaces(event: number, id: number): void {
    const racing = this.#racing
    for (const earlier of racing) {
      // Only what follows directly: what is behind another racing event is reversed when that one is.
      const other = this.schedule[earlier]!
      const direct = racing.every(
        (between) => between === earlier || this.#clock[between * this.#count + other]! <= earlier,
      )
      if (direct) this.#reverse(earlier, event, id)
    }
  }

  #reverse(earlier: number, event: number, id: number): void {
    const initials = this.#initials(earlier, event, id) & this.#enabled[earlier]!
    if (initials === 0 || (initials & (this.#backtrack[earlier]! | this.#sleep[earlier]!)) !== 0) return
    const own = 1 << id
    this.#backtrack[earlier]! |= (initials & own) !== 0 ? own : initials & -initials
  }

  /**
   * The threads that can begin, in the state before `earlier`, what happened since without depending on it, followed by
   * `event` of thread `id`.
   */
  #initials(earlier: number, event: number, id: number): number {
    const count = this.#count
    const first = this.#first
    const other = this.schedule[earlier]!
    let seen = 0
    let initials = 0
    for (let between = earlier + 1; between <= event; between++) {
      const thread = between === event ? id : this.schedule[between]!
      const bit = 1 << thread
      if ((seen & bit) !== 0) continue
      if (between !== event && this.#clock[between * count + other]! > earlier) continue
      let free = true
      for (let before = 0; before < count && free; before++) {
        if ((seen & (1 << before)) !== 0 && this.#clock[between * count + before]! > first[before]!)
          free = false
      }
      if (between === event) {
        for (const racing of this.#racing) {
          if (racing > earlier && this.#clock[racing * count + other]! <= earlier) free = false
        }
      }
      seen |= bit
      first[thread] = between
      if (free) initials |= bit
    }
    return initials
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Data races

  /** The clock of happens-before of a thread as it is now. */
  #known(thread: number, other: number): number {
    const last = this.#lastEvent[thread]!
    return last < 0 ? 0 : this.#sync[last * this.#count + other]!
  }

  override plainRead(id: number, firstCell: number, cells: number, site: number): void {
    const time = this.#lastEvent[id]! + 2
    for (let cell = firstCell; cell < firstCell + cells; cell++) {
      const at = cell * this.#stride + PER_THREAD
      const own = at + id * THREAD_WORDS
      if (this.#shadow[own + PLAIN_READ] === time) continue
      for (let other = 0; other < this.#count; other++) {
        if (other !== id) this.#meetPlain(id, other, cell, at + other * THREAD_WORDS, site, false)
      }
      this.#set(own + PLAIN_READ, time)
      this.#set(own + PLAIN_READ_SITE, site)
    }
  }

  override plainWrite(id: number, firstCell: number, cells: number, site: number): void {
    const time = this.#lastEvent[id]! + 2
    for (let cell = firstCell; cell < firstCell + cells; cell++) {
      const at = cell * this.#stride + PER_THREAD
      const own = at + id * THREAD_WORDS
      if (this.#shadow[own + PLAIN_WRITE] === time) continue
      for (let other = 0; other < this.#count; other++) {
        if (other !== id) this.#meetPlain(id, other, cell, at + other * THREAD_WORDS, site, true)
      }
      this.#set(own + PLAIN_WRITE, time)
      this.#set(own + PLAIN_WRITE_SITE, site)
    }
  }

  /** Holds a plain access against what another thread did to the cell; `theirs` is that thread's part of its shadow. */
  #meetPlain(id: number, other: number, cell: number, theirs: number, site: number, write: boolean): void {
    const shadow = this.#shadow
    const known = this.#known(id, other)
    if (shadow[theirs + PLAIN_WRITE]! > known)
      this.#report(cell, other, shadow[theirs + PLAIN_WRITE_SITE]!, true, false, id, site, write, false)
    else if (shadow[theirs + WRITTEN_BY]! > known)
      this.#report(
        cell,
        other,
        this.#site[shadow[theirs + WRITTEN_BY]! - 1]!,
        true,
        true,
        id,
        site,
        write,
        false,
      )
    else if (write && shadow[theirs + PLAIN_READ]! > known)
      this.#report(cell, other, shadow[theirs + PLAIN_READ_SITE]!, false, false, id, site, write, false)
    else if (write && shadow[theirs + READ_BY]! > known)
      this.#report(
        cell,
        other,
        this.#site[shadow[theirs + READ_BY]! - 1]!,
        false,
        true,
        id,
        site,
        write,
        false,
      )
  }

  /** Holds an atomic operation against the plain accesses of others. */
  #checkAtomic(event: number, id: number, cell: number, mode: number): void {
    if ((mode & (READS | WRITES)) === 0) return
    const shadow = this.#shadow
    for (let other = 0; other < this.#count; other++) {
      if (other === id) continue
      const theirs = cell * this.#stride + PER_THREAD + other * THREAD_WORDS
      const known = this.#sync[event * this.#count + other]!
      const write = (mode & WRITES) !== 0
      if (shadow[theirs + PLAIN_WRITE]! > known)
        this.#report(
          cell,
          other,
          shadow[theirs + PLAIN_WRITE_SITE]!,
          true,
          false,
          id,
          this.#site[event]!,
          write,
          true,
        )
      else if (write && shadow[theirs + PLAIN_READ]! > known)
        this.#report(
          cell,
          other,
          shadow[theirs + PLAIN_READ_SITE]!,
          false,
          false,
          id,
          this.#site[event]!,
          write,
          true,
        )
    }
  }

  #report(
    cell: number,
    firstThread: number,
    firstSite: number,
    firstWrite: boolean,
    firstAtomic: boolean,
    secondThread: number,
    secondSite: number,
    secondWrite: boolean,
    secondAtomic: boolean,
  ): void {
    this.race ??= {
      cell,
      first: { thread: firstThread, site: firstSite, write: firstWrite, atomic: firstAtomic },
      second: { thread: secondThread, site: secondSite, write: secondWrite, atomic: secondAtomic },
    }
  }
}
