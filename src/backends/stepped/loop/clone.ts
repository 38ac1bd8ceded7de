// What arrives of a message: the structured clone (HTML, 2.7), with shared memory shared and ports moved. It is not
// stepped: a getter that it calls must not come to a shared access.

import { made } from '../runtime.ts'
import { engine } from '../wasm/engine.ts'

/** A port, and the one that stands for it where it arrives. */
export interface Moved<Port> {
  readonly from: Port
  readonly to: Port
}

/** What may not be moved. */
export const untransferable = new WeakSet<object>()

interface Work<Port> {
  readonly seen: Map<object, unknown>
  readonly transfer: ReadonlySet<unknown>
  readonly isPort: (value: unknown) => value is Port
}

/** Clones `value`. Of the ports in `transfer`, `move` makes those that stand for them. Throws as postMessage() does. */
export function cloneMessage<Port>(
  value: unknown,
  transfer: readonly unknown[],
  isPort: (value: unknown) => value is Port,
  move: (port: Port) => Port,
): { readonly data: unknown; readonly ports: readonly Moved<Port>[] } {
  const seen = new Map<object, unknown>()
  for (const each of transfer)
    if (untransferable.has(each as object))
      throw new DOMException('An object in the transfer list could not be moved', 'DataCloneError')
  const ports = transfer.filter(isPort).map((from) => ({ from, to: move(from) }))
  for (const { from, to } of ports) seen.set(from as object, to)
  const data = cloned(value, { seen, transfer: new Set(transfer), isPort })
  for (const each of transfer) if (each instanceof ArrayBuffer && !seen.has(each)) each.transfer()
  return { data, ports }
}

function cloned<Port>(value: unknown, work: Work<Port>): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') return structuredClone(value)
  if (typeof value !== 'object' || value === null) return value
  if (work.seen.has(value)) return work.seen.get(value)
  if (work.isPort(value))
    throw Object.assign(
      new TypeError('Object that needs transfer was found in message but not listed in transferList'),
      { code: 'ERR_MISSING_TRANSFERABLE_IN_TRANSFER_LIST' },
    )
  // The same object: whether another one has the same memory, no program asks.
  if (value instanceof SharedArrayBuffer || value instanceof engine.Module) return value
  if (value instanceof engine.Memory && value.buffer instanceof SharedArrayBuffer) return value
  if (value instanceof ArrayBuffer) return note(value, clonedBuffer(value, work), work)
  if (ArrayBuffer.isView(value)) return note(value, clonedView(value, work), work)
  if (Array.isArray(value)) return clonedProperties(value, note(value, emptyLike(value), work), work)
  if (value instanceof Map) {
    const map = note(value, new Map(), work)
    for (const [key, each] of value) map.set(cloned(key, work), cloned(each, work))
    return map
  }
  if (value instanceof Set) {
    const set = note(value, new Set(), work)
    for (const each of value) set.add(cloned(each, work))
    return set
  }
  const tag = Object.prototype.toString.call(value)
  const isPlain = tag === '[object Object]' || Symbol.toStringTag in value
  if (!isPlain || value instanceof Error) return note(value, structuredClone(value) as object, work)
  return clonedProperties(value, note(value, {}, work), work)
}

/** Holes are left where there are some. */
function emptyLike({ length }: readonly unknown[]): unknown[] {
  const list: unknown[] = []
  list.length = length
  return list
}

function note<T extends object, Port>(value: object, clone: T, { seen }: Work<Port>): T {
  seen.set(value, clone)
  return clone
}

function clonedProperties<Port>(value: object, into: object, work: Work<Port>): object {
  for (const key of Object.keys(value))
    Object.defineProperty(into, key, {
      value: cloned((value as Record<string, unknown>)[key], work),
      writable: true,
      enumerable: true,
      configurable: true,
    })
  return into
}

function clonedBuffer<Port>(buffer: ArrayBuffer, { transfer }: Work<Port>): ArrayBuffer {
  return transfer.has(buffer) ? buffer.transfer() : structuredClone(buffer)
}

type ViewConstructor = new (buffer: ArrayBufferLike, offset: number, length: number) => ArrayBufferView

function clonedView<Port>(view: ArrayBufferView, work: Work<Port>): ArrayBufferView {
  // A Buffer arrives as what it extends.
  const known = Buffer.isBuffer(view) ? Uint8Array : (view.constructor as ViewConstructor)
  const length = 'length' in view ? (view.length as number) : view.byteLength
  const { byteOffset } = view
  const buffer = cloned(view.buffer, work) as ArrayBufferLike
  return made(new (known as ViewConstructor)(buffer, byteOffset, length))
}
