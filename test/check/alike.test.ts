// Threads of one function that change what they have made themselves stay alike: nobody else sees that. Those that
// change anything else may have learned from it who they are.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { checkFile } from '../../src/check/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-alike-'))
after(() => rmSync(folder, { recursive: true }))
let written = 0

const classes = `
let kept = 0
const bump = () => { kept++ }
export const told = () => kept
const bytes = new ArrayBuffer(8)
class Counts {
  #own = 1
  n = 0
  constructor(cells) { this.cells = cells }
  up() { this.n++; this.#own += 1; Atomics.load(this.cells, 0) }
}
class Derived extends Counts { z = 3; constructor(cells) { super(cells); this.z = 4 } }
class List extends Array { y = 1 }
class Failed extends Error { constructor(text) { super(text); this.code = 1 } }
class Given { constructor(object) { return object } }
class Later extends Given {}
class Field extends Given { z = 1 }
class View extends Uint8Array {}`

/** How many executions there are of three threads that do \`body\` before and \`then\` after two operations. */
async function executionsOf(body: string, then = '', operations = 2): Promise<number> {
  const file = join(folder, `program-${++written}.mjs`)
  const program = `
${classes}
export default {
  setup: () => ({ cells: new Int32Array(new SharedArrayBuffer(8)), list: [], object: {}, map: new Map() }),
  threads: [t, t, t],
}
function t({ cells, list, object, map }) {
  ${body};
  for (let cell = 0; cell < ${operations}; cell++) Atomics.add(cells, cell, 1) > 9;
  ${then}
}`
  writeFileSync(file, program)
  const { verdict, executions, failure } = await checkFile(file)
  assert.equal(verdict, 'pass', failure?.message)
  return executions
}

describe('threads of one function', async () => {
  const alike = await executionsOf('')
  const apart = await executionsOf('object.n = 1')
  it('are exchanged for one another', () => assert.ok(alike * 5 < apart, `${alike} of ${apart}`))

  for (const [what, body, then] of [
    ['properties', 'const o = {}; o.n = 1; o.n++', "o['k' + o.n] = 2; delete o.n"],
    ['a list', 'const l = []; l.push(1, 2); l.sort()', 'l[l.length] = 3; l.length = 2; l.pop()'],
    ['a map', 'const m = new Map([[0, 1]]); m.set(1, 2)', 'm.delete(1); m.clear()'],
    ['a set', 'const s = new Set([1]); s.add(2)', 's.clear()'],
    ['a list of objects', 'let h = null; for (let i = 0; i < 3; i++) h = { next: h }', 'h.next.next = null'],
    ['what a closure has', 'let n = 0; const up = () => { n++ }; up()', 'up(); [n] = [n + 1]'],
    ['variables that change places', 'let [x, y] = [1, 2]; [x, y] = [y, x]', '({ x, y = x } = { x: y })'],
    ['an object of a class that extends one of the engine', 'const l = new List(); l.push(1); l.z = 4', ''],
    ['an error', "const e = new Failed('x'); e.more = 1", 'try { throw e } catch (g) { g.more = 2 }'],
    ['bytes', 'const b = new Uint8Array(4); b[0] = 1; b.fill(3, 1)', 'b[1]++'],
    ['an expression', "const r = /./g; r.exec('ab')", "r.lastIndex = 0; /a/.test('ab')"],
    ['a date', 'const d = new Date(0); d.setTime(1)', 'd.setMonth(d.getMonth() + 1)'],
    [
      'by Object.assign',
      'const o = Object.assign({}, { n: 1 })',
      "Object.defineProperty(o, 'q', { value: 1 })",
    ],
    ['what is looked for', 'const l = [...[1], ...new Set([3])]; l.find((v) => v === 3)', 'Array.from(l)'],
  ] as const)
    it(`stay alike as they change ${what} of their own`, async () => {
      assert.equal(await executionsOf(body, then), alike)
    })

  it('stay alike as they change objects of classes whose methods stop', async () => {
    const [few, many] = [await executionsOf('', '', 1), await executionsOf('object.n = 1', '', 1)]
    for (const name of ['Counts', 'Derived']) {
      const own = await executionsOf(`const c = new ${name}(new Int32Array(8)); c.up(); c.n = 2`, 'c.up()', 1)
      assert.deepEqual([name, own], [name, few])
    }
    assert.ok(few < many)
  })

  for (const [what, body] of Object.entries({
    'an object of the state': 'object.n = 1',
    'one that they hand out': 'const o = {}; list.push(o)',
    'one that goes by another name': 'const o = object; o.n = 1',
    'a map of the state': 'map.set(1, 1)',
    'a variable of the module that something reads': 'bump()',
    'what is behind a proxy': 'const p = new Proxy(object, {}); p.n = 1',
    'what a method is bound to': 'const o = { push: list.push.bind(list) }; o.push(1)',
    'what a constructor returns that was there': 'const o = new Later(object); o.n = 1',
    'that by a field': 'new Field(object)',
    'bytes of the module': 'const b = new Uint8Array(bytes); b[0] = 1',
    'those through a class': 'const b = new View(bytes); b[0] = 1',
    'what Object.assign is given': 'Object.assign(object, { n: 1 })',
    'what random numbers they have': 'Math.random() < 0.5',
  }))
    it(`are told apart where they change ${what}`, async () => {
      assert.equal(await executionsOf(body), apart)
    })
})
