// What functions of the engine and of Node access in the arrays that they are given, of those of which it is known.

import type { Method } from './callees.ts'
import { isBuffer } from './plain-accesses.ts'
import { isShared } from './shared-values.ts'
import { SHARED } from './tags.ts'

/** Some bytes of an array, shared or not. */
export interface Access {
  readonly array: unknown
  readonly start: number
  readonly end: number
  readonly writes: boolean
}

/** What a function accesses when it is called so; null where that is not known. */
export function accessesOf(
  called: Method,
  name: string,
  object: unknown,
  args: readonly unknown[],
): readonly Access[] | null {
  if (called === Reflect.get || called === Reflect.getOwnPropertyDescriptor)
    return element(args[0], args[1], false)
  // Of `Reflect.set`, what is written may be an element of the receiver.
  if (called === Reflect.set)
    return [...element(args[0], args[1], true), ...element(args[3] ?? null, args[1], true)]
  if (called === Reflect.defineProperty || called === Object.defineProperty)
    return element(args[0], args[1], true)
  if (name === 'encodeInto') {
    const { length } = new TextEncoder().encode(String(args[0]))
    return [{ array: args[1], start: 0, end: length, writes: true }]
  }
  if (name === 'readSync' || name === 'writeSync') return ofFile(args, name === 'readSync')
  if (name === 'randomFillSync') return [range(args[0], args[1], args[2], true)]
  if (name === 'getRandomValues') return [range(args[0], 0, undefined, true)]
  return isBuffer(object) ? ofBuffer(name, object, args) : null
}

/** From a byte on, so many: all the rest where that is not said. */
function range(array: unknown, start: unknown, length: unknown, writes: boolean): Access {
  const from = typeof start === 'number' ? start : 0
  return { array, start: from, end: typeof length === 'number' ? from + length : Infinity, writes }
}

function element(array: unknown, key: unknown, writes: boolean): readonly Access[] {
  const index = typeof key === 'symbol' ? -1 : Number(key)
  if (!isShared(array) || !Number.isInteger(index) || index < 0) return []
  const size = array.byteLength / array[SHARED].length
  return [{ array, start: index * size, end: (index + 1) * size, writes }]
}

/** `fs.readSync(fd, buffer, offset, length)`, or with an object of options. */
function ofFile(args: readonly unknown[], writes: boolean): readonly Access[] {
  const [, array, third, length] = args
  if (typeof third !== 'object' || third === null) return [range(array, third, length, writes)]
  const options = third as { offset?: unknown; length?: unknown }
  return [range(array, options.offset, options.length, writes)]
}

const sizes: Readonly<Record<string, number>> = { Float: 4, Double: 8 }

/** A method of Node's Buffer: reads of `readUInt16LE(2)`, what `copy` writes into another array, and so on. */
function ofBuffer(name: string, array: Buffer, args: readonly unknown[]): readonly Access[] | null {
  const [, verb, kind, bits] =
    /^(read|write)(?:Big)?(Float|Double|U?Int|Uint)(8|16|32|64)?(?:LE|BE)?$/.exec(name) ?? []
  if (kind !== undefined) {
    const writes = verb === 'write'
    const [offset, length] = writes ? args.slice(1) : args
    const size = sizes[kind] ?? (bits === undefined ? Number(length) : Number(bits) / 8)
    return [range(array, offset, size, writes)]
  }
  switch (name) {
    case 'slice':
    case 'subarray':
      return []
    case 'write': {
      const [text, offset, third, fourth] = args
      const encoding = [offset, third, fourth].find((each) => typeof each === 'string') as BufferEncoding
      const most = typeof third === 'number' ? third : Infinity
      return [range(array, offset, Math.min(Buffer.byteLength(String(text), encoding), most), true)]
    }
    case 'copy': {
      const [target, at = 0, from = 0, to = array.length] = args as [unknown, number?, number?, number?]
      return [
        { array, start: from, end: to, writes: false },
        { array: target, start: at, end: at + to - from, writes: true },
      ]
    }
    case 'swap16':
    case 'swap32':
    case 'swap64':
      return [range(array, 0, undefined, false), range(array, 0, undefined, true)]
    default:
      return null
  }
}
