// Virtual time: a policy on the stepped backend. Every thread is a simulated CPU with a clock; an access moves the
// clock on by what it costs, and the CPU whose clock is behind goes on.
//
// Principles:
// - The order of accesses to a line that CPUs contend for is exact: an access happens when no other clock is behind it,
//   and who finds the line with somebody else, or on its way there, waits for it in turn.
// - A CPU may run on while nobody else can notice: hits on lines that nobody else has used for a while, and not far
//   ahead of the others. Plain accesses cannot stop; between two operations of `Atomics` a CPU runs on in any case.
// - A CPU that spins is not stepped. It waits until a word that it has read is changed, and then gets the line as
//   others get it. One that sleeps is woken with what that costs both sides.
// - Nothing depends on the host: the same seed gives the same run.

import {
  FINISHED,
  LOAD,
  NOTIFY,
  READY,
  SPINNING,
  STORE,
  Thread,
  WAIT,
  WAITING,
  timeOut,
} from '../backends/stepped/index.ts'
import { ASLEEP, INTERRUPT, SPINNING_ON, WAKING, WORKING } from './accounts.ts'
import { LineTurns } from './line-turns.ts'
import { LINE_SHIFT } from './lines.ts'
import { Looks } from './looks.ts'
import type { CpuScheduler, SimulatorOptions, Subject } from './surroundings.ts'

/** How far a CPU runs ahead, over lines that nobody else has used lately. */
const AHEAD_NS = 250
/** A `pause` instruction: 140 cycles since Skylake (Intel 64 and IA-32 Optimization Reference Manual). */
const PAUSE_NS = 50
const NOBODY = -1

/** No CPU can go on, and not all have finished. */
export class SimulationStuck extends Error {
  override readonly name = 'SimulationStuck'
}

export class Simulator extends LineTurns {
  /** A turn takes time, also one that only looks. */
  override readonly waitsAtOnce = false
  readonly threads: readonly Thread[]
  /** Ends the run before the next access. */
  isOver = false

  readonly #subject: Subject
  readonly #aheadNs: number
  readonly #scheduler: CpuScheduler | null
  #current = NOBODY
  #begun = false
  /** What a thread is to be held up for interrupts that came while it was not looking, in nanoseconds. */
  readonly #debt: Float64Array

  /** Since when a thread spins or sleeps. */
  readonly #since: Float64Array
  readonly #looks: Looks
  #notifier = NOBODY
  readonly #sleepers: number[] = []

  constructor(options: SimulatorOptions) {
    super(options)
    const { places, subject, aheadNs = AHEAD_NS, scheduler = null } = options
    const count = places.length
    this.threads = places.map((_, id) => new Thread(id))
    this.#subject = subject
    this.#aheadNs = aheadNs
    this.#scheduler = scheduler
    this.#debt = new Float64Array(count)
    this.#since = new Float64Array(count)
    this.#looks = new Looks(count)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What the program's surroundings say of a thread

  /** The thread is held up so long as soon as it goes on. */
  owe(thread: number, ns: number): void {
    this.#debt[thread]! += ns
  }

  /** A thread that its scheduler held goes on, or asks again, at `time`. */
  resume(thread: number, time: number): void {
    this.clock[thread] = time
    this.queue.set(thread, time)
  }

  /** No thread does anything before this time any more. */
  get horizon(): number {
    const current = this.#current < 0 ? Infinity : this.clock[this.#current]!
    return Math.min(this.queue.earliest, current)
  }

  /** The window ends at `time`: what is being waited for until then is noted. */
  endWindow(time: number): void {
    for (const { id, state } of this.threads)
      if (state === SPINNING || state === WAITING) this.#noteWait(id, time)
    this.endTurns(time)
    this.accounts.to = time
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Choosing

  override choose(): number {
    if (this.written.length > 0) this.#wakeWatchers()
    if (this.#notifier >= 0) this.#wakeSleepers()
    if (this.isOver) return NOBODY
    if (!this.#begun) {
      this.#begun = true
      for (const { id } of this.threads) this.queue.set(id, this.clock[id]!)
    } else if (this.#current >= 0) {
      const thread = this.threads[this.#current]!
      if (thread.state === READY) {
        if (this.#goesOn(thread)) return thread.id
      } else if (thread.state === SPINNING) this.#spin(thread)
      else if (thread.state === WAITING) this.#sleep(thread)
      else this.#scheduler?.finished(thread.id, this.clock[thread.id]!)
    }
    this.#current = this.#next()
    return this.#current
  }

  #next(): number {
    for (;;) {
      const time = this.queue.earliest
      const id = this.queue.pop()
      if (id < 0) return this.#end()
      if (this.isOfLine(id)) {
        const next = this.lineTurn(id, time)
        if (next >= 0) return next
        continue
      }
      const thread = this.threads[id]!
      if (thread.state === SPINNING) {
        if (this.#scheduler!.isToLeave(id, time)) return this.#stopSpin(thread, time)
        if (!this.#isAnybodyElse()) return this.#end()
        this.queue.set(id, this.#scheduler!.spinsUntil(id))
        continue
      }
      if (thread.state === WAITING) {
        this.#noteWait(id, time)
        this.#sleepers.splice(this.#sleepers.indexOf(id), 1)
        timeOut(thread)
        this.clock[id] = time
        if (this.#scheduler !== null && !this.#scheduler.woke(id, time)) continue
        return id
      }
      if (this.#goesOn(thread)) return id
    }
  }

  /** Besides those that spin, whom only others can end that. */
  #isAnybodyElse(): boolean {
    return this.threads.some(({ id, state }) => state !== SPINNING && this.queue.has(id))
  }

  #end(): number {
    const stuck = this.threads.filter(({ state }) => state !== FINISHED).map(({ id }) => id)
    if (stuck.length === 0) return NOBODY
    throw new SimulationStuck(
      `no CPU can go on: ${stuck.length} wait for each other, the first is ${stuck[0]}`,
    )
  }

  /** Whether a thread that can go on does its operation now. If not, it is queued. */
  #goesOn(thread: Thread): boolean {
    const { id, kind } = thread
    if (this.#scheduler?.isAway(id) === true) {
      const time = this.clock[id]!
      if (time > this.queue.earliest) return this.queued(id, time)
      if (!this.#scheduler.goesOn(id, time)) return false
    }
    if (this.#debt[id] !== 0) this.#payDebt(id)
    if (!this.hasRead(id)) return false
    const now = this.clock[id]!
    if (kind >= WAIT) {
      if (now > this.queue.earliest) return this.queued(id, now)
      this.accesses++
      if (kind === NOTIFY) this.#notifier = id
      return true
    }
    const line = thread.cell >> LINE_SHIFT
    const write = kind !== LOAD
    if (write && kind !== STORE && this.drainAt[id]! > now) this.drain(id)
    const time = this.clock[id]!
    if (this.isToRequest(id, line)) {
      if (time > this.queue.earliest) return this.queued(id, time)
      this.requestNow(id, time)
    }
    const hit = this.directory.isHit(line, this.coreOf[id]!, write)
    if (hit && !this.hasCome(id, line, time)) return false
    if (hit && time < this.queue.earliest + this.#aheadNs && !this.isHot(line, time)) {
      this.hit(id, line, kind)
      return true
    }
    if (time > this.queue.earliest) return this.queued(id, time)
    if (hit) {
      this.hit(id, line, kind)
      return true
    }
    if (this.waitsFor(id, line, time)) return false
    this.fetch(id, line, thread.cell, kind)
    return true
  }

  #payDebt(id: number): void {
    const debt = this.#debt[id]!
    this.#debt[id] = 0
    this.spend(id, INTERRUPT, debt)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Waiting

  /** The thread has read the same as before: it waits until something of that is changed. */
  #spin(thread: Thread): void {
    const { id } = thread
    this.accesses++
    // A turn that differs from the one before may wait for a word that it has not read again: it answered an interrupt,
    // say. Only who has read the same twice goes on reading it.
    if (thread.sawChange() || !this.#looks.again(thread)) {
      thread.state = READY
      this.spend(id, WORKING, thread.betweenTurns ? this.hitNs[id]! : PAUSE_NS)
      this.queue.set(id, this.clock[id]!)
      return
    }
    this.#since[id] = this.clock[id]!
    this.#noteSleep(id)
    this.watchers.watch(thread)
    const until = this.#scheduler?.spinsUntil(id) ?? Infinity
    if (until !== Infinity) this.queue.set(id, Math.max(until, this.clock[id]!))
  }

  /** It is told to leave its CPU, and looks at that. */
  #stopSpin(thread: Thread, time: number): number {
    this.#noteWait(thread.id, time)
    this.clock[thread.id] = time
    this.#watchNoMore(thread)
    return thread.id
  }

  #watchNoMore(thread: Thread): void {
    thread.state = READY
    this.watchers.leave(thread.id)
  }

  #wakeWatchers(): void {
    const { directory } = this
    for (let at = 0; at < this.written.length; at += 2) {
      const line = this.written[at]!
      const writer = this.written[at + 1]!
      const watchers = this.watchers.of(line)
      // Backwards, as who is woken leaves.
      for (let place = watchers.length - 1; place >= 0; place--) {
        const id = watchers[place]!
        const thread = this.threads[id]!
        if (thread.state !== SPINNING) continue
        if (thread.sawChange()) this.#endSpin(thread, writer)
        // What it looks for is not there yet, but it has looked, and the line is shared again.
        else if (!this.#subject.isAsleep(id) && !directory.isHit(line, this.coreOf[id]!, false))
          directory.read(line, this.coreOf[id]!)
      }
    }
    this.written.length = 0
  }

  #endSpin(thread: Thread, writer: number): void {
    const { id } = thread
    const isAsleep = this.#subject.isAsleep(id)
    const { wakeNs, wakeLatencyNs } = this.machine.software
    if (isAsleep) this.spend(writer, WAKING, wakeNs * this.slownessOf(writer))
    const latency = isAsleep ? wakeLatencyNs * this.slownessOf(id) : 0
    const time = Math.max(this.clock[id]!, this.clock[writer]! + latency)
    this.#noteWait(id, time)
    this.clock[id] = time
    this.#watchNoMore(thread)
    this.#goOnAt(id, time)
  }

  #noteSleep(id: number): void {
    if (this.#subject.isAsleep(id)) this.#scheduler?.slept(id, this.clock[id]!)
  }

  /** Notes what a thread that spins or sleeps has waited for, up to `time`. */
  #noteWait(id: number, time: number): void {
    const { accounts } = this
    const thread = this.threads[id]!
    const isAsleep = this.#subject.isAsleep(id) || (thread.state === WAITING && !this.#subject.isHalted(id))
    const from = this.#since[id]!
    if (isAsleep) accounts.addWait(ASLEEP, accounts.asleepNs, this.#subject.lockOf(id), from, time)
    else {
      const cell = thread.state === WAITING ? thread.waitCell : thread.readCells[thread.watchFrom]!
      accounts.addWait(SPINNING_ON, accounts.spinNs, cell, from, time)
    }
  }

  #sleep(thread: Thread): void {
    const { id, timeout } = thread
    this.#since[id] = this.clock[id]!
    this.#noteSleep(id)
    this.#sleepers.push(id)
    if (timeout !== Infinity) this.queue.set(id, this.clock[id]! + timeout * 1e6)
  }

  /** Those go on that the last operation has notified. */
  #wakeSleepers(): void {
    const notifier = this.#notifier
    this.#notifier = NOBODY
    const { wakeNs, wakeLatencyNs, kickNs } = this.machine.software
    for (let place = 0; place < this.#sleepers.length;) {
      const id = this.#sleepers[place]!
      const thread = this.threads[id]!
      if (thread.state === WAITING) {
        place++
        continue
      }
      this.#sleepers.splice(place, 1)
      const isHalted = this.#subject.isHalted(id)
      this.spend(notifier, WAKING, isHalted ? kickNs / 2 : wakeNs * this.slownessOf(notifier))
      const latencyNs = isHalted ? kickNs : wakeLatencyNs * this.slownessOf(id)
      const time = Math.max(this.#since[id]!, this.clock[notifier]!) + latencyNs
      thread.state = WAITING
      this.#noteWait(id, time)
      thread.state = READY
      this.clock[id] = time
      this.#goOnAt(id, time)
    }
  }

  /** A thread that was woken goes on at `time`, or when it has got a CPU. */
  #goOnAt(id: number, time: number): void {
    this.queue.remove(id)
    if (this.#scheduler === null || this.#scheduler.woke(id, time)) this.queue.set(id, time)
  }
}
