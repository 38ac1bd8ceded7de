// What functions of a program say of themselves (`Function.prototype.toString`): their text as it stands in its source,
// and nothing of what was made of it. Packages send it to Workers.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type AnyNode, parse } from 'acorn'
import { nativeText } from './callees.ts'
import { childrenOf, isFunction } from './raw-tree.ts'
import { currentSites } from './runtime.ts'
import { type Site, loadedTexts, placeBefore, placesIn } from './sites.ts'
import { toJavaScript } from './typescript.ts'

type Node = AnyNode

let isHooked = false
/** By what the engine says. */
const known = new Map<string, string>()

/** From now on, functions of steppable forms tell their source. */
export function showOwnTexts(): void {
  if (isHooked) return
  isHooked = true
  const value = {
    toString(this: unknown): string {
      const text = nativeText.call(this)
      return text.endsWith('[native code] }') ? text : sourceOf(text)
    },
  }.toString
  // eslint-disable-next-line no-extend-native -- it is there, and what is no form tells the same as before
  Object.defineProperty(Function.prototype, 'toString', { value, writable: true, configurable: true })
}

function sourceOf(text: string): string {
  let source = known.get(text)
  if (source === undefined) known.set(text, (source = findSource(text) ?? text))
  return source
}

function findSource(text: string): string | null {
  // What was loaded last is what runs.
  for (const [address, form] of [...loadedTexts].toReversed()) {
    const at = form().indexOf(text)
    if (at < 0) continue
    const file = fileURLToPath(address.slice(0, address.indexOf('?')))
    const written = readFileSync(file, 'utf8')
    const javaScript = /\.[cm]?ts$/.test(file) ? toJavaScript(file, written) : { text: written, map: null }
    // Where a compiler has moved everything, nobody knows what is where.
    if (javaScript.map !== null) return null
    return cut(
      javaScript.text,
      text,
      [...sitesIn(text), ...placesIn(address, at, text.length)],
      placeBefore(address, at),
    )
  }
  return null
}

interface Place {
  readonly line: number
  readonly column: number
}

/** Where the operations stand that a text names by the numbers of their places. */
function sitesIn(text: string): Place[] {
  return [...text.matchAll(/\$f_(?:asyncRun|asyncGenerate|awaits|yields|load|store)\((\d+),/g)].map(
    ([, number]) => (currentSites() as Site[])[Number(number)]!,
  )
}

/** The smallest function, or class, of the source that looks so and has the first of these places, or comes next. */
function cut(source: string, text: string, places: readonly Place[], before: Place): string | null {
  const starts = [0]
  for (const line of source.split('\n')) starts.push(starts.at(-1)! + line.length + 1)
  const offsetOf = ({ line, column }: Place): number => starts[line - 1]! + column - 1
  const first = Math.min(...places.map(offsetOf))
  const wanted = headOf(text)
  const alike: Node[] = []
  const visit = (node: Node): void => {
    const isWanted = /^class\b/.test(text)
      ? /^Class(Decl|Expr)/.test(node.type)
      : isMethod(node) || isFunction(node)
    if (isWanted && headOf(textOf(source, node)) === wanted) alike.push(node)
    // The function of a method is none by itself.
    for (const child of childrenOf(node)) {
      if (isMethod(node) && child === node.value) childrenOf(child).forEach(visit)
      else visit(child)
    }
  }
  visit(parseAny(source))
  const found =
    places.length > 0
      ? alike.findLast(({ start, end }) => start <= first && first < end)
      : alike.find(({ start }) => start >= offsetOf(before))
  return found === undefined ? null : textOf(source, found)
}

function textOf(source: string, { start, end }: Node): string {
  return source.slice(start, end).replace(/^static\s+/, '')
}

/** The names before the body. */
function headOf(text: string): string {
  const head = /^class\b/.test(text) ? text.slice(0, text.indexOf('{')) : text.split(/=>|\)\s*\{/, 1)[0]!
  return (head.match(/[\w$#]+/g) ?? []).filter((word) => !/^(async|function|static)$/.test(word)).join()
}

function isMethod(node: Node): node is Node & { type: 'MethodDefinition' | 'Property' } {
  return (
    node.type === 'MethodDefinition' || (node.type === 'Property' && (node.method || node.kind !== 'init'))
  )
}

function parseAny(source: string): Node {
  const options = { ecmaVersion: 'latest', allowHashBang: true, allowReturnOutsideFunction: true } as const
  try {
    return parse(source, { ...options, sourceType: 'module' })
  } catch {
    return parse(source, { ...options, sourceType: 'script' })
  }
}
