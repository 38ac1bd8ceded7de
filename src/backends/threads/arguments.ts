// What a caller may pass: one rule for every public call.
//
// A value of the wrong type is a TypeError, one of the right type that is not allowed a RangeError; each names the
// argument, its value and what is allowed, and has the `code` that Node gives to such errors. What a program could say
// to the system call, such as a misaligned address, is not decided here: it has an errno. An address is a whole number;
// anything else is none at all, thus of the wrong type.
//
// All this happens before the kernel is entered, and what is checked is what the kernel gets: options are read once,
// and bytes become an array of the kernel's own (own-arrays.ts), so that no code of the caller (an accessor, valueOf, a
// method of a subclass) can run inside the kernel, where an exception would cost all threads the machine.

import { fileURLToPath } from 'node:url'
import { OwnBytes } from './own-arrays.ts'

/** Node's codes for arguments: of the wrong type, out of a range of numbers, and otherwise not allowed. */
type ArgumentCode = 'ERR_INVALID_ARG_TYPE' | 'ERR_OUT_OF_RANGE' | 'ERR_INVALID_ARG_VALUE'

/** Throws the TypeError for a value of the wrong type. */
export function typeError(
  name: string,
  value: unknown,
  allowed: string,
  code: ArgumentCode = 'ERR_INVALID_ARG_TYPE',
): never {
  throw Object.assign(new TypeError(`${name}: ${shown(value)} is not ${allowed}`), { code })
}

/** Throws the RangeError for a value of the right type that is not allowed. */
export function rangeError(
  name: string,
  value: unknown,
  allowed: string,
  code: ArgumentCode = 'ERR_OUT_OF_RANGE',
): never {
  throw Object.assign(new RangeError(`${name}: ${shown(value)} is not ${allowed}`), { code })
}

/** A value in words. Runs none of its code. */
function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 60)}…` : value}'`
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return 'an array'
  const kind = tagOf(value)
  if (kind !== undefined)
    return `${kind.startsWith('Int') ? 'an' : 'a'} ${kind} of ${byteLengthOf(value)} bytes`
  if (isSharedBuffer(value)) return 'a SharedArrayBuffer'
  return isBuffer(value, mostBytesOfPlain) ? 'an ArrayBuffer' : 'an object'
}

/** Whether it is one, of whatever realm: a test may run in a realm of its own. */
export function isSharedBuffer(value: unknown): value is SharedArrayBuffer {
  return sharedPrototype !== null && isBuffer(value, mostBytesOfShared)
}

function isBuffer(value: unknown, bytes: (value: unknown) => number): boolean {
  try {
    bytes(value)
    return true
  } catch {
    return false
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Numbers

const WHOLE_BYTES = 'a whole number of bytes from 0'

/** Throws a TypeError unless it is a whole number. Whether a program can have that address is for the call to say. */
export function checkAddress(value: unknown, name = 'address'): asserts value is number {
  if (!Number.isInteger(value)) typeError(name, value, 'an address, which is a whole number')
}

/** A number of bytes, as far as a call can be asked for it. */
export function checkBytes(value: unknown, name: string): asserts value is number {
  if (typeof value === 'string') typeError(name, value, `${WHOLE_BYTES}, as parseSize() makes one of a text`)
  if (typeof value !== 'number') typeError(name, value, WHOLE_BYTES)
  if (!Number.isInteger(value) || value < 0) rangeError(name, value, WHOLE_BYTES)
}

/** A place in a file, as far as a call can be asked for it: also a negative one. */
export function checkOffset(value: unknown, name = 'offset'): asserts value is number {
  checkWhole(value, name, -Number.MAX_VALUE, Number.MAX_VALUE, 'a whole number of bytes')
}

/** A whole number from `least` to `most`. */
export function checkWhole(
  value: unknown,
  name: string,
  least: number,
  most: number,
  allowed = `a whole number from ${least} to ${most}`,
): asserts value is number {
  if (typeof value !== 'number') typeError(name, value, allowed)
  if (!Number.isInteger(value) || value < least || value > most) rangeError(name, value, allowed)
}

/** A number that `bits` bits without sign can hold. */
export function checkUnsigned(value: unknown, bits: 8 | 16 | 32, name = 'value'): asserts value is number {
  checkWhole(value, name, 0, 2 ** bits - 1, `a whole number from 0 to 2^${bits} - 1`)
}

/** A number that `bits` bits with a sign can hold. */
export function checkSigned(value: unknown, bits: 8 | 16 | 32, name = 'value'): asserts value is number {
  const allowed = `a whole number from -2^${bits - 1} to 2^${bits - 1} - 1`
  checkWhole(value, name, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, allowed)
}

/** What is added to a word, modulo 2^32. */
export function checkAddend(value: unknown): asserts value is number {
  checkWhole(value, 'value', -(2 ** 31), 2 ** 32 - 1, 'a whole number from -2^31 to 2^32 - 1')
}

export function checkBigUint64(value: unknown, name = 'value'): asserts value is bigint {
  if (typeof value !== 'bigint') typeError(name, value, 'a bigint')
  if (BigInt.asUintN(64, value) !== value) rangeError(name, value, 'a bigint from 0 to 2^64 - 1')
}

export function checkBigInt64(value: unknown): asserts value is bigint {
  if (typeof value !== 'bigint') typeError('value', value, 'a bigint')
  if (BigInt.asIntN(64, value) !== value) rangeError('value', value, 'a bigint from -2^63 to 2^63 - 1')
}

/** What is added to a double word, modulo 2^64. */
export function checkBigAddend(value: unknown): asserts value is bigint {
  if (typeof value !== 'bigint') typeError('value', value, 'a bigint')
  if (BigInt.asUintN(64, value) !== value && BigInt.asIntN(64, value) !== value)
    rangeError('value', value, 'a bigint from -2^63 to 2^64 - 1')
}

export function checkNumber(value: unknown, name = 'value'): asserts value is number {
  if (typeof value !== 'number') typeError(name, value, 'a number')
}

/** Room for `length` bytes. Throws a RangeError when the host has not that much memory. */
export function allocateBytes(length: number, name = 'length'): Uint8Array {
  try {
    return new Uint8Array(length)
  } catch {
    return rangeError(name, length, 'a number of bytes that this process can allocate')
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Words, bytes and paths

export function checkBoolean(
  value: unknown,
  name: string,
  allowed = 'true or false',
): asserts value is boolean {
  if (typeof value !== 'boolean') typeError(name, value, allowed)
}

export function checkObject(value: unknown, name: string): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) typeError(name, value, 'an object')
}

export function checkFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') typeError(name, value, 'a function')
}

export function checkString(value: unknown, name: string): asserts value is string {
  if (typeof value !== 'string') typeError(name, value, 'a string')
}

/** One of the names of `choices`. */
export function checkChoice<T extends string>(
  value: unknown,
  name: string,
  choices: Readonly<Record<T, unknown>>,
): asserts value is T {
  if (typeof value === 'string' && Object.hasOwn(choices, value)) return
  const allowed = `one of ${Object.keys(choices)
    .map((choice) => `'${choice}'`)
    .join(', ')}`
  if (typeof value === 'string') rangeError(name, value, allowed, 'ERR_INVALID_ARG_VALUE')
  typeError(name, value, allowed)
}

// The getters of the engine themselves: what a subclass or an object has under these names is not asked.
const getterOf = <T>(property: string | symbol, prototype: object): ((object: unknown) => T) => {
  const { get } = Object.getOwnPropertyDescriptor(prototype, property)!
  return Function.prototype.call.bind(get!) as (object: unknown) => T
}
const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object
const tagOf = getterOf<string | undefined>(Symbol.toStringTag, typedArray)
const bufferOf = getterOf<ArrayBufferLike>('buffer', typedArray)
const byteOffsetOf = getterOf<number>('byteOffset', typedArray)
const lengthOf = getterOf<number>('length', typedArray)
const byteLengthOf = getterOf<number>('byteLength', typedArray)
const viewBuffer = getterOf<ArrayBufferLike>('buffer', DataView.prototype)
const viewByteOffset = getterOf<number>('byteOffset', DataView.prototype)
const viewByteLength = getterOf<number>('byteLength', DataView.prototype)
const keysOf = Function.prototype.call.bind(Uint8Array.prototype.keys) as (array: unknown) => unknown

const noBuffer = new ArrayBuffer(0)

/**
 * What was viewed last, and its bytes: a program that moves many records uses one array for all. Making an array costs
 * a third of a move of 64 bytes.
 */
let lastViewed: unknown = null
let lastView: Uint8Array = new OwnBytes(noBuffer)
/** A larger buffer is not kept from the collector, nor one that may grow larger, in bytes. */
const KEPT_BYTES_MAX = 65_536

function viewed(value: unknown, view: Uint8Array): Uint8Array {
  if (mostBytesOf(view.buffer) <= KEPT_BYTES_MAX) {
    lastViewed = value
    lastView = view
  }
  return view
}

const { getPrototypeOf } = Object
const mostBytesOfPlain = getterOf<number>('maxByteLength', ArrayBuffer.prototype)
// A page that is not isolated has none. It loads the library to be told so.
const sharedPrototype = typeof SharedArrayBuffer === 'undefined' ? null : SharedArrayBuffer.prototype
const mostBytesOfShared =
  sharedPrototype === null ? mostBytesOfPlain : getterOf<number>('maxByteLength', sharedPrototype)

/** How large a buffer may become; Infinity where its prototype was changed to the other kind's. */
function mostBytesOf(buffer: ArrayBufferLike): number {
  try {
    return (getPrototypeOf(buffer) === sharedPrototype ? mostBytesOfShared : mostBytesOfPlain)(buffer)
  } catch {
    return Infinity
  }
}

/**
 * The same bytes as an array of which no method or property is anybody else's. Throws a TypeError for what
 * is no Uint8Array: a Proxy of one is none.
 */
export function plainBytes(value: unknown, name: string): Uint8Array {
  if (tagOf(value) !== 'Uint8Array') typeError(name, value, 'a Uint8Array')
  const length = lengthOf(value)
  // The buffer may be detached.
  return length === 0 ? new OwnBytes(noBuffer) : new OwnBytes(bufferOf(value), byteOffsetOf(value), length)
}

/**
 * The same of any typed array, and of a DataView: the bytes that it shows. Throws a TypeError where they are gone, too.
 */
export function viewedBytes(value: unknown, name: string): Uint8Array {
  if (value === lastViewed && lastView.length > 0 && byteLengthOf(value) === lastView.length) return lastView
  if (tagOf(value) !== undefined) {
    const length = byteLengthOf(value)
    if (length > 0) return viewed(value, new OwnBytes(bufferOf(value), byteOffsetOf(value), length))
    if (isGone(value)) gone(name, '')
    return new OwnBytes(noBuffer)
  }
  let buffer: ArrayBufferLike
  try {
    buffer = viewBuffer(value)
  } catch {
    return typeError(name, value, 'a typed array or a DataView')
  }
  try {
    return new OwnBytes(buffer, viewByteOffset(value), viewByteLength(value))
  } catch {
    return gone(name, '')
  }
}

/** Whether an array without bytes had some. Of its getters none tells, and methods of arrays throw then. */
function isGone(array: unknown): boolean {
  try {
    keysOf(array)
    return false
  } catch {
    return true
  }
}

/** Throws the TypeError for bytes that code of the caller has taken away while a call was using them. */
export function goneInCall(name: string): never {
  gone(name, ' in the middle of the call')
}

function gone(name: string, when: string): never {
  const message = `${name}: its buffer was detached or made shorter${when}`
  throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' })
}

/**
 * A path as node:fs takes it: a string, the bytes of one in UTF-8 (a Buffer), or a `file:` URL, which is told by what
 * it has, since a project may be without the types of URL.
 */
export type FilePath =
  | string
  | Uint8Array
  | { readonly href: string; readonly protocol: string; readonly searchParams: object }

/** The path as a string. Throws TypeError or RangeError for what cannot be one. */
export function checkPath(value: unknown, name = 'path'): string {
  const path = pathString(value, name)
  if (path.includes('\0'))
    rangeError(name, path.replaceAll('\0', '\\0'), 'a path: it has a null character', 'ERR_INVALID_ARG_VALUE')
  return path
}

function pathString(value: unknown, name: string): string {
  if (typeof value === 'string') return value
  if (tagOf(value) === 'Uint8Array') {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
        // A copy: browsers decode no shared memory.
        new Uint8Array(plainBytes(value, name)),
      )
    } catch {
      return rangeError(name, value, 'a path in UTF-8', 'ERR_INVALID_ARG_VALUE')
    }
  }
  if (!(value instanceof URL)) return typeError(name, value, 'a string, a Buffer or a file: URL')
  try {
    return fileURLToPath(value)
  } catch {
    return typeError(name, value.href, 'a file: URL of this host', 'ERR_INVALID_ARG_VALUE')
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** For each option, what throws unless the value, which is not undefined, is allowed. */
export type OptionChecks<T> = { readonly [name in keyof T]-?: (value: unknown, name: string) => void }

/** Every value is allowed: for what is checked elsewhere. */
export function unchecked(): void {}

/**
 * A copy of the options, each read once. Throws a TypeError for what is no object and for an option that there is not,
 * and what `checks` throw. An option that is undefined is not given.
 */
export function readOptions<T extends object>(options: unknown, name: string, checks: OptionChecks<T>): T {
  checkObject(options, name)
  const known = checks as Record<string, (value: unknown, name: string) => void>
  const given = Object.create(null) as Record<string, unknown>
  // With what it inherits, as an instance of a class may stand for options; but not what all objects inherit.
  for (let holder = options; holder !== null && holder !== Object.prototype;) {
    const names = Object.keys(holder)
    // The getters of a class are not enumerable.
    if (holder !== options)
      names.push(...Object.keys(known).filter((option) => Object.hasOwn(holder, option)))
    for (const option of names) {
      if (!Object.hasOwn(known, option)) unknownName(name, 'option', option, Object.keys(checks))
      if (!(option in given)) given[option] = (options as Record<string, unknown>)[option]
    }
    holder = Object.getPrototypeOf(holder) as object
  }
  for (const option of Object.keys(given)) {
    if (given[option] === undefined) delete given[option]
    else known[option]!(given[option], option)
  }
  return given as T
}

/** Throws the TypeError for an option, or a field, that `holder` has and there is not. */
export function unknownName(
  holder: string,
  what: 'option' | 'field',
  name: string,
  known: readonly string[],
): never {
  const near = known.find((candidate) => isNear(name.toLowerCase(), candidate.toLowerCase()))
  const hint = near === undefined ? `there are ${known.join(', ')}` : `did you mean ${near}?`
  const message = `${holder}: there is no ${what} '${name}': ${hint}`
  throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' })
}

/**
 * One is the beginning of the other, or two changes of a letter make one of the other: one change, of short words, and
 * a letter stays.
 */
function isNear(given: string, known: string): boolean {
  if (given.length >= 2 && (known.startsWith(given) || given.startsWith(known))) return true
  const allowed = Math.min(known.length < 5 ? 1 : 2, known.length - 1)
  let row = Array.from({ length: known.length + 1 }, (_, column) => column)
  for (let first = 1; first <= given.length; first++) {
    const next = [first]
    for (let second = 1; second <= known.length; second++) {
      const change = row[second - 1]! + (given[first - 1] === known[second - 1] ? 0 : 1)
      next.push(Math.min(change, row[second]! + 1, next[second - 1]! + 1))
    }
    row = next
  }
  return row[known.length]! <= allowed
}
