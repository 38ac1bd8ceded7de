// Handles: what one thread passes to another so that it finds the same machine, address space or file.
//
// A handle is an untrusted argument, and the kernel does not check an address in the heap. So each field is read once
// and checked, and the object that it names is looked up in the kernel heap before it is used.
//
// A machine is identified by 128 bits: they are its `id`, and stand in its heap and behind the last frame of its
// memory. So a handle cannot mix these three from different machines.

import { HEAP_MAGIC, Header, PAGE_SIZE, type SharedMemory } from '../../kernel/index.ts'
import {
  checkObject,
  checkString,
  checkWhole,
  isSharedBuffer,
  rangeError,
  typeError,
  unknownName,
} from './arguments.ts'

/** A WebAssembly.Memory that is shared; called so where the program has types of WebAssembly, as of a browser. */
export type WasmMemory = typeof globalThis extends {
  WebAssembly: { Memory: { prototype: infer M extends SharedMemory } }
}
  ? M
  : SharedMemory

/** What another thread needs to attach. Can be cloned: pass it as `workerData` or in a message. */
export interface MachineHandle {
  readonly kind: 'faultline-machine'
  readonly id: string
  readonly heap: SharedMemory
  /**
   * The frames. A WebAssembly module that imports this memory works in place on what `withRange` hands out, which
   * begins at `bytes.byteOffset`.
   */
  readonly memory: WasmMemory
}

const IDENTITY_WORDS = 4
const identityForm = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/

/** The getter itself: it throws for an object that is no memory, whatever its prototype. */
const bufferOf = Function.prototype.call.bind(
  Object.getOwnPropertyDescriptor(WebAssembly.Memory.prototype, 'buffer')!.get!,
) as (memory: unknown) => ArrayBufferLike

// ---------------------------------------------------------------------------------------------------------------------
// Machines

/** Marks `heap` and `memory`, which no other thread has yet, as those of the machine `id`, a UUID. */
export function identify(id: string, heap: SharedMemory, memory: SharedMemory): void {
  const words = new Int32Array(heap.buffer)
  const behind = new Int32Array(memory.buffer)
  identityWords(id).forEach((word, index) => {
    words[Header.identity + index] = word
    behind[behind.length - IDENTITY_WORDS + index] = word
  })
}

function identityWords(id: string): number[] {
  const digits = id.replaceAll('-', '')
  return Array.from(
    { length: IDENTITY_WORDS },
    (_, index) => Number.parseInt(digits.slice(8 * index, 8 * index + 8), 16) | 0,
  )
}

function hasIdentity(words: Int32Array, at: number, id: string): boolean {
  return identityWords(id).every((word, index) => words[at + index] === word)
}

/** A frozen copy of the handle of a machine. Throws TypeError or RangeError for anything else. */
export function readMachineHandle(given: unknown): MachineHandle {
  const { id, heap, memory } = readHandle(given, 'faultline-machine', 'a machine', ['id', 'heap', 'memory'])
  checkString(id, 'handle.id')
  if (!identityForm.test(id)) rangeError('handle.id', id, 'the id of a machine', 'ERR_INVALID_ARG_VALUE')
  const words = sharedWords(heap, 'handle.heap')
  const physical = sharedWords(memory, 'handle.memory')
  const isHeap =
    words.length > Header.heapEnd &&
    Atomics.load(words, Header.magic) === HEAP_MAGIC &&
    words[Header.heapEnd]! >>> 0 <= words.length
  if (!isHeap || !hasIdentity(words, Header.identity, id))
    rangeError('handle.heap', heap, `the heap of the machine ${id}`, 'ERR_INVALID_ARG_VALUE')
  const behind = physical.length - IDENTITY_WORDS
  if (behind * 4 < words[Header.frameCount]! * PAGE_SIZE || !hasIdentity(physical, behind, id))
    rangeError('handle.memory', memory, `the memory of the machine ${id}`, 'ERR_INVALID_ARG_VALUE')
  return Object.freeze({
    kind: 'faultline-machine',
    id,
    heap: heap as SharedMemory,
    memory: memory as SharedMemory,
  })
}

/** The words of a shared memory. Throws a TypeError for anything else. */
function sharedWords(memory: unknown, name: string): Int32Array {
  let buffer: unknown
  try {
    buffer = bufferOf(memory)
  } catch {
    // Whatever it is.
  }
  return isSharedBuffer(buffer)
    ? new Int32Array(buffer)
    : typeError(name, memory, 'a WebAssembly.Memory that is shared')
}

// ---------------------------------------------------------------------------------------------------------------------
// Places in the heap of a machine

/**
 * What handles of address spaces and files have in common: an address in the heap, and the number of the object there.
 */
export interface Place {
  /** Not checked yet: Machine.attach() does it. */
  readonly machine: MachineHandle
  readonly pointer: number
  readonly generation: number
}

/**
 * Throws a TypeError for anything but a handle of `what`, and a RangeError for an impossible address or number. `field`
 * names the address, `others` the fields that only this kind has, which it returns unchecked.
 */
export function readPlace(
  given: unknown,
  kind: string,
  what: string,
  field: 'mm' | 'file',
  others: readonly string[] = [],
): Place & { readonly rest: Readonly<Record<string, unknown>> } {
  const known = ['machine', field, 'generation', ...others]
  const { machine, [field]: pointer, generation, ...rest } = readHandle(given, kind, what, known)
  checkPositive(pointer, `handle.${field}`)
  checkPositive(generation, 'handle.generation')
  return { machine: machine as MachineHandle, pointer, generation, rest }
}

/** A number from 1, as all addresses and numbers of objects are; 0 means none. */
function checkPositive(value: unknown, name: string): asserts value is number {
  checkWhole(value, name, 1, Number.MAX_SAFE_INTEGER, 'a whole number from 1')
}

/** The own fields of a handle of that kind, each read once. Throws a TypeError for an unknown field. */
function readHandle(
  given: unknown,
  kind: string,
  what: string,
  known: readonly string[],
): Record<string, unknown> {
  checkObject(given, 'handle')
  const handle = Object.assign(Object.create(null) as Record<string, unknown>, given)
  if (handle['kind'] !== kind)
    typeError(
      'handle',
      given,
      `the handle of ${what}${'handle' in (given as object) ? ': pass its .handle' : ''}`,
    )
  const allowed = ['kind', ...known]
  for (const field of Object.keys(handle))
    if (!allowed.includes(field)) unknownName('handle', 'field', field, allowed)
  return handle
}
