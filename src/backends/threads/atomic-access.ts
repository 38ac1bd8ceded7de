// Atomic operations on words of an address space, and waiting for them.
//
// They are those of Atomics on the machine's memory, at the present place of the page. A waiter pins the page, so that
// it stays there, and waits in the kernel (sync/futex.ts). The place connects waiter and waker, whatever address spaces
// they use, as the key of a shared futex is a page of a file (`get_futex_key`, kernel/futex/core.c). Unlike there, a
// private mapping of a page that only one address space has needs no key of its own.

import {
  accessDone,
  beginAccess,
  futexHasWaiters,
  futexQueue,
  futexSleep,
  futexUnqueue,
  futexWake,
  isFutexWaiting,
} from '../../kernel/index.ts'
import {
  checkAddend,
  checkBigAddend,
  checkBigUint64,
  checkUnsigned,
  checkWhole,
  rangeError,
  typeError,
} from './arguments.ts'
import type { MachineThread } from './machine-thread.ts'
import { RangeAccess } from './range-access.ts'

type Operation = (array: Int32Array, index: number, value: number) => number
type BigOperation = (array: BigInt64Array, index: number, value: bigint) => bigint

/** How often a waiting thread looks for dead threads, in milliseconds. */
const LOOK_MS = 100
const WAITERS_MAX = 2 ** 31 - 1
/** The function as it is when this module is loaded. */
const now = performance.now.bind(performance)

const { add, and, exchange, or, store, sub, xor } = Atomics

export abstract class AtomicAccess extends RangeAccess {
  readonly #thread: MachineThread
  readonly #mm: number
  readonly #words: Int32Array
  readonly #longs: BigInt64Array

  /** Constructors of subclasses check who calls them. */
  protected constructor(thread: MachineThread, mm: number, generation: number) {
    super(thread, mm, generation)
    const { buffer } = thread.task.memory.memory
    this.#thread = thread
    this.#mm = mm
    this.#words = thread.task.memory.words
    this.#longs = new BigInt64Array(buffer, 0, Math.floor(buffer.byteLength / 8))
  }

  /** Atomic load of the word at `address`, a multiple of four: 0 to 2^32 - 1, as all that follow take and give. */
  loadUint32(address: number): number {
    this.prepareAtomic(address, 4, 'r')
    return this.#access(address, false, (at) => Atomics.load(this.#words, at / 4)) >>> 0
  }

  /** Atomic store of a word. */
  storeUint32(address: number, value: number): void {
    checkUnsigned(value, 32)
    this.#operate(store, address, value)
  }

  /** Subtracts modulo 2^32; `value` may be negative, from -2^31 on. Returns what was there, as all that follow do. */
  subUint32(address: number, value: number): number {
    checkAddend(value)
    return this.#operate(sub, address, value)
  }

  /** Atomic AND of a word and `value`. Returns what was there. */
  andUint32(address: number, value: number): number {
    checkUnsigned(value, 32)
    return this.#operate(and, address, value)
  }

  /** Atomic OR of a word and `value`. Returns what was there. */
  orUint32(address: number, value: number): number {
    checkUnsigned(value, 32)
    return this.#operate(or, address, value)
  }

  /** Atomic exclusive OR of a word and `value`. Returns what was there. */
  xorUint32(address: number, value: number): number {
    checkUnsigned(value, 32)
    return this.#operate(xor, address, value)
  }

  /** Atomic exchange of a word. Returns what was there. */
  exchangeUint32(address: number, value: number): number {
    checkUnsigned(value, 32)
    return this.#operate(exchange, address, value)
  }

  /** Atomic load of the double word at `address`, a multiple of eight: 0 to 2^64 - 1, as all that follow. */
  loadBigUint64(address: number): bigint {
    this.prepareAtomic(address, 8, 'r')
    return BigInt.asUintN(
      64,
      this.#access(address, false, (at) => Atomics.load(this.#longs, at / 8)),
    )
  }

  /** Atomic store of a double word. */
  storeBigUint64(address: number, value: bigint): void {
    checkBigUint64(value)
    this.#operateBig(store, address, value)
  }

  /** Adds modulo 2^64; `value` may be negative, from -2^63 on. Returns what was there, as all that follow do. */
  addBigUint64(address: number, value: bigint): bigint {
    checkBigAddend(value)
    return this.#operateBig(add, address, value)
  }

  /** Subtracts modulo 2^64; `value` may be negative, from -2^63 on. */
  subBigUint64(address: number, value: bigint): bigint {
    checkBigAddend(value)
    return this.#operateBig(sub, address, value)
  }

  /** Atomic AND of a double word and `value`. Returns what was there. */
  andBigUint64(address: number, value: bigint): bigint {
    checkBigUint64(value)
    return this.#operateBig(and, address, value)
  }

  /** Atomic OR of a double word and `value`. Returns what was there. */
  orBigUint64(address: number, value: bigint): bigint {
    checkBigUint64(value)
    return this.#operateBig(or, address, value)
  }

  /** Atomic exclusive OR of a double word and `value`. Returns what was there. */
  xorBigUint64(address: number, value: bigint): bigint {
    checkBigUint64(value)
    return this.#operateBig(xor, address, value)
  }

  /** Atomic exchange of a double word. Returns what was there. */
  exchangeBigUint64(address: number, value: bigint): bigint {
    checkBigUint64(value)
    return this.#operateBig(exchange, address, value)
  }

  /** Atomic compare-and-swap of the double word at `address`. */
  compareExchangeBigUint64(address: number, expected: bigint, value: bigint): bigint {
    checkBigUint64(expected, 'expected')
    checkBigUint64(value)
    this.prepareAtomic(address, 8, 'w')
    const before = this.#access(address, true, (at) => {
      return Atomics.compareExchange(
        this.#longs,
        at / 8,
        BigInt.asIntN(64, expected),
        BigInt.asIntN(64, value),
      )
    })
    return BigInt.asUintN(64, before)
  }

  /**
   * Sleeps until another thread wakes the word at `address`, a multiple of four, with notify(); not at all unless it is
   * `expected`. The thread is outside the kernel meanwhile; the page stays in memory. If the page is unmapped or
   * truncated meanwhile, notify() cannot wake its waiters; nor can Atomics.notify on an array of withRange. `timeout`
   * is in milliseconds. Errors: those of withRange, and CpuLostError where the machine is lost meanwhile.
   */
  waitUint32(address: number, expected: number, timeout = Infinity): 'ok' | 'not-equal' | 'timed-out' {
    checkUnsigned(expected, 32, 'expected')
    checkTimeout(timeout)
    this.prepareAtomic(address, 4, 'r')
    return this.#wait(address, 4, timeout, (at) => Atomics.load(this.#words, at / 4) === (expected | 0))
  }

  /** As waitUint32, for a double word, at a multiple of eight. */
  waitBigUint64(address: number, expected: bigint, timeout = Infinity): 'ok' | 'not-equal' | 'timed-out' {
    checkBigUint64(expected, 'expected')
    checkTimeout(timeout)
    this.prepareAtomic(address, 8, 'r')
    const value = BigInt.asIntN(64, expected)
    return this.#wait(address, 8, timeout, (at) => Atomics.load(this.#longs, at / 8) === value)
  }

  /**
   * Wakes at most `count` threads that wait for the word or double word at `address`, those that came first, in
   * whatever address space they have its page. Returns how many.
   */
  notify(address: number, count = Infinity): number {
    if (count !== Infinity)
      checkWhole(count, 'count', 0, Number.MAX_SAFE_INTEGER, 'a whole number from 0, nor Infinity')
    this.prepareAtomic(address, 4, 'r')
    const woken = futexHasWaiters(this.#thread.task) ? this.#wake(address, count) : 0
    // Those who wait by Atomics for an array of withRange.
    return woken + this.#access(address, false, (at) => Atomics.notify(this.#words, at / 4, count - woken))
  }

  // -------------------------------------------------------------------------------------------------------------------

  #wait(
    address: number,
    length: number,
    timeout: number,
    isExpected: (at: number) => boolean,
  ): 'ok' | 'not-equal' | 'timed-out' {
    const thread = this.#thread
    return this.pinnedAt(address, length, (at) => {
      thread.enter('wait', (task) => futexQueue(task, at / 4))
      const expected = isExpected(at)
      if (expected) this.#sleep(timeout)
      const woken = thread.enter('wait', futexUnqueue)
      if (woken) return 'ok'
      return expected ? 'timed-out' : 'not-equal'
    })
  }

  /**
   * Sleeps until this thread is woken, or for that long at most. Looks now and then whether another thread has died
   * inside the kernel.
   */
  #sleep(timeout: number): void {
    const { task, files } = this.#thread
    const end = now() + timeout
    for (let left = timeout; left > 0 && isFutexWaiting(task); left = end - now()) {
      futexSleep(task, Math.min(left, LOOK_MS))
      if (isFutexWaiting(task)) files.stillWaiting()
    }
  }

  /** Wakes waiters. Meanwhile the page is pinned, since its place identifies them. */
  #wake(address: number, count: number): number {
    const most = Math.min(count, WAITERS_MAX)
    return this.pinnedAt(address, 4, (at) =>
      this.#thread.enter('notify', (task) => futexWake(task, at / 4, most)),
    )
  }

  #operate(operation: Operation, address: number, value: number): number {
    this.prepareAtomic(address, 4, 'w')
    return this.#access(address, true, (at) => operation(this.#words, at / 4, value | 0)) >>> 0
  }

  #operateBig(operation: BigOperation, address: number, value: bigint): bigint {
    this.prepareAtomic(address, 8, 'w')
    const signed = BigInt.asIntN(64, value)
    return BigInt.asUintN(
      64,
      this.#access(address, true, (at) => operation(this.#longs, at / 8, signed)),
    )
  }

  /** @param body is called with where the byte at `address` is in memory, inside the kernel */
  #access<T>(address: number, write: boolean, body: (at: number) => T): T {
    const { task } = this.#thread
    try {
      const result = body(beginAccess(task, this.#mm, address, write))
      accessDone(task)
      return result
    } catch (error) {
      throw this.#thread.failed(error, 'access')
    }
  }
}

function checkTimeout(value: unknown): void {
  const allowed = 'a number of milliseconds from 0, nor Infinity'
  if (typeof value !== 'number') typeError('timeout', value, allowed)
  if (!(value >= 0)) rangeError('timeout', value, allowed)
}
