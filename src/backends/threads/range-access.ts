// Memory of an address space as arrays: pages that stay in place as long as a function runs.
//
// A view is of the machine's memory itself, and pins (kernel/fault/pin.ts) keep it right. JavaScript cannot take a view
// back, nor make one read-only. A machine that was made with `checkRanges` hands out copies instead, which it can take
// back, and so finds programs that break either rule.

import {
  Header,
  PAGE_SIZE,
  PerCpu,
  SegmentationFault,
  collapsePages,
  pinPages,
  unpinTo,
} from '../../kernel/index.ts'
import { checkAddress, checkChoice, checkFunction, checkWhole } from './arguments.ts'
import { checkResult } from './errors.ts'
import type { MachineThread } from './machine-thread.ts'
import { BulkAccess } from './bulk-access.ts'
import { ADDRESS_LIMIT } from './memory-access.ts'

/** How a range may be used. */
export type RangeAccessMode = 'r' | 'rw'

const accesses: Readonly<Record<RangeAccessMode, unknown>> = { r: 1, rw: 1 }

/**
 * A function that was given a range has written to it without the right to, or has kept it: `checkRanges` has found
 * that.
 */
export class RangeMisuse extends Error {
  override readonly name = 'RangeMisuse'
  readonly code = 'ERR_FAULTLINE_RANGE_MISUSE'
}

/** The place of pinned pages in the machine's memory, and their length, in bytes. */
interface Pinned {
  readonly start: number
  readonly length: number
  /** How many ranges this thread had pinned before. */
  readonly depth: number
}

export abstract class RangeAccess extends BulkAccess {
  readonly #thread: MachineThread
  readonly #mm: number
  readonly #buffer: ArrayBufferLike
  readonly #checked: boolean

  /** Constructors of subclasses check who calls them. */
  protected constructor(thread: MachineThread, mm: number, generation: number) {
    super(thread, mm, generation)
    this.#thread = thread
    this.#mm = mm
    this.#buffer = thread.task.memory.memory.buffer
    this.#checked = thread.task.heap[Header.checkRanges] !== 0
  }

  /**
   * Calls `use` with the `length` bytes from `address` as an array and as a view, and returns what it returns. They are
   * the memory itself: what other threads write is seen at once, and Atomics work on it. The pages are brought in,
   * those that are shared since a fork are copied, and they stay where they are until `use` has returned: reclaim skips
   * them, and a fork copies them at once. If another thread unmaps or truncates them meanwhile, the arrays show pages
   * that belong to no mapping any more. With 'rw', pages of files are dirty afterwards.
   *
   * `use` may use the arrays only until it returns or throws; later they may show any memory of the machine. With 'r',
   * it must not write to them. A machine with `checkRanges` detects both errors. `use` may do anything with the
   * machine, and call this again, up to 64 deep.
   *
   * If the frames of private anonymous memory are not adjacent, its pages are moved to frames that are, which costs a
   * copy of the range; they stay there until a fork, reclaim or the program moves some of them again (mmap's
   * `contiguous` does it beforehand). Pages of files and of shared memory are not moved: for these, a range within one
   * page always works; for a longer one, use withPages.
   *
   * Errors: those of an access to each page (SegmentationFault, BusError, OutOfMemory), in the order of their
   * addresses; EAGAIN (64 ranges of this thread, or 1024 of a page, are in use), and what `use` throws. Of a range
   * whose frames lie apart: EINVAL (not private anonymous memory), EBUSY (another range is in use there), ENOMEM (there
   * is no run of free frames), EAGAIN (another thread is at work on a page).
   */
  withRange<T>(
    address: number,
    length: number,
    access: RangeAccessMode,
    use: (bytes: Uint8Array, view: DataView) => T,
  ): T {
    this.#prepare(address, length, access, use)
    let pinned = this.#pin('withRange', address, length, access)
    if (pinned.length < length) {
      this.#unpin(pinned.depth)
      pinned = this.#pin('withRange', address, length, access, true)
    }
    return this.#lend(pinned, access, use)
  }

  /**
   * As withRange, for any memory: calls `use` with one part of the range after the other, each as long as its frames
   * follow each other, and at least to the end of a page. `offset` is where in the range the part begins, in bytes.
   * Each part is let go before the next is brought in. When a page fails, `use` was called with parts before it.
   */
  withPages(
    address: number,
    length: number,
    access: RangeAccessMode,
    use: (bytes: Uint8Array, view: DataView, offset: number) => void,
  ): void {
    this.#prepare(address, length, access, use)
    for (let done = 0; done < length;) {
      const pinned = this.#pin('withPages', address + done, length - done, access)
      const offset = done
      done += pinned.length
      this.#lend(pinned, access, (bytes, view) => use(bytes, view, offset))
    }
  }

  /** Calls `use` with the place in memory of `length` bytes of one page, which stay there until it returns. */
  protected pinnedAt<T>(address: number, length: number, use: (start: number) => T): T {
    const { start, depth } = this.#pin('wait', address, length, 'r')
    try {
      return use(start)
    } finally {
      this.#unpin(depth)
    }
  }

  /** Brings the pages of whole mappings in, on frames that follow each other. Errors as of withRange. */
  protected makeContiguous(call: string, address: number, length: number, access: RangeAccessMode): void {
    const { depth } = this.#pin(call, address, length, access, true)
    this.#unpin(depth)
  }

  // -------------------------------------------------------------------------------------------------------------------

  #prepare(address: number, length: number, access: RangeAccessMode, use: unknown): void {
    checkAddress(address)
    checkWhole(length, 'length', 1, Number.MAX_SAFE_INTEGER, 'a whole number of bytes from 1')
    checkChoice(access, 'access', accesses)
    checkFunction(use, 'use')
    if (address >= 0 && address + length <= ADDRESS_LIMIT) return
    const outside = address < 0 || address >= ADDRESS_LIMIT ? address : ADDRESS_LIMIT
    throw new SegmentationFault('SEGV_MAPERR', outside, this.#thread.task.id, access === 'rw' ? 'w' : 'r')
  }

  /** Pins as much as is contiguous from `address` on; the whole range if pages are `moved`. */
  #pin(call: string, address: number, length: number, access: RangeAccessMode, moved = false): Pinned {
    super.join()
    const thread = this.#thread
    const { task } = thread
    const depth = task.heap[task.base + PerCpu.pinnedRanges]!
    const start = Math.floor(address / PAGE_SIZE)
    const end = Math.ceil((address + length) / PAGE_SIZE)
    const pin = moved ? collapsePages : pinPages
    const pages = thread.enter(call, () => pin(task, this.#mm, start, end, access === 'rw'))
    if (pages < 0)
      checkResult(
        pages,
        call,
        moved ? `${length} bytes whose frames lie apart: use withPages, or read and write, which copy` : '',
      )
    const offset = address - start * PAGE_SIZE
    return {
      start: task.pinnedFrame * PAGE_SIZE + offset,
      length: Math.min(pages * PAGE_SIZE - offset, length),
      depth,
    }
  }

  #unpin(depth: number): void {
    const thread = this.#thread
    // Detaching has unpinned the pages.
    if (thread.isAttached) thread.enter('withRange', (task) => unpinTo(task, depth))
  }

  #lend<T>(pinned: Pinned, access: RangeAccessMode, use: (bytes: Uint8Array, view: DataView) => T): T {
    const { start, length, depth } = pinned
    let result: T
    try {
      result = this.#checked
        ? useCopy(new Uint8Array(this.#buffer, start, length), access, use)
        : use(new Uint8Array(this.#buffer, start, length), new DataView(this.#buffer, start, length))
    } catch (error) {
      this.#unpinAfter(error, depth)
    }
    this.#unpin(depth)
    return result
  }

  /** Throws `error`. If the machine is lost, which may be its cause, the next call reports that. */
  #unpinAfter(error: unknown, depth: number): never {
    try {
      this.#unpin(depth)
    } catch {
      // See above.
    }
    throw error
  }
}

/**
 * `checkRanges`: `use` gets a copy, whose buffer is detached afterwards. Then each byte that `use` has changed is
 * written to the memory.
 */
function useCopy<T>(
  memory: Uint8Array,
  access: RangeAccessMode,
  use: (bytes: Uint8Array, view: DataView) => T,
): T {
  const before = Uint8Array.from(memory)
  const copy = Uint8Array.from(before)
  try {
    const result = use(copy, new DataView(copy.buffer))
    // Of whatever realm: a test may run in one of its own.
    if (Object.prototype.toString.call(result) === '[object Promise]')
      throw new RangeMisuse(
        'it returned a promise, and what it goes on with it has not: the range ends with it',
      )
    return result
  } finally {
    takeBack(memory, before, copy, access)
  }
}

function takeBack(
  memory: Uint8Array,
  before: Uint8Array,
  copy: Uint8Array<ArrayBuffer>,
  access: RangeAccessMode,
): void {
  if (copy.length !== before.length) throw new RangeMisuse('the buffer of the range was detached')
  const written = Uint8Array.from(copy)
  // From here on, a reference that was kept shows no bytes.
  copy.buffer.transfer()
  for (let index = 0; index < before.length; index++) {
    if (written[index] === before[index]) continue
    if (access === 'r') throw new RangeMisuse(`byte ${index} was written of a range that is to be read only`)
    memory[index] = written[index]!
  }
}
