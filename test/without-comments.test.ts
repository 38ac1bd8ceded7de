// Published modules have no comments, and are otherwise what they were. The kernel's source has blanks in their place.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { describe, it } from 'node:test'
import { parse } from 'acorn'
import { parseSync } from 'rolldown/utils'
import { withBlankComments, withoutComments } from '../scripts/without-comments.ts'

/** A module as a tree, without the places in its text. */
function treeOf(text: string): string {
  const tree = parse(text, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true })
  return JSON.stringify(tree, (key, value: unknown) => {
    if (key === 'start' || key === 'end') return undefined
    return typeof value === 'bigint' ? String(value) : value
  })
}

describe('a module without comments', () => {
  const cases: readonly [name: string, text: string, expected: string][] = [
    ['lines of their own', '// a\nlet a = 1\n  /* b\n   * c */\nlet b = 2\n', 'let a = 1\nlet b = 2\n'],
    ['after code, and within it', 'let a = 1 // a\nlet b = /* b */ 2\n', 'let a = 1 \nlet b =  2\n'],
    [
      'in strings, templates and patterns',
      "f('// a', `\n// b\n\n/* c */`, /\\/\\//)\n",
      "f('// a', `\n// b\n\n/* c */`, /\\/\\//)\n",
    ],
    ['that end a statement', 'const f = () => { return /*\n*/ 1 }\n', 'const f = () => { return \n 1 }\n'],
    ['in the first line of a command', '#!/usr/bin/env node\n// a\nf()\n', '#!/usr/bin/env node\nf()\n'],
    ['that are meant for others', 'f(/* @__PURE__ */ g()) // a\n', 'f(/* @__PURE__ */ g()) \n'],
    ['without an end of the line', 'f() // a', 'f() '],
  ]
  for (const [name, text, expected] of cases) {
    it(`has none: ${name}`, () => {
      assert.equal(withoutComments(text), expected)
      assert.equal(treeOf(expected), treeOf(text))
    })
  }

  it('is the same program', () => {
    for (const file of ['check/explorer', 'backends/stepped/statements', 'cli/main', 'trace/plan']) {
      const text = readFileSync(new URL(`../.build/${file}.js`, import.meta.url), 'utf8')
      assert.equal(treeOf(withoutComments(text)), treeOf(text), file)
    }
  })
})

/** A TypeScript module as a tree, with the line and the column of each node. */
function placedTree(text: string): string {
  const lines = text.split('\n')
  const starts = [0]
  for (const line of lines) starts.push(starts.at(-1)! + line.length + 1)
  const placeOf = (offset: number): string => {
    const line = starts.findLastIndex((start) => start <= offset)
    return `${line}:${offset - starts[line]!}`
  }
  const { program, errors } = parseSync('a.ts', text)
  assert.deepEqual(errors, [])
  return JSON.stringify(program.body, (key, value: unknown) => {
    if (key === 'start' || key === 'end') return placeOf(value as number)
    return typeof value === 'bigint' ? String(value) : value
  })
}

describe('a module with blank comments', () => {
  const cases: readonly [name: string, text: string, expected: string][] = [
    [
      'lines of their own',
      '// a\nlet a: A = 1\n  /* b\n   * c */\nlet b = 2\n',
      '\nlet a: A = 1\n\n\nlet b = 2\n',
    ],
    ['after code, and within it', 'let a = 1 // a\nlet b = /* b */ 2\n', 'let a = 1\nlet b =         2\n'],
    ['over lines, before code', 'f(1, /* a\n b */ 2)\n', 'f(1,\n      2)\n'],
    ['two in a line', 'f(/* a */ /* b */) // c\n', 'f(               )\n'],
    ['in strings and templates', 'f(`// a \n`)\n', 'f(`// a \n`)\n'],
    ['without an end of the line', 'f() // a', 'f()'],
  ]
  for (const [name, text, expected] of cases) {
    it(`has none, and each token in its place: ${name}`, () => {
      assert.equal(withBlankComments('a.ts', text), expected)
      assert.equal(placedTree(expected), placedTree(text))
    })
  }

  it('is the kernel, in its lines and columns', () => {
    const kernel = new URL('../src/kernel/', import.meta.url)
    const files = readdirSync(kernel, { recursive: true, encoding: 'utf8' }).filter((file) =>
      /(?<!\.d)\.ts$/.test(file),
    )
    for (const file of files) {
      const text = readFileSync(new URL(file, kernel), 'utf8')
      assert.equal(placedTree(withBlankComments(file, text)), placedTree(text), file)
    }
  })
})
