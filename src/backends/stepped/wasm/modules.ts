// The modules of WebAssembly that a program has compiled, with their text in JavaScript. The text of a large one has
// only functions that were called; when another is, there is another text. Its first line tells what module it is of,
// and which functions it has: so whoever loads a program with it has the same.

import { createHash } from 'node:crypto'
import { Untranslatable, type WasmModule } from './binary.ts'
import { type Code, type ImportsGiven, type Module, engine } from './engine.ts'
import { calledBy, firstWanted, readChecked, textOf } from './translate.ts'

const bytesOf = new WeakMap<Module, Uint8Array>()
const digests = new WeakMap<Module, string>()
/** By the digest of its bytes, as each execution may compile a module anew: the functions that are written, or all. */
const wantedOf = new Map<string, ReadonlySet<number> | null>()
/** By the same, the module as it was read, and its text. */
const modules = new Map<string, WasmModule>()
const texts = new Map<string, string>()
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
  const digest = digestOf(module)
  const known = texts.get(digest)
  if (known !== undefined) return known
  const read = readOnce(module)
  let wanted = wantedOf.get(digest)
  if (wanted === undefined) wantedOf.set(digest, (wanted = firstWanted(read)))
  const list = wanted === null ? 'all' : [...wanted].toSorted((one, other) => one - other).join()
  const text = textOf(read, wanted).replace('\n', `: ${digest} ${list}\n`)
  texts.set(digest, text)
  return text
}

/** A function is called that its text has not. Returns the text that has it, too. Throws Untranslatable. */
export function textWithFunction(module: Module, index: number): string {
  const digest = digestOf(module)
  const more = calledBy(readOnce(module), index)
  wantedOf.set(digest, new Set([...(wantedOf.get(digest) ?? []), ...more]))
  texts.delete(digest)
  return textOfWasm(module)
}

const heading = /^\/\/ [\w.-]+\.wasm, written in JavaScript: ([0-9a-f]+) ([\d,]*|all)\n/

/** The module that a text is of, by the digest of its bytes; null of other texts. */
export function wasmDigestOf(text: string): string | null {
  return heading.exec(text)?.[1] ?? null
}

/** A program is loaded with this text, which another thread has found to be needed: what it has is written here too. */
export function noteTextOfWasm(text: string): void {
  const [, digest, list] = heading.exec(text) ?? []
  if (digest === undefined || list === 'all') return
  const numbers = list === '' ? [] : list!.split(',').map(Number)
  const wanted = wantedOf.get(digest)
  const all = new Set([...(wanted ?? []), ...numbers])
  if (all.size === wanted?.size) return
  wantedOf.set(digest, all)
  texts.delete(digest)
}

function readOnce(module: Module): WasmModule {
  const digest = digestOf(module)
  let read = modules.get(digest)
  if (read === undefined) modules.set(digest, (read = readChecked(bytesOf.get(module)!, module)))
  return read
}

function digestOf(module: Module): string {
  let digest = digests.get(module)
  if (digest !== undefined) return digest
  const bytes = bytesOf.get(module)
  if (bytes === undefined)
    throw new Untranslatable('what compiled it is not stepped', 'compile it in a module of yours')
  digests.set(module, (digest = createHash('sha256').update(bytes).digest('hex').slice(0, 32)))
  return digest
}
