// A test of test262 as a program that stops: its own functions, and those that it is given, come to shared accesses.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Node, parse } from 'acorn'

/** Where a program comes to a shared access. */
export type Stops =
  /** At the beginning of every function, and before every statement outside of functions. */
  | 'everywhere'
  /** As everywhere, but for functions that the engine may call: what is left are generators and async functions. */
  | 'own'
  /** Before every statement outside of functions. */
  | 'outside'

export interface Test {
  readonly path: string
  readonly text: string
  readonly flags: ReadonlySet<string>
  readonly includes: readonly string[]
  readonly isNegative: boolean
  readonly features: readonly string[]
}

/** Reads a test, `path` below `folder`/test. */
export function readTest(folder: string, path: string): Test {
  const text = readFileSync(join(folder, 'test', path), 'utf8')
  const head = /\/\*---([^]*?)---\*\//.exec(text)?.[1] ?? ''
  return {
    path,
    text,
    flags: new Set(listOf(head, 'flags')),
    includes: listOf(head, 'includes'),
    features: listOf(head, 'features'),
    isNegative: /^\s*negative:/m.test(head),
  }
}

/** `name: [a, b]`, or one in each line. */
function listOf(head: string, name: string): string[] {
  const found = new RegExp(`^\\s*${name}:\\s*(?:\\[([^\\]]*)\\]|((?:\\s*^\\s*- .*$)+))`, 'm').exec(head)
  if (found === null) return []
  return (found[1]?.split(',') ?? found[2]!.split('\n'))
    .map((each) => each.replace(/^\s*-/, '').trim())
    .filter(Boolean)
}

const STEP = 'Atomics.add($262cells, 0, 1)'

interface Edit {
  readonly at: number
  readonly text: string
}

function withSteps(text: string, stops: Stops, isHarness: boolean): string {
  const edits: Edit[] = []
  const program = parse(text, {
    ecmaVersion: 'latest',
    sourceType: 'script',
    allowReturnOutsideFunction: true,
    allowHashBang: true,
  })
  const visit = (node: Node, isRigid: boolean): void => {
    const any = node as Node & Record<string, unknown>
    let rigid = isRigid
    if (/Function/.test(node.type)) {
      rigid = false
      const isOwn = !isHarness && (any['generator'] === true || any['async'] === true)
      const body = any['body'] as Node & { body: (Node & { directive?: string })[] }
      if (stops === 'everywhere' || (stops === 'own' && isOwn)) {
        if (body.type === 'BlockStatement') {
          const last = body.body.findLast(({ directive }) => directive !== undefined)
          edits.push({ at: last?.end ?? body.start + 1, text: `;${STEP};` })
        } else {
          edits.push({ at: body.start, text: `(${STEP}, ` }, { at: body.end, text: ')' })
        }
      }
    }
    if (node.type === 'Program' && !isHarness) {
      for (const each of any['body'] as (Node & { directive?: string })[])
        if (each.directive === undefined && each.type !== 'FunctionDeclaration')
          edits.push({ at: each.start, text: `${STEP};` })
    }
    for (const value of Object.values(any)) {
      const children = Array.isArray(value) ? value : [value]
      for (const child of children)
        if (typeof (child as Node | null)?.type === 'string') visit(child as Node, rigid)
    }
  }
  visit(program, false)
  let written = ''
  let from = 0
  const order = edits
    .map((edit, index) => ({ ...edit, index }))
    .toSorted((a, b) => a.at - b.at || a.index - b.index)
  for (const { at, text: added } of order) {
    written += text.slice(from, at) + added
    from = at
  }
  return written + text.slice(from)
}

/** The test is run as a module; else as CommonJS. */
export function isModule({ flags, path }: Test): boolean {
  if (flags.has('onlyStrict')) return true
  if (flags.has('noStrict')) return false
  let sum = 0
  for (const each of path) sum += each.codePointAt(0)!
  return sum % 2 === 0
}

/**
 * A program with `main(report)`, which runs the test: `report` gets what failed, or undefined. `count()` says how many
 * steps there were. `idle(out)` is another thread, that goes on until `out.done`.
 */
export function programOfTest(folder: string, test: Test, stops: Stops): string {
  const names = new Set(['assert.js', 'sta.js', ...test.includes])
  const harness = [...names].map((name) =>
    withSteps(readFileSync(join(folder, 'harness', name), 'utf8'), stops, true),
  )
  const isStrict = isModule(test)
  return `${isStrict ? '' : 'var exports = module.exports;'}
const $262cells = new Int32Array(new SharedArrayBuffer(8));
function main($262report, $262) {
  $262cells[0] = 0;
  function $DONE(error) { $262report(error ?? null); }
  function print() {}
${harness.join('\n')}
  function $262test() {
${withSteps(test.text, stops, false)}
  }
  $262test.call(globalThis);
  ${test.flags.has('async') ? '' : '$262report(null);'}
}
function count() { return $262cells[0]; }
function idle(out) { while (!out.done) Atomics.load($262cells, 1); }
${isStrict ? 'export { main, count, idle }' : 'Object.assign(exports, { main, count, idle });'}
`
}
