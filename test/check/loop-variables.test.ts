// What a waiting loop hands on: a variable that a turn sets, and that is read when the loop has been left.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { checkFile } from '../../src/check/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-loops-'))
after(() => rmSync(folder, { recursive: true }))
let written = 0

/**
 * A thread that does `waits`, and then fails where `x` is 7, which cell 0 is from the beginning; beside one that sets
 * cell 1 and then cell 2.
 */
async function explored(waits: string): ReturnType<typeof checkFile> {
  const file = join(folder, `program-${++written}.mjs`)
  const program = `
export default {
  setup: () => { const cells = new Int32Array(new SharedArrayBuffer(16)); cells[0] = 7; return cells },
  threads: [
    (cells) => {
      const [value, isOver, isLast] = [0, 1, 2].map((cell) => () => Atomics.load(cells, cell))
      let x = 0, last
      const ends = () => { if (isOver()) throw new Error('over') }
      ${waits}
      if (x === 7) throw new Error('it has kept the value')
    },
    (cells) => { Atomics.store(cells, 1, 1); Atomics.store(cells, 2, 1) },
  ],
}`
  writeFileSync(file, program)
  return checkFile(file, { minimiseSeconds: 0 })
}

describe('a variable that a turn sets', () => {
  for (const [how, waits] of Object.entries({
    'by a break before it': 'for (;;) { if (isOver()) break; x = value() }',
    'by a break in a while': 'while (true) { if (isOver()) break; x = value() }',
    'by a break in a do': 'do { if (isOver()) break; x = value() } while (true)',
    'by a break out of two loops': 'out: for (;;) for (;;) { if (isOver()) break out; x = value() }',
    'by an error': "try { for (;;) { if (isOver()) throw new Error('over'); x = value() } } catch {}",
    'by an error of a call': 'try { for (;;) { ends(); x = value() } } catch {}',
    'by its test': 'while (!isOver()) x = value()',
    'by its test after a turn without it':
      'do { last = isLast(); if (isOver()) continue; x = value() } while (!last)',
    'by a turn without it':
      'while (true) { last = isLast(); if (isOver()) { if (last) break; continue } x = value() }',
    'by a turn that a label ends': `on: while (true) {
        last = isLast()
        for (const _ of [0]) if (isOver()) { if (last) return x === 7 && ends(); continue on }
        x = value()
      }`,
    'by a turn that leaves a block': `
      while (true) { last = isLast(); part: { if (isOver()) break part; x = value() } if (last) break }`,
    'by a turn with a loop that ends sooner': `
      while (true) { last = isLast(); do { if (isOver()) break; x = value() } while (false); if (last) break }`,
    'where it need not be set, by an assignment':
      'while (true) { last = isLast(); let over = isOver(); over ||= (x = value()); if (last) break }',
    'where it need not be set, by a pattern': `
      while (true) { last = isLast(); const [_ = (x = value())] = isOver() ? [1] : []; if (last) break }`,
    'in a declaration':
      'while (true) { last = isLast(); if (isOver()) { if (last) break; continue } var y = value() } x = y',
    'in a function that it keeps': `
      let told = () => 0
      while (true) {
        last = isLast(); if (isOver()) { if (last) break; continue }
        const y = value(); told = () => y
      }
      x = told()`,
  }))
    it(`is kept where the loop is left: ${how}`, async () => {
      const { failure } = await explored(waits)
      assert.match(failure?.message ?? 'no failure', /it has kept the value|over/)
    })

  for (const [how, waits] of Object.entries({
    'sets it before it may be left': 'for (;;) { x = value(); if (isOver()) break } x = 0',
    'is left by a return':
      'const f = () => { let y; for (;;) { if (isOver()) return; y = value(); if (y === 8) return y } }; f()',
    'has the only reads of it': 'let y; for (;;) { if (isOver()) break; y = value(); if (y === 8) break }',
    'goes on with it': 'for (;;) { let y = value(); if (isOver()) break; if (y === 8) continue; y = 0 }',
  }))
    it(`is nothing that a turn hands on, where the loop ${how}`, async () => {
      const { verdict, complete, turns, executions } = await explored(waits)
      assert.deepEqual([verdict, complete, turns], ['pass', true, null])
      assert.ok(executions < 10, `${executions} executions`)
    })
})
