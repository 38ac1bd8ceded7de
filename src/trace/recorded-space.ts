/**
 * One recorded address space: its layout as it changes, and the writing of records of what happens in it.
 *
 * Principles: a call takes effect at one moment between its enter and its exit (`commit`), and whether it succeeded is
 * known only later (`resolve`); the layout follows the commit, and is put back if Linux refused the call. What the
 * layout shows to be impossible (a fault outside every mapping) is counted by kind, not guessed at.
 */
import { PresentPages } from './given-back.ts'
import {
  Layout,
  PAGE_SIZE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  RangeSet,
  STACK_ROOM,
  type Mapping,
} from './layout.ts'
import type { WordStream } from './op-store.ts'
import type { TimesBySeat } from './recorded-times.ts'
import {
  CALL_ADDRESS,
  CALL_ARGUMENT,
  CALL_FILE,
  CALL_LENGTH,
  CALL_SECOND_ADDRESS,
  CALL_SECOND_LENGTH,
  FAULT_ERROR_MASK,
  FAULT_ERROR_SHIFT,
  FAULT_LINE,
  FAULT_LOCKED,
  FAULT_MORE,
  FAULT_OUTSIDE,
  FAULT_RACING,
  FAULT_REFUSED,
  FAULT_UNHANDLED,
  FAULT_WINDOW_SHIFT,
  FLAGS_SHIFT,
  highWord,
  MAP_GROWS_DOWN,
  MAP_IMPLIED,
  MAP_REPLACES,
  MAP_SHARED,
  RECORD_BRK,
  RECORD_DESTROY,
  RECORD_FAULT,
  RECORD_FILE_FAULT,
  RECORD_MAP,
  RECORD_STACK_FAULT,
  RECORD_WORDS,
  STATUS_DONE,
  STATUS_OPEN,
  STATUS_SHIFT,
} from './records.ts'

/** User addresses of ARM64 end here with 48 bits; those of x86-64 with four-level page tables have 47. */
export const USER_ADDRESSES = 2 ** 48

/** x86 page-fault error code. */
export const FAULT_PROTECTION = 1
export const FAULT_WRITE = 2
export const FAULT_INSTRUCTION = 16

/** Pages that the kernel maps around a file fault. */
const FAULT_AROUND_PAGES = 16
const PAGES_PER_TABLE = 512

/** Faults that cannot be performed, by the reason why. */
export type NotPerformed = 'outsideAnyMapping' | 'kernelAddress'

/** A thread in one address space; after exec, or when it borrowed one, the same thread sits in another. */
export interface Seat {
  readonly number: number
  readonly tid: number
  /** Number of the address space. */
  readonly space: number
  /** It belongs to a process that is not replayed, which borrowed the address space: performed, but not counted. */
  readonly guest: boolean
  /** Of a thread that borrowed the address space: the seat of who waits meanwhile; else -1. */
  readonly lender: number
  /** Faults, calls and forks recorded. */
  operations: number
  /** When it was taken and left, as numbers of events. */
  readonly taken: number
  left: number
  /** Where the record of its last fault is and what it begins with; -1 if that has none. */
  faultPosition: number
  faultWord: number
}

/** How an address space came to be: before everything else in the replay, by fork, or by exec of a recorded thread. */
export type Origin = 'start' | 'fork' | 'exec'

/** What is recorded of all address spaces: one sequence of records, and who is named in it. */
export interface Recording {
  readonly records: WordStream
  readonly seats: Seat[]
  readonly spaces: RecordedSpace[]
  /** Files whose faults map no other page around their own. */
  readonly withoutFaultAround: Set<number>
  /** The line of the trace that is being read. */
  line: number
  /** What passed before each record; null where nobody asks. */
  readonly times: TimesBySeat | null
}

export function pageUp(value: number): number {
  const rest = value % PAGE_SIZE
  return rest === 0 ? value : value + PAGE_SIZE - rest
}

export function pageDown(value: number): number {
  return value - (value % PAGE_SIZE)
}

export class RecordedSpace {
  readonly layout: Layout
  readonly number: number
  readonly origin: Origin
  readonly records: WordStream
  readonly seats: Seat[]
  /** What is mapped before the first record, in the order in which it is to be mapped; nothing after fork. */
  readonly prelude: Mapping[]
  /** Everything that was ever mapped here, or in an address space that this one was forked from, or that from it. */
  readonly extents: RangeSet
  /** Faults that count here: all, and those not performed by reason. */
  faults = 0
  readonly notPerformed: Record<NotPerformed, number> = { outsideAnyMapping: 0, kernelAddress: 0 }
  /** Mappings that a fault showed to be there. */
  unseenMappings = 0
  /** First page and the page behind the last one that was ever mapped of each file. */
  readonly fileRanges = new Map<number, [first: number, behind: number]>()
  /** The thread that is in a fault on a page, by page number. */
  readonly #inFault = new Map<number, number>()
  /** Large ranges that were mapped to be used in part, see RESERVED_BYTES. */
  reserved: readonly { readonly start: number; readonly end: number }[] = []
  readonly #recording: Recording
  /** Where the heap begins, and where it ended when the first record was made; -1 while unknown. */
  heapStart = -1
  heapEnd = -1
  heapInherited = false
  /** The present program break, or -1. */
  programBreak = -1
  /** Whether anything was recorded here. */
  isUsed = false
  /** exec made another one before anything was recorded here. */
  isReplaced = false
  /** A fault showed that exec had not filled the page at the top of the stack. */
  hasEmptyStack = false
  /** It began as the copy of another that is not replayed, whose pages are there already. */
  inherited = false
  /** exec has gone so far that the old address space is gone, but it has not returned yet. */
  inExec = false
  /** Pages of anonymous memory that faults brought in. */
  readonly present = new PresentPages()
  /** Where what one mmap mapped begins, and what is behind it. */
  readonly seams = new PresentPages()
  /** Threads that sit in it. */
  users = 0

  constructor(
    recording: Recording,
    origin: Origin,
    layout: Layout = new Layout(),
    extents: RangeSet = new RangeSet(),
  ) {
    this.#recording = recording
    this.layout = layout
    this.origin = origin
    this.records = recording.records
    this.seats = recording.seats
    this.extents = extents
    this.number = recording.spaces.length
    recording.spaces.push(this)
    this.prelude = origin === 'fork' ? [] : layout.mappings.slice()
    for (const mapping of layout.mappings) this.#extend(mapping)
  }

  /**
   * The address space that a forked process begins with.
   * @param alone it is replayed without this one
   */
  fork(recording: Recording, alone: boolean): RecordedSpace {
    const layout = this.layout.forked()
    const child = alone
      ? new RecordedSpace(recording, 'start', layout)
      : new RecordedSpace(recording, 'fork', layout, this.extents)
    child.inherited = alone
    child.heapStart = this.heapStart
    child.heapInherited = !alone && this.heapStart >= 0
    child.heapEnd = this.programBreak
    child.programBreak = this.programBreak
    return child
  }

  /** What the first answer of brk tells. */
  setHeap(start: number, end: number): void {
    this.heapStart = start
    this.heapEnd = end
    this.programBreak = end
    // Also a heap that never grows needs a place of its own.
    this.extents.add(pageDown(start), pageDown(start) + PAGE_SIZE)
  }

  /** A thread begins to use the address space; returns the number of its seat. */
  addSeat(tid: number, event: number, guest = false, lender = -1): number {
    this.users++
    this.seats.push({
      number: this.seats.length,
      tid,
      space: this.number,
      guest,
      lender,
      operations: 0,
      taken: event,
      left: Number.POSITIVE_INFINITY,
      faultPosition: -1,
      faultWord: 0,
    })
    return this.seats.length - 1
  }

  /** A thread does not use it any more. */
  leave(seat: number, event: number): void {
    this.seats[seat]!.left = event
    if (--this.users > 0) return
    this.#write(RECORD_DESTROY, seat, 0)
    this.layout.unmap(0, USER_ADDRESSES)
  }

  #extend(mapping: Mapping): void {
    const start = mapping.growsDown ? Math.max(0, mapping.end - STACK_ROOM) : mapping.start
    this.extents.add(Math.min(start, mapping.start), mapping.end)
    if (mapping.file === 0) return
    const first = mapping.offset / PAGE_SIZE
    const behind = first + (mapping.end - mapping.start) / PAGE_SIZE
    const range = this.fileRanges.get(mapping.file)
    if (range === undefined) {
      this.fileRanges.set(mapping.file, [first, behind])
    } else {
      range[0] = Math.min(range[0], first)
      range[1] = Math.max(range[1], behind)
    }
  }

  /** Maps what was there before the first record. */
  establish(mapping: Mapping): void {
    this.prelude.push(mapping)
    this.map(mapping)
  }

  map(mapping: Mapping): void {
    this.layout.map(mapping)
    this.#extend(mapping)
  }

  /** Whether the layout, as it is, allows the access of a fault. */
  allows(address: number, errorCode: number): boolean {
    const mapping = this.layout.find(address)
    return mapping !== undefined && (mapping.protection & neededProtection(errorCode)) !== 0
  }

  /** Writes a fault's record. Returns whether a mapping is there. */
  fault(seat: number, address: number, errorCode: number): boolean {
    const owner = this.seats[seat]!
    if (!owner.guest) this.faults++
    const racing = this.#beginFault(owner, address)
    let mapping = this.layout.find(address) ?? this.#mappingShownBy(seat, address, errorCode)
    let grown = 0
    if (mapping === undefined) {
      const stack = this.layout.findGrowing(address)
      if (stack === undefined) {
        if (!owner.guest) this.notPerformed.outsideAnyMapping++
        this.#writeFault(owner, RECORD_FAULT, address, errorCode, FAULT_OUTSIDE)
        return false
      }
      const start = pageDown(address)
      grown = (stack.start - start) / PAGE_SIZE
      mapping = { ...stack, start }
      this.layout.map(mapping)
    }
    const write = (errorCode & FAULT_WRITE) !== 0
    const refused = (mapping.protection & neededProtection(errorCode)) === 0
    const isTop = mapping.growsDown && pageDown(address) + PAGE_SIZE === mapping.end
    if (isTop && (errorCode & FAULT_PROTECTION) === 0) this.hasEmptyStack = true
    const readsFile = (mapping.file !== 0 || mapping.shared) && !refused
    // A page that a write finds present may have been read before without a fault that is recorded.
    const mapsAround = readsFile && (!write || (errorCode & FAULT_PROTECTION) !== 0)
    const window =
      mapsAround && !this.#recording.withoutFaultAround.has(mapping.file)
        ? faultAroundWindow(mapping, address)
        : 0
    const kind = grown > 0 ? RECORD_STACK_FAULT : mapping.file !== 0 ? RECORD_FILE_FAULT : RECORD_FAULT
    const flags = (window << FAULT_WINDOW_SHIFT) | (refused ? FAULT_REFUSED : 0) | (racing ? FAULT_RACING : 0)
    const at = this.#writeFault(owner, kind, address, errorCode, flags)
    const { words } = this.records
    if (kind === RECORD_STACK_FAULT) {
      words[at + FAULT_MORE] = grown
    } else if (kind === RECORD_FILE_FAULT) {
      words[at + FAULT_MORE] = mapping.file
      words[at + FAULT_MORE + 1] = Math.floor((mapping.offset + address - mapping.start) / PAGE_SIZE)
    }
    return true
  }

  /** Notes that a thread is in a fault. Returns whether another one is in a fault on the same page. */
  #beginFault(owner: Seat, address: number): boolean {
    const page = Math.floor(address / PAGE_SIZE)
    const other = this.#inFault.get(page)
    this.#inFault.set(page, owner.tid)
    return other !== undefined && other !== owner.tid
  }

  /** The thread has gone on after its fault. */
  endFault(tid: number, address: number): void {
    const page = Math.floor(address / PAGE_SIZE)
    if (this.#inFault.get(page) === tid) this.#inFault.delete(page)
  }

  /** A fault that found a page present shows that something is mapped there, whatever we know. */
  #mappingShownBy(seat: number, address: number, errorCode: number): Mapping | undefined {
    if ((errorCode & FAULT_PROTECTION) === 0) return undefined
    const start = pageDown(address)
    const protection = (errorCode & FAULT_INSTRUCTION) === 0 ? PROT_READ | PROT_WRITE : PROT_READ | PROT_EXEC
    const shown = { start, end: start + PAGE_SIZE, protection, shared: false, file: 0, offset: 0 }
    const mapping: Mapping = { ...shown, growsDown: false }
    this.unseenMappings++
    this.implyMapping(seat, mapping, STATUS_DONE)
    this.map(mapping)
    return mapping
  }

  #writeFault(owner: Seat, kind: number, address: number, errorCode: number, flags: number): number {
    const { records } = this
    const at = records.reserve(RECORD_WORDS[kind]!)
    this.#recording.times?.write(owner.number)
    const { words } = records
    const word = kind | ((errorCode & FAULT_ERROR_MASK) << FAULT_ERROR_SHIFT) | flags
    this.isUsed = true
    owner.faultPosition = records.position(at)
    owner.faultWord = word
    words[at] = word
    words[at + 1] = owner.number
    words[at + 2] = address | 0
    words[at + 3] = highWord(address)
    words[at + FAULT_LINE] = this.#recording.line
    owner.operations++
    return at
  }

  #flagFault(seat: number, flag: number): boolean {
    const owner = this.seats[seat]!
    if (owner.faultPosition < 0) return false
    owner.faultWord |= flag
    this.records.set(owner.faultPosition, owner.faultWord)
    return true
  }

  /** Linux took the mmap lock in the fault that the thread has just begun. */
  faultTookLock(seat: number): void {
    this.#flagFault(seat, FAULT_LOCKED)
  }

  /** The lock that the thread took after its last fault was not for the fault. */
  faultTookNoLock(seat: number): void {
    const owner = this.seats[seat]!
    if (owner.faultPosition < 0) return
    owner.faultWord &= ~FAULT_LOCKED
    this.records.set(owner.faultPosition, owner.faultWord)
  }

  /** The kernel did not handle the fault that the thread had last: it is none that counts. */
  dropFault(seat: number): void {
    if (!this.#flagFault(seat, FAULT_UNHANDLED)) return
    const { guest, faultWord } = this.seats[seat]!
    if (guest) return
    this.faults--
    if ((faultWord & FAULT_OUTSIDE) !== 0) this.notPerformed.outsideAnyMapping--
  }

  /** The fault outside every mapping that the thread had last was one in Linux too. */
  refuseFault(seat: number, address: number): void {
    if (!this.#flagFault(seat, FAULT_REFUSED)) return
    if (!this.seats[seat]!.guest) this.notPerformed.outsideAnyMapping--
    const start = pageDown(address)
    this.extents.add(start, start + PAGE_SIZE)
  }

  countKernelAddress(seat: number): void {
    const owner = this.seats[seat]!
    owner.faultPosition = -1
    if (owner.guest) return
    this.faults++
    this.notPerformed.kernelAddress++
  }

  /** A fault of a thread that has left. */
  countOutside(): void {
    this.faults++
    this.notPerformed.outsideAnyMapping++
  }

  /** Makes room for a call's record with status open; returns its position for `finish`. */
  reserveCall(
    kind: number,
    seat: number,
    address: number,
    length: number,
    argument: number,
    flags = 0,
  ): number {
    const { records } = this
    const at = records.reserve(RECORD_WORDS[kind]!)
    this.#recording.times?.write(seat)
    const words = records.words
    words[at] = kind | (STATUS_OPEN << STATUS_SHIFT) | (flags << FLAGS_SHIFT)
    words[at + 1] = seat
    words[at + CALL_ADDRESS] = address | 0
    words[at + CALL_ADDRESS + 1] = highWord(address)
    words[at + CALL_LENGTH] = length | 0
    words[at + CALL_LENGTH + 1] = highWord(length)
    words[at + CALL_ARGUMENT] = argument
    this.seats[seat]!.operations++
    this.isUsed = true
    return records.position(at)
  }

  /** Says how a call ended. */
  finish(position: number, kind: number, status: number, flags = 0): void {
    this.records.set(position, kind | (status << STATUS_SHIFT) | (flags << FLAGS_SHIFT))
  }

  setAddress(position: number, field: number, value: number): void {
    this.records.set(position + field, value | 0)
    this.records.set(position + field + 1, highWord(value))
  }

  setWord(position: number, field: number, value: number): void {
    this.records.set(position + field, value)
  }

  /** Records a mapping that no call made but that the trace shows to be there. */
  implyMapping(seat: number, mapping: Mapping, status: number): number {
    const flags =
      (mapping.shared ? MAP_SHARED : 0) |
      (mapping.growsDown ? MAP_GROWS_DOWN : 0) |
      MAP_REPLACES |
      MAP_IMPLIED
    const position = this.reserveCall(
      RECORD_MAP,
      seat,
      mapping.start,
      mapping.end - mapping.start,
      mapping.protection,
      flags,
    )
    this.setWord(position, CALL_FILE, mapping.file)
    this.setAddress(position, CALL_SECOND_ADDRESS, mapping.offset)
    if (status !== STATUS_OPEN) this.finish(position, RECORD_MAP, status, flags)
    return position
  }

  /** A program break that Linux set: `previous` is what it was. */
  moveBreak(position: number, previous: number, result: number, protection: number): void {
    this.setAddress(position, CALL_SECOND_ADDRESS, result)
    this.setAddress(position, CALL_SECOND_LENGTH, previous)
    const from = pageUp(previous)
    const to = pageUp(result)
    // What we believe to be in the way was removed by something that the trace does not show.
    const occupied = to > from && this.layout.overlaps(from, to)
    this.finish(position, RECORD_BRK, STATUS_DONE, occupied ? MAP_REPLACES : 0)
    this.programBreak = result
    if (to > from) {
      this.map({ start: from, end: to, protection, shared: false, file: 0, offset: 0, growsDown: false })
    } else if (to < from) {
      this.layout.unmap(to, from)
    }
  }

  marker(kind: number, seat: number, other: number): void {
    this.isUsed = true
    this.#write(kind, seat, other)
  }

  #write(kind: number, seat: number, other: number): void {
    const at = this.records.reserve(RECORD_WORDS[kind]!)
    this.#recording.times?.write(seat)
    this.records.words[at] = kind
    this.records.words[at + 1] = seat
    this.records.words[at + 2] = other
  }
}

/** One of these an access must have; on x86 what can be written or executed can be read. */
function neededProtection(errorCode: number): number {
  if ((errorCode & FAULT_WRITE) !== 0) return PROT_WRITE
  return (errorCode & FAULT_INSTRUCTION) !== 0 ? PROT_EXEC : PROT_READ | PROT_WRITE | PROT_EXEC
}

/** Which pages around a read fault on a file Linux may map along: pages below | pages above << 4. */
function faultAroundWindow(mapping: Mapping, address: number): number {
  const page = Math.floor(address / PAGE_SIZE)
  const inTable = page % PAGES_PER_TABLE
  const fromStart = page - mapping.start / PAGE_SIZE
  // As do_fault_around(): aligned to 16 pages, but not before the mapping; 16 pages from there, but neither beyond the
  // mapping nor beyond the page table.
  const first = Math.max(inTable - (inTable % FAULT_AROUND_PAGES), inTable - Math.min(inTable, fromStart))
  const behind = Math.min(
    first + FAULT_AROUND_PAGES,
    PAGES_PER_TABLE,
    inTable + mapping.end / PAGE_SIZE - page,
  )
  return (inTable - first) | ((behind - 1 - inTable) << 4)
}
