// Promises, messages and timers in threads: errors as people make them, each beside its mended form.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { checkFile, replayFile } from '../../src/check/index.ts'

interface Case {
  readonly name: string
  readonly text: string
  readonly verdict: 'pass' | 'fail' | 'refused'
  /** Of each thread, as many may pass early as are accepted; default: none is left out. */
  readonly timeouts?: number
  /** What is said of it. */
  readonly says?: RegExp
}

const threads = 'node:worker_threads'
const cells = 'setup: () => new Int32Array(new SharedArrayBuffer(16))'

/** A thread asks another for something, and looks for the answer when it is told that there is one. */
const rpc = (answer: string): string => `
import { MessageChannel, receiveMessageOnPort } from '${threads}'
export default {
  setup: () => ({ ...new MessageChannel(), cells: new Int32Array(new SharedArrayBuffer(4)) }),
  threads: [
    ({ port1, cells }) => {
      port1.postMessage('question')
      Atomics.wait(cells, 0, 0)
      const answer = receiveMessageOnPort(port1)
      if (answer?.message.text !== 'answer') throw new Error('there is no answer')
    },
    ({ port2, cells }) => {
      port2.on('message', (question) => {
        if (question !== 'question') throw new Error(question)
        ${answer}
        port2.close()
      })
    },
  ],
}`

const mutex = (wait: string, release: string): string => `
class Mutex {
  constructor(cells) { this.cells = cells }
  async lock() {
    while (Atomics.compareExchange(this.cells, 0, 0, 1) !== 0) {
      const { async, value } = Atomics.waitAsync(this.cells, 0, 1${wait})
      if (async) await value
    }
  }
  unlock() {
    Atomics.store(this.cells, 0, 0)
    ${release}
  }
}
const thread = async (cells) => {
  const mutex = new Mutex(cells)
  await mutex.lock()
  cells[1]++
  mutex.unlock()
}
export default { ${cells}, threads: [thread, thread], invariant: (cells) => cells[1] === 2 }`

const guarded = (late: string): string => `
import { MessageChannel } from '${threads}'
export default {
  setup: () => ({ ...new MessageChannel(), settled: [] }),
  threads: [
    ({ port1 }) => port1.postMessage('answer'),
    async ({ port2, settled }) => {
      await new Promise((resolve) => {
        const timer = setTimeout(() => { settled.push('late'); resolve() }, 100)
        port2.once('message', () => { ${late} settled.push('in time'); resolve() })
      })
      await new Promise((resolve) => setTimeout(resolve, 1000))
      port2.close()
    },
  ],
  invariant: ({ settled }) => {
    if (settled.length > 1) throw new Error(settled.join(' and '))
  },
}`

const update = (between: string): string => `
const thread = async (cells) => { ${between} }
export default { ${cells}, threads: [thread, thread], invariant: (cells) => cells[0] === 2 }`

const cases: readonly Case[] = [
  {
    name: 'an update over an await is lost',
    text: update('const n = Atomics.load(cells, 0); await null; Atomics.store(cells, 0, n + 1)'),
    verdict: 'fail',
    says: /the invariant does not hold/,
  },
  { name: 'an update in one step', text: update('await null; Atomics.add(cells, 0, 1)'), verdict: 'pass' },
  {
    name: 'a lock that wakes who waits without blocking',
    text: mutex('', 'Atomics.notify(this.cells, 0, 1)'),
    verdict: 'pass',
  },
  { name: 'a lock that wakes nobody', text: mutex('', ''), verdict: 'fail', says: /deadlock|waits/ },
  {
    name: 'a lock that wakes nobody, whose waits time out',
    text: mutex(', 50', ''),
    verdict: 'pass',
    timeouts: 2,
  },
  {
    name: 'who is told before the answer is sent finds none',
    text: rpc("Atomics.store(cells, 0, 1); Atomics.notify(cells, 0); port2.postMessage({ text: 'answer' })"),
    verdict: 'fail',
    says: /there is no answer/,
  },
  {
    name: 'who is told after the answer is sent finds it',
    text: rpc("port2.postMessage({ text: 'answer' }); Atomics.store(cells, 0, 1); Atomics.notify(cells, 0)"),
    verdict: 'pass',
  },
  {
    name: 'an answer after its time-out',
    text: guarded(''),
    verdict: 'fail',
    says: /late and in time|in time and late/,
  },
  {
    name: 'an answer that ends its time-out, and looks whether that was first',
    text: guarded('clearTimeout(timer); if (settled.length > 0) return;'),
    verdict: 'pass',
  },
  {
    name: 'what is written after a message is sent is not known to who gets it',
    text: `
export default {
  setup: () => ({ ...new MessageChannel(), shared: new Int32Array(new SharedArrayBuffer(4)) }),
  threads: [
    ({ port1, shared }) => { port1.postMessage({ shared }); shared[0] = 1 },
    ({ port2 }) => {
      port2.onmessage = ({ data }) => { if (data.shared[0] > 1) throw new Error('what?'); port2.close() }
    },
  ],
}`,
    verdict: 'fail',
    says: /nothing orders|two accesses/,
  },
  {
    name: 'what is written before a message is sent is; the rest of a message is a copy',
    text: `
export default {
  setup: () => ({ ...new MessageChannel(), shared: new Int32Array(new SharedArrayBuffer(4)) }),
  threads: [
    ({ port1, shared }) => { shared[0] = 1; const copied = { n: 1, shared, map: new Map([[1, new Date(5)]]) }
      copied.self = copied; port1.postMessage(copied); copied.n = 2 },
    ({ port2 }) => new Promise((resolve) => port2.addEventListener('message', ({ data }) => {
      if (data.shared[0] !== 1 || data.n !== 1 || data.self !== data
        || +data.map.get(1) !== 5) throw new Error('another')
      data.shared[0] = 2
      port2.close(); resolve() })),
  ],
  invariant: ({ shared }) => shared[0] === 2,
}`,
    verdict: 'pass',
  },
  {
    name: 'messages of two channels have no order',
    text: `
export default {
  setup: () => ({ one: new MessageChannel(), other: new MessageChannel(), got: [] }),
  threads: [
    ({ one, other }) => { one.port1.postMessage(1); other.port1.postMessage(2) },
    ({ one, other, got }) => { for (const { port2 } of [one, other]) port2.on('message', (n) => got.push(n)) },
  ],
  invariant: ({ got }) => { if (got.join() !== '1,2') throw new Error('first ' + got[0]) },
}`,
    verdict: 'fail',
    says: /first 2/,
  },
  {
    name: 'messages of one channel come as they are sent, from the port that was handed over too',
    text: `
export default {
  setup: () => ({ ...new MessageChannel(), got: [] }),
  threads: [
    ({ port1 }) => { const { port1: mine, port2: yours } = new MessageChannel()
      mine.postMessage(1); port1.postMessage({ yours }, [yours]); mine.postMessage(2); mine.close()
      if (yours.postMessage(3) !== undefined) throw new Error('sent') },
    ({ port2, got }) => { port2.once('message', ({ yours }) => {
      yours.on('message', (n) => got.push(n)); yours.on('close', () => got.push('closed')) }) },
  ],
  invariant: ({ got }) => { if (got.join() !== '1,2,closed') throw new Error(got.join()) },
}`,
    verdict: 'pass',
  },
  {
    name: 'a thread whose promise is never settled is one that waits',
    text: `
export default { ${cells}, 
  threads: [async () => { await new Promise(() => {}) }, (cells) => void Atomics.load(cells, 0)] }`,
    verdict: 'fail',
    says: /waits for an event that settles its promise/,
  },
  {
    name: 'a thread that only listens is none that waits',
    text: `
export default { setup: () => new MessageChannel(), 
  threads: [({ port1 }) => void port1.on('message', () => {})] }`,
    verdict: 'pass',
  },
  {
    name: 'a rejection at which nobody looks ends a thread',
    text: `
export default { ${cells}, 
  threads: [(cells) => { void Promise.reject(new Error('unseen')); Atomics.load(cells, 0) }] }`,
    verdict: 'fail',
    says: /unseen/,
  },
  {
    name: 'timers in their order, cleared and repeated',
    text: `
export default {
  setup: () => [],
  threads: [(log) => {
    setTimeout((what) => log.push(what), 1, 'a')
    setTimeout(() => log.push('b'), 2)
    clearTimeout(setTimeout(() => log.push('never'), 1))
    let times = 0
    const interval = setInterval(() => { log.push('i' + ++times); if (times === 2) clearInterval(interval) }, 3)
    setTimeout(() => log.push('unseen'), 1000).unref()
  }],
  invariant: (log) => {
    const text = log.join()
    if (!/^a,b,i1(,i2(,unseen)?|,unseen(,i2)?)$/.test(text)) throw new Error(text)
  },
}`,
    verdict: 'pass',
  },
  {
    // As in Node, where more than four milliseconds pass between the two calls.
    name: 'a timer that was set earlier for a longer time may be first',
    text: `
export default {
  setup: () => [],
  threads: [(log) => {
    setTimeout(() => log.push('a'), 5)
    setTimeout(() => log.push('b'), 1)
  }],
  invariant: (log) => { if (log[0] === 'a') throw new Error('it is') },
}`,
    verdict: 'fail',
    says: /it is/,
  },
  {
    name: 'setImmediate and setTimeout have no order',
    text: `
export default {
  setup: () => [],
  threads: [(log) => { setTimeout(() => log.push('timer')); setImmediate(() => log.push('immediate')) }],
  invariant: (log) => { if (log[0] !== 'immediate') throw new Error(log.join()) },
}`,
    verdict: 'fail',
    says: /timer,immediate/,
  },
  {
    name: 'a poll by a timer sees what another thread writes',
    text: `
import { setTimeout as sleep } from 'node:timers/promises'
export default { ${cells}, threads: [
  async (cells) => { while (Atomics.load(cells, 0) === 0) await sleep(1) },
  (cells) => void Atomics.store(cells, 0, 1),
] }`,
    verdict: 'pass',
    timeouts: 2,
  },
  {
    name: 'a port that two threads use',
    text: `export default { setup: () => new MessageChannel(), threads: [
  ({ port1 }) => port1.postMessage(1), ({ port1 }) => port1.postMessage(2)] }`,
    verdict: 'refused',
    says: /a MessagePort that two threads use; give each thread one of the two/,
  },
  {
    name: 'a promise of the engine, whose rejection is nobody else’s',
    text: `import { readFile } from 'node:fs/promises'
export default { ${cells}, threads: [async (cells) => { await readFile('/dev/null/no'); Atomics.load(cells, 0) }] }`,
    verdict: 'refused',
    says: /:2: a thread waits for a promise of the engine, which is not stepped; await what/,
  },
  {
    name: 'what is to be called when a promise of the engine is settled',
    text: `
const native = (async function* () {})().next()
export default { ${cells}, threads: [async (cells) => { await null; native.then(() => Atomics.store(cells, 0, 1)) }] }`,
    verdict: 'refused',
    says: /:3: a timer or a promise of the engine in a thread; call setTimeout and the like by their names/,
  },
  {
    name: 'a promise of another thread',
    text: `export default { setup: () => ({}), threads: [
  (state) => { state.promise = Promise.resolve(1) }, async (state) => { await state.promise }] }`,
    verdict: 'refused',
    says: /a promise of another thread; let each thread await promises of its own/,
  },
  {
    name: 'for await: values, labels, what closes an iterator, and what fails in it',
    text: `
const source = (cells, log) => ({
  [Symbol.asyncIterator]() {
    let n = 0
    return {
      next: async () => ({ done: n === 3, value: Atomics.add(cells, 0, 1) * 0 + n++ }),
      return: async () => { log.push('closed'); Atomics.add(cells, 0, 1); return {} },
    }
  },
})
const thread = async (cells) => {
  const log = []
  for await (const x of source(cells, log)) log.push(x)
  for await (const x of [1, Promise.resolve(2)]) log.push(['sync', x])
  let y
  outer: for (const z of [1, 2])
    inner: for await (y of source(cells, log)) {
      if (y === 1) { if (z === 1) continue outer; else break inner }
      log.push(['in', y])
    }
  try { for await (const { v = 5 } of source(cells, log)) { log.push(v); throw new Error('x') } }
  catch (error) { log.push(error.message) }
  log.push(await (async () => { for await (const x of source(cells, log)) return x })())
  const text = '[0,1,2,["sync",1],["sync",2],["in",0],"closed",["in",0],"closed",5,"closed","x","closed",0]'
  if (JSON.stringify(log) !== text) throw new Error(JSON.stringify(log))
}
export default { ${cells}, threads: [thread, (cells) => Atomics.add(cells, 0, 1)] }`,
    verdict: 'pass',
  },
  {
    name: 'closures that are made before what they take is declared, where a thread stops in between',
    text: `
const thread = (cells) => {
  const read = () => [value, later(), other, typeof C]
  Atomics.add(cells, 0, 1)
  const value = 1 + Atomics.load(cells, 0) * 0
  function later() { return x }
  var x = Atomics.add(cells, 0, 0) * 0 + 2, y
  let [other] = [Atomics.load(cells, 0) * 0 + 3]
  class C {}
  const count = () => (y = (y ?? 0) + 1)
  Atomics.load(cells, 0)
  count()
  Atomics.load(cells, 0)
  const all = JSON.stringify([...read(), count(), y])
  if (all !== '[1,2,3,"function",2,2]') throw new Error(all)
}
export default { ${cells}, threads: [thread, (cells) => Atomics.add(cells, 0, 1)] }`,
    verdict: 'pass',
  },
  {
    name: 'a thread that goes on in an async generator while another one writes',
    text: `
async function* counts(cells) { for (;;) yield Atomics.load(cells, 0) }
export default { ${cells}, threads: [
  async (cells) => { for await (const each of counts(cells)) {
    if (each === 2) throw new Error('two')
    if (each) break
  } },
  (cells) => { Atomics.store(cells, 0, 1); Atomics.store(cells, 0, 2) },
] }`,
    verdict: 'fail',
    says: /two/,
  },
  {
    name: 'variables with the names of parameters',
    text: `
const thread = async (cells, a = 1, { b } = { b: 2 }) => {
  var a, c = a + b, b = Atomics.add(cells, 0, 1) * 0 + 5
  await null
  for (var a of [7, 8]) await null
  for (var b = 1, d = 2; b < 3; b++) d++
  var { cells: e = 9 } = {}, { a = 4 } = {}
  const all = JSON.stringify([a, b, c, d, e])
  if (all !== '[4,3,3,4,9]') throw new Error(all)
}
export default { ${cells}, threads: [(cells) => thread(cells), (cells) => Atomics.add(cells, 0, 1)] }`,
    verdict: 'pass',
  },
  {
    name: 'a Worker in the setup',
    text: `
import { Worker } from '${threads}'
export default { setup: () => new Worker('', { eval: true }), threads: [() => {}] }`,
    verdict: 'refused',
    says: /:3: a Worker in the setup; let a thread make it/,
  },
  {
    name: 'a listener in the setup',
    text: `
export default { setup: () => { const { port1 } = new MessageChannel(); port1.on('message', () => {}) }, 
  threads: [() => {}] }`,
    verdict: 'refused',
    says: /a listener in the setup; let the thread listen/,
  },
]

describe('promises, messages and timers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'async-'))
  after(() => rmSync(folder, { recursive: true }))

  cases.forEach(({ name, text, verdict, says, timeouts }, number) => {
    it(`${verdict}: ${name}`, async () => {
      const file = join(folder, `case-${number}.mjs`)
      writeFileSync(file, text)
      const check = checkFile(file, { seconds: 600, ...(timeouts !== undefined && { timeouts }) })
      if (verdict === 'refused') {
        await assert.rejects(check, (error: Error) => {
          assert.equal(error.name, 'SteppingRefused')
          assert.match(error.message, says!)
          return true
        })
        return
      }
      const { failure, complete, ...result } = await check
      assert.equal(result.verdict, verdict, failure?.message)
      if (verdict === 'pass') assert.equal(complete, true)
      if (verdict === 'pass' || failure === null) return
      assert.match([failure.message, ...failure.counterexample.broken.details].join('\n'), says!)
      const again = await replayFile(file, failure.token!)
      assert.equal(again.failure?.kind, failure.kind)
    })
  })

  it('tables tell which timer fires, with its place', async () => {
    const file = join(folder, 'timers.mjs')
    writeFileSync(
      file,
      `export default { setup: () => [], threads: [(log) => {
  setTimeout(() => log.push('late'), 5)
  setTimeout(() => log.push('early'), 1)
  setImmediate(() => log.push('at once'))
}], invariant: (log) => log.indexOf('early') < log.indexOf('late') }`,
    )
    const { failure } = await checkFile(file)
    const { events } = failure!.counterexample
    const told = events.map(({ place, text }) => `${place} ${text}`)
    assert.ok(told.includes('timers.mjs:4 setImmediate runs (set here)'), told.join('\n'))
    assert.deepEqual(
      told.filter((each) => each.includes('timer of')),
      ['timers.mjs:2 the timer of 5 ms fires (set here)', 'timers.mjs:3 the timer of 1 ms fires (set here)'],
    )
  })

  it('tables name what the program calls, a module that a thread loads, and nothing of what runs beside it', async () => {
    for (const [name, module] of [
      ['worker.mjs', `import { workerData } from '${threads}'\nAtomics.add(workerData, 0, 1)`],
      ['worker.cjs', `const { workerData } = require('${threads}')\nAtomics.add(workerData, 0, 1)`],
    ] as const) {
      writeFileSync(join(folder, name), module)
      const file = join(folder, `starts-${name}.mjs`)
      writeFileSync(
        file,
        `import { Worker } from '${threads}'
export default { ${cells}, threads: [(cells) => {
  [1, 2].map(() => new Worker(new URL('./${name}', import.meta.url), { workerData: cells }))
}], invariant: (cells) => cells[0] < 2 }`,
      )
      const { failure } = await checkFile(file)
      const { calls } = failure!.counterexample
      const told = new Set(calls.map((call) => `${call.place} ${call.function}`))
      assert.deepEqual([...told].toSorted(), [
        `starts-${name}.mjs:2 (anonymous)`,
        `starts-${name}.mjs:3 (anonymous)`,
        `${name}:1 (module)`,
      ])
    }
  })

  it('jobs come in the order of the language', async () => {
    const program = new URL('programs/promise-order.ts', import.meta.url)
    const { inOrder } = (await import(program.href)) as { inOrder: (log: string[]) => Promise<void> }
    const log: string[] = []
    await inOrder(log)
    const file = join(folder, 'order.mjs')
    writeFileSync(
      file,
      `import { inOrder } from ${JSON.stringify(program.href)}
export default { setup: () => [], threads: [(log) => inOrder(log)], 
  invariant: (log) => { throw new Error(JSON.stringify(log)) } }`,
    )
    const { failure } = await checkFile(file)
    assert.equal(failure?.message, `Error: ${JSON.stringify(log)}`)
  })
})

describe('a message that is there while timers go on', () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-while-'))
  after(() => rmSync(folder, { recursive: true }))
  const withPort = (name: string, first: string, second: string, invariant: string): string => {
    const file = join(folder, `${name}.mjs`)
    writeFileSync(
      file,
      `import { MessageChannel } from '${threads}'
export default {
  setup: () => ({ ...new MessageChannel(), cells: new Int32Array(new SharedArrayBuffer(16)) }),
  threads: [({ port1, cells }) => { ${first} }, ({ port2, cells }) => { ${second} }],
  invariant: ({ cells }) => { ${invariant} },
}`,
    )
    return file
  }

  it('is delivered: who polls by timers meanwhile does not go on for ever without it', async () => {
    const file = withPort(
      'polls',
      `port1.once('message', () => { cells[1] = 1 })
      const poll = () => { if (Atomics.load(cells, 0) === 0) setTimeout(poll, 1) }
      poll()`,
      'port2.postMessage(1); Atomics.store(cells, 0, 1)',
      'return cells[1] === 1',
    )
    const { verdict, complete } = await checkFile(file)
    assert.deepEqual([verdict, complete], ['pass', true])
  })

  it('comes at any place among timers that follow each other', async () => {
    for (const at of [0, 1, 2, 3, 4, 5]) {
      const file = withPort(
        `among-${at}`,
        `port1.once('message', () => { cells[1] = cells[0] })
        const next = () => { if (++cells[0] < 5) setTimeout(next, 1) }
        setTimeout(next, 1)`,
        'port2.postMessage(1)',
        `return cells[1] !== ${at}`,
      )
      const { verdict } = await checkFile(file, { timeouts: 5 })
      assert.equal(verdict, 'fail', `after ${at}`)
    }
  })
})
