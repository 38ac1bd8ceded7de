// What scenarios say of themselves: the comment in front of each in its table, src/check/scenarios/*.ts.

import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { type Comment, type Node, parse } from 'acorn'

type Property = Node & { type: 'Property'; key: Node & { name?: string; value?: unknown } }

interface Call {
  readonly type: string
  readonly callee: { readonly name?: string }
  readonly arguments: { properties: Property[] }[]
}

export interface Subject {
  /** What the table is about: the first sentence of its file. */
  readonly title: string
  readonly scenarios: readonly { readonly name: string; readonly what: string }[]
}

/** Reads a table of scenarios. `what` is empty where nothing is said. */
export function readSubject(file: URL): Subject {
  const text = stripTypeScriptTypes(readFileSync(file, 'utf8'))
  const comments: Comment[] = []
  const program = parse(text, { ecmaVersion: 'latest', sourceType: 'module', onComment: comments })
  const title = wordsOf(
    comments.filter(({ start }) =>
      text
        .slice(0, start)
        .trim()
        .split('\n')
        .every((line) => line.startsWith('//') || line === ''),
    ),
  )
  const properties = tablesIn(program as Node).flatMap((table) => table.properties)
  const scenarios = properties.map((property, index) => {
    const from = properties[index - 1]?.end ?? 0
    const between = comments.filter(({ start, end }) => start >= from && end <= property.start)
    const name = String(property.key.name ?? property.key.value)
    return { name, what: wordsOf(lastBlock(text, between)) }
  })
  return { title: /^.*?[.:](?= |$)/.exec(title)?.[0] ?? title, scenarios }
}

/** The objects that `kernelScenarios()` and the like are given. */
function tablesIn(node: Node): { properties: Property[] }[] {
  const { type, callee, arguments: args } = node as unknown as Call
  if (type === 'CallExpression' && /^\w+Scenarios$/.test(callee.name ?? '')) return args.slice(0, 1)
  return Object.values(node)
    .flat()
    .filter((each) => typeof (each as Node | null)?.type === 'string')
    .flatMap((each) => tablesIn(each as Node))
}

/** In front of the first, other things may be commented too: those that end where it begins count. */
function lastBlock(text: string, comments: readonly Comment[]): Comment[] {
  const block: Comment[] = []
  let at = Infinity
  for (const comment of comments.toReversed()) {
    if (at !== Infinity && text.slice(comment.end, at).trim() !== '') break
    block.unshift(comment)
    at = comment.start
  }
  return block
}

function wordsOf(comments: readonly { readonly value: string }[]): string {
  return comments
    .map(({ value }) => value.trim())
    .join(' ')
    .trim()
}
