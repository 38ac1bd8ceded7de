// A recorded program on the simulated machine: each lane performs its operations through the kernel's own calls.
// Stepped with the kernel.
//
// Frames and files have no contents: where a replay would read a page of a file, one is cleared. What happens between
// two operations, and in which order they come, is the meter's affair: it is asked before each.

import {
  ACCESS_EXECUTE,
  ACCESS_READ,
  ACCESS_WRITE,
  CACHE_LINE_WORDS,
  FILE_NO_FAULT_AROUND,
  FILE_WRITE_NOTIFY,
  MADV,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_POPULATE,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  NO_FAULT,
  PAGE_SIZE,
  type Task,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_NOHUGEPAGE,
  VM_NORESERVE,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  brk,
  cacheLineAlign,
  callEnter,
  callExit,
  createFile,
  createMm,
  destroyMm,
  forkMm,
  getFilePage,
  heapAlloc,
  heapBytes,
  joinMm,
  leaveMm,
  madvise,
  mmap,
  mprotect,
  mremap,
  munmap,
  putPage,
  setStartOfHeap,
  startOfHeap,
  touch,
  touchByKernel,
} from '../kernel/index.ts'
import * as op from '../trace/operations.ts'
import * as records from '../trace/records.ts'
import type { ImagePlan, PlannedMapping } from '../trace/plan-types.ts'
import { type BootRequest, type KernelMeter, type SimulatedMachine, bootMachine } from './stepped-machine.ts'

/** A file of the recording: its pages from the first that is mapped on. */
export interface TracedFile {
  readonly number: number
  readonly firstPage: number
  readonly pages: number
  readonly faultAround: boolean
  /** Runs of pages that are in the page cache when the program begins. */
  readonly cached: readonly (readonly [first: number, count: number])[]
}

/** What the simulator is told by the program. */
export interface TraceMeter extends KernelMeter {
  /**
   * A lane has come to this operation of it, from 0, with its first word and the second of its payload. It goes on
   * behind the next access to its gate.
   */
  arrive(lane: number, operation: number, first: number, second: number): void
  /** It has performed it. */
  done(lane: number, operation: number): void
  /**
   * An access: its first word, the second of its payload, and the error code of its fault, NO_FAULT, or less where it
   * failed.
   */
  touched(lane: number, first: number, second: number, result: number, lockedMm: boolean): void
  /** A call failed though Linux had performed it: with a negative errno, or with another answer (0). */
  failed(call: string, errno: number): void
  /** An address space is about to go. */
  spaceEnds(image: number, mm: number): void
}

export interface TraceRequest extends BootRequest {
  /** Operations of each lane, see trace/operations.ts. */
  readonly lanes: readonly Int32Array[]
  readonly images: readonly ImagePlan[]
  readonly seatImages: readonly number[]
  readonly files: readonly TracedFile[]
  readonly meter: TraceMeter
}

const MAPS_MAX = 2 ** 24
/** What Linux's own default lets a stack grow, in pages. */
const STACK_PAGES = 2048

/** The machine as it is when the program begins. */
export default function traceMachine(request: TraceRequest): SimulatedMachine {
  const { heap, tasks } = bootMachine(request)
  const word = cacheLineAlign(heapAlloc(heap, 2 * CACHE_LINE_WORDS))
  const gates = cacheLineAlign(heapAlloc(heap, (tasks.length + 1) * CACHE_LINE_WORDS))
  const spaces = new Spaces(request)
  const [first] = tasks
  for (const file of request.files) spaces.makeFile(first!, file)
  for (let image = 0; image < request.images.length; image++)
    if (request.images[image]!.isFirst) spaces.make(first!, image)
  const lanes = tasks.map(
    (task) => new Lane(task, spaces, request, gates + task.id * CACHE_LINE_WORDS, request.lanes[task.id]!),
  )
  return { heap, tasks, mm: spaces.mmOf[0] ?? 0, word, bodies: lanes.map((lane) => () => lane.run()) }
}

/** Address spaces and files, by their numbers in the plan. */
class Spaces {
  readonly mmOf: number[] = []
  readonly files = new Map<number, { readonly file: number; readonly firstPage: number }>()
  readonly #images: readonly ImagePlan[]
  readonly #meter: TraceMeter

  constructor({ images, meter }: TraceRequest) {
    this.#images = images
    this.#meter = meter
  }

  makeFile(task: Task, { number, firstPage, pages, faultAround, cached }: TracedFile): void {
    callEnter(task)
    // As files on disk need it, see trace/replay.ts.
    const file = createFile(
      task,
      pages,
      PAGE_SIZE,
      FILE_WRITE_NOTIFY | (faultAround ? 0 : FILE_NO_FAULT_AROUND),
    )
    if (file === 0) throw new SmallMachine('its files')
    for (const [from, count] of cached) {
      for (
        let page = Math.max(0, from - firstPage);
        page < Math.min(pages, from + count - firstPage);
        page++
      ) {
        const frame = getFilePage(task, file, page)
        if (frame === 0) throw new SmallMachine('what is in its page cache')
        putPage(task, frame)
      }
    }
    callExit(task)
    this.files.set(number, { file, firstPage })
  }

  /** As exec makes one. The task does not use it afterwards. */
  make(task: Task, image: number): void {
    const plan = this.#images[image]!
    const stack = plan.prelude.reduce(
      (most, { growsDown, pages }) => (growsDown ? Math.max(most, pages) : most),
      0,
    )
    callEnter(task)
    const mm = createMm(
      task,
      MAPS_MAX,
      Math.max(STACK_PAGES, stack + Math.ceil(plan.stackGrowth / PAGE_SIZE)),
    )
    callExit(task)
    if (mm === 0) throw new SmallMachine('an address space')
    this.put(image, mm)
    callEnter(task)
    joinMm(task, mm)
    callExit(task)
    this.#setHeap(task, mm, plan)
    for (const mapping of plan.prelude) this.#mapPrelude(task, mm, mapping, plan)
    for (const page of plan.written) {
      callEnter(task)
      madvise(task, mm, page, page + 1, MADV['populate-write'])
      callExit(task)
    }
    callEnter(task)
    leaveMm(task, mm)
    callExit(task)
  }

  put(image: number, mm: number): void {
    this.mmOf[image] = mm
  }

  fork(task: Task, mm: number, image: number): void {
    callEnter(task)
    const child = forkMm(task, mm)
    callExit(task)
    if (child === 0) throw new SmallMachine('a copy of an address space')
    this.put(image, child)
    const plan = this.#images[image]!
    if (plan.heapStart < 0) return
    callEnter(task)
    joinMm(task, child)
    callExit(task)
    this.#setHeap(task, child, plan)
    callEnter(task)
    leaveMm(task, child)
    callExit(task)
  }

  destroy(task: Task, image: number): void {
    const mm = this.mmOf[image]!
    this.#meter.spaceEnds(image, mm)
    callEnter(task)
    destroyMm(task, mm)
    callExit(task)
    this.mmOf[image] = 0
  }

  #setHeap(task: Task, mm: number, { heapStart, heapEnd }: ImagePlan): void {
    if (heapStart < 0) return
    const start = Math.ceil(heapStart / PAGE_SIZE)
    callEnter(task)
    setStartOfHeap(task, mm, start)
    callExit(task)
    if (heapEnd <= heapStart) return
    callEnter(task)
    brk(task, mm, Math.max(0, heapEnd - start * PAGE_SIZE))
    callExit(task)
  }

  #mapPrelude(task: Task, mm: number, mapping: PlannedMapping, plan: ImagePlan): void {
    const { page, pages, protection, shared, growsDown, file, filePage } = mapping
    if (pages === 0) return
    const isPlain = protection === 3 && file === 0 && !shared
    if (isPlain && page * PAGE_SIZE >= plan.heapStart && page + pages <= Math.ceil(plan.heapEnd / PAGE_SIZE))
      return
    const flags = vmFlags(protection) | (shared ? VM_SHARED : 0) | (growsDown ? VM_GROWSDOWN : 0)
    const source = this.files.get(file)
    callEnter(task)
    const result = mmap(
      task,
      mm,
      page,
      pages,
      flags,
      MAP_FIXED,
      source?.file ?? 0,
      source === undefined ? 0 : filePage - source.firstPage,
    )
    callExit(task)
    if (result < 0) throw new SmallMachine('what is mapped when the program begins')
  }
}

/** The machine has too few frames, or too small a heap, for the program. */
export class SmallMachine extends Error {
  override readonly name = 'SmallMachine'
  readonly remedy = 'record for a shorter time, or choose a process with --process'

  constructor(what: string) {
    super(`the simulated machine is too small for ${what}`)
  }
}

/** Recorded threads that are taken one after the other. */
class Lane {
  readonly #task: Task
  readonly #spaces: Spaces
  readonly #meter: TraceMeter
  readonly #seatImages: readonly number[]
  /** A word of its own, where it stops before each operation. */
  readonly #gate: number
  readonly #words: Int32Array
  readonly #joined: boolean[] = []
  /** Of the operation under way: the address space, and where its payload is. */
  #image = -1
  #mm = 0
  #first = 0
  #at = 0

  constructor(task: Task, spaces: Spaces, request: TraceRequest, gate: number, words: Int32Array) {
    this.#task = task
    this.#spaces = spaces
    this.#meter = request.meter
    this.#seatImages = request.seatImages
    this.#gate = gate
    this.#words = words
  }

  run(): void {
    const words = this.#words
    const { heap, id } = this.#task
    let at = 0
    for (let operation = 0; at < words.length; operation++) {
      const first = words[at]!
      const kind = first & 15
      at += 1 + 2 * (first >>> op.OP_WAITS_SHIFT)
      this.#meter.arrive(id, operation, first, words[at + 1]!)
      Atomics.load(heap, this.#gate)
      this.#first = first
      this.#at = at
      this.#image = this.#seatImages[words[at + op.PAYLOAD_WORDS[kind]! - 1]!]!
      this.#perform(kind)
      this.#meter.done(id, operation)
      at += op.PAYLOAD_WORDS[kind]!
    }
  }

  #perform(kind: number): void {
    if (kind === op.OP_EXEC) {
      this.#spaces.make(this.#task, this.#image)
      return
    }
    if (kind === op.OP_SLEEP) return
    this.#mm = this.#spaces.mmOf[this.#image]!
    if (kind === op.OP_LEAVE) {
      this.#leave()
      return
    }
    if (this.#joined[this.#image] !== true) this.#join()
    switch (kind) {
      case op.OP_TOUCH:
        this.#touch()
        return
      case op.OP_FORK:
        this.#spaces.fork(this.#task, this.#mm, this.#words[this.#at]!)
        return
      case op.OP_DESTROY:
        this.#spaces.destroy(this.#task, this.#image)
        this.#joined[this.#image] = false
        return
      case op.OP_BRK:
        this.#brk()
        return
      default:
        this.#call(kind)
    }
  }

  #join(): void {
    callEnter(this.#task)
    joinMm(this.#task, this.#mm)
    callExit(this.#task)
    this.#joined[this.#image] = true
  }

  #leave(): void {
    if (this.#joined[this.#image] !== true) return
    callEnter(this.#task)
    leaveMm(this.#task, this.#mm)
    callExit(this.#task)
    this.#joined[this.#image] = false
  }

  #touch(): void {
    const task = this.#task
    const second = this.#words[this.#at + 1]!
    const errorCode = (second >>> op.OP_TOUCH_ERROR_SHIFT) & 0xff
    const address = (this.#words[this.#at]! >>> 0) * PAGE_SIZE + (second & 0xfff)
    if ((second & (op.OP_TOUCH_REMOVE | op.OP_TOUCH_PRESENT)) !== 0) this.#correct(second)
    const kind = op.accessOf(errorCode)
    const access = kind === 'w' ? ACCESS_WRITE : kind === 'x' ? ACCESS_EXECUTE : ACCESS_READ
    task.lastFaultLockedMm = false
    let result = NO_FAULT
    if (op.isAccessOfKernel(errorCode)) result = touchByKernel(task, this.#mm, address, access)
    else {
      try {
        result = touch(task, this.#mm, address, access)
      } catch (error) {
        if (!op.isSignal(error)) throw error
        result = REFUSED
      }
    }
    this.#meter.touched(task.id, this.#first, second, result, task.lastFaultLockedMm)
  }

  /** Brings a page into the state in which the recorded fault found it. */
  #correct(flags: number): void {
    const page = this.#words[this.#at]! >>> 0
    if ((flags & op.OP_TOUCH_REMOVE) !== 0) this.#advise(page, MADV.dontneed)
    if ((flags & op.OP_TOUCH_PRESENT) !== 0) this.#advise(page, MADV['populate-read'])
  }

  #advise(page: number, advice: number): void {
    callEnter(this.#task)
    madvise(this.#task, this.#mm, page, page + 1, advice)
    callExit(this.#task)
  }

  #call(kind: number): void {
    callEnter(this.#task)
    const result = this.#performCall(kind)
    callExit(this.#task)
    if (result < 0) this.#meter.failed(callNames[kind]!, result)
  }

  #performCall(kind: number): number {
    const task = this.#task
    const mm = this.#mm
    const words = this.#words
    const at = this.#at
    const page = words[at]! >>> 0
    const end = page + (words[at + 1]! >>> 0)
    switch (kind) {
      case op.OP_MAP:
        return this.#map(page, words[at + 1]! >>> 0)
      case op.OP_UNMAP:
        return munmap(task, mm, page, end)
      case op.OP_PROTECT:
        return mprotect(task, mm, page, end, vmFlags(words[at + 2]!))
      case op.OP_ADVISE:
        return madvise(task, mm, page, end, words[at + 2]!)
      case op.OP_REMAP: {
        const target = words[at + 4]! >>> 0
        const moves = target === page ? 0 : MREMAP_FIXED | (words[at + 3]! & MREMAP_MAYMOVE)
        const flags = moves | (words[at + 3]! & MREMAP_DONTUNMAP)
        return mremap(task, mm, page, end - page, words[at + 2]! >>> 0, flags, moves === 0 ? 0 : target)
      }
      default:
        throw new Error(`operation of unknown kind ${kind}`)
    }
  }

  #map(page: number, pages: number): number {
    const words = this.#words
    const at = this.#at
    const flags = words[at + 2]! >>> 8
    const source = this.#spaces.files.get(words[at + 3]!)
    return mmap(
      this.#task,
      this.#mm,
      page,
      pages,
      vmFlags(words[at + 2]! & 7) |
        ((flags & records.MAP_SHARED) !== 0 ? VM_SHARED : 0) |
        ((flags & records.MAP_GROWS_DOWN) !== 0 ? VM_GROWSDOWN : 0) |
        ((flags & records.MAP_NO_RESERVE) !== 0 ? VM_NORESERVE : 0) |
        ((flags & records.MAP_STACK) !== 0 ? VM_NOHUGEPAGE : 0),
      ((flags & records.MAP_REPLACES) !== 0 ? MAP_FIXED : MAP_FIXED_NOREPLACE) |
        ((flags & records.MAP_POPULATE) !== 0 ? MAP_POPULATE : 0),
      source?.file ?? 0,
      source === undefined ? 0 : (words[at + 4]! - source.firstPage) >>> 0,
    )
  }

  #brk(): void {
    const task = this.#task
    const words = this.#words
    const at = this.#at
    const wanted = (words[at]! >>> 0) * PAGE_SIZE + words[at + 1]!
    const expected = (words[at + 2]! >>> 0) * PAGE_SIZE + words[at + 3]!
    callEnter(task)
    const start = startOfHeap(task, this.#mm) * PAGE_SIZE
    const isQuestion = wanted < start
    const result = start + (isQuestion ? heapBytes(task, this.#mm) : brk(task, this.#mm, wanted - start))
    callExit(task)
    if (Math.ceil(result / PAGE_SIZE) !== Math.ceil(expected / PAGE_SIZE)) this.#meter.failed('brk', 0)
  }
}

const callNames: Readonly<Record<number, string>> = {
  [op.OP_MAP]: 'mmap',
  [op.OP_UNMAP]: 'munmap',
  [op.OP_PROTECT]: 'mprotect',
  [op.OP_ADVISE]: 'madvise',
  [op.OP_REMAP]: 'mremap',
}

/** Of an access that failed. */
const REFUSED = -2

function vmFlags(protection: number): number {
  return (
    ((protection & 1) !== 0 ? VM_READ : 0) |
    ((protection & 2) !== 0 ? VM_WRITE : 0) |
    ((protection & 4) !== 0 ? VM_EXEC : 0)
  )
}
