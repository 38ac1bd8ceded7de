/**
 * Which threads, processes and address spaces there are, as the recording makes and ends them.
 *
 * Principles:
 * - exec begins a new address space. fork copies the layout. vfork lends the address space: until exec the child is a
 *   thread of its parent's.
 * - An address space ends when the last of its threads has left it, by exit or exec.
 * - Where one process is to be replayed alone, it is known at the end only which (the busiest), so that every process
 *   is followed as if it were that one: it begins with its parent's layout, and what a child does in memory that it
 *   borrowed is recorded both in the lender's and in a copy of the child's own.
 */
import { LockRecord } from './linux-locks.ts'
import { RecordedSpace, type Recording } from './recorded-space.ts'
import { Process, Thread, type Sink } from './recorded-thread.ts'
import type { RecordedTimes } from './recorded-times.ts'
import { RECORD_CREATE, RECORD_EXEC, RECORD_FORK, RECORD_JOIN } from './records.ts'
import type { Scanner } from './scanner.ts'

export const CLONE_VM = 0x100
const CLONE_VFORK = 0x4000
const CLONE_THREAD = 0x10000

export class RecordedProcesses {
  /** In the order in which they came. */
  readonly all: Process[] = []
  readonly #byPid = new Map<number, Process>()
  readonly #byTid = new Map<number, Thread>()
  /** Of the whole trace, where all processes are replayed. */
  readonly #locks = new LockRecord()
  /** The thread of the last event. */
  #thread: Thread | null = null
  readonly #scanner: Scanner
  readonly #recording: Recording
  readonly #times: RecordedTimes
  /** Whether all processes are to be replayed, or one of them alone. */
  readonly #whole: boolean

  constructor(scanner: Scanner, recording: Recording, times: RecordedTimes, whole: boolean) {
    this.#scanner = scanner
    this.#recording = recording
    this.#times = times
    this.#whole = whole
  }

  /** The thread of the present event. */
  get current(): Thread {
    const { pid, tid } = this.#scanner
    let thread = this.#thread
    if (thread === null || thread.tid !== tid || thread.process.pid !== pid) {
      thread = this.find(pid, tid)
      this.#thread = thread
    }
    return thread
  }

  /** A thread of which the trace has told before. */
  byTid(tid: number): Thread | undefined {
    return this.#byTid.get(tid)
  }

  /** Of all threads, the last of each number. */
  threads(): Iterable<Thread> {
    return this.#byTid.values()
  }

  /** A thread by its numbers, which may have been there before the recording began. */
  find(pid: number, tid: number): Thread {
    const known = this.#byTid.get(tid)
    if (known !== undefined && known.process.pid === pid) return known
    let process = this.#byPid.get(pid)
    if (process === undefined)
      process = this.#addProcess(pid, this.#scanner.comm(), new RecordedSpace(this.#recording, 'start'))
    return this.#addThread(process, tid)
  }

  #addProcess(pid: number, name: string, space: RecordedSpace): Process {
    const process = new Process(pid, name, space, this.#whole ? this.#locks : new LockRecord())
    this.all.push(process)
    this.#byPid.set(pid, process)
    return process
  }

  #addThread(process: Process, tid: number, parent: Thread | null = null): Thread {
    const thread = new Thread(tid, process, this.#scanner.nowNs)
    thread.isCreated = parent !== null
    const sink = this.#sit(process.space, tid)
    thread.sinks.push(sink)
    this.#times.born(sink.seat, thread, this.#scanner.nowNs, parent)
    process.threads.push(thread)
    this.#byTid.set(tid, thread)
    return thread
  }

  #sit(space: RecordedSpace, tid: number, guest = false, lender = -1): Sink {
    return { space, seat: space.addSeat(tid, this.#scanner.eventCount, guest, lender), lender }
  }

  /**
   * A thread has created another.
   * @param parent whose operation that is, begun already
   * @param flags of clone
   */
  created(parent: Thread, tid: number, flags: number): void {
    const own = parent.sinks[0]!
    if ((flags & CLONE_THREAD) !== 0) {
      const { seat, space } = this.#addThread(parent.process, tid, parent).sinks[0]!
      for (const sink of parent.sinks) if (sink.space === space) space.marker(RECORD_CREATE, sink.seat, seat)
      return
    }
    const { name } = parent.process
    if ((flags & CLONE_VM) === 0) {
      const space = own.space.fork(this.#recording, !this.#whole)
      const copy = this.#addProcess(tid, name, space)
      copy.isForked = true
      copy.parent = parent
      copy.allocators = new Set(parent.process.allocators)
      parent.process.forks++
      const child = this.#addThread(copy, tid, parent)
      own.space.marker(RECORD_FORK, own.seat, child.sinks[0]!.seat)
      this.#recording.seats[own.seat]!.operations++
      return
    }
    const lender = (flags & CLONE_VFORK) !== 0 ? own.seat : -1
    const process = this.#addProcess(
      tid,
      name,
      this.#whole ? own.space : own.space.fork(this.#recording, true),
    )
    process.parent = parent
    const borrowed = this.#sit(own.space, tid, !this.#whole, lender)
    const thread = new Thread(tid, process, this.#scanner.nowNs)
    thread.isCreated = true
    if (!this.#whole) thread.sinks.push(this.#sit(process.space, tid))
    thread.sinks.push(borrowed)
    for (const { seat } of thread.sinks) this.#times.born(seat, thread, this.#scanner.nowNs, parent)
    process.threads.push(thread)
    this.#byTid.set(tid, thread)
    own.space.marker(RECORD_CREATE, own.seat, borrowed.seat)
  }

  /** A thread leaves its address space, and gives back what it had borrowed. */
  leave(thread: Thread): void {
    for (const { space, seat, lender } of thread.sinks) {
      if (lender >= 0) space.marker(RECORD_JOIN, lender, seat)
      space.leave(seat, this.#scanner.eventCount)
    }
    thread.sinks = []
  }

  /** What a thread that has ended does is done by a new one, whose creation is not in the trace. */
  successor({ tid, process }: Thread): Thread {
    const lives = process.threads.some(({ sinks }) => sinks.length > 0)
    const space = lives ? process.space : new RecordedSpace(this.#recording, 'start')
    this.#thread = null
    return this.#addThread(lives ? process : this.#addProcess(process.pid, this.#scanner.comm(), space), tid)
  }

  /** exec has passed the point of no return. Returns the thread, which is another one if the process is another. */
  newImage(thread: Thread): Thread {
    const { process } = thread
    // A thread that calls exec gets the number of its process, whose first thread may have ended before.
    const before = process.threads.find(({ sinks }) => sinks.length > 0)?.sinks[0]
    if (before === undefined) {
      const successor = this.successor(thread)
      successor.process.space.inExec = true
      return successor
    }
    // Nothing happened in what was there before.
    const old = before.space
    const isFirst = old.origin === 'start' && !old.isUsed && old.faults === 0 && old.users === 1
    const space = new RecordedSpace(this.#recording, isFirst ? 'start' : 'exec')
    space.inExec = true
    if (isFirst) {
      old.isReplaced = true
      process.images.pop()
    }
    process.images.push(space)
    process.space = space
    process.isForked = false
    process.forks = 0
    process.allocators.clear()
    const sink = this.#sit(space, thread.tid)
    space.marker(RECORD_EXEC, sink.seat, before.seat)
    if (!isFirst) this.#recording.seats[sink.seat]!.operations++
    // exec ends all other threads of the process.
    this.#releaseSpace(process)
    for (const other of process.threads) this.leave(other)
    thread.sinks = [sink]
    return thread
  }

  /** The last thread that we know of is not always the last that there is: one may have done nothing yet. */
  holdSpace(thread: Thread, groupDead: boolean): void {
    const { process } = thread
    if (groupDead) {
      this.#releaseSpace(process)
    } else if (process.held === null && thread.sinks.length === 1) {
      if (process.threads.some((other) => other !== thread && other.sinks.length > 0)) return
      process.held = thread.sinks[0]!.space
      process.held.users++
    }
  }

  #releaseSpace(process: Process): void {
    if (process.held !== null) process.held.users--
    process.held = null
  }
}
