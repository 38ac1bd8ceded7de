// The modules of WebAssembly that a program has compiled, with their text in JavaScript.

import { Untranslatable } from './binary.ts'
import { type Code, type ImportsGiven, type Module, engine } from './engine.ts'
import { translateWasm } from './translate.ts'

const bytesOf = new WeakMap<Module, Uint8Array>()
/** By the bytes, as text: each execution may compile a module anew. */
const texts = new Map<string, string>()
const textsOf = new WeakMap<Module, string>()
const links = new WeakMap<Module, Module>()

/** Throws as `new WebAssembly.Module()` does. */
export function compileWasm(code: Code): Module {
  const module = new engine.Module(code)
  const bytes = ArrayBuffer.isView(code)
    ? new Uint8Array(code.buffer, code.byteOffset, code.byteLength)
    : new Uint8Array(code)
  bytesOf.set(module, bytes.slice())
  return module
}

interface Section {
  /** The number of its kind. */
  readonly kind: number
  /** It with its head, and where its content begins. */
  readonly start: number
  readonly content: number
  readonly end: number
}

/** Those of a module that the engine has compiled: behind the 8 bytes of the head. */
function sectionsOf(bytes: Uint8Array): Section[] {
  const sections: Section[] = []
  for (let at = HEAD; at < bytes.length;) {
    const start = at
    const kind = bytes[at++]!
    let length = 0
    for (let shift = 0, more = true; more; shift += 7) {
      const byte = bytes[at++]!
      length += (byte & 127) * 2 ** shift
      more = byte > 127
    }
    sections.push({ kind, start, content: at, end: (at += length) })
  }
  return sections
}

const HEAD = 8
const TYPES = 1
const IMPORTS = 2
const MEMORIES = 5

/** What memory a module makes for each of its instances. */
export function memoryMadeBy(module: Module): 'none' | 'own' | 'shared' {
  const bytes = bytesOf.get(module)
  const section = bytes && sectionsOf(bytes).find(({ kind }) => kind === MEMORIES)
  // How many, of less than 128, and the flags of the first.
  if (section === undefined || bytes![section.content] === 0) return 'none'
  return (bytes![section.content + 1]! & 2) === 0 ? 'own' : 'shared'
}

/** Tells as the engine does whether a module can be given these imports: throws its error where it cannot. */
export function linkWasm(module: Module, imports: ImportsGiven): void {
  let linked = links.get(module)
  if (linked === undefined) {
    const bytes = bytesOf.get(module)!
    // It only imports, the same.
    const kept = sectionsOf(bytes).filter(({ kind }) => kind === TYPES || kind === IMPORTS)
    const parts = [bytes.subarray(0, HEAD), ...kept.map(({ start, end }) => bytes.subarray(start, end))]
    links.set(module, (linked = new engine.Module(Buffer.concat(parts))))
  }
  Reflect.construct(engine.Instance, [linked, imports])
}

/** The text of a module in JavaScript. Throws Untranslatable. */
export function textOfWasm(module: Module): string {
  const known = textsOf.get(module)
  if (known !== undefined) return known
  const bytes = bytesOf.get(module)
  if (bytes === undefined)
    throw new Untranslatable('what compiled it is not stepped', 'compile it in a module of yours')
  const key = Buffer.from(bytes).toString('latin1')
  const text = texts.get(key) ?? translateWasm(bytes, module)
  texts.set(key, text)
  textsOf.set(module, text)
  return text
}
