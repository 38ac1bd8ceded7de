// What a thread changes outside shared memory, in ways that are easily passed over. Unless it is counted, a turn of a
// loop is taken for one that waits, or two threads for ones that may be exchanged: and a failure is missed.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { checkFile } from '../../src/check/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-own-changes-'))
after(() => rmSync(folder, { recursive: true }))
let written = 0

async function explored(program: string) {
  const file = join(folder, `program-${++written}.mjs`)
  writeFileSync(file, program)
  return checkFile(file)
}

/** A class whose method may stop, so that a call by its name may. */
const stack = `
class Stack {
  constructor(cells) { this.cells = cells }
  pop() { return Atomics.sub(this.cells, 1, 1) }
}`

/** Takes from four with \`take(todo)\`, and fails where it is told to stop as one is left. */
const taking = (take: string): string => `
export default {
  setup: () => ({ todo: [0, 0, 0, 0], cells: new Int32Array(new SharedArrayBuffer(8)) }),
  threads: [
    ({ todo, cells }) => {
      while (todo.length > 0) {
        take(todo)
        if (Atomics.load(cells, 0) !== 1) continue
        if (todo.length === 1) throw new Error('one is left')
        return typeof Stack === 'function' ? take(new Stack(cells)) : 0
      }
    },
    ({ cells }) => { Atomics.store(cells, 0, 1) },
  ],
}
${take}`

/** Two threads of one function, of which that may come first which \`name(state)\` has called the second. */
const naming = (name: string): string => `
export default {
  setup: () => ({
    cells: new Int32Array(new SharedArrayBuffer(8)), first: [null], ids: [1, 0], n: 0, walk: [0, 1].values(),
    text: '01', is: /./g,
  }),
  threads: [t, t],
  invariant: ({ first }) => first[0] !== 1,
}
function t(state) {
  const id = name(state)
  if (Atomics.add(state.cells, 0, 1) === 0) note(state.first, id)
}
function note(first, id) { first[0] = id }
${name}`

describe('what a thread changes for itself', () => {
  for (const [way, take] of Object.entries({
    'in a call of which nothing is left to do': `${stack}\nconst take = (from) => from.pop()`,
    'by a method that is called as a function': 'const take = (from) => { Array.prototype.pop.call(from) }',
    'by the head of a loop':
      'const take = (from) => { const { length } = from; for (from.length of [length - 1]); }',
  }))
    it(`${way}: is no turn that waits`, async () => {
      const { verdict, failure } = await explored(taking(take))
      assert.equal(verdict, 'fail')
      assert.match(failure!.message, /one is left/)
    })

  for (const [way, name] of Object.entries({
    'in a call of which nothing is left to do': `${stack}
const take = (from) => from.pop()
const name = ({ ids, cells }) => { const id = take(ids); if (id > 1) take(new Stack(cells)); return id }`,
    'by the head of a loop':
      'const name = (state) => { const { n } = state; for (state.n of [n + 1]); return n }',
    'in an expression of its own':
      "const name = ({ is, text }) => (is.test(text) ? is.lastIndex - 1 : 'none')",
    'of an iterator': 'const name = ({ walk }) => { for (const id of walk) return id }',
  }))
    it(`${way}: makes threads of one function different`, async () => {
      const { verdict, executions } = await explored(naming(name))
      assert.equal(verdict, 'fail', `${executions} executions`)
    })

  it('is nothing while it makes an object: threads of one function stay alike', async () => {
    const guards = (thread: string): string => `
class Guard {
  constructor(cells) { this.cells = cells; this.held = false }
  lock() { while (Atomics.compareExchange(this.cells, 0, 0, 1) !== 0) Atomics.wait(this.cells, 0, 1) }
  unlock() { Atomics.store(this.cells, 0, 0); Atomics.notify(this.cells, 0, 1) }
}
function use(cells) { const guard = new Guard(cells); guard.lock(); guard.unlock() }
export default {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [0, 1, 2].map((id) => ${thread}),
}`
    const alike = await explored(guards('use'))
    const apart = await explored(guards('(cells) => use(cells, id)'))
    assert.deepEqual([alike.verdict, apart.verdict], ['pass', 'pass'])
    assert.ok(alike.executions * 2 < apart.executions, `${alike.executions}, ${apart.executions}`)
  })
})
