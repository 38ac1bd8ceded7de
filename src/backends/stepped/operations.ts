// The operations of `Atomics` that a program calls: each is announced, and done if the thread goes on.

import { announce, viewOf } from './announcing.ts'
import { loadDone, perform } from './doing.ts'
import { write } from './plain-accesses.ts'
import { real } from './real-atomics.ts'
import { all, current, refuseToStop, scheduler, soloThread, state, stop } from './running.ts'
import { SHARED } from './tags.ts'
import {
  ADD,
  AND,
  type AsyncWaiter,
  COMPARE_EXCHANGE,
  EXCHANGE,
  LEAVE,
  LOAD,
  NOTIFY,
  OR,
  STOP,
  STORE,
  SUB,
  WAIT,
  WAIT_ASYNC,
  type Watched,
  XOR,
} from './thread.ts'

export function load(site: number, array: Watched, index: number): number {
  const thread = current
  thread.kind = LOAD
  thread.site = site
  thread.array = array
  thread.index = index
  thread.isPlain = false
  return announce(thread) ? stop() : loadDone(thread)
}

/** Reads an element in racy(): a step like an operation of `Atomics`, which orders nothing. */
export function loadRacy(site: number, array: Watched, index: number): number {
  if (!isSharedElement(array, index)) return array[index]!
  const thread = current
  thread.kind = LOAD
  thread.site = site
  thread.array = array
  thread.index = index
  thread.isPlain = true
  return announce(thread) ? stop() : loadDone(thread)
}

/** Writes an element in racy(). */
export function storeRacy(site: number, array: Watched, index: number, value: number): number {
  if (!isSharedElement(array, index)) {
    if (array.$tracked === undefined) array[index] = value
    else write(array, index, value, site)
    return value
  }
  const thread = current
  thread.kind = STORE
  thread.site = site
  thread.array = array
  thread.index = index
  thread.operand = typeof value === 'number' || typeof value === 'bigint' ? value : Number(value)
  thread.isPlain = true
  return announce(thread) ? stop() : (perform(thread) as number)
}

/** An element of shared memory that a thread comes to. */
function isSharedElement(array: Watched, index: number): boolean {
  if (current === soloThread || !ArrayBuffer.isView(array)) return false
  return (
    (array[SHARED] ?? viewOf(array)) !== undefined && index >= 0 && index < array.length && index % 1 === 0
  )
}

/** Announces an operation, and does it if the thread goes on. */
function operate(
  kind: number,
  site: number,
  array: Watched,
  index: number,
  operand: number,
  unread = false,
): number {
  const thread = current
  thread.kind = kind
  thread.unread = unread && scheduler?.ordersUpdates !== true
  thread.isPlain = false
  thread.site = site
  thread.array = array
  // In this order, as each may be an object with a method that is called, or not be taken.
  thread.index = typeof operand === 'number' ? index : indexOf(array, index)
  // What is stored is given back as it is.
  const isGiven =
    typeof operand === 'number' || (kind === STORE && typeof operand === 'bigint' && isBig(array))
  thread.operand = isGiven ? operand : integerOf(array, operand)
  return announce(thread) ? stop() : (perform(thread) as number)
}

const tagOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Int8Array.prototype), Symbol.toStringTag)!

/** The index of an element, before operands are looked at. Throws where `Atomics` does. */
function indexOf(array: Watched, index: unknown): number {
  const isInteger = /^(Big)?(Ui|I)nt(8|16|32|64)Array$/.test(String(tagOf.get!.call(array)))
  // The engine says what it does not take.
  if (!isInteger) real.load(array, index as number)
  const at = Math.trunc(toNumber(index)) || 0
  if (at < 0 || at >= array.length) real.load(array, at)
  return at
}

/** As the language does it, which throws of a big integer. */
function toNumber(value: unknown): number {
  return +(value as number)
}

function isBig(array: unknown): boolean {
  return array instanceof BigInt64Array || array instanceof BigUint64Array
}

/** What `Atomics` makes of an operand before it does anything. */
function integerOf(array: Watched, value: unknown): number {
  // Big integers are left as they are; BigInt() would take numbers, which Atomics does not.
  return isBig(array) ? (BigInt.asIntN(64, value as bigint) as unknown as number) : toNumber(value)
}

export function store(site: number, array: Watched, index: number, value: number): number {
  return operate(STORE, site, array, index, value)
}

export function add(site: number, array: Watched, index: number, operand: number, unread?: boolean): number {
  return operate(ADD, site, array, index, operand, unread)
}

export function sub(site: number, array: Watched, index: number, operand: number, unread?: boolean): number {
  return operate(SUB, site, array, index, operand, unread)
}

export function and(site: number, array: Watched, index: number, operand: number, unread?: boolean): number {
  return operate(AND, site, array, index, operand, unread)
}

export function or(site: number, array: Watched, index: number, operand: number, unread?: boolean): number {
  return operate(OR, site, array, index, operand, unread)
}

export function xor(site: number, array: Watched, index: number, operand: number, unread?: boolean): number {
  return operate(XOR, site, array, index, operand, unread)
}

export function exchange(site: number, array: Watched, index: number, operand: number): number {
  return operate(EXCHANGE, site, array, index, operand)
}

export function compareExchange(
  site: number,
  array: Watched,
  index: number,
  expected: number,
  operand: number,
): number {
  const isPlain = typeof expected === 'number' && typeof operand === 'number'
  const at = isPlain ? index : indexOf(array, index)
  const wanted = typeof expected === 'number' ? expected : integerOf(array, expected)
  const replacement = typeof operand === 'number' ? operand : integerOf(array, operand)
  current.expected = wanted
  return operate(COMPARE_EXCHANGE, site, array, at, replacement)
}

export function wait(
  site: number,
  array: Watched,
  index: number,
  expected: number,
  timeout: number | undefined,
): string {
  // The engine says of what it does not take what it says to everybody, and does not come to wait.
  if (!isWaitable(array)) real.wait(array, index, expected, timeout)
  return operate(WAIT, site, array, waitsFor(array, index, expected, timeout), 0) as unknown as string
}

/** Notes what the thread is to wait for. Returns the index. */
function waitsFor(array: Watched, index: number, expected: number, timeout: number | undefined): number {
  const isGiven = typeof expected === 'number' && !isBig(array)
  const at = isGiven ? index : indexOf(array, index)
  const wanted = isGiven ? expected : integerOf(array, expected)
  const limit = timeout === undefined ? Infinity : toNumber(timeout)
  current.expected = typeof wanted === 'number' ? wanted | 0 : wanted
  current.timeout = Number.isNaN(limit) ? Infinity : limit
  return at
}

type WaitAsync = (array: Watched, index: number, expected: number, timeout: number | undefined) => unknown

export function waitAsync(
  site: number,
  array: Watched,
  index: number,
  expected: number,
  timeout: number | undefined,
): unknown {
  if (current === soloThread || !isWaitable(array))
    return (real as unknown as { waitAsync: WaitAsync }).waitAsync(array, index, expected, timeout)
  return operate(WAIT_ASYNC, site, array, waitsFor(array, index, expected, timeout), 0)
}

/** Takes a waiter out of its queue. Returns whether it was there. */
export function leaveQueue(site: number, waiter: AsyncWaiter): boolean {
  current.leaver = waiter
  return operate(LEAVE, site, waiter.array, waiter.index, 0) as unknown as boolean
}

/** The thread ends where it is: nothing of it goes on but `after`. */
export function exitThread(_site: number, after: () => unknown): unknown {
  if (state.stopping) refuseToStop()
  current.ending = after
  return stop()
}

/** Ends thread `id`, wherever it is. `cell` is one that is written for it. Gives false where it had finished. */
export function stopThread(site: number, cell: Watched, id: number): unknown {
  current.victim = all[id]!
  return operate(STOP, site, cell, 0, 1)
}

/** Queues exist for elements of 32 or 64 bits of shared memory only. */
function isWaitable(array: Watched): boolean {
  return (
    (array instanceof Int32Array || (array as unknown) instanceof BigInt64Array) &&
    (array as Int32Array).buffer instanceof SharedArrayBuffer
  )
}

export function notify(site: number, array: Watched, index: number, count: number | undefined): number {
  if (!isWaitable(array)) real.notify(array, index, 0)
  const at = count === undefined || typeof count === 'number' ? index : indexOf(array, index)
  const most = count === undefined ? Infinity : Math.max(Math.trunc(toNumber(count)) || 0, 0)
  return operate(NOTIFY, site, array, at, most)
}
