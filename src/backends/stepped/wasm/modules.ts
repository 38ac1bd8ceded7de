// The modules of WebAssembly that a program has compiled, with their text in JavaScript.

import { Untranslatable } from './binary.ts'
import { type Code, type Module, engine } from './engine.ts'
import { translateWasm } from './translate.ts'

const bytesOf = new WeakMap<Module, Uint8Array>()
/** By the bytes, as text: each execution may compile a module anew. */
const texts = new Map<string, string>()
const textsOf = new WeakMap<Module, string>()

/** Throws as `new WebAssembly.Module()` does. */
export function compileWasm(code: Code): Module {
  const module = new engine.Module(code)
  const bytes = ArrayBuffer.isView(code)
    ? new Uint8Array(code.buffer, code.byteOffset, code.byteLength)
    : new Uint8Array(code)
  bytesOf.set(module, bytes.slice())
  return module
}

/** A module makes memory that threads share, for each of its instances. */
export function makesSharedMemory(module: Module): boolean {
  const bytes = bytesOf.get(module)
  if (bytes === undefined) return false
  // Behind the 8 bytes of the head stand sections: their kind, their length, what is in them.
  let at = 8
  const number = (): number => {
    for (let value = 0, shift = 0; ; shift += 7) {
      const byte = bytes[at++]!
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const section = bytes[at++]
    const length = number()
    if (section === 5) return number() > 0 && (bytes[at]! & 2) !== 0
    at += length
  }
  return false
}

/** The text of a module with memory that threads share. Throws Untranslatable. */
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
