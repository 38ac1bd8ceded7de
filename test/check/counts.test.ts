// What a waiting loop counts is no state as long as nobody reads it; who reads it is found, whatever reads it.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type CheckOptions, checkFile, replayFile } from '../../src/check/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-counts-'))
after(() => rmSync(folder, { recursive: true }))
let written = 0

interface Parts {
  /** What is declared beside the lock, and what begins it anew in each execution. */
  readonly besides?: string
  readonly begins?: string
  /** What a lock has. */
  readonly members?: string
  /** What a thread counts as long as it has to wait for the lock. */
  readonly counts: string
  /** What it does with the lock. */
  readonly works?: string
  /** What the lock's state is at the end. */
  readonly invariant?: string
}

/** Two threads that spin on a lock. */
function fileOf({
  besides = '',
  begins = '',
  members = '',
  counts,
  works = '',
  invariant = 'true',
}: Parts): string {
  const file = join(folder, `program-${++written}.mjs`)
  writeFileSync(
    file,
    `${besides}
const begin = () => { ${begins} }
class Lock {
  cells = new Int32Array(new SharedArrayBuffer(8)); spins = 0; stats = { retries: 0 }; #n = 0
  take() { while (Atomics.compareExchange(this.cells, 0, 0, 1) !== 0) { ${counts} } }
  use() { this.take(); try { ${works} } finally { Atomics.store(this.cells, 0, 0) } }
  ${members}
}
const third = (n) => { if (n === 3) throw new Error('it has counted to three') }
const use = (lock) => lock.use()
export default {
  setup: () => { begin(); return new Lock() }, threads: [use, use], invariant: (l) => ${invariant},
}
`,
  )
  return file
}

const explored = (parts: Parts, options: CheckOptions = {}) => checkFile(fileOf(parts), options)

describe('what a loop counts and nobody reads', () => {
  for (const [where, parts] of Object.entries<Parts>({
    'in a field': { counts: 'this.spins++' },
    'in a field that a method reads which nobody calls': {
      counts: '++this.spins',
      members: 'report() { return { ...this, n: this.#n, spins: this.spins } }',
    },
    'in a field of a field': { counts: 'this.stats.retries += 1' },
    'in a private field': { counts: 'this.#n++', members: 'get n() { return this.#n }' },
    'in a variable of the function': { counts: 'tries++', members: '', besides: 'let tries = 0' },
    'in a variable of a closure': {
      besides: 'let n = 0, m = 0; const count = () => { n += 2; m = m + 1 }',
      counts: 'count()',
    },
    'in a static field': { counts: 'Lock.taken++', members: 'static taken = 0' },
    'in a field by a key': { counts: "this['spins']++" },
  }))
    it(`is no state: ${where}`, async () => {
      for (const options of [{}, { workers: 2 }, { bound: 2 }]) {
        const { verdict, complete, turns, executions } = await explored(parts, options)
        assert.deepEqual([verdict, complete, turns], ['pass', true, null])
        assert.ok(executions < 20, `${executions} executions`)
      }
    })

  it('is no state in a local variable', async () => {
    const parts = {
      members: 'take() { let n = 0; while (Atomics.compareExchange(this.cells, 0, 0, 1)) n++ }',
    }
    const { verdict, complete } = await explored({ ...parts, counts: '' })
    assert.deepEqual([verdict, complete], ['pass', true])
  })
})

describe('what a loop counts and somebody reads', () => {
  for (const [where, parts] of Object.entries<Parts>({
    'by its name': { counts: 'this.spins++', works: 'third(this.spins)' },
    'in the loop': { counts: 'this.spins++; third(this.spins)' },
    'by its own value': { counts: 'third(this.spins++)' },
    'by a key that is made': { counts: 'this.spins++', works: "third(this[['sp', 'ins'].join('')])" },
    'by a pattern': { counts: 'this.spins++', works: 'const { spins } = this; third(spins)' },
    'by a copy of the object': { counts: 'this.spins++', works: 'third({ ...this }.spins)' },
    'by the rest of a pattern': {
      counts: 'this.spins++',
      works: 'const { cells, ...rest } = this; third(rest.spins)',
    },
    'by the engine': {
      counts: 'this.stats.retries++',
      works: 'third(JSON.parse(JSON.stringify(this.stats)).retries)',
    },
    'by a list of values': { counts: 'this.stats.retries++', works: 'third(Object.values(this.stats)[0])' },
    'by a package of Node': {
      besides: "import { isDeepStrictEqual } from 'node:util'",
      counts: 'this.stats.retries++',
      works: 'third(isDeepStrictEqual(this.stats, { retries: 3 }) ? 3 : 0)',
    },
    'by what describes the field': {
      counts: 'this.spins++',
      works: "third(Object.getOwnPropertyDescriptor(this, 'spins').value)",
    },
    'by what describes all fields': {
      counts: 'this.stats.retries++',
      works: 'third(Object.getOwnPropertyDescriptors(this.stats).retries.value)',
    },
    'by a proxy that is asked for it': {
      besides: 'let n = 0; const of = new Proxy({}, { has(_, key) { third(+key + 1) ; return true } })',
      begins: 'n = 0',
      counts: 'n++; n = n in of',
    },
    'by a getter over a private field': {
      counts: 'this.#n++',
      members: 'get n() { return this.#n }',
      works: 'third(this.n)',
    },
    'by an optional chain over a private field': { counts: 'this.#n++', works: 'third(this?.#n)' },
    'by a call that adds to it': { counts: 'this.#n++', works: 'third(this.#n += 0)' },
    'by what is counted in from it': {
      besides: 'let n = 0, m = 0',
      begins: 'n = m = 0',
      counts: 'n++',
      works: 'm += n; third(m)',
    },
    'by a variable that is exported': {
      besides: 'export let n = 0',
      begins: 'n = 0',
      counts: 'n++',
      works: 'third(n)',
    },
    'by a closure': {
      besides: 'let n = 0; const told = () => n',
      begins: 'n = 0',
      counts: 'n++',
      works: 'third(told())',
    },
    'by arguments': {
      counts: '',
      members: `take() { return this.count(0) }
        count(n) { const own = function (m) { return m }; let k = 0
          while (Atomics.compareExchange(this.cells, 0, 0, 1) !== 0) k++
          third(own.apply(null, [k])) }`,
    },
    'by the invariant': { counts: 'this.spins++', invariant: 'l.spins !== 3' },
    'by an invariant that catches everything': {
      besides: 'const of = (l) => { try { return { ...l }.spins } catch { return 0 } }',
      counts: 'this.spins++',
      invariant: 'of(l) !== 3',
    },
    'where the turn that counts might have begun later': {
      counts: '',
      members: `take() { for (;;) { const n = Atomics.load(this.cells, 1)
        if (Atomics.compareExchange(this.cells, 1, n, n + 1) === n) return
        this.spins++ } }`,
      works: 'if (this.spins === 1) third(3)',
    },
    'where that turn counts in a private field': {
      counts: '',
      members: `take() { for (;;) { const n = Atomics.load(this.cells, 1)
        if (Atomics.compareExchange(this.cells, 1, n, n + 1) === n) return
        this.#n++ } }`,
      works: 'if (this.#n === 1) third(3)',
    },
    'in one interleaving only': {
      counts: 'this.spins++',
      works: 'if (Atomics.add(this.cells, 1, 1) === 1) third(this.spins)',
    },
  }))
    it(`counts: ${where}`, async () => {
      const file = fileOf(parts)
      const { failure } = await checkFile(file, { minimiseSeconds: 0.5 })
      assert.equal(failure?.kind, 'error')
      assert.match(failure!.message, /counted to three|invariant does not hold/)
      const again = await replayFile(file, failure!.token!)
      assert.deepEqual(again.failure?.schedule, failure!.schedule)
    })

  it('counts for each worker that explores, with a ledger, and in a shard', async () => {
    const parts = {
      counts: 'this.spins++',
      works: 'if (Atomics.add(this.cells, 1, 1) === 1) third(this.spins)',
    }
    const file = fileOf(parts)
    const ways: CheckOptions[] = [
      { workers: 2 },
      { ledger: join(folder, 'run.ledger') },
      { shard: { index: 1, count: 1 } },
    ]
    for (const way of ways) {
      const { failure } = await checkFile(file, { ...way, minimiseSeconds: 0 })
      assert.match(failure!.message, /counted to three|no turn/)
      assert.deepEqual((await replayFile(file, failure!.token!)).failure?.schedule, failure!.schedule)
    }
  })

  it('is a change where a field is none of its own: a setter, a frozen object', async () => {
    const setter = await explored({
      counts: 'this.told++',
      members: 'seen = []; get told() { return 0 }; set told(value) { this.seen.push(value) }',
      works: 'third(this.seen.length)',
    })
    assert.match(setter.failure!.message, /counted to three/)
    const frozen = await explored({ besides: 'const o = Object.freeze({ n: 0 })', counts: 'o.n++' })
    assert.match(frozen.failure!.message, /TypeError: Cannot assign to read only property 'n'/)
  })
})

describe('a loop that counts', () => {
  for (const [counter, thread] of [
    [
      'spins',
      '({ cells, log }) => { let spins = 0; while (Atomics.load(cells, 0) === 0) spins++; log[0] = spins }',
    ],
    [
      'Atomics.add(cells, 1, 1)',
      '({ cells }) => { while (Atomics.load(cells, 0) === 0) Atomics.add(cells, 1, 1) }',
    ],
    ['turns', '(state) => { for (; Atomics.load(state.cells, 0) === 0; Atomics.pause()) state.turns++ }'],
  ])
    it(`is told with ${counter}, of which each count is another result`, async () => {
      const file = join(folder, `told-${++written}.mjs`)
      writeFileSync(
        file,
        `export default {
          setup: () => ({ cells: new Int32Array(new SharedArrayBuffer(8)), log: [], turns: 0 }),
          threads: [${thread}, ({ cells }) => { Atomics.store(cells, 0, 1) }],
          invariant: ({ turns }) => turns >= 0,
        }`,
      )
      const { verdict, leftCounter } = await checkFile(file)
      assert.deepEqual([verdict, leftCounter], ['incomplete', counter])
    })
})
