// Where things happen: a number for each place of a program that the runtime reports.

import { readFileSync } from 'node:fs'
// These two as a whole: an older Node lacks names of them, and is to say so in words (see threads/node-version.ts).
import * as nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'
import * as util from 'node:util'
import type { ProgramModule } from './program.ts'
import { type Node, positionOf } from './syntax.ts'
import { placeByMap } from './typescript.ts'

export interface Site {
  /** Path of the file. */
  readonly file: string
  readonly line: number
  readonly column: number
  /** The function that it stands in, and where in the text that begins; absent for what only a stack told. */
  readonly function: string
  readonly body?: number
  /** What happens there, such as 'Atomics.load', 'read' or 'loop'. */
  readonly what: string
  /** The source text, in one line. */
  readonly source: string
  /** Of a loop, the variables in which it counts, and of which something is read. */
  readonly counts?: readonly string[]
}

/** The places of a module by number. Numbers follow the order of the text, so that they are the same each time. */
export class SiteTable {
  readonly sites: Site[] = []
  readonly #known = new Map<string, number>()

  add(
    module: ProgramModule,
    node: Node,
    within: { readonly name: string; readonly node: Node | null },
    what: string,
    counts: readonly string[] = [],
  ): number {
    const key = `${node.start} ${node.end} ${what}`
    const present = this.#known.get(key)
    if (present !== undefined) return present
    const { line, column } = positionOf(module, node.start)
    const source = module.text.slice(node.start, node.end).replaceAll(/\s+/g, ' ')
    const number = this.sites.length
    const { name, node: body } = within
    const site = { file: module.file, line, column, function: name, body: body?.start ?? 0, what, source }
    this.sites.push(counts.length === 0 ? site : { ...site, counts })
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
  return placeByMap(mapOf(address), line, column)
}

function mapOf(address: string): nodeModule.SourceMap {
  let map = maps.get(address)
  if (map === undefined) {
    const text = loadedTexts.get(address)!()
    const json = Buffer.from(text.slice(text.lastIndexOf(MAP) + MAP.length), 'base64').toString()
    maps.set(address, (map = new nodeModule.SourceMap(JSON.parse(json))))
  }
  return map
}

/** Where in its source the places are that a steppable form tells in a part of its text. */
export function placesIn(address: string, offset: number, length: number): readonly Position[] {
  const text = loadedTexts.get(address)!()
  const map = mapOf(address)
  const places: Position[] = []
  let { line, column } = positionIn(text, offset)
  for (const part of text.slice(offset, offset + length).split('\n')) {
    for (let at = column; at < column + part.length; at++) {
      const entry = map.findEntry(line, at)
      if (!('originalLine' in entry) || entry.generatedLine !== line || entry.generatedColumn !== at) continue
      places.push({ line: entry.originalLine + 1, column: entry.originalColumn + 1 })
    }
    line++
    column = 0
  }
  return places
}

/** The last one that it tells before a part of its text. */
export function placeBefore(address: string, offset: number): Position {
  const { line, column } = positionIn(loadedTexts.get(address)!(), offset)
  const entry = mapOf(address).findEntry(line, column)
  return 'originalLine' in entry
    ? { line: entry.originalLine + 1, column: entry.originalColumn + 1 }
    : { line: 1, column: 1 }
}

interface Position {
  readonly line: number
  readonly column: number
}

/** From 0 on. */
function positionIn(text: string, offset: number): Position {
  const lineStart = text.lastIndexOf('\n', offset - 1) + 1
  return { line: text.slice(0, offset).split('\n').length - 1, column: offset - lineStart }
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

/** Frames of a stack that are looked at: first those that nearly always suffice, then as many as the engine gives. */
const FRAMES = [8, 200]
/** Places of stepped programs that a stack has told, by where they stand in the steppable form. */
const toldPlaces = new Map<string, Site>()

/** The innermost place of a stepped program on the stack; `otherwise` stands for a file where there is none. */
export function currentPlace(what: string, otherwise: string): Site {
  for (const frames of FRAMES)
    for (const { scriptName, lineNumber, columnNumber, functionName } of util.getCallSites(frames)) {
      if (!loadedTexts.has(scriptName)) continue
      const key = `${lineNumber}:${columnNumber} ${scriptName}`
      let place = toldPlaces.get(key)
      if (place === undefined)
        toldPlaces.set(key, (place = placeAt(scriptName, lineNumber, columnNumber, functionName)))
      return { ...place, what }
    }
  return { file: otherwise, line: 1, column: 1, function: '(anonymous)', source: what, what }
}

/** The places of stepped programs on a stack, the innermost first. Slow. */
export function placesOfStack(stack: string): Site[] {
  const places = stack.matchAll(
    /(?:at (?:async )?(?:new )?([^\s(]+) \()?(file:[^\s()]*?\?stepped=\d+):(\d+):(\d+)/g,
  )
  return [...places].flatMap(([, name = '', address, atLine, atColumn]) =>
    loadedTexts.has(address!) ? [placeAt(address!, Number(atLine), Number(atColumn), name)] : [],
  )
}

function placeAt(address: string, atLine: number, atColumn: number, name: string): Site {
  const { line, column } = sourcePlace(address, atLine, atColumn)
  const file = fileURLToPath(address.slice(0, address.lastIndexOf(QUERY)))
  const source = readFileSync(file, 'utf8').split('\n')[line - 1] ?? ''
  const called = name.split('.').at(-1)! || '(anonymous)'
  return { file, line, column, function: called, what: '', source: source.trim() }
}
