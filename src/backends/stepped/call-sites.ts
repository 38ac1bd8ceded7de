// What a program sees that asks the engine by which files it was called (`Error.prepareStackTrace`): its own files,
// with their names and lines, and nothing of what runs it.

import { isAlone } from './runtime.ts'
import { addressShown, isLoaded, toSource } from './sites.ts'

type Prepare = NonNullable<typeof Error.prepareStackTrace>

/** What is published or developed here, but for what tests here step. */
const ours = new URL('../../', import.meta.url).href
/** As many as the engine tells unless it is asked for more, and enough to find as many between ours. */
const FRAMES_SHOWN = 10
const FRAMES_TAKEN = 100
let isHooked = false
/** How many there were to be before a thread asked for frames. */
let limit: number | null = null
let given: Prepare | undefined = Error.prepareStackTrace
/** What threads are given instead of what they have set, and the other way round. */
const shown = new WeakMap<Prepare, Prepare>()
const originals = new WeakMap<Prepare, Prepare>()

/** From now on, threads see their own files. Who is no thread notices nothing. */
export function showOwnFiles(): void {
  if (isHooked) return
  isHooked = true
  const property: PropertyDescriptor = {
    configurable: true,
    enumerable: true,
    get: () => (given === undefined || isAlone() ? given : (shown.get(given) ?? given)),
    set: (value: Prepare | undefined) => {
      given = value === undefined ? value : (originals.get(value) ?? value)
      if (isAlone()) return
      if (limit !== null) Error.stackTraceLimit = limit
      limit = null
      if (typeof given !== 'function') return
      limit = Error.stackTraceLimit
      Error.stackTraceLimit = FRAMES_TAKEN
      if (!shown.has(given)) filter(given)
    },
  }
  Object.defineProperty(Error, 'prepareStackTrace', property)
}

/** Programs are run that may ask for their stack: it is to be there. */
export function areFilesShown(): boolean {
  return isHooked
}

function filter(prepare: Prepare): void {
  const filtered: Prepare = (error, frames) =>
    prepare(error, frames.filter(isOfProgram).slice(0, FRAMES_SHOWN).map(view)) as unknown
  shown.set(prepare, filtered)
  originals.set(filtered, prepare)
}

/** A function that goes on, or holds others that can stop, runs in one within it: they are one frame. */
function isOfProgram(frame: NodeJS.CallSite, index: number, frames: readonly NodeJS.CallSite[]): boolean {
  const before = frames[index - 1]
  if (before?.getFunctionName() === '$resume' && before.getFileName() === frame.getFileName()) return false
  return frame.getFileName()?.startsWith(ours) !== true
}

function view(frame: NodeJS.CallSite): NodeJS.CallSite {
  const address = frame.getFileName()
  if (!address || !isLoaded(address)) return frame
  const file = addressShown(address)
  const place = toSource(address, frame.getLineNumber() ?? 1, frame.getColumnNumber() ?? 1)
  const instead: Partial<Record<PropertyKey, unknown>> = {
    getFileName: () => file,
    getScriptNameOrSourceURL: () => file,
    getLineNumber: () => place.line,
    toString: () => `${frame.getFunctionName() ?? '<anonymous>'} (${file}:${place.line})`,
  }
  return new Proxy(frame, {
    get: (target, name) => {
      const value: unknown = instead[name] ?? Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
