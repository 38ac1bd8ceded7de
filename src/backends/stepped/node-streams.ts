// `node:stream` for threads: the source of the engine's own, which a Node carries with it, as a module of the program.
//
// So its streams are exactly those of the Node that runs, and can stop where the functions that they are given do. What
// that source takes from inside of Node is written here: uncurried functions of the language, errors, and checks of
// arguments. Streams of the Web are not there.

import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import stream from 'node:stream'
import { pathToFileURL } from 'node:url'
import { isOfLoop } from './loop-imports.ts'
import { keepText } from './user-folder.ts'

const specifier = /^(?:node:)?stream(\/promises)?$/
/** What of Node's files is taken, and what it finds in the others. */
const isTaken = (name: string): boolean =>
  /^(stream|stream\/promises|internal\/streams\/(?!lazy|fast)[\w-]+|internal\/events\/abort_listener)$/.test(
    name,
  )

const files = new Map<string, string | null>()

/** The address of what stands for a module of streams; null for others, and where this Node does not tell. */
export function streamModule(name: string): string | null {
  const found = specifier.exec(name)
  if (found === null) return null
  const key = found[1] === undefined ? 'stream' : 'stream/promises'
  let file = files.get(key)
  if (file === undefined) files.set(key, (file = makeFile(key)))
  return file
}

/** It stands for a module of Node, and all threads share it. */
export function isOfNode(url: string): boolean {
  return isOfLoop(url) || url.includes('/node-streams-')
}

function makeFile(key: string): string | null {
  let sources: Readonly<Record<string, string>>
  try {
    // The only way to it that there is.
    const node = process as unknown as { binding(name: string): Readonly<Record<string, string>> }
    sources = node.binding('natives')
  } catch {
    return null
  }
  const names = Object.keys(sources).filter(isTaken)
  if (!names.includes('stream')) return null
  const made =
    key === 'stream' ? bundled(sources, names) : "'use strict'\nmodule.exports = require('stream').promises\n"
  // The names that can be imported from it, as compilers tell them.
  const exported = Object.keys(key === 'stream' ? stream : stream.promises)
  const text = `${made}0 && (${exported.map((name) => `exports.${name} = 0`).join(', ')})\n`
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16)
  const file = keepText(`node-streams-${hash}.cjs`, text)
  try {
    if (key === 'stream') createRequire(import.meta.url)(file)
  } catch {
    // Another Node, which needs more from inside.
    return null
  }
  return pathToFileURL(file).href
}

function bundled(sources: Readonly<Record<string, string>>, names: readonly string[]): string {
  const texts = names.map((name) => sources[name]!)
  const modules = names.map(
    (name, at) => `${JSON.stringify(name)}: (module, exports, require) => {${texts[at]}\n}`,
  )
  const all = texts.join('\n')
  const inherent = [...all.matchAll(/const \{([^}]*)\} = primordials/g)].flatMap(([, list]) =>
    list!.split(','),
  )
  const words = new Set(inherent.map((each) => each.split(':')[0]!.trim()).filter((each) => each !== ''))
  const codes = new Set(all.match(/\bERR_\w+/g))
  const messages = [...codes].map((code) => {
    const [, message = code, base = 'TypeError'] =
      new RegExp(`E\\('${code}',\\s*'([^']*)',\\s*(\\w+)`).exec(sources['internal/errors'] ?? '') ?? []
    return `${code}: codeOf(${JSON.stringify(code)}, ${JSON.stringify(message)}, ${base})`
  })
  return `'use strict'
const primordials = { ${[...words].map((word) => `${word}: ${primordial(word)}`).join(', ')} }
${SHIM}
const codes = { ${messages.join(', ')} }
const files = { ${modules.join(',\n')} }
const made = new Map()
const load = (name) => {
  if (!(name in files)) {
    if (name in inside) return inside[name]
    throw new Error(name + ' of Node is not modelled in threads of a check')
  }
  const present = made.get(name)
  if (present !== undefined) return present.exports
  const module = { exports: {} }
  made.set(name, module)
  files[name](module, module.exports, load)
  return module.exports
}
module.exports = load('stream')
// Its listeners are those of the emitter that it extends.
delete module.exports.prototype.eventNames
`
}

/** What stands for a function of the language that Node keeps under a name of its own. */
function primordial(word: string): string {
  const [, type, method] =
    /^(Array|Function|Object|Promise|String|TypedArray)Prototype(?=[A-Z])(\w+)$/.exec(word) ?? []
  if (method?.startsWith('Symbol') === true)
    return `(self, ...rest) => ${type}.prototype[Symbol.${lower(method.slice(6))}].call(self, ...rest)`
  if (method !== undefined) return `(self, ...rest) => self.${lower(method)}(...rest)`
  const [, owner, name] =
    /^(Object|Reflect|Number|Math|Array|Symbol|Promise|JSON)(?=[A-Z])(\w+)$/.exec(word) ?? []
  if (word === 'ReflectApply') return '(called, self, args) => called.apply(self, args)'
  if (owner !== undefined)
    return owner === 'Promise' ? `(value) => Promise.${lower(name!)}(value)` : `${owner}.${lower(name!)}`
  return word.replace(/^Safe/, '')
}

const lower = (name: string): string =>
  /^[A-Z]+$/.test(name) ? name : name[0]!.toLowerCase() + name.slice(1)

/** What it takes from inside of Node. */
const SHIM = `
const { format, inspect, promisify, types } = require('util')
const codeOf = (code, message, Base) => class extends Base {
  constructor(...args) {
    super(wordsOf(code, message, args))
    this.code = code
  }
  toString() { return this.name + ' [' + code + ']: ' + this.message }
}
const wordsOf = (code, message, args) => {
  if (code === 'ERR_INVALID_ARG_TYPE')
    return 'The "' + args[0] + '" argument must be of type ' + args[1] + '. Received ' + inspect(args[2])
  if (code === 'ERR_INVALID_ARG_VALUE')
    return 'The argument \\'' + args[0] + '\\' ' + (args[2] ?? 'is invalid') + '. Received ' + inspect(args[1])
  if (code === 'ERR_OUT_OF_RANGE')
    return 'The value of "' + args[0] + '" is out of range. It must be ' + args[1] + '. Received ' + inspect(args[2])
  if (code === 'ERR_MISSING_ARGS')
    return 'The ' + args.map((each) => '"' + each + '"').join(' and ') + ' argument must be specified'
  return format(message, ...args)
}
class AbortError extends Error {
  constructor(message = 'The operation was aborted', options) {
    super(message, options)
    this.code = 'ABORT_ERR'
    this.name = 'AbortError'
  }
}
const aggregateTwoErrors = (inner, outer) => {
  if (!inner || !outer || inner === outer) return inner || outer
  if (Array.isArray(outer.errors)) {
    outer.errors.push(inner)
    return outer
  }
  return Object.assign(new AggregateError([outer, inner], outer.message), { code: outer.code })
}
const demand = (isMet, name, type, value) => {
  if (!isMet) throw new codes.ERR_INVALID_ARG_TYPE(name, type, value)
}
const isObject = (value) => typeof value === 'object' && value !== null
const inside = {
  async_hooks: require('async_hooks'),
  buffer: require('buffer'),
  events: require('events'),
  string_decoder: require('string_decoder'),
  'internal/abort_controller': { AbortController, AbortSignal },
  'internal/assert': (isTrue) => { if (!isTrue) throw new Error('assertion failed') },
  'internal/blob': { isBlob: (value) => value instanceof Blob },
  'internal/buffer': {
    FastBuffer: function (buffer, offset, length) { return Buffer.from(buffer, offset, length) },
  },
  'internal/errors': { get codes() { return codes }, AbortError, aggregateTwoErrors },
  'internal/event_target': {
    kResistStopPropagation: Symbol('kResistStopPropagation'),
    kWeakHandler: Symbol('kWeakHandler'),
  },
  'internal/options': { getOptionValue: () => false },
  'internal/process/task_queues': { queueMicrotask },
  'internal/util': {
    SymbolAsyncDispose: Symbol.asyncDispose,
    SymbolDispose: Symbol.dispose,
    assignFunctionName: (name, called) => {
      const value = typeof name === 'symbol' ? '[' + name.description + ']' : name
      return Object.defineProperty(called, 'name', { value })
    },
    createDeferredPromise: () => Promise.withResolvers(),
    deprecate: (called) => called,
    kEmptyObject: Object.freeze({ __proto__: null }),
    once: (called) => {
      let isCalled = false
      return function (...args) {
        if (isCalled) return
        isCalled = true
        return called.apply(this, args)
      }
    },
    promisify,
  },
  'internal/util/debuglog': { debuglog: () => Object.assign(() => {}, { enabled: false }) },
  'internal/util/types': { ...types, isArrayBufferView: ArrayBuffer.isView },
  'internal/validators': {
    validateAbortSignal: (value, name) =>
      demand(value === undefined || (isObject(value) && 'aborted' in value), name, 'AbortSignal', value),
    validateBoolean: (value, name) => demand(typeof value === 'boolean', name, 'boolean', value),
    validateFunction: (value, name) => demand(typeof value === 'function', name, 'function', value),
    validateObject: (value, name) => demand(isObject(value), name, 'object', value),
    validateInteger: (value, name, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) => {
      demand(typeof value === 'number', name, 'number', value)
      if (!Number.isInteger(value) || value < min || value > max)
        throw new codes.ERR_OUT_OF_RANGE(name, '>= ' + min + ' && <= ' + max, value)
    },
  },
}`
