// Counts of which nobody has read anything: `this.spins++` in a loop that waits.
//
// A field that is counted in is no state as long as nobody reads it: two executions that differ in nothing else lead to
// the same. So such a count is no change, and a loop that only counts waits. Who reads the field is found while the
// program runs, whatever reads it: the field becomes one with a getter, and private fields are read by looked(). Then
// everything begins anew, with a field that counts. What was explored before holds up to the first such read, and so
// none is missed: an execution that reads what another has left out would have been come to there, too. For that, who
// has counted goes on, and is not left because it might have begun the turn later: then the field would be as it was.

import { changes } from './owned.ts'
import { CountRead } from './refusal.ts'
import { current, endWith, soloThread, tracer } from './running.ts'

/** What is known of the fields of one check. */
interface Counts {
  /** Names of fields that count, by their numbers: all, as long as no check says otherwise. */
  readonly numbers: Set<number>
  readonly areAll: boolean
  /** Those of them that were found in this process. */
  readonly names: Set<string>
  /** The names that were counted in without being a change. */
  readonly left: Set<string>
  found: CountRead | null
}

interface Cell {
  readonly get: () => unknown
}

const cells = new WeakMap<object, Map<string, Cell>>()
/** The field that is read next for nothing but to be counted in. */
let armed: Cell | null = null

/** The number of a name, of 16 bits: names that have the same count together. */
function numberOf(name: string): number {
  let mixed = 0x811c9dc5
  for (let at = 0; at < name.length; at++) mixed = Math.imul(mixed ^ name.charCodeAt(at), 0x01000193)
  return (mixed ^ (mixed >>> 16)) & 0xffff
}

/** In place of the numbers of all names. */
const ALL = 0x10000

function countsOf(numbers: readonly number[]): Counts {
  const kept = new Set(numbers)
  return { areAll: kept.delete(ALL), numbers: kept, names: new Set(), left: new Set(), found: null }
}

let counts = countsOf([ALL])

/** The numbers of the names that count, ascending: what a replay has to be told. */
export function countedBy(): readonly number[] {
  return counts.areAll ? [ALL] : [...counts.numbers].sort((a, b) => a - b)
}

/** The names of fields that were found to count, as something reads them. */
export function fieldsThatCount(): readonly string[] {
  return [...counts.names]
}

/** From here on, the fields with these names count, and no others. */
export function setCounting(numbers: readonly number[]): void {
  counts = countsOf(numbers)
}

/** Every field that is counted in counts. */
export const ALL_COUNT: readonly number[] = [ALL]

/** Everything begins anew where a field counts of which somebody has read. */
export function addCounting({ field }: CountRead): void {
  counts.numbers.add(numberOf(field))
  counts.names.add(field)
}

/** A program that catches errors may have caught what says that everything begins anew. */
export function takeCountRead(): CountRead | null {
  const read = counts.found
  counts.found = null
  return read
}

function isCounting(name: string): boolean {
  return current === soloThread || counts.areAll || counts.numbers.has(numberOf(name))
}

function noteRead(name: string): void {
  // What is told of an execution is read of it, too.
  if (tracer !== null || counts.areAll || counts.numbers.has(numberOf(name))) return
  endWith((counts.found = new CountRead(name)))
}

/** The object in whose field `name` something is counted next, by an expression whose value nobody looks at. */
export function tallied<T>(object: T, name: string): T {
  armed = null
  const isObject = (typeof object === 'object' && object !== null) || typeof object === 'function'
  if (!isObject || isCounting(name)) return changes(object)
  const cell = cellOf(object, name)
  if (cell === null) return changes(object)
  armed = cell
  current.tallies++
  return object
}

/** As tallied(), of a private field. */
export function talliedPrivate<T>(object: T, name: string): T {
  if (isCounting(name)) return changes(object)
  counts.left.add(name)
  current.tallies++
  return object
}

/** The object of which a private field is read in which something is counted elsewhere. */
export function looked<T>(object: T, name: string): T {
  if (counts.left.has(name)) noteRead(name)
  return object
}

/** An object whose properties are asked for what they are: that tells what is counted in them. */
export function described<T>(object: T): T {
  for (const [name, { get }] of cells.get(object as object) ?? [])
    if (Object.getOwnPropertyDescriptor(object, name)?.get === get) noteRead(name)
  return object
}

function cellOf(object: object, name: string): Cell | null {
  let known = cells.get(object)
  const property = Object.getOwnPropertyDescriptor(object, name)
  const present = known?.get(name)
  if (present !== undefined && property?.get === present.get) return present
  if (property?.writable !== true || property.configurable !== true) return null
  if (typeof property.value !== 'number' || object === globalThis) return null
  if (known === undefined) cells.set(object, (known = new Map()))
  let { value } = property as { value: unknown }
  const get = (): unknown => {
    if (armed?.get === get) armed = null
    else noteRead(name)
    return value
  }
  const set = (given: unknown): void => {
    value = given
  }
  Object.defineProperty(object, name, {
    get,
    set,
    enumerable: property.enumerable === true,
    configurable: true,
  })
  const cell = { get }
  known.set(name, cell)
  return cell
}
