// The global object of each thread, as Node has one for each. A process has only one, in which all code finds what it
// looks for, by whatever name. So what a thread has changed there is put in when the thread goes on, and taken out when
// another one does; what is left is that of the process that checks.

type Property = PropertyDescriptor
type Call = (...args: readonly unknown[]) => unknown

const everywhere = globalThis as Record<PropertyKey, unknown>

/** Of the engine, where threads find others under these names. */
export const { BroadcastChannel, MessageChannel, MessagePort, Promise } = globalThis

/** What a thread has there. */
export class GlobalScope {
  /** What is not as in the process that checks; null for what is missing. */
  readonly own = new Map<PropertyKey, Property | null>()
  prototype: object
  /** It has defined something there, which need not show in a value. */
  hasDefined = false

  constructor() {
    const inherited = Object.getPrototypeOf(everywhere) as object
    // A program may change what its global object is an instance of.
    const properties = Object.getOwnPropertyDescriptors(inherited)
    this.prototype = Object.create(Object.getPrototypeOf(inherited) as object, properties) as object
  }
}

/** Of a thread that runs nothing of the program. */
export const noScope = new GlobalScope()

let active: GlobalScope | null = null
/** What the process has, and what its global object is an instance of, while a thread has its own. */
const base = new Map<PropertyKey, Property>()
const baseValues: [key: string, value: unknown][] = []
const baseGetters: [key: string, property: Property][] = []
let baseEnumerable = 0
let basePrototype: object

/** Lets the code that runs next find what a thread has, or what the process has. Returns what cannot be taken out. */
export function enterScope(scope: GlobalScope | null): string | null {
  if (scope === active || scope === noScope) return null
  let left: string | null = null
  if (active === null) noteBase()
  else left = takeOut(active)
  active = scope
  if (scope !== null) putIn(scope)
  return left
}

/** Does something that is not the thread's, such as loading what all threads share. */
export function outsideScopes<T>(called: () => T): T {
  const scope = active
  enterScope(null)
  try {
    return called()
  } finally {
    enterScope(scope)
  }
}

/** What stood in the place of what is modelled. */
const replaced: [holder: object, key: string, property: Property | undefined][] = []

/** Lets all threads find other values of some properties, until restoreGlobals(). */
export function replaceGlobals(values: Readonly<Record<string, unknown>>, holder: object = everywhere): void {
  for (const [key, value] of Object.entries(values)) {
    const before = Object.getOwnPropertyDescriptor(holder, key)
    replaced.push([holder, key, before])
    Reflect.defineProperty(holder, key, { writable: true, configurable: true, ...before, value })
  }
}

/** Returns what is left there of a thread. */
export function restoreGlobals(): string | null {
  const left = enterScope(null)
  for (const [holder, key, property] of replaced) {
    if (property === undefined) Reflect.deleteProperty(holder, key)
    else Reflect.defineProperty(holder, key, property)
  }
  replaced.length = 0
  return left
}

function noteBase(): void {
  base.clear()
  baseValues.length = 0
  baseGetters.length = 0
  for (const key of Reflect.ownKeys(everywhere)) {
    const property = propertyOf(key)!
    base.set(key, property)
    if (typeof key !== 'string') continue
    if ('value' in property) baseValues.push([key, property.value])
    else baseGetters.push([key, property])
  }
  baseEnumerable = Object.keys(everywhere).length
  basePrototype = Object.getPrototypeOf(everywhere) as object
}

function putIn({ own, prototype }: GlobalScope): void {
  for (const [key, property] of own) {
    if (property === null) Reflect.deleteProperty(everywhere, key)
    else Reflect.defineProperty(everywhere, key, property)
  }
  Object.setPrototypeOf(everywhere, prototype)
  for (const [object, name, call] of defining) object[name] = call
}

function takeOut(scope: GlobalScope): string | null {
  for (const [object, name, , original] of defining) object[name] = original
  if (!isAsPutIn(scope)) compare(scope)
  let left: string | null = null
  for (const key of scope.own.keys()) {
    const before = base.get(key)
    const isDone =
      before === undefined
        ? Reflect.deleteProperty(everywhere, key)
        : Reflect.defineProperty(everywhere, key, before)
    // Under symbols, Node keeps what it makes when it is first asked for.
    if (!isDone && typeof key === 'string') left = key
  }
  scope.prototype = Object.getPrototypeOf(everywhere) as object
  Object.setPrototypeOf(everywhere, basePrototype)
  return left
}

/** The thread has changed nothing, for all that its values and the number of its properties tell: most do not. */
function isAsPutIn({ own, hasDefined }: GlobalScope): boolean {
  if (hasDefined) return false
  let expected = baseEnumerable
  for (const [key, property] of own) {
    expected += Number(property?.enumerable === true) - Number(base.get(key)?.enumerable === true)
    if (property === null) continue
    // A getter is not asked.
    if (!('value' in property) || !Object.is(everywhere[key], property.value)) return false
  }
  for (const [key, { get }] of baseGetters) if (!own.has(key) && propertyOf(key)?.get !== get) return false
  for (const [key, value] of baseValues) {
    const now = everywhere[key]
    if (now !== value && !Object.is(now, own.has(key) ? own.get(key)?.value : value)) return false
  }
  return Object.keys(everywhere).length === expected
}

/** Notes all that the thread has changed. */
function compare({ own }: GlobalScope): void {
  for (const key of own.keys()) if (!Object.hasOwn(everywhere, key)) own.delete(key)
  for (const key of base.keys()) if (!Object.hasOwn(everywhere, key)) own.set(key, null)
  for (const key of Reflect.ownKeys(everywhere)) {
    const property = propertyOf(key)!
    const before = base.get(key)
    if (before !== undefined && isSame(property, before)) own.delete(key)
    else own.set(key, property)
  }
}

function propertyOf(key: PropertyKey): Property | undefined {
  return Object.getOwnPropertyDescriptor(everywhere, key)
}

function isSame(one: Property, other: Property): boolean {
  return (
    Object.is(one.value, other.value) &&
    one.get === other.get &&
    one.set === other.set &&
    one.writable === other.writable &&
    one.enumerable === other.enumerable
  )
}

/**
 * What a thread defines on its global object can be taken out again, whatever the thread says of that: the functions
 * that stand for those of the engine while it runs.
 */
const defining = (
  [
    [Object, 'defineProperty'],
    [Reflect, 'defineProperty'],
    [Object, 'defineProperties'],
  ] as [Record<string, Call>, string][]
).map(([object, name]) => {
  const original = object[name]!
  const loosen = (given: unknown): object => ({ ...(given as object), configurable: true })
  const call = (target: unknown, key: unknown, given: unknown): unknown => {
    if (target !== everywhere) return original(target, key, given)
    active!.hasDefined = true
    if (name !== 'defineProperties') return original(target, key, loosen(given))
    const all = Object.entries(Object.getOwnPropertyDescriptors(key as object))
    return original(target, Object.fromEntries(all.map(([each, { value }]) => [each, loosen(value)])))
  }
  Object.defineProperty(call, 'name', { value: name })
  return [object, name, call, original] as const
})
