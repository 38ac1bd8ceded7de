// Published modules have no comments, and are otherwise what they were.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { parse } from 'acorn'
import { withoutComments } from '../scripts/without-comments.ts'

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
