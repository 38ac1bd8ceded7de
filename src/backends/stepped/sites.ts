// Where things happen: a number for each place of a program that the runtime reports.

import { readFileSync } from 'node:fs'
// As a whole: an older Node lacks names of it, and is to say so in words (see threads/node-version.ts).
import * as nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'
import type { ProgramModule } from './program.ts'
import { type Node, positionOf } from './syntax.ts'
import { placeByMap } from './typescript.ts'

export interface Site {
  /** Path of the file. */
  readonly file: string
  readonly line: number
  readonly column: number
  /** The function that it stands in. */
  readonly function: string
  /** What happens there, such as 'Atomics.load', 'read' or 'loop'. */
  readonly what: string
  /** The source text, in one line. */
  readonly source: string
}

/** The places of a module by number. Numbers follow the order of the text, so that they are the same each time. */
export class SiteTable {
  readonly sites: Site[] = []
  readonly #known = new Map<string, number>()

  add(module: ProgramModule, node: Node, functionName: string, what: string): number {
    const key = `${node.start} ${node.end} ${what}`
    const present = this.#known.get(key)
    if (present !== undefined) return present
    const { line, column } = positionOf(module, node.start)
    const source = module.text.slice(node.start, node.end).replaceAll(/\s+/g, ' ')
    const number = this.sites.length
    this.sites.push({ file: module.file, line, column, function: functionName, what, source })
    this.#known.set(key, number)
    return number
  }
}

/** What stands behind the address of a steppable module; the number of the program follows. */
export const QUERY = '?stepped='

/** What stands before the source map of a steppable form, in its last line. */
export const MAP = '//# sourceMappingURL=data:application/json;base64,'

/** The steppable forms that are loaded, by the address under which they are. */
export const loadedTexts = new Map<string, () => string>()
/** Those of them that are CommonJS. */
export const loadedCommonjs = new Set<string>()
const maps = new Map<string, nodeModule.SourceMap>()

export function isLoaded(address: string): boolean {
  return loadedTexts.has(address)
}

/** By which name the engine knows the file of a steppable form, where it is loaded as it is. */
export function addressShown(address: string): string {
  const url = address.slice(0, address.indexOf('?'))
  return loadedCommonjs.has(address) ? fileURLToPath(url) : url
}

/** Where in its source a place of a steppable form is. */
function sourcePlace(address: string, line: number, column: number): { line: number; column: number } {
  let map = maps.get(address)
  if (map === undefined) {
    const text = loadedTexts.get(address)!()
    const json = Buffer.from(text.slice(text.lastIndexOf(MAP) + MAP.length), 'base64').toString()
    maps.set(address, (map = new nodeModule.SourceMap(JSON.parse(json))))
  }
  return placeByMap(map, line, column)
}

/** Where in its source a place is that the stack tells, whether or not it stands in a steppable form. */
export function toSource(
  address: string,
  line: number,
  column: number,
): { readonly url: string; readonly line: number; readonly program: number } {
  if (!loadedTexts.has(address)) return { url: address, line, program: -1 }
  const at = address.lastIndexOf(QUERY)
  const program = Number(address.slice(at + QUERY.length))
  return { url: address.slice(0, at), line: sourcePlace(address, line, column).line, program }
}

/** The innermost place of a stepped program on the stack; `otherwise` stands for a file where there is none. Slow. */
export function currentPlace(what: string, otherwise: string): Site {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 100
  const { stack = '' } = new Error('where')
  Error.stackTraceLimit = stackTraceLimit
  const places = stack.matchAll(
    /(?:at (?:async )?(?:new )?([^\s(]+) \()?(file:[^\s()]*?\?stepped=\d+):(\d+):(\d+)/g,
  )
  const found = [...places].find(([, , address]) => loadedTexts.has(address!))
  if (found === undefined)
    return { file: otherwise, line: 1, column: 1, function: '(anonymous)', what, source: what }
  const [, name = '(anonymous)', address] = found
  const { line, column } = sourcePlace(address!, Number(found[3]), Number(found[4]))
  const file = fileURLToPath(address!.slice(0, address!.lastIndexOf(QUERY)))
  const source = readFileSync(file, 'utf8').split('\n')[line - 1] ?? ''
  const own = name.split('.').at(-1)!
  return { file, line, column, function: own, what, source: source.trim() }
}
