// Handles: what one thread passes to another so that it finds the same machine, address space or file.
//
// A handle comes from outside like any other argument. Each of its fields is read once and checked, and what it leads
// to is looked for in the kernel heap, before anything believes it: the kernel takes a place of the heap as it is.
//
// A machine is known by 128 bits. They are its `id`, they stand in its heap, and behind the last frame of its memory,
// so that no two of these three can come from different machines.

import { HEAP_MAGIC, Header, PAGE_SIZE, type SharedMemory } from '../../kernel/index.ts'
import { checkObject, checkString, checkWhole, rangeError, typeError, unknownName } from './arguments.ts'

/** What another thread needs to attach. Can be cloned: pass it as `workerData` or in a message. */
export interface MachineHandle {
  readonly kind: 'faultline-machine'
  readonly id: string
  readonly heap: SharedMemory
  readonly memory: SharedMemory
}

const IDENTITY_WORDS = 4
const identityForm = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/

/** The getter itself: it throws for what is no memory, whatever prototype that has. */
const bufferOf = Function.prototype.call.bind(
  Object.getOwnPropertyDescriptor(WebAssembly.Memory.prototype, 'buffer')!.get!,
) as (memory: unknown) => ArrayBufferLike

// ---------------------------------------------------------------------------------------------------------------------
// Machines

/** Makes `heap` and `memory`, which nobody else has yet, those of the machine `id`, a UUID. */
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

/** A copy of the handle of a machine that nobody can change. Throws TypeError or RangeError for what is none. */
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
  return buffer instanceof SharedArrayBuffer
    ? new Int32Array(buffer)
    : typeError(name, memory, 'a WebAssembly.Memory that is shared')
}

// ---------------------------------------------------------------------------------------------------------------------
// Places in the heap of a machine

/** What handles of address spaces and files have in common: a place of the heap, and which object there it is. */
export interface Place {
  /** Not checked yet: Machine.attach() does it. */
  readonly machine: MachineHandle
  readonly pointer: number
  readonly generation: number
}

/**
 * Throws a TypeError for what is not the handle of `what`, and what else its place and number cannot be. `field` names
 * the place, `others` the fields that only this kind has. Returns those as they are.
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

/** A number from 1, as all places and numbers of objects are: 0 says that there is none. */
function checkPositive(value: unknown, name: string): asserts value is number {
  checkWhole(value, name, 1, Number.MAX_SAFE_INTEGER, 'a whole number from 1')
}

/** The fields of a handle of that kind, its own ones, each read once. Throws a TypeError for one that is not known. */
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
