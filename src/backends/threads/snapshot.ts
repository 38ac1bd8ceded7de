// A snapshot of an address space: what its private memory was at one moment, to be read while threads go on writing.

import { writeSync } from 'node:fs'
import { type EventEmitter, once } from 'node:events'
import type { Mapping } from './address-space-options.ts'
import { checkAddress, checkBytes, checkFunction, checkObject, checkWhole, typeError } from './arguments.ts'
import { OWN, type Own, assertOwn, keepInThread } from './construction.ts'
import { inspected } from './inspected.ts'

/**
 * The part of AddressSpace that a snapshot uses of its fork. AddressSpace makes snapshots, and so stands above them.
 */
interface Copy {
  readonly handle: { readonly generation: number }
  maps(): Mapping[]
  read(address: number, length: number): Uint8Array
  readInto(address: number, target: ArrayBufferView): void
  destroy(): void
  [Symbol.dispose](): void
}

/** The target of a restore: the AddressSpace of which the snapshot was taken, or another. */
interface Target {
  readInto(address: number, target: ArrayBufferView): void
  write(address: number, bytes: Uint8Array): void
}

/** A Writable of node:stream, as far as it is used: declarations name no type of Node, which a browser has not. */
interface Stream {
  readonly destroyed: boolean
  readonly errored: Error | null
  write(bytes: Uint8Array): boolean
  once(event: string, listener: (...values: unknown[]) => void): unknown
  removeListener(event: string, listener: (...values: unknown[]) => void): unknown
}

type Changes<S> = (space: S, since: S) => SnapshotRange[]

/** Whole pages. */
export interface SnapshotRange {
  readonly address: number
  /** In bytes. */
  readonly length: number
}

const PAGE = 4096
/** Bytes that are written out at a time. */
const PART = 262_144

/**
 * What AddressSpace.snapshot() gives. It is a fork that can only be read; it must be destroyed, or declared with
 * `using`: while it exists, pages that are written to are copied, and the copies take memory.
 */
export class Snapshot {
  /** @internal For AddressSpace.snapshot(). */
  static of<S extends Copy>(space: S, changes: Changes<S>): Snapshot {
    return new Snapshot(OWN, space, changes as Changes<Copy>)
  }

  readonly #space: Copy
  readonly #changes: Changes<Copy>

  private constructor(key: Own, space: Copy, changes: Changes<Copy>) {
    assertOwn(key, 'Snapshot', 'space.snapshot()')
    keepInThread(this)
    this.#space = space
    this.#changes = changes
  }

  /** All mappings, as AddressSpace.maps() has them. */
  maps(): Mapping[] {
    return this.#space.maps()
  }

  /** A copy of `length` bytes from `address`. Errors: those of an access. */
  read(address: number, length: number): Uint8Array {
    return this.#space.read(address, length)
  }

  /** Reads as many bytes from `address` as `target` has. Errors: those of an access. */
  readInto(address: number, target: ArrayBufferView): void {
    this.#space.readInto(address, target)
  }

  /**
   * Writes `length` bytes from `address` on to a file descriptor, at its position, and returns how many, or to a
   * stream, as fast as it takes them, and promises how many; the stream is not ended. Errors: those of an access, of
   * node:fs and of the stream; what comes before has been written.
   */
  writeTo(target: number, address: number, length: number): number
  writeTo(target: Stream, address: number, length: number): Promise<number>
  writeTo(target: number | Stream, address: number, length: number): number | Promise<number> {
    checkAddress(address)
    checkBytes(length, 'length')
    if (typeof target === 'number') {
      checkWhole(target, 'target', 0, 2 ** 31 - 1, 'a file descriptor')
      return this.#writeToFile(target, address, length)
    }
    if (typeof (target as Stream | null)?.write !== 'function')
      typeError('target', target, 'a file descriptor or a stream')
    return this.#writeToStream(target, address, length)
  }

  #writeToFile(descriptor: number, address: number, length: number): number {
    const part = new Uint8Array(Math.min(PART, length))
    for (let done = 0; done < length;) {
      const bytes = part.subarray(0, Math.min(PART, length - done))
      this.#space.readInto(address + done, bytes)
      done += bytes.length
      for (let written = 0; written < bytes.length;)
        written += writeSync(descriptor, bytes, written, bytes.length - written)
    }
    return length
  }

  async #writeToStream(stream: Stream, address: number, length: number): Promise<number> {
    for (let done = 0; done < length;) {
      // Each part is an array of its own, since a stream keeps what it is given.
      const bytes = this.#space.read(address + done, Math.min(PART, length - done))
      done += bytes.length
      // A stream that is closed already emits no event.
      if (stream.destroyed) throw stream.errored ?? closedEarly()
      // oxlint-disable-next-line no-await-in-loop -- the stream says when it can take more
      if (!stream.write(bytes)) await drained(stream)
    }
    return length
  }

  /**
   * The pages of private memory that differ from what they are in `since`, an earlier snapshot, in the order of their
   * addresses: writing these ranges over a copy of that snapshot makes it a copy of this one. They leave out memory
   * that was mapped since and never written, which is zeros, and memory that was unmapped, which maps() shows. The
   * method compares page tables and not contents, so a page that was overwritten with the same contents may be among
   * them. Takes time for each page that is in memory or in the swap area. Errors: TypeError, RangeError (of another
   * machine), ESRCH (one of the two was destroyed).
   */
  dirtyRanges(since: Snapshot): SnapshotRange[] {
    if (!(typeof since === 'object' && since !== null && #space in since))
      typeError('since', since, 'a snapshot')
    return this.#changes(this.#space, since.#space)
  }

  /**
   * Writes back to `space` what it had in `length` bytes from `address` on: those of its pages that have changed since,
   * and no others, so that the rest stays shared. Returns how many bytes it wrote. It is not atomic: writes of other
   * threads may come before or after it. Errors: those of an access; what comes before has been written.
   */
  restore(space: Target, address: number, length: number): number {
    checkObject(space, 'space')
    for (const name of ['readInto', 'write'] as const) checkFunction(space[name], `space.${name}`)
    checkAddress(address)
    checkBytes(length, 'length')
    const [before, now] = [new Uint8Array(PAGE), new Uint8Array(PAGE)]
    let written = 0
    for (let done = 0; done < length;) {
      const bytes = Math.min(PAGE - ((address + done) % PAGE), length - done)
      const [was, is] = [before.subarray(0, bytes), now.subarray(0, bytes)]
      this.#space.readInto(address + done, was)
      space.readInto(address + done, is)
      if (Buffer.compare(was, is) !== 0) {
        space.write(address + done, was)
        written += bytes
      }
      done += bytes
    }
    return written
  }

  /** Frees its memory. From then on, reading it throws MemoryError ESRCH. */
  destroy(): void {
    this.#space.destroy()
  }

  /** {@link destroy}, for `using`; nothing where the thread has detached. */
  [Symbol.dispose](): void {
    this.#space[Symbol.dispose]()
  }

  /** @internal */
  [inspected](): string {
    return `Snapshot (${this.#space.handle.generation})`
  }
}

function closedEarly(): Error {
  return new Error('target: the stream was closed before all was written')
}

/** Resolves when the stream can take more. Rejects if it fails or is closed first. */
async function drained(target: Stream): Promise<void> {
  const settled = new AbortController()
  const { signal } = settled
  const stream = target as unknown as EventEmitter
  const closed = async (): Promise<never> => {
    await once(stream, 'close', { signal })
    throw closedEarly()
  }
  try {
    await Promise.race([once(stream, 'drain', { signal }), closed()])
  } finally {
    settled.abort()
  }
}
