// Records in a heap: typed fields at offsets that are laid out once, as of a struct.

import {
  checkAddress,
  checkObject,
  checkString,
  checkUnsigned,
  plainBytes,
  typeError,
  unknownName,
} from './arguments.ts'
import { Heap } from './heap.ts'
import { inspected } from './inspected.ts'

/** How a number is kept, and what reads and writes it. */
interface NumberKind {
  readonly bytes: number
  read(heap: Heap, address: number): number | bigint
  write(heap: Heap, address: number, value: never): void
}

/** Those of 32 bits are read and written atomically, so that one thread can publish a record to another by one. */
const kinds = {
  int8: kind(1, 'readInt8', 'writeInt8'),
  uint8: kind(1, 'readUint8', 'writeUint8'),
  int16: kind(2, 'readInt16', 'writeInt16'),
  uint16: kind(2, 'readUint16', 'writeUint16'),
  int32: {
    bytes: 4,
    read: ({ space }, address) => space.loadUint32(address) | 0,
    // What is no such number is refused by the other.
    write: ({ space }, address, value: number) =>
      (value | 0) === value ? space.storeUint32(address, value >>> 0) : space.writeInt32(address, value),
  },
  uint32: kind(4, 'loadUint32', 'storeUint32'),
  float32: kind(4, 'readFloat32', 'writeFloat32'),
  float64: kind(8, 'readFloat64', 'writeFloat64'),
  bigInt64: kind(8, 'readBigInt64', 'writeBigInt64'),
  bigUint64: kind(8, 'loadBigUint64', 'storeBigUint64'),
  /** The address of a block of the same heap, or 0: four bytes. */
  reference: {
    bytes: 4,
    read: (heap, address) => heap.addressOf(heap.space.loadUint32(address)),
    write: (heap, address, value: number) => heap.space.storeUint32(address, heap.referenceTo(value)),
  },
} satisfies Record<string, NumberKind>

type Reader = {
  [name in keyof Heap['space']]: Heap['space'][name] extends (address: number) => number | bigint
    ? name
    : never
}[keyof Heap['space']]
type Writer = {
  [name in keyof Heap['space']]: Heap['space'][name] extends (address: number, value: never) => void
    ? name
    : never
}[keyof Heap['space']]

function kind(bytes: number, read: Reader, write: Writer): NumberKind {
  return {
    bytes,
    read: ({ space }, address) => (space[read] as (address: number) => number | bigint)(address),
    write: ({ space }, address, value) =>
      (space[write] as (address: number, value: never) => void)(address, value),
  }
}

/**
 * How a field is kept: the name of a number, 'reference' for the address of a block of the same heap (0: none), or a
 * number of bytes.
 */
export type FieldKind = keyof typeof kinds | number

/** What a field of that kind is to a program. Bytes are a copy when they are read, and may be fewer when written. */
export type FieldValue<K extends FieldKind> = K extends number
  ? Uint8Array
  : K extends 'bigInt64' | 'bigUint64'
    ? bigint
    : number

/** A record in memory. Its fields are read and written where they are. */
export type RecordView<F extends Readonly<Record<string, FieldKind>>> = {
  -readonly [name in keyof F]: FieldValue<F[name]>
} & RecordBase<Extract<keyof F, string>>

interface RecordBase<Name extends string> {
  readonly heap: Heap
  readonly address: number
  /** Where a field is, for the atomic operations of the address space. */
  addressOf(field: Name): number
  /** Frees the block. What refers to it has to be gone. */
  free(): void
  /** The fields as they are now, for JSON.stringify(). */
  toJSON(): Record<string, unknown>
}

/** A type of records, by defineRecord(): how their fields are laid out in a block of a heap. */
export interface RecordType<F extends Readonly<Record<string, FieldKind>>> {
  /** In bytes. */
  readonly size: number
  /** Where each field begins, in bytes. */
  readonly offsets: { readonly [name in keyof F]: number }
  /** Allocates a record. Fields that are not given are 0. Errors: those of heap.allocate() and of the fields. */
  create(heap: Heap, values?: { readonly [name in keyof F]?: FieldValue<F[name]> }): RecordView<F>
  /** The record at `address`. That there is one, the program has to know. */
  at(heap: Heap, address: number): RecordView<F>
}

const taken: ReadonlySet<string> = new Set([
  'heap',
  'address',
  'addressOf',
  'free',
  'toJSON',
  'constructor',
  '__proto__',
])

/**
 * A type of records. Fields are laid out in the order that is given, each at a multiple of its size (bytes: of 1).
 * Errors: TypeError for a kind that there is not, and for a name that a record has for something else.
 */
export function defineRecord<const F extends Readonly<Record<string, FieldKind>>>(fields: F): RecordType<F> {
  checkObject(fields, 'fields')
  const offsets: Record<string, number> = {}
  let size = 0
  class View {
    readonly heap: Heap
    readonly address: number

    constructor(heap: Heap, address: number) {
      this.heap = heap
      this.address = address
    }

    addressOf(field: string): number {
      checkString(field, 'field')
      if (!Object.hasOwn(offsets, field)) unknownName('record', 'field', field, Object.keys(offsets))
      return this.address + offsets[field]!
    }

    free(): void {
      this.heap.free(this.address)
    }

    toJSON(): Record<string, unknown> {
      return Object.fromEntries(Object.keys(offsets).map((name) => [name, this[name as keyof this]]))
    }

    [inspected](_: number, options: object, inspect: (value: unknown, options: object) => string): string {
      return `Record (0x${this.address.toString(16)}) ${inspect(this.toJSON(), options)}`
    }
  }
  for (const [name, given] of Object.entries(fields)) {
    if (taken.has(name)) typeError('fields', name, 'a name for a field: a record has it for something else')
    const { bytes, align, property } = accessorOf(name, given, () => offsets[name]!)
    offsets[name] = Math.ceil(size / align) * align
    size = offsets[name] + bytes
    Object.defineProperty(View.prototype, name, property)
  }
  const at = (heap: Heap, address: number): RecordView<F> => {
    checkHeap(heap)
    checkAddress(address)
    return new View(heap, address) as unknown as RecordView<F>
  }
  return {
    size,
    offsets: offsets as { readonly [name in keyof F]: number },
    at,
    create(heap, values = {}) {
      checkHeap(heap)
      checkObject(values, 'values')
      for (const name of Object.keys(values))
        if (!Object.hasOwn(offsets, name)) unknownName('record', 'field', name, Object.keys(offsets))
      const view = at(heap, heap.allocate(size))
      try {
        heap.space.fill(view.address, size, 0)
        Object.assign(view, values)
      } catch (error) {
        heap.free(view.address)
        throw error
      }
      return view
    },
  }
}

function checkHeap(heap: unknown): void {
  if (!(heap instanceof Heap))
    typeError('heap', heap, 'a heap, as space.createHeap() and openHeap() give one')
}

interface Accessor {
  readonly bytes: number
  readonly align: number
  readonly property: PropertyDescriptor
}

/** @param offset where the field is in its record; known when it is first used */
function accessorOf(name: string, given: FieldKind, offset: () => number): Accessor {
  if (typeof given === 'number') {
    checkUnsigned(given, 32, `fields.${name}`)
    return { bytes: given, align: 1, property: bytesProperty(name, given, offset) }
  }
  if (!Object.hasOwn(kinds, given))
    typeError(`fields.${name}`, given, `a number of bytes, nor one of ${Object.keys(kinds).join(', ')}`)
  const { bytes, read, write }: NumberKind = kinds[given]
  return {
    bytes,
    align: bytes,
    property: {
      enumerable: true,
      get(this: RecordBase<string>) {
        return read(this.heap, this.address + offset())
      },
      set(this: RecordBase<string>, value: never) {
        write(this.heap, this.address + offset(), value)
      },
    },
  }
}

function bytesProperty(name: string, length: number, offset: () => number): PropertyDescriptor {
  return {
    enumerable: true,
    get(this: RecordBase<string>) {
      return this.heap.space.read(this.address + offset(), length)
    },
    set(this: RecordBase<string>, value: Uint8Array) {
      const bytes = plainBytes(value, name)
      if (bytes.length > length) typeError(name, value, `a Uint8Array of at most ${length} bytes`)
      const { space } = this.heap
      space.write(this.address + offset(), bytes)
      space.fill(this.address + offset() + bytes.length, length - bytes.length, 0)
    },
  }
}
