// The accesses of a program to an address space, by one thread.
//
// Words are little-endian; an access that is not aligned may cross pages and is then not one instruction. What would be
// a signal in Linux is thrown as SegmentationFault or BusError.

import {
  ACCESS_EXECUTE,
  ACCESS_READ,
  ACCESS_WRITE,
  Mm,
  NO_FAULT,
  PAGE_SIZE,
  SegmentationFault,
  TASK_SIZE,
  type Task,
  addInt32,
  compareExchangeInt32,
  fillBytes,
  joinMm,
  loadAlignedInt32,
  loadUint8,
  readBytes,
  storeAlignedInt32,
  storeUint8,
  touch,
  touchByKernel,
  writeBytes,
} from '../../kernel/index.ts'
import {
  allocateBytes,
  checkAddend,
  checkAddress,
  checkBigInt64,
  checkBigUint64,
  checkBytes,
  checkChoice,
  checkNumber,
  checkSigned,
  checkUnsigned,
  goneInCall,
  rangeError,
  viewedBytes,
} from './arguments.ts'
import { MemoryError, checkResult } from './errors.ts'
import type { MachineThread } from './machine-thread.ts'
import { OwnBytes } from './own-arrays.ts'
import { assureStackRoom } from './stack-room.ts'

/** First address beyond what a program can use: 8 TiB less a page. */
export const ADDRESS_LIMIT = TASK_SIZE * PAGE_SIZE

/** Set in the result of touch() when the last fault of the access was handled without the mmap lock. */
export const TOUCH_SPECULATIVE = 0x8000
/** Set when that fault held the mmap lock, if only for a moment, to make an anon_vma under the lock of its VMA. */
export const TOUCH_LOCKED_MM = 0x10000

const accessModes = { user: touch, kernel: touchByKernel } as const
const accessKinds = { r: ACCESS_READ, w: ACCESS_WRITE, x: ACCESS_EXECUTE } as const
/** The kernel fetches no instructions of a program. */
const copyKinds = { r: ACCESS_READ, w: ACCESS_WRITE } as const

export abstract class MemoryAccess {
  readonly #thread: MachineThread
  readonly #task: Task
  readonly #mm: number
  readonly #scratchView = new DataView(new ArrayBuffer(8))
  /** The first 2, 4 and 8 bytes of it. */
  readonly #scratch2 = new OwnBytes(this.#scratchView.buffer, 0, 2)
  readonly #scratch4 = new OwnBytes(this.#scratchView.buffer, 0, 4)
  readonly #scratch8 = new OwnBytes(this.#scratchView.buffer, 0, 8)
  /** This thread counts as a user from its first call or access on. */
  #joined = false
  /** Which address space it was that lives at this place of the heap. */
  readonly #generationLow: number
  readonly #generationHigh: number

  /** Constructors of subclasses check who calls them. */
  protected constructor(thread: MachineThread, mm: number, generation: number) {
    this.#thread = thread
    this.#task = thread.task
    this.#mm = mm
    this.#generationLow = generation | 0
    this.#generationHigh = Math.floor(generation / 2 ** 32)
  }

  protected get joined(): boolean {
    return this.#joined
  }

  /** Makes this thread a user of the address space. Throws MemoryError ESRCH if it was destroyed. */
  protected join(): void {
    if (!this.#joined || !this.#exists()) this.#join()
  }

  /** For an access that is one operation of Atomics on so many bytes. */
  protected prepareAtomic(address: number, bytes: 4 | 8, access: 'r' | 'w'): void {
    if (typeof address !== 'number' || address % bytes !== 0) {
      checkAddress(address)
      const multiple = bytes === 4 ? 'four' : 'eight'
      rangeError('address', address, `a multiple of ${multiple}, as an atomic access needs it`)
    }
    this.#prepare(address, access)
  }

  /** Ends that. */
  protected markLeft(): void {
    this.#joined = false
  }

  /**
   * What an access of that kind to `address` does to the memory manager, without moving data. Returns 0 when it took no
   * fault, else the x86 error code of its first one, with TOUCH_SPECULATIVE and TOUCH_LOCKED_MM set as they apply to
   * its last one. `mode` says who makes the access: the program, or the kernel as in a call that copies from or to the
   * program's memory, such as read(2). Designs handle only the program's faults without the mmap lock. Throws the
   * signal of an access of the program that fails; one of the kernel has none, and is MemoryError EFAULT.
   */
  touch(address: number, access: 'r' | 'w' | 'x', mode: 'user' | 'kernel' = 'user'): number {
    checkChoice(mode, 'mode', accessModes)
    checkChoice(access, 'access', mode === 'kernel' ? copyKinds : accessKinds)
    this.#prepareByte(address, access)
    const task = this.#task
    let errorCode: number
    try {
      errorCode = accessModes[mode](task, this.#mm, address, accessKinds[access])
    } catch (error) {
      throw this.#thread.failed(error, 'access')
    }
    if (errorCode === NO_FAULT) return 0
    checkResult(errorCode, 'touch')
    const speculative = task.lastFaultSpeculative ? TOUCH_SPECULATIVE : 0
    return errorCode | speculative | (task.lastFaultLockedMm ? TOUCH_LOCKED_MM : 0)
  }

  /**
   * Reads a byte. Errors of all accesses: SegmentationFault and BusError, as Linux sends the signals; TypeError and
   * RangeError for anything but an address; OutOfMemory if no frame is left; MemoryError ESRCH if the address space was
   * destroyed.
   */
  readUint8(address: number): number {
    this.#prepareByte(address, 'r')
    try {
      return loadUint8(this.#task, this.#mm, address)
    } catch (error) {
      throw this.#thread.failed(error, 'access')
    }
  }

  /** Writes a byte, 0 to 255. */
  writeUint8(address: number, value: number): void {
    if (typeof value !== 'number' || (value & 0xff) !== value) checkUnsigned(value, 8)
    this.#prepareByte(address, 'w')
    try {
      storeUint8(this.#task, this.#mm, address, value)
    } catch (error) {
      throw this.#thread.failed(error, 'access')
    }
  }

  /** Reads two bytes, little-endian, at any address, as all that follow: 0 to 65,535. */
  readUint16(address: number): number {
    this.#readScratch(address, this.#scratch2)
    return this.#scratchView.getUint16(0, true)
  }

  /** Writes two bytes: 0 to 65,535. */
  writeUint16(address: number, value: number): void {
    checkUnsigned(value, 16)
    this.#scratchView.setUint16(0, value, true)
    this.#writeScratch(address, this.#scratch2)
  }

  /** Reads four bytes: 0 to 2^32 - 1. At a multiple of four it is one load. */
  readUint32(address: number): number {
    if (typeof address !== 'number' || address % 4 !== 0) {
      this.#readScratch(address, this.#scratch4)
      return this.#scratchView.getUint32(0, true)
    }
    this.#prepare(address, 'r')
    try {
      return loadAlignedInt32(this.#task, this.#mm, address) >>> 0
    } catch (error) {
      throw this.#thread.failed(error, 'access')
    }
  }

  /** Writes four bytes: 0 to 2^32 - 1. At a multiple of four it is one store. */
  writeUint32(address: number, value: number): void {
    if (typeof value !== 'number' || value >>> 0 !== value) checkUnsigned(value, 32)
    if (typeof address !== 'number' || address % 4 !== 0) {
      this.#scratchView.setUint32(0, value, true)
      this.#writeScratch(address, this.#scratch4)
      return
    }
    this.#prepare(address, 'w')
    try {
      storeAlignedInt32(this.#task, this.#mm, address, value | 0)
    } catch (error) {
      throw this.#thread.failed(error, 'access')
    }
  }

  /** Reads eight bytes: 0 to 2^64 - 1. */
  readBigUint64(address: number): bigint {
    this.#readScratch(address, this.#scratch8)
    return this.#scratchView.getBigUint64(0, true)
  }

  /** Writes eight bytes: 0 to 2^64 - 1. */
  writeBigUint64(address: number, value: bigint): void {
    checkBigUint64(value)
    this.#scratchView.setBigUint64(0, value, true)
    this.#writeScratch(address, this.#scratch8)
  }

  /** Reads eight bytes as a number of IEEE 754. */
  readFloat64(address: number): number {
    this.#readScratch(address, this.#scratch8)
    return this.#scratchView.getFloat64(0, true)
  }

  /** Any number, with NaN and the infinities. */
  writeFloat64(address: number, value: number): void {
    checkNumber(value)
    this.#scratchView.setFloat64(0, value, true)
    this.#writeScratch(address, this.#scratch8)
  }

  /** Reads a byte: -128 to 127. */
  readInt8(address: number): number {
    return (this.readUint8(address) << 24) >> 24
  }

  /** Writes a byte: -128 to 127. */
  writeInt8(address: number, value: number): void {
    checkSigned(value, 8)
    this.writeUint8(address, value & 0xff)
  }

  /** Reads two bytes: -32,768 to 32,767. */
  readInt16(address: number): number {
    return (this.readUint16(address) << 16) >> 16
  }

  /** Writes two bytes: -32,768 to 32,767. */
  writeInt16(address: number, value: number): void {
    checkSigned(value, 16)
    this.writeUint16(address, value & 0xffff)
  }

  /** Reads four bytes: -2^31 to 2^31 - 1. */
  readInt32(address: number): number {
    return this.readUint32(address) | 0
  }

  /** Writes four bytes: -2^31 to 2^31 - 1. */
  writeInt32(address: number, value: number): void {
    checkSigned(value, 32)
    this.writeUint32(address, value >>> 0)
  }

  /** Reads eight bytes: -2^63 to 2^63 - 1. */
  readBigInt64(address: number): bigint {
    return BigInt.asIntN(64, this.readBigUint64(address))
  }

  /** Writes eight bytes: -2^63 to 2^63 - 1. */
  writeBigInt64(address: number, value: bigint): void {
    checkBigInt64(value)
    this.writeBigUint64(address, BigInt.asUintN(64, value))
  }

  /** Reads four bytes as a number of IEEE 754. */
  readFloat32(address: number): number {
    this.#readScratch(address, this.#scratch4)
    return this.#scratchView.getFloat32(0, true)
  }

  /** Any number, with NaN and the infinities; it is rounded to the nearest that 32 bits can hold. */
  writeFloat32(address: number, value: number): void {
    checkNumber(value)
    this.#scratchView.setFloat32(0, value, true)
    this.#writeScratch(address, this.#scratch4)
  }

  /** Atomic compare-and-swap of the word at `address`, a multiple of four. Returns what was there. */
  compareExchangeUint32(address: number, expected: number, value: number): number {
    if (typeof expected !== 'number' || expected >>> 0 !== expected) checkUnsigned(expected, 32, 'expected')
    if (typeof value !== 'number' || value >>> 0 !== value) checkUnsigned(value, 32)
    this.prepareAtomic(address, 4, 'w')
    try {
      return compareExchangeInt32(this.#task, this.#mm, address, expected | 0, value | 0) >>> 0
    } catch (error) {
      throw this.#thread.failed(error, 'access')
    }
  }

  /**
   * Atomic addition, modulo 2^32, to the word at `address`, a multiple of four. `value` may be negative, from -2^31 on.
   * Returns what was there.
   */
  addUint32(address: number, value: number): number {
    if (typeof value !== 'number' || value >>> 0 !== value) checkAddend(value)
    this.prepareAtomic(address, 4, 'w')
    try {
      return addInt32(this.#task, this.#mm, address, value | 0) >>> 0
    } catch (error) {
      throw this.#thread.failed(error, 'access')
    }
  }

  /** A copy of `length` bytes from `address`. */
  read(address: number, length: number): Uint8Array {
    this.#prepareRange(address, length, 'r')
    const bytes = allocateBytes(length)
    this.#readBytes(address, bytes, length, false)
    return bytes
  }

  /**
   * Reads as many bytes from `address` as `target`, a typed array or DataView of any kind, has. When a page fails, what
   * comes before it has been read.
   */
  readInto(address: number, target: ArrayBufferView): void {
    const bytes = viewedBytes(target, 'target')
    const { length } = bytes
    this.#prepareRange(address, length, 'r')
    if (this.#readBytes(address, bytes, length, true) !== length) goneInCall('target')
  }

  /**
   * Writes the bytes of a typed array or DataView of any kind to `address`. When a page fails, what comes before it has
   * been written.
   */
  write(address: number, bytes: ArrayBufferView): void {
    const plain = viewedBytes(bytes, 'bytes')
    const { length } = plain
    this.#prepareRange(address, length, 'w')
    if (this.#writeBytes(address, plain, length) !== length) goneInCall('bytes')
  }

  /**
   * Fills `length` bytes from `address` with `byte`, 0 to 255. When a page fails, what comes before it has been filled.
   */
  fill(address: number, length: number, byte: number): void {
    checkUnsigned(byte, 8, 'byte')
    this.#prepareRange(address, length, 'w')
    try {
      fillBytes(this.#task, this.#mm, address, length, byte)
    } catch (error) {
      throw this.#thread.failed(error, 'access')
    }
  }

  // -------------------------------------------------------------------------------------------------------------------

  /** @param theirs whether code of the caller can detach the array */
  #readBytes(address: number, target: Uint8Array, length: number, theirs: boolean): number {
    try {
      return readBytes(this.#task, this.#mm, address, target, length, theirs)
    } catch (error) {
      throw this.#thread.failed(error, 'access')
    }
  }

  #writeBytes(address: number, bytes: Uint8Array, length: number): number {
    try {
      return writeBytes(this.#task, this.#mm, address, bytes, length)
    } catch (error) {
      throw this.#thread.failed(error, 'access')
    }
  }

  #readScratch(address: number, scratch: Uint8Array): void {
    this.#prepareRange(address, scratch.length, 'r')
    this.#readBytes(address, scratch, scratch.length, false)
  }

  /** A store writes all or nothing, so both of its pages must be writable before it begins. */
  #writeScratch(address: number, scratch: Uint8Array): void {
    const { length } = scratch
    this.#prepareRange(address, length, 'w')
    const last = address + length - 1
    if ((address % PAGE_SIZE) + length > PAGE_SIZE) {
      this.touch(address, 'w')
      this.touch(last - (last % PAGE_SIZE), 'w')
    }
    this.#writeBytes(address, scratch, length)
  }

  #join(): void {
    if (!this.#exists()) gone()
    this.#thread.enter('join', (task) => joinMm(task, this.#mm))
    this.#joined = true
  }

  /** False if any thread has destroyed the address space. */
  #exists(): boolean {
    const { heap } = this.#task
    // Plain reads, for speed: every access does this. The two words change only when an address space is created or
    // destroyed.
    return (
      heap[this.#mm + Mm.generation] === this.#generationLow &&
      heap[this.#mm + Mm.generationHigh] === this.#generationHigh
    )
  }

  /** @param address aligned, if it is a number at all */
  #prepare(address: number, access: 'r' | 'w' | 'x'): void {
    assureStackRoom()
    if (!this.#joined || !this.#exists()) this.#join()
    if (typeof address !== 'number' || !(address >= 0 && address < ADDRESS_LIMIT))
      this.#badAddress(address, access)
  }

  /** For an address that need not be aligned. */
  #prepareByte(address: number, access: 'r' | 'w' | 'x'): void {
    if (!Number.isInteger(address)) checkAddress(address)
    this.#prepare(address, access)
  }

  #prepareRange(address: number, length: number, access: 'r' | 'w'): void {
    if (!Number.isInteger(address)) checkAddress(address)
    if (!Number.isInteger(length) || length < 0) checkBytes(length, 'length')
    if (length > 0) this.#prepare(address, access)
    if (address + length > ADDRESS_LIMIT) this.#badAddress(ADDRESS_LIMIT, access)
  }

  #badAddress(address: number, access: 'r' | 'w' | 'x'): never {
    checkAddress(address)
    throw new SegmentationFault('SEGV_MAPERR', address, this.#task.id, access)
  }
}

/** Throws that the address space does not exist. */
export function gone(): never {
  throw new MemoryError('ESRCH', 'address space', 'there is none, or it was destroyed')
}
