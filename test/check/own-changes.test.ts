// What a thread changes outside shared memory, in ways that are easily passed over. Unless it is counted, a turn of a
// loop is taken for one that waits, or two threads for ones that may be exchanged: and a failure is missed.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type CheckOptions, checkFile, replayFile } from '../../src/check/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-own-changes-'))
after(() => rmSync(folder, { recursive: true }))
let written = 0

function fileOf(program: string): string {
  const file = join(folder, `program-${++written}.mjs`)
  writeFileSync(file, program)
  return file
}

function explored(program: string, options: CheckOptions = {}) {
  return checkFile(fileOf(program), options)
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

/** Looks as long as the other thread has not stored, and fails where it could look four times. */
const looking = (look: string): string => `
export default {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [(cells) => { ${look} }, (cells) => { Atomics.store(cells, 0, 1) }],
}
const isThere = (cells) => Atomics.load(cells, 0) !== 0
const tell = () => { throw new Error('it has looked four times') }`

/** A lock that spins \`turns\` times, and then sleeps without saying so: nobody wakes it. */
const spinning = (turns: number): string => `
export default { setup: () => new Int32Array(new SharedArrayBuffer(4)), threads: [use, use] }
function use(cells) {
  for (let isMine = false; !isMine;) {
    for (let turn = 0; !isMine && turn < ${turns}; turn++) {
      isMine = Atomics.compareExchange(cells, 0, 0, 1) === 0
      if (!isMine) Atomics.pause()
    }
    if (!isMine) Atomics.wait(cells, 0, 1)
  }
  Atomics.store(cells, 0, 0)
}`

/** Two threads of one function, of which that may come first which \`name(state)\` has called the second. */
const naming = (name: string): string => `
export default {
  setup: () => ({
    cells: new Int32Array(new SharedArrayBuffer(8)), first: [null], ids: [1, 0], n: 0, walk: [0, 1].values(),
    text: '01', is: /./g, bytes: new ArrayBuffer(8),
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

  for (const [where, look] of Object.entries({
    'in a variable of a closure':
      'let n = 0; const count = () => ++n; while (!isThere(cells)) if (count() > 3) tell()',
    'in a field':
      'const o = { n: 0, get next() { return ++this.n } }; while (!isThere(cells)) if (o.next > 3) tell()',
    'in an array of its own': 'const l = new Uint8Array(1); while (!isThere(cells)) if (++l[0] > 3) tell()',
    'where it pauses': 'for (let n = 1; !isThere(cells); n++) { if (n > 3) tell(); Atomics.pause() }',
    'in a `var` of the loop': 'while (!isThere(cells)) { var n = (n ?? 0) + 1; if (n > 3) tell() }',
    'in the head of a loop': 'let n = 0; while (!isThere(cells)) { for (n of [n + 1]); if (n > 3) tell() }',
    'before it throws to itself': `let n = 0
      for (;;) {
        try { if (isThere(cells)) return; if (n < 9) { n = n + 1; throw 0 } } catch { if (n > 3) tell() }
      }`,
    'by an iterator that others go on with': `const all = [0, 1, 2, 3, 4].values()
      const them = { [Symbol.iterator]: () => ({ next: () => all.next() }) }
      while (!isThere(cells)) for (const n of them) { if (n > 3) tell(); break }`,
  }))
    it(`is followed for three turns that read the same: ${where}`, async () => {
      const { verdict, failure } = await explored(looking(look))
      assert.equal(verdict, 'fail')
      assert.match(failure!.message, /it has looked four times/)
    })

  it('shows what is done after spinning for long enough, and says where it was not followed so long', async () => {
    const few = await explored(spinning(3))
    assert.deepEqual([few.verdict, few.failure?.kind], ['fail', 'deadlock'])
    // It is explored once more, until it is over.
    const more = fileOf(spinning(12))
    const { failure } = await checkFile(more)
    assert.equal(failure?.kind, 'deadlock')
    assert.deepEqual((await replayFile(more, failure!.token!)).failure?.schedule, failure!.schedule)
    const many = await explored(spinning(40))
    assert.deepEqual([many.verdict, many.complete, many.turns], ['incomplete', false, 16])
    assert.match(many.leftLoop!, /mjs:7 .*Atomics\.pause\(\)/)
    for (const workers of [1, 2]) {
      const accepted = await explored(spinning(40), { turns: 5, workers })
      assert.deepEqual([accepted.verdict, accepted.complete, accepted.turns], ['pass', true, 5])
    }
    const plain = await explored(looking('while (!isThere(cells)) Atomics.pause()'))
    assert.deepEqual([plain.verdict, plain.turns], ['pass', null])
  })

  for (const [what, look] of Object.entries({
    'counts in a variable': 'let n = 0; while (!isThere(cells)) n++; if (n === 7) tell()',
    'tries and takes back':
      'for (;;) { Atomics.add(cells, 1, 1); if (isThere(cells)) return; Atomics.sub(cells, 1, 1) }',
  }))
    it(`is no failure where only another thread ends a loop that ${what}`, async () => {
      const fails = look.includes('tell')
      for (const options of [
        {},
        { workers: 2 },
        { bound: 1 },
        { strategy: 'pct', maxExecutions: 50 },
      ] as const) {
        const { verdict, failure } = await explored(looking(look), options)
        const isSure = fails && !('strategy' in options)
        if (isSure) assert.match(failure!.message, /it has looked four times/)
        else assert.notEqual(failure?.kind, 'livelock')
        if (!fails) assert.equal(verdict, 'incomplete')
      }
      const accepted = await explored(looking(look.replace('n === 7', 'n < 0')), { turns: 3 })
      assert.deepEqual([accepted.verdict, accepted.complete, accepted.patience], ['pass', true, 200])
    })

  it('fails where a loop would have no end with every thread having its turns', async () => {
    const { failure } = await explored(looking('let n = 0; while (isThere(cells) || n === n) n++'))
    assert.equal(failure!.kind, 'livelock')
    assert.doesNotMatch(failure!.message, /no turn/)
  })

  it('is all explored where the loop is over after a few turns more', async () => {
    const { verdict, complete, turns } = await explored(
      looking('let n = 0; const more = () => ++n < 9; while (!isThere(cells) && more());'),
    )
    assert.deepEqual([verdict, complete, turns], ['pass', true, null])
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
    'by what an iterator is asked': 'const name = ({ walk }) => walk.find(() => true)',
    'of an iterator that a pattern goes on with':
      'const name = ({ walk }) => { const [id] = walk; return id }',
    'of an iterator that another gives': `const name = ({ walk }) => {
  for (const id of { [Symbol.iterator]: () => walk }) return id
}`,
    'by groups of what comes': `const name = ({ walk }) =>
  Object.keys(Object.groupBy(walk, (id) => id)).length === 0 ? 1 : 0`,
    'by giving bytes away': `const name = ({ bytes }) => {
  const id = bytes.byteLength === 0 ? 1 : 0
  if (id === 0) structuredClone(bytes, { transfer: [bytes] })
  return id
}`,
    'by a field of what was there': `class Given { constructor(object) { return object } }
class Numbered extends Given { n = (this.n ?? -1) + 1 }
const name = (state) => new Numbered(state.ids).n`,
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

  it('is nothing by a function of the program that changes nothing, whoever calls it', async () => {
    const counting = (thread: string): string => `
const call = (called, value) => called(value)
function use(cells) {
  const made = (value) => value + 1
  Atomics.exchange(cells, 0, call(made, 1))
  Atomics.exchange(cells, 0, call((value) => value * 2, 2))
}
export default {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [0, 1, 2].map((id) => ${thread}),
}`
    const alike = await explored(counting('use'))
    const apart = await explored(counting('(cells) => use(cells, id)'))
    assert.deepEqual([alike.verdict, apart.verdict], ['pass', 'pass'])
    assert.ok(alike.executions * 2 < apart.executions, `${alike.executions}, ${apart.executions}`)
  })
})
