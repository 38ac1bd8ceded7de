/**
 * The memory calls of recorded threads, from their enter to their exit: when each takes effect, what it does to the
 * layout, and the record of it.
 *
 * Principles: a call takes effect at one moment between its enter and its exit; whether it succeeded, and where Linux
 * put what it mapped, the exit tells. The layout follows the moment, and is put back where Linux refused the call.
 */
import { PAGE_SIZE, type Mapping } from './layout.ts'
import {
  CALL_ADDRESS,
  CALL_FILE,
  CALL_LENGTH,
  CALL_SECOND_ADDRESS,
  CALL_SECOND_LENGTH,
  MAP_GROWS_DOWN,
  MAP_NO_RESERVE,
  MAP_POPULATE,
  MAP_STACK,
  MAP_REPLACES,
  MAP_SHARED,
  RECORD_ADVISE,
  RECORD_BRK,
  RECORD_MAP,
  RECORD_PROTECT,
  RECORD_REMAP,
  RECORD_UNMAP,
  STATUS_DONE,
  STATUS_OPEN,
  STATUS_REFUSED,
} from './records.ts'
import { pageUp, USER_ADDRESSES, type RecordedSpace } from './recorded-space.ts'
import type { Call, Reserved, Sink, Thread } from './recorded-thread.ts'
import {
  CALL_BRK,
  CALL_MADVISE,
  CALL_MMAP,
  CALL_MPROTECT,
  CALL_MREMAP,
  CALL_MUNMAP,
  CALL_NAMES,
  type MapRecord,
} from './trace-events.ts'
import { KERNEL_PAGES } from './event-reader.ts'
import type { Scanner } from './scanner.ts'

// mmap flags of Linux.
const LINUX_MAP_TYPE = 0xf
const LINUX_MAP_FIXED = 0x10
const LINUX_MAP_ANONYMOUS = 0x20
const LINUX_MAP_GROWSDOWN = 0x100
const LINUX_MAP_NORESERVE = 0x4000
const LINUX_MAP_POPULATE = 0x8000
const LINUX_MAP_STACK = 0x20000
const LINUX_MAP_HUGETLB = 0x40000
const LINUX_MAP_HUGE_SHIFT = 26

const POPULATING_ADVICE: ReadonlySet<number> = new Set([22, 23])
const MADV_DONTNEED = 4
const MADV_DONTFORK = 10
const MADV_DOFORK = 11

/** A segment of shmat: its vm_ops (shm_vm_ops of ipc/shm.c) have no map_pages. */
const SYSV_SEGMENT = / \/SYSV[0-9a-f]{8}/

const MREMAP_MAYMOVE = 1
const MREMAP_DONTUNMAP = 4

/**
 * Sections of a file this far apart are files of their own: a device's offsets are cookies that may be exabytes from
 * each other, while a file of ours holds 8 TiB.
 */
const SECTION_BYTES = 2 ** 42

export class RecordedCalls {
  readonly #scanner: Scanner
  /** Files by identity; number 0 is none. */
  readonly files: string[] = ['']
  readonly #fileNumbers = new Map<string, number>()
  /** Files whose faults map no other page around their own. */
  readonly withoutFaultAround = new Set<number>()
  readonly entered = new Float64Array(CALL_NAMES.length)
  readonly exited = new Float64Array(CALL_NAMES.length)
  /** Calls whose exit is not in the trace. */
  openCalls = 0
  /** Mappings that were there though no event had told so, and the other way round. */
  impliedMappings = 0
  impliedUnmappings = 0
  /** Threads in an mprotect whose effect is not placed yet. */
  readonly #protecting = new Set<Thread>()

  constructor(scanner: Scanner) {
    this.#scanner = scanner
  }

  /** @param hasLocks the trace tells of the mmap lock, whose acquisition is the moment of a call */
  enter(thread: Thread, kind: number, values: Float64Array, hasLocks: boolean): void {
    const { call } = thread
    this.entered[kind]!++
    if (call.active) this.abandon(thread, true)
    call.active = true
    call.kind = kind
    call.values.set(values)
    call.committed = false
    call.record = null
    if (kind === CALL_MADVISE || (kind === CALL_MUNMAP && !hasLocks)) this.commit(thread)
    else if (kind === CALL_MPROTECT && !hasLocks) this.#protecting.add(thread)
  }

  /**
   * A call without an exit. If its thread went on, the exit was lost, and calls whose effect their arguments tell are
   * taken to have succeeded, as nearly all do: what follows would not fit otherwise. All others are left out.
   */
  abandon(thread: Thread, wentOn: boolean): void {
    const { call } = thread
    this.openCalls++
    const told = call.kind === CALL_MUNMAP || call.kind === CALL_MPROTECT || call.kind === CALL_MADVISE
    if (wentOn && (told || (call.kind === CALL_BRK && call.values[0]! > 0))) {
      const result = call.kind === CALL_BRK ? call.values[0]! : 0
      if (this.#isPossible(call, result)) {
        if (!call.committed) this.commit(thread)
        for (const reserved of call.reserved) this.#resolve(thread, reserved, result, false)
      }
    } else if (call.kind === CALL_MREMAP) {
      for (const reserved of call.reserved) this.#resolve(thread, reserved, -1, true)
    }
    call.active = false
    call.reserved.length = 0
    this.#protecting.delete(thread)
  }

  /** @returns whether it gave back memory that faults had brought in */
  exit(thread: Thread, kind: number, result: number): boolean {
    const { call } = thread
    this.exited[kind]!++
    // The enter may have been before the recording began.
    if (!call.active || call.kind !== kind) return false
    const { stock } = thread.process
    const refused = result < 0 && result > -4096
    if (!refused) this.#checkRange(call, result)
    if (!call.committed) this.commit(thread)
    if (kind === CALL_MREMAP && !refused && call.values[1] === 0) this.#mapAgain(thread, result)
    for (const reserved of call.reserved) this.#resolve(thread, reserved, result, refused)
    call.reserved.length = 0
    call.active = false
    return thread.process.stock > stock
  }

  /** Linux allowed the call, so its range must be one that can be. */
  #checkRange(call: Call, result: number): void {
    if (this.#isPossible(call, result)) return
    const { kind, values } = call
    throw this.#scanner.outOfRange(
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
  commit(thread: Thread): void {
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
          const kind = recordOf(call.kind)
          if (kind !== RECORD_UNMAP) this.#implyMissing(sink, call, address, address + length)
          const argument = kind === RECORD_PROTECT ? values[2]! & 7 : kind === RECORD_ADVISE ? values[2]! : 0
          const position = space.reserveCall(kind, sink.seat, address, length, argument)
          if (kind === RECORD_ADVISE && POPULATING_ADVICE.has(argument))
            this.#tellFile(space, position, address)
          let removed: Mapping[] | null = null
          if (kind === RECORD_ADVISE) {
            this.#adviseFork(space, address, length, argument)
          } else {
            removed = space.layout.slice(address, address + length)
            if (kind === RECORD_UNMAP) space.layout.unmap(address, address + length)
            else space.layout.protect(address, address + length, argument)
          }
          call.reserved.push({ space, position, implied: null, removed })
        }
      }
    }
  }

  /** Whose pages a call brings into memory, if it is one file. */
  #tellFile(space: RecordedSpace, position: number, address: number): void {
    const mapping = space.layout.find(address)
    if (mapping === undefined || mapping.file === 0) return
    space.setWord(position, CALL_FILE, mapping.file)
    space.setAddress(position, CALL_SECOND_ADDRESS, mapping.offset + address - mapping.start)
  }

  #adviseFork(space: RecordedSpace, start: number, length: number, advice: number): void {
    if (advice !== MADV_DONTFORK && advice !== MADV_DOFORK) return
    space.layout.setDontFork(start, start + length, advice === MADV_DONTFORK)
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
      else if (call.kind === CALL_MADVISE) space.map({ ...implied, dontFork: values[2] === MADV_DONTFORK })
      return
    }
    switch (call.kind) {
      case CALL_MMAP:
        if (refused) space.finish(position, RECORD_MAP, status)
        else this.#resolveMap(thread, space, position, result)
        return
      case CALL_BRK:
        if (space.programBreak > result && result > 0)
          giveBack(thread, space, pageUp(result), pageUp(space.programBreak))
        this.#resolveBreak(call, space, position, result)
        return
      case CALL_MREMAP:
        this.#resolveRemap(call, reserved, result, refused)
        return
      default: {
        const kind = recordOf(call.kind)
        space.finish(position, kind, status)
        const gives = kind === RECORD_UNMAP || (kind === RECORD_ADVISE && values[2] === MADV_DONTNEED)
        if (!refused && gives) giveBack(thread, space, values[0]!, values[0]! + pageUp(values[1]!))
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
    if (fixed) giveBack(thread, space, start, end)
    if (length >= RESERVED_BYTES && ((values[2]! & 7) === 0 || (flags & LINUX_MAP_NORESERVE) !== 0))
      space.reserved = [...space.reserved, { start, end }]
    space.seams.remove(start / PAGE_SIZE, end / PAGE_SIZE)
    for (const address of [start, end]) space.seams.add(address / PAGE_SIZE)
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
        ((flags & LINUX_MAP_POPULATE) !== 0 ? MAP_POPULATE : 0) |
        ((flags & LINUX_MAP_STACK) !== 0 ? MAP_STACK : 0),
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
    return this.fileFor(record?.file ?? `unknown ${thread.process.pid} ${this.#scanner.line}`, offset)
  }

  /** What a mapping is called in what is told of the recording. */
  readonly nameOf = (mapping: Mapping | undefined): string => {
    if (mapping === undefined) return ''
    if (mapping.growsDown) return '[stack]'
    return mapping.file === 0 ? 'anonymous memory' : this.files[mapping.file]!.replace(/^\S+ \d+ \d+ /, '')
  }

  fileFor(name: string, offset: number): number {
    if (name === '') return 0
    const identity = offset < SECTION_BYTES ? name : `${name} section ${Math.floor(offset / SECTION_BYTES)}`
    let number = this.#fileNumbers.get(identity)
    if (number === undefined) {
      number = this.files.length
      this.files.push(identity)
      this.#fileNumbers.set(identity, number)
      // Neither have the pages of the kernel for programs.
      if (SYSV_SEGMENT.test(name) || KERNEL_PAGES.test(name)) this.withoutFaultAround.add(number)
    }
    return number
  }

  /**
   * Without mmap_lock events an mprotect is placed at its exit. A fault of another thread that would not be allowed
   * before it shows that it took effect earlier.
   */
  settleProtections(thread: Thread, address: number, errorCode: number): void {
    if (this.#protecting.size === 0) return
    if (thread.process.space.allows(address, errorCode)) return
    for (const other of this.#protecting) {
      if (other === thread || other.process.space !== thread.process.space) continue
      const [start, length] = other.call.values as unknown as [number, number]
      if (address >= start && address < start + length) this.commit(other)
    }
  }
}

/** A range of so much that is mapped without access or swap (MAP_NORESERVE) is reserved, to be used in part. */
const RESERVED_BYTES = 2 ** 32

/** The program gives the memory of a range back. */
function giveBack(thread: Thread, space: RecordedSpace, start: number, end: number): void {
  if (thread.sinks[0]?.space !== space || end <= start) return
  const { process } = thread
  const pages = space.present.remove(Math.floor(start / PAGE_SIZE), Math.floor(end / PAGE_SIZE))
  process.stock += pages
  process.givenBack += pages
  if (end - start >= RESERVED_BYTES && space.reserved.some((one) => one.start < end && one.end > start))
    process.reservedBack += pages
  if (space.reserved.length > 0)
    space.reserved = space.reserved.filter((one) => one.start < start || one.end > end)
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

/** What is recorded of a call on a range of pages. */
function recordOf(kind: number): number {
  if (kind === CALL_MUNMAP) return RECORD_UNMAP
  return kind === CALL_MPROTECT ? RECORD_PROTECT : RECORD_ADVISE
}
