/**
 * Follows the recorded processes through a trace: which threads and address spaces there are, which calls are under
 * way, and in which order everything took effect. Writes that order into one sequence of records.
 *
 * Principles:
 * - A call takes effect between its enter and its exit. The moment is where it got the mmap lock for writing, if the
 *   trace shows it; else its enter (munmap, madvise: afterwards the range is gone) or its exit (all others: before it
 *   the result is not known).
 * - exec begins a new address space; what exec maps shows as PERF_RECORD_MMAP2 outside any call. fork copies the
 *   layout. vfork lends the address space: until exec the child is a thread of its parent's.
 * - An address space ends when the last of its threads has left it, by exit or exec.
 * - Where one process is to be replayed alone, it is known at the end only which (the busiest), so that every process
 *   is followed as if it were that one: it begins with its parent's layout, and what a child does in memory that it
 *   borrowed is recorded both in the lender's and in a copy of the child's own.
 */
import path from 'node:path'
import { LockRecord } from './linux-locks.ts'
import { PAGE_SIZE, type Mapping } from './layout.ts'
import type { OpStore } from './op-store.ts'
import {
  CALL_ADDRESS,
  CALL_FILE,
  CALL_LENGTH,
  CALL_SECOND_ADDRESS,
  CALL_SECOND_LENGTH,
  MAP_GROWS_DOWN,
  MAP_NO_RESERVE,
  MAP_POPULATE,
  MAP_REPLACES,
  MAP_SHARED,
  RECORD_ADVISE,
  RECORD_BRK,
  RECORD_CREATE,
  RECORD_EXEC,
  RECORD_FORK,
  RECORD_JOIN,
  RECORD_MAP,
  RECORD_PROTECT,
  RECORD_REMAP,
  RECORD_UNMAP,
  STATUS_DONE,
  STATUS_OPEN,
  STATUS_REFUSED,
} from './records.ts'
import { pageDown, pageUp, RecordedSpace, USER_ADDRESSES, type Recording } from './recorded-space.ts'
import {
  CALL_BRK,
  CALL_MADVISE,
  CALL_MMAP,
  CALL_MPROTECT,
  CALL_MREMAP,
  CALL_MUNMAP,
  CALL_NAMES,
  Scanner,
  type MapRecord,
  type TraceEvents,
} from './scanner.ts'

const CLONE_VM = 0x100
const CLONE_VFORK = 0x4000
const CLONE_THREAD = 0x10000

// mmap flags of Linux.
const LINUX_MAP_TYPE = 0xf
const LINUX_MAP_FIXED = 0x10
const LINUX_MAP_ANONYMOUS = 0x20
const LINUX_MAP_GROWSDOWN = 0x100
const LINUX_MAP_NORESERVE = 0x4000
const LINUX_MAP_POPULATE = 0x8000
const LINUX_MAP_HUGETLB = 0x40000
const LINUX_MAP_HUGE_SHIFT = 26

const MREMAP_MAYMOVE = 1
const MREMAP_DONTUNMAP = 4

/** Kernel addresses begin here. */
const KERNEL_ADDRESSES = 0xffff800000000000

/** Where a thread's operations are recorded. */
interface Sink {
  readonly space: RecordedSpace
  readonly seat: number
  /** For a borrowed address space: the seat of the lender, which waits until it is given back; else -1. */
  readonly lender: number
}

/** A record that waits for the end of its call. */
interface Reserved {
  readonly space: RecordedSpace
  readonly position: number
  /** For mappings implied by the call. */
  readonly implied: Mapping | null
  /** What the call took out of the layout, to be put back if Linux refused it. */
  readonly removed: Mapping[] | null
}

/** The call that a thread is in. */
class Call {
  active = false
  kind = 0
  readonly values = new Float64Array(6)
  committed = false
  reserved: Reserved[] = []
  record: MapRecord | null = null
}

class Thread {
  readonly tid: number
  readonly process: Process
  sinks: Sink[] = []
  readonly call = new Call()
  // The mmap lock.
  lockPending = false
  lockContended = false
  lockSeconds = 0
  lockNanoseconds = 0
  holdsWrite = false
  /** Its last event was a fault, so that a lock for reading belongs to that. */
  inFault = false
  faultAddress = 0
  readonly firstNs: number
  /** When it ended, or -1. */
  exitNs = -1

  constructor(tid: number, process: Process, firstNs: number) {
    this.tid = tid
    this.process = process
    this.firstNs = firstNs
  }
}

/**
 * Sections of a file this far apart are files of their own: a device's offsets are cookies that may be exabytes from
 * each other, while a file of ours holds 8 TiB.
 */
const SECTION_BYTES = 2 ** 42

export class Process {
  readonly pid: number
  name: string
  faults = 0
  readonly threads: Thread[] = []
  readonly locks: LockRecord
  images: RecordedSpace[]
  space: RecordedSpace
  firstNs = -1
  lastNs = 0
  ended = false

  constructor(pid: number, name: string, space: RecordedSpace, locks: LockRecord) {
    this.pid = pid
    this.name = name
    this.space = space
    this.images = [space]
    this.locks = locks
  }

  /** How long its threads lived, summed up, in nanoseconds. */
  get threadNs(): number {
    return this.threads.reduce(
      (sum, { firstNs, exitNs }) =>
        sum + Math.max(0, (exitNs < 0 ? this.lastNs : exitNs) - Math.max(firstNs, this.firstNs)),
      0,
    )
  }
}

export class Importer implements TraceEvents {
  readonly scanner: Scanner
  readonly processes: Process[] = []
  /** Files by identity; number 0 is none. */
  readonly files: string[] = ['']
  lostEvents = 0
  openCalls = 0
  lockEvents = 0
  entered = new Float64Array(CALL_NAMES.length)
  exited = new Float64Array(CALL_NAMES.length)
  faults = 0
  mapRecords = 0
  newTasks = 0
  /** Mappings that were there though no event had told so, and the other way round. */
  impliedMappings = 0
  impliedUnmappings = 0

  readonly recording: Recording
  /** Whether all processes are to be replayed, or one of them alone. */
  readonly #whole: boolean
  readonly #byPid = new Map<number, Process>()
  readonly #byTid = new Map<number, Thread>()
  readonly #fileNumbers = new Map<string, number>()
  /** Of the whole trace, where all processes are replayed. */
  readonly #locks = new LockRecord()
  #thread: Thread | null = null
  /** Threads in an mprotect whose effect is not placed yet. */
  readonly #protecting = new Set<Thread>()

  constructor(file: string, store: OpStore, whole: boolean) {
    this.scanner = new Scanner(file, this)
    this.recording = { records: store.createStream(), seats: [], spaces: [] }
    this.#whole = whole
  }

  // ---- threads and processes

  #current(): Thread {
    const { scanner } = this
    let thread = this.#thread
    if (thread === null || thread.tid !== scanner.tid || thread.process.pid !== scanner.pid) {
      thread = this.#findThread(scanner.pid, scanner.tid)
      this.#thread = thread
    }
    const { process } = thread
    const now = this.#now
    if (process.firstNs < 0) process.firstNs = now
    process.lastNs = now
    return thread
  }

  /** Nanoseconds, exact to a few hundred of them. */
  get #now(): number {
    return this.scanner.seconds * 1e9 + this.scanner.nanoseconds
  }

  #findThread(pid: number, tid: number): Thread {
    const known = this.#byTid.get(tid)
    if (known !== undefined && known.process.pid === pid) return known
    // Threads that were there before the recording began.
    let process = this.#byPid.get(pid)
    if (process === undefined)
      process = this.#addProcess(pid, this.scanner.comm(), new RecordedSpace(this.recording, 'start'))
    return this.#addThread(process, tid)
  }

  #addProcess(pid: number, name: string, space: RecordedSpace): Process {
    const process = new Process(pid, name, space, this.#whole ? this.#locks : new LockRecord())
    this.processes.push(process)
    this.#byPid.set(pid, process)
    return process
  }

  #addThread(process: Process, tid: number): Thread {
    const thread = new Thread(tid, process, this.#now)
    thread.sinks.push(this.#sit(process.space, tid))
    process.threads.push(thread)
    this.#byTid.set(tid, thread)
    return thread
  }

  #sit(space: RecordedSpace, tid: number, guest = false, lender = -1): Sink {
    return { space, seat: space.addSeat(tid, this.scanner.eventCount, guest, lender), lender }
  }

  newTask(tid: number, flags: number): void {
    this.newTasks++
    const parent = this.#active()
    this.#otherEvent(parent)
    const own = parent.sinks[0]!
    if ((flags & CLONE_THREAD) !== 0) {
      const { seat, space } = this.#addThread(parent.process, tid).sinks[0]!
      for (const sink of parent.sinks) if (sink.space === space) space.marker(RECORD_CREATE, sink.seat, seat)
      return
    }
    const { name } = parent.process
    if ((flags & CLONE_VM) === 0) {
      const space = own.space.fork(this.recording, !this.#whole)
      const child = this.#addThread(this.#addProcess(tid, name, space), tid)
      own.space.marker(RECORD_FORK, own.seat, child.sinks[0]!.seat)
      this.recording.seats[own.seat]!.operations++
      return
    }
    const lender = (flags & CLONE_VFORK) !== 0 ? own.seat : -1
    const process = this.#addProcess(
      tid,
      name,
      this.#whole ? own.space : own.space.fork(this.recording, true),
    )
    const borrowed = this.#sit(own.space, tid, !this.#whole, lender)
    const thread = new Thread(tid, process, this.#now)
    if (!this.#whole) thread.sinks.push(this.#sit(process.space, tid))
    thread.sinks.push(borrowed)
    process.threads.push(thread)
    this.#byTid.set(tid, thread)
    own.space.marker(RECORD_CREATE, own.seat, borrowed.seat)
  }

  /** A thread leaves its address space, and gives back what it had borrowed. */
  #leave(thread: Thread): void {
    for (const { space, seat, lender } of thread.sinks) {
      if (lender >= 0) space.marker(RECORD_JOIN, lender, seat)
      space.leave(seat, this.scanner.eventCount)
    }
    thread.sinks = []
  }

  /** What a thread that has ended does is done by a new one, whose creation is not in the trace. */
  #successor({ tid, process }: Thread): Thread {
    const lives = process.threads.some(({ sinks }) => sinks.length > 0)
    const space = lives ? process.space : new RecordedSpace(this.recording, 'start')
    this.#thread = null
    return this.#addThread(lives ? process : this.#addProcess(process.pid, this.scanner.comm(), space), tid)
  }

  /** The thread of the present event, alive. */
  #active(): Thread {
    const thread = this.#current()
    return thread.sinks.length > 0 ? thread : this.#successor(thread)
  }

  /** exec has passed the point of no return. Returns the thread, which is another one if the process is another. */
  #newImage(thread: Thread): Thread {
    const { process } = thread
    // A thread that calls exec gets the number of its process, whose first thread may have ended before.
    const before = process.threads.find(({ sinks }) => sinks.length > 0)?.sinks[0]
    if (before === undefined) {
      const successor = this.#successor(thread)
      successor.process.space.inExec = true
      return successor
    }
    // Nothing happened in what was there before.
    const old = before.space
    const isFirst = old.origin === 'start' && !old.isUsed && old.faults === 0 && old.users === 1
    const space = new RecordedSpace(this.recording, isFirst ? 'start' : 'exec')
    space.inExec = true
    if (isFirst) {
      old.isReplaced = true
      process.images.pop()
    }
    process.images.push(space)
    process.space = space
    const sink = this.#sit(space, thread.tid)
    space.marker(RECORD_EXEC, sink.seat, before.seat)
    if (!isFirst) this.recording.seats[sink.seat]!.operations++
    // exec ends all other threads of the process.
    for (const other of process.threads) this.#leave(other)
    thread.sinks = [sink]
    return thread
  }

  exec(name: string): void {
    let thread = this.#current()
    this.#otherEvent(thread)
    // exec shows [stack] first, unless perf recorded no data mappings.
    if (!thread.process.space.inExec) thread = this.#newImage(thread)
    thread.process.space.inExec = false
    thread.process.name = path.basename(name)
  }

  exit(groupDead: boolean): void {
    const thread = this.#current()
    this.#otherEvent(thread)
    this.#leave(thread)
    thread.exitNs = this.#now
    if (groupDead) thread.process.ended = true
  }

  // ---- faults

  fault(address: number, errorCode: number): void {
    const thread = this.#current()
    thread.process.faults++
    this.faults++
    thread.inFault = true
    thread.faultAddress = address
    thread.lockContended = false
    // Its address space is left already.
    if (thread.sinks.length === 0) thread.process.space.countOutside()
    if (address >= USER_ADDRESSES) {
      if (address < KERNEL_ADDRESSES)
        throw this.scanner.outOfRange(
          `a page fault at 0x${address.toString(16)}, which is no 47-bit user address`,
        )
      for (const { space, seat } of thread.sinks) space.countKernelAddress(seat)
      return
    }
    if (this.#protecting.size > 0) this.#settleProtections(thread, address, errorCode)
    for (const { space, seat } of thread.sinks) space.fault(seat, address, errorCode)
  }

  /**
   * Without mmap_lock events an mprotect is placed at its exit. A fault of another thread that would not be allowed
   * before it shows that it took effect earlier.
   */
  #settleProtections(thread: Thread, address: number, errorCode: number): void {
    if (thread.process.space.allows(address, errorCode)) return
    for (const other of this.#protecting) {
      if (other === thread || other.process.space !== thread.process.space) continue
      const [start, length] = other.call.values as unknown as [number, number]
      if (address >= start && address < start + length) this.#commit(other)
    }
  }

  // ---- the mmap lock

  lock(started: boolean, write: boolean, success: boolean): void {
    const thread = this.#current()
    this.lockEvents++
    if (thread.inFault) {
      if (!write) {
        thread.process.locks.faultsUnderLock++
        for (const { space, seat } of thread.sinks) space.faultTookLock(seat)
      }
      thread.inFault = false
    }
    if (started) {
      // A try that failed and the wait that follows are one acquisition.
      if (!(thread.lockPending && thread.lockContended)) {
        thread.lockSeconds = this.scanner.seconds
        thread.lockNanoseconds = this.scanner.nanoseconds
        thread.lockContended = false
      }
      thread.lockPending = true
      return
    }
    if (!success) {
      thread.lockContended = true
      return
    }
    if (thread.lockPending) {
      const waited =
        (this.scanner.seconds - thread.lockSeconds) * 1e9 + this.scanner.nanoseconds - thread.lockNanoseconds
      if (thread.lockContended || waited > this.timeResolutionNs) thread.process.locks.waited(write, waited)
      thread.process.locks.acquired(write)
      thread.lockPending = false
      thread.lockContended = false
    } else if (!thread.holdsWrite) {
      thread.process.locks.acquired(write)
    }
    // munmap goes on with the lock held for reading only, which shows as one more acquisition.
    thread.holdsWrite = write
    const { call } = thread
    if (write && call.active && !call.committed) this.#commit(thread)
  }

  unlock(): void {
    this.#current().holdsWrite = false
  }

  get timeResolutionNs(): number {
    return 10 ** (9 - this.scanner.timeDigits)
  }

  /** Any event that ends what a fault or a try for the lock had begun. */
  #otherEvent(thread: Thread): void {
    thread.inFault = false
    thread.lockContended = false
  }

  // ---- calls

  enterCall(kind: number, values: Float64Array): void {
    const thread = this.#active()
    const { call } = thread
    this.#otherEvent(thread)
    this.entered[kind]!++
    if (call.active) this.#abandon(thread, true)
    call.active = true
    call.kind = kind
    call.values.set(values)
    call.committed = false
    call.record = null
    if (kind === CALL_MADVISE || (kind === CALL_MUNMAP && this.lockEvents === 0)) this.#commit(thread)
    else if (kind === CALL_MPROTECT && this.lockEvents === 0) this.#protecting.add(thread)
  }

  /**
   * A call without an exit. If its thread went on, the exit was lost, and calls whose effect their arguments tell are
   * taken to have succeeded, as nearly all do: what follows would not fit otherwise. All others are left out.
   */
  #abandon(thread: Thread, wentOn: boolean): void {
    const { call } = thread
    this.openCalls++
    const told = call.kind === CALL_MUNMAP || call.kind === CALL_MPROTECT || call.kind === CALL_MADVISE
    if (wentOn && (told || (call.kind === CALL_BRK && call.values[0]! > 0))) {
      const result = call.kind === CALL_BRK ? call.values[0]! : 0
      if (this.#isPossible(call, result)) {
        if (!call.committed) this.#commit(thread)
        for (const reserved of call.reserved) this.#resolve(thread, reserved, result, false)
      }
    } else if (call.kind === CALL_MREMAP) {
      for (const reserved of call.reserved) this.#resolve(thread, reserved, -1, true)
    }
    call.active = false
    call.reserved.length = 0
    this.#protecting.delete(thread)
  }

  exitCall(kind: number, result: number): void {
    const thread = this.#current()
    const { call } = thread
    this.#otherEvent(thread)
    this.exited[kind]!++
    // The enter may have been before the recording began.
    if (!call.active || call.kind !== kind) return
    const refused = result < 0 && result > -4096
    if (!refused) this.#checkRange(call, result)
    if (!call.committed) this.#commit(thread)
    if (kind === CALL_MREMAP && !refused && call.values[1] === 0) this.#mapAgain(thread, result)
    for (const reserved of call.reserved) this.#resolve(thread, reserved, result, refused)
    call.reserved.length = 0
    call.active = false
  }

  /** Linux allowed the call, so its range must be one that can be. */
  #checkRange(call: Call, result: number): void {
    if (this.#isPossible(call, result)) return
    const { kind, values } = call
    throw this.scanner.outOfRange(
      `${CALL_NAMES[kind]} of ${values[1]!} bytes at 0x${values[0]!.toString(16)} with result 0x${result.toString(16)}`,
    )
  }

  #isPossible(call: Call, result: number): boolean {
    const { kind, values } = call
    if (kind === CALL_BRK) return result >= 0 && result <= USER_ADDRESSES
    const address = kind === CALL_MMAP ? result : values[0]!
    const length = values[1]!
    if (address < 0 || address + length > USER_ADDRESSES) return false
    if (kind === CALL_MMAP) return address % PAGE_SIZE === 0 && length > 0
    return kind !== CALL_MREMAP || (result >= 0 && result + values[2]! <= USER_ADDRESSES)
  }

  /** The moment when a call takes effect: reserves its place in the order. */
  #commit(thread: Thread): void {
    const { call } = thread
    const { values } = call
    call.committed = true
    this.#protecting.delete(thread)
    for (const sink of thread.sinks) {
      const { space } = sink
      const address = values[0]!
      switch (call.kind) {
        case CALL_MMAP: {
          const position = space.reserveCall(RECORD_MAP, sink.seat, 0, 0, values[2]! & 7)
          call.reserved.push({ space, position, implied: null, removed: null })
          break
        }
        case CALL_BRK: {
          const position = space.reserveCall(RECORD_BRK, sink.seat, address, 0, 0)
          call.reserved.push({ space, position, implied: null, removed: null })
          break
        }
        case CALL_MREMAP: {
          const length = pageUp(values[1]!)
          if (!isRange(address, length)) break
          this.#implyMissing(sink, call, address, address + length)
          const position = space.reserveCall(RECORD_REMAP, sink.seat, address, length, values[3]!)
          // Others may map where it was before this thread's exit tells that it moved.
          const mayMove = (values[3]! & MREMAP_MAYMOVE) !== 0
          const removed = space.layout.slice(address, address + length)
          if (mayMove) space.layout.unmap(address, address + length)
          call.reserved.push({ space, position, implied: null, removed })
          break
        }
        default: {
          const length = pageUp(values[1]!)
          if (!isRange(address, length)) break
          const kind =
            call.kind === CALL_MUNMAP
              ? RECORD_UNMAP
              : call.kind === CALL_MPROTECT
                ? RECORD_PROTECT
                : RECORD_ADVISE
          if (kind !== RECORD_UNMAP) this.#implyMissing(sink, call, address, address + length)
          const argument = kind === RECORD_PROTECT ? values[2]! & 7 : kind === RECORD_ADVISE ? values[2]! : 0
          const position = space.reserveCall(kind, sink.seat, address, length, argument)
          let removed: Mapping[] | null = null
          if (kind !== RECORD_ADVISE) {
            removed = space.layout.slice(address, address + length)
            if (kind === RECORD_UNMAP) space.layout.unmap(address, address + length)
            else space.layout.protect(address, address + length, argument)
          }
          call.reserved.push({ space, position, implied: null, removed })
        }
      }
    }
  }

  /**
   * A call that needs its whole range to be mapped shows, if it succeeds, that what we miss was mapped before the
   * recording began, or by a call that is not recorded.
   */
  #implyMissing(sink: Sink, call: Call, start: number, end: number): void {
    for (const [from, to] of sink.space.layout.holes(start, end)) {
      const mapping: Mapping = {
        start: from,
        end: to,
        protection: 3,
        shared: false,
        file: 0,
        offset: 0,
        growsDown: false,
      }
      const position = sink.space.implyMapping(sink.seat, mapping, STATUS_OPEN)
      call.reserved.push({ space: sink.space, position, implied: mapping, removed: null })
    }
  }

  #resolve(thread: Thread, reserved: Reserved, result: number, refused: boolean): void {
    const { call } = thread
    const { space, position, removed, implied } = reserved
    const { values } = call
    const status = refused ? STATUS_REFUSED : STATUS_DONE
    if (implied !== null) {
      if (refused) return
      this.impliedMappings++
      space.finish(position, RECORD_MAP, STATUS_DONE, MAP_REPLACES)
      // The calls that follow in this list change it in turn, as it was not in the layout when they were placed.
      if (call.kind === CALL_MPROTECT) space.map({ ...implied, protection: values[2]! & 7 })
      else if (call.kind === CALL_MADVISE) space.map(implied)
      return
    }
    switch (call.kind) {
      case CALL_MMAP:
        if (refused) space.finish(position, RECORD_MAP, status)
        else this.#resolveMap(thread, space, position, result)
        return
      case CALL_BRK:
        this.#resolveBreak(call, space, position, result)
        return
      case CALL_MREMAP:
        this.#resolveRemap(call, reserved, result, refused)
        return
      default: {
        const kind =
          call.kind === CALL_MUNMAP
            ? RECORD_UNMAP
            : call.kind === CALL_MPROTECT
              ? RECORD_PROTECT
              : RECORD_ADVISE
        space.finish(position, kind, status)
        if (refused && removed !== null) {
          const start = values[0]!
          space.layout.replace(start, start + pageUp(values[1]!), removed)
        }
      }
    }
  }

  #resolveMap(thread: Thread, space: RecordedSpace, position: number, start: number): void {
    const { values, record } = thread.call
    const flags = values[3]!
    const length = mappedLength(values[1]!, flags)
    const type = flags & LINUX_MAP_TYPE
    const shared = type === 1 || type === 3
    const anonymous = (flags & LINUX_MAP_ANONYMOUS) !== 0
    const hasFile = !anonymous && (record === null || record.file !== '')
    const file = hasFile ? this.#fileNumber(thread, record, values[5]!) : 0
    const offset = file === 0 ? 0 : values[5]!
    const growsDown = (flags & LINUX_MAP_GROWSDOWN) !== 0
    const fixed = (flags & LINUX_MAP_FIXED) !== 0
    const end = start + length
    const occupied = !fixed && space.layout.overlaps(start, end)
    if (occupied) this.impliedUnmappings++
    space.setAddress(position, CALL_ADDRESS, start)
    space.setAddress(position, CALL_LENGTH, length)
    space.setWord(position, CALL_FILE, file)
    space.setAddress(position, CALL_SECOND_ADDRESS, offset)
    space.finish(
      position,
      RECORD_MAP,
      STATUS_DONE,
      (shared ? MAP_SHARED : 0) |
        (fixed || occupied ? MAP_REPLACES : 0) |
        (growsDown ? MAP_GROWS_DOWN : 0) |
        ((flags & LINUX_MAP_NORESERVE) !== 0 ? MAP_NO_RESERVE : 0) |
        ((flags & LINUX_MAP_POPULATE) !== 0 ? MAP_POPULATE : 0),
    )
    space.map({ start, end, protection: values[2]! & 7, shared, file, offset, growsDown })
  }

  #resolveBreak(call: Call, space: RecordedSpace, position: number, result: number): void {
    const wanted = call.values[0]!
    if (wanted === 0 || result !== wanted) {
      // A question, or a refusal, which brk answers with the present break.
      if (space.programBreak < 0 && result > 0) space.setHeap(result, result)
      if (result === space.programBreak) {
        space.setAddress(position, CALL_SECOND_ADDRESS, result)
        space.setAddress(position, CALL_SECOND_LENGTH, result)
        space.finish(position, RECORD_BRK, wanted === 0 ? STATUS_DONE : STATUS_REFUSED)
      } else if (result > 0) {
        // It was moved by a call that the trace does not show.
        this.impliedMappings++
        space.setAddress(position, CALL_ADDRESS, result)
        space.moveBreak(position, space.programBreak, result, 3)
      }
      return
    }
    if (space.programBreak < 0) {
      // The first question was before the recording began; what the call newly mapped tells where the break was.
      const before =
        call.record === null
          ? result
          : Math.max(call.record.start, space.layout.find(call.record.start)?.end ?? 0)
      space.setHeap(call.record?.start ?? result, Math.min(before, result))
    }
    space.moveBreak(position, space.programBreak, result, call.record?.protection ?? 3)
  }

  #resolveRemap(call: Call, reserved: Reserved, result: number, refused: boolean): void {
    const { space, position } = reserved
    const removed = reserved.removed!
    const { values } = call
    const start = values[0]!
    const oldLength = pageUp(values[1]!)
    const newLength = pageUp(values[2]!)
    const mayMove = (values[3]! & MREMAP_MAYMOVE) !== 0
    if (refused) {
      space.finish(position, RECORD_REMAP, STATUS_REFUSED)
      if (mayMove) space.layout.replace(start, start + oldLength, removed)
      return
    }
    space.setAddress(position, CALL_SECOND_ADDRESS, result)
    space.setAddress(position, CALL_SECOND_LENGTH, newLength)
    space.finish(position, RECORD_REMAP, STATUS_DONE)
    const { layout } = space
    const keeps = oldLength === 0 || (values[3]! & MREMAP_DONTUNMAP) !== 0
    // What was implied came into the layout's stead only now.
    const source =
      removed.length > 0 ? removed : [plainMapping(start, start + Math.max(oldLength, PAGE_SIZE))]
    if (keeps && mayMove) layout.replace(start, start + oldLength, removed)
    if (!mayMove) layout.unmap(start, start + oldLength)
    const moved: Mapping[] = []
    for (const mapping of source) {
      const from = result + (mapping.start - start)
      const to =
        mapping === source.at(-1)
          ? result + newLength
          : Math.min(result + newLength, from + mapping.end - mapping.start)
      if (to > from) moved.push({ ...mapping, start: from, end: to })
    }
    for (const mapping of moved) space.map(mapping)
  }

  /** mremap of no bytes maps shared memory a second time. */
  #mapAgain(thread: Thread, start: number): void {
    const { values } = thread.call
    for (const sink of thread.sinks) {
      const source = sink.space.layout.find(values[0]!)
      if (source === undefined) continue
      const offset = source.file === 0 ? 0 : source.offset + values[0]! - source.start
      const mapping = { ...source, start, end: start + pageUp(values[2]!), offset }
      sink.space.implyMapping(sink.seat, mapping, STATUS_DONE)
      sink.space.map(mapping)
    }
  }

  #fileNumber(thread: Thread, record: MapRecord | null, offset: number): number {
    // Without a record (perf record without -d) the file has no name: each mapping gets one of its own.
    return this.#fileFor(record?.file ?? `unknown ${thread.process.pid} ${this.scanner.line}`, offset)
  }

  #fileFor(name: string, offset: number): number {
    if (name === '') return 0
    const identity = offset < SECTION_BYTES ? name : `${name} section ${Math.floor(offset / SECTION_BYTES)}`
    let number = this.#fileNumbers.get(identity)
    if (number === undefined) {
      number = this.files.length
      this.files.push(identity)
      this.#fileNumbers.set(identity, number)
    }
    return number
  }

  // ---- mappings that perf reports

  mapRecord(record: MapRecord): void {
    this.mapRecords++
    const { seconds, nanoseconds } = this.scanner
    const made = seconds === 0 && nanoseconds === 0
    // What perf makes up has the process in its fields only.
    let thread = made ? this.#findThread(record.pid, record.tid) : this.#current()
    const start = record.start
    const end = start + pageUp(record.length)
    if (end > USER_ADDRESSES) {
      if (start >= KERNEL_ADDRESSES) return
      throw this.scanner.outOfRange(`a mapping of ${record.length} bytes at 0x${start.toString(16)}`)
    }
    if (record.length === 0 || start % PAGE_SIZE !== 0) {
      throw this.scanner.outOfRange(`a mapping of ${record.length} bytes at 0x${start.toString(16)}`)
    }
    const { call } = thread
    let { process } = thread
    if (call.active && call.kind !== CALL_MUNMAP && call.kind !== CALL_MADVISE) {
      call.record = record
      return
    }
    const mapping: Mapping = {
      start,
      end,
      protection: record.protection,
      shared: record.shared,
      file: this.#fileFor(record.file, record.offset),
      offset: record.file === '' ? 0 : record.offset,
      growsDown: record.name === '[stack]',
    }
    if (made) {
      process.space.establish(mapping)
      if (record.name === '[heap]') process.space.setHeap(start, end)
      return
    }
    if (record.name === '[stack]') {
      const stack = process.space.layout.find(end - 1)
      // A stack that a fault made grow is reported too.
      if (stack?.growsDown === true && stack.end === end && start === pageDown(thread.faultAddress)) return
      if (!process.space.inExec) {
        thread = this.#newImage(thread)
        process = thread.process
      }
    }
    if (process.space.inExec) {
      process.space.establish(mapping)
      return
    }
    this.impliedMappings++
    for (const sink of thread.sinks) {
      sink.space.implyMapping(sink.seat, mapping, STATUS_DONE)
      sink.space.map(mapping)
    }
  }

  lost(count: number): void {
    this.lostEvents += count
  }

  /** Every call that is still open stays so. */
  end(): void {
    this.scanner.end()
    for (const thread of this.#byTid.values()) if (thread.call.active) this.#abandon(thread, false)
  }
}

function isRange(start: number, length: number): boolean {
  return start % PAGE_SIZE === 0 && length > 0 && start + length <= USER_ADDRESSES
}

function plainMapping(start: number, end: number): Mapping {
  return { start, end, protection: 3, shared: false, file: 0, offset: 0, growsDown: false }
}

/** Huge pages make mappings of whole huge pages. */
function mappedLength(length: number, flags: number): number {
  if ((flags & LINUX_MAP_HUGETLB) === 0) return pageUp(length)
  const shift = (flags >>> LINUX_MAP_HUGE_SHIFT) & 63
  const size = 2 ** (shift === 0 ? 21 : shift)
  return Math.ceil(length / size) * size
}
