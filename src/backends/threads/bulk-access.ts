// Operations on many bytes of an address space at once, beyond reading and writing: comparing, searching, moving. They
// go through the memory of this thread, a part at a time, and so are not atomic.

import { checkAddress, checkBytes, checkUnsigned, viewedBytes } from './arguments.ts'
import { MemoryAccess } from './memory-access.ts'

/** Bytes that are looked at or moved in one. */
const PART = 65_536

export abstract class BulkAccess extends MemoryAccess {
  /** Parts of what is compared, searched or moved; made when they are wanted. */
  readonly #parts: Uint8Array<ArrayBuffer>[] = []

  /**
   * Compares `length` bytes from `address` with those from `other` on, as memcmp: -1, 0 or 1, as the first byte that
   * differs is less or more. Reads no more than the part of 64 KiB in which that is.
   */
  compare(address: number, other: number, length: number): -1 | 0 | 1 {
    checkAddress(other, 'other')
    checkBytes(length, 'length')
    for (let done = 0; done < length; done += PART) {
      const bytes = Math.min(PART, length - done)
      const order = Buffer.compare(this.#part(0, address + done, bytes), this.#part(1, other + done, bytes))
      if (order !== 0) return order
    }
    return 0
  }

  /**
   * The address of the first place in the `length` bytes from `address` on at which `value`, a byte or the bytes of a
   * typed array or DataView, stands whole; -1 if it does not. No bytes at all stand at `address`.
   */
  indexOf(address: number, length: number, value: number | ArrayBufferView): number {
    checkAddress(address)
    checkBytes(length, 'length')
    if (typeof value === 'number') checkUnsigned(value, 8)
    const wanted =
      typeof value === 'number' ? Uint8Array.of(value) : Uint8Array.from(viewedBytes(value, 'value'))
    if (wanted.length === 0) return address
    // Parts overlap, so that what lies across the end of one is found.
    const step = Math.max(PART, wanted.length)
    for (let done = 0; done + wanted.length <= length; done += step) {
      const bytes = this.#part(0, address + done, Math.min(step + wanted.length - 1, length - done))
      const index = Buffer.from(bytes.buffer, 0, bytes.length).indexOf(wanted)
      if (index >= 0) return address + done + index
    }
    return -1
  }

  /**
   * Copies `length` bytes from `source` to `target`, as memmove: the two may overlap. When a page fails, what was to be
   * copied before it has been.
   */
  copyWithin(target: number, source: number, length: number): void {
    checkAddress(target, 'target')
    checkAddress(source, 'source')
    checkBytes(length, 'length')
    const backwards = target > source && target < source + length
    for (let done = 0; done < length; done += PART) {
      const bytes = Math.min(PART, length - done)
      const from = backwards ? length - done - bytes : done
      this.write(target + from, this.#part(0, source + from, bytes))
    }
  }

  /** What stands in memory, until the next call for the same `slot`. */
  #part(slot: 0 | 1, address: number, length: number): Uint8Array<ArrayBuffer> {
    let part = this.#parts[slot]
    if (part === undefined || part.length < length) {
      part = new Uint8Array(Math.max(PART, length))
      this.#parts[slot] = part
    }
    const bytes = part.subarray(0, length)
    this.readInto(address, bytes)
    return bytes
  }
}
