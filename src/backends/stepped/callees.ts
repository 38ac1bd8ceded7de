// What is known of functions that a program calls: which are its own, and what those of the engine and of Node do.

import { HELPER } from './names.ts'

export type Method = (this: unknown, ...args: readonly unknown[]) => unknown

/** Names of functions that look into the objects that they are given. */
const looksDeep =
  /^(stringify|inspect|format\w*|serialize|isDeepStrictEqual|\w*[dD]eep\w*|concat|raw|(read|write)v(Sync)?)$/
const DEPTH_MAX = 4
/** Of Node, what begins something that ends in an event. */
const begins = new RegExp(
  '^(spawn|fork|exec(File)?|watch(File)?|create(Read|Write)Stream|connect|request|get|' +
    'create(\\w*(Server|Connection|Interface|Socket)|\\w*(Gzip|Gunzip|Zip|Unzip|Deflate|Inflate|(Com|Decom)press)\\w*))$',
)

// Threads find another one.
const { process } = globalThis as { process?: NodeProcess }
interface NodeProcess {
  readonly getBuiltinModule?: (name: string) => object | undefined
  /** Of all that is loaded. */
  readonly moduleLoadList?: readonly string[]
}
export const builtinModule = process?.getBuiltinModule?.bind(process)
/** Those that are given arrays of bytes or call back later, and are not yet known. */
const modulesLeft = new Set(
  (
    'buffer fs crypto util assert zlib string_decoder v8 child_process dns ' +
    'net http https http2 tls dgram readline'
  ).split(' '),
)

/** How many modules were loaded when they were last read; -1: not yet. */
let loadedCount = -1

/** What is known of a function that is called. */
export interface Callee {
  /** It is of the program: that is stepped, and notes what it does. */
  readonly isOwn: boolean
  /** A function of the engine or of Node has a name; null for others, as for a proxy. */
  readonly name: string | null
  /** How deep it looks into the objects that it is given. */
  readonly depth: number
  /** It calls the function that it is given last when an event of Node comes; or it begins something in any case. */
  readonly later: 'given' | 'always' | null
  /** A call of it changes nothing but what it is called on, or the position of a regular expression; null: anything. */
  readonly changes: 'object' | 'position' | null
  /** Only shared memory that it is given itself matters. */
  readonly isPlain: boolean
  /** What `bind` made it of. */
  readonly bound: readonly [target: Method, object: unknown, args: readonly unknown[]] | null
}

/** What the engine says, whatever programs are told: see function-text.ts. */
export const { toString: nativeText } = Function.prototype

/** Functions of the engine that call others in their name, make others of them, or read memory. */
const { apply, bind, call } = Function.prototype as unknown as Record<'apply' | 'bind' | 'call', Method>
const cut = SharedArrayBuffer.prototype.slice as Method
const grow = SharedArrayBuffer.prototype.grow as Method
const reflect = Reflect.apply as unknown as Method
const construct = Reflect.construct as unknown as Method
export const engine = { apply, bind, call, construct, cut, grow, reflect }
const ofEngine: ReadonlySet<Method> = new Set(Object.values(engine))

const own: Callee = {
  isOwn: true,
  name: null,
  depth: 0,
  later: null,
  changes: null,
  isPlain: false,
  bound: null,
}
const callees = new WeakMap<object, Callee>()

/** Methods of the engine that change nothing but what they are called on. */
const changesObject = methodsOf([
  [Array, 'push pop shift unshift splice sort reverse fill copyWithin'],
  [Object.getPrototypeOf(Int32Array) as ArrayConstructor, 'set fill sort reverse copyWithin'],
  [Map, 'set delete clear'],
  [Set, 'add delete clear'],
  [WeakMap, 'set delete'],
  [WeakSet, 'add delete'],
  [Date, 'setTime setDate setMonth setFullYear setHours setMinutes setSeconds setMilliseconds'],
])
/** Those of regular expressions, of which most begin anew each time. */
const changesPosition = methodsOf([[RegExp, 'exec test']])

function methodsOf(
  classes: readonly (readonly [of: { readonly prototype: unknown }, names: string])[],
): ReadonlySet<unknown> {
  const methods = classes.flatMap(([{ prototype }, names]) =>
    names.split(' ').map((name) => (prototype as Record<string, unknown>)[name]),
  )
  return new Set(methods)
}

export function calleeOf(called: Method): Callee {
  return callees.get(called) ?? lookAt(called)
}

/** A function of the program counts its own changes. */
export function isOfProgram(called: unknown): boolean {
  return typeof called === 'function' && calleeOf(called as Method).isOwn
}

function lookAt(called: Method): Callee {
  const text = nativeText.call(called)
  // Not remembered: most are closures that are called once, and to remember one takes longer than to look at its text.
  if (text.includes(HELPER)) return own
  // A page steps all that it has, and what bundles it has given helpers other names.
  if (builtinModule === undefined && !/\[native code\]\s*\}$/.test(text)) return own
  readModules()
  const known = callees.get(called)
  if (known !== undefined) return known
  return remember(called, /^function ([^ (]+)\(\) \{ \[native code\] \}$/.exec(text)?.[1] ?? null)
}

/** A function of the checker that counts its own accesses, as those of the program do. Returns it. */
export function rememberOwn(called: Method): Method {
  callees.set(called, own)
  return called
}

/** What `bind` makes of a function. */
export function rememberBound(bound: Method, of: Callee['bound']): void {
  remember(bound, null, null, of)
}

function remember(
  called: Method,
  name: string | null,
  later: Callee['later'] = null,
  bound: Callee['bound'] = null,
): Callee {
  const depth = name !== null && looksDeep.test(name) ? DEPTH_MAX : 0
  const changes = changesObject.has(called) ? 'object' : changesPosition.has(called) ? 'position' : null
  // One without a name may be a package's.
  const isPlain = name !== null && depth === 0 && later === null && bound === null && !ofEngine.has(called)
  const callee = { isOwn: false, name, depth, later, changes, isPlain, bound } as const
  callees.set(called, callee)
  return callee
}

/** The modules of Node that are loaded by now: a function that a program calls is of no other. */
function readModules(): void {
  // A browser has none.
  if (builtinModule === undefined) return
  const loaded = process?.moduleLoadList
  if (loaded?.length === loadedCount) return
  loadedCount = loaded?.length ?? 0
  for (const name of modulesLeft) {
    if (loaded !== undefined && !loaded.includes(`NativeModule ${name}`)) continue
    modulesLeft.delete(name)
    readFunctions(builtinModule(name) ?? {}, name)
    for (const [called, other] of modelled.get(name)?.(builtinModule(name) as never) ?? [])
      rememberBound(called, [rememberOwn(other), undefined, []])
  }
}

/** Of modules of Node, what gives other functions in the place of some of theirs. */
const modelled = new Map<string, (module: never) => Iterable<readonly [Method, Method]>>()

/** Once the module `name` is loaded, calls of functions of it are calls of those that `others` gives. */
export function modelFunctions(
  name: string,
  others: (module: never) => Iterable<readonly [Method, Method]>,
): void {
  modelled.set(name, others)
}

/** Also the methods of classes. */
function readFunctions(holder: object, module: string | null): void {
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(holder)))
    if (typeof value === 'function' && !callees.has(value as Method)) {
      remember(value as Method, name, module === null ? null : laterOf(name, module))
      readFunctions(value as object, null)
      if (typeof value.prototype === 'object' && value.prototype !== null)
        readFunctions(value.prototype as object, null)
    }
}

function laterOf(name: string, module: string): Callee['later'] {
  if (/^(buffer|util|assert|string_decoder|v8)$/.test(module) || /Sync$|^unwatchFile$/.test(name)) return null
  return begins.test(name) ? 'always' : 'given'
}

readFunctions({ TextEncoder, TextDecoder }, null)
