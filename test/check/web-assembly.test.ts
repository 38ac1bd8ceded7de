// Modules of WebAssembly with memory that threads share: what their instructions do to it are steps as any other.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type CheckResult, checkFile, counterexampleText, replayFile } from '../../src/check/index.ts'
import { assemble } from '../backends/stepped/wasm/assemble.ts'
import { faultlineAlone } from '../cli/command.ts'

const folder = mkdtempSync(join(tmpdir(), 'web-assembly-'))
after(() => rmSync(folder, { recursive: true }))

let count = 0
function written(code: string): string {
  const file = join(folder, `${++count}.check.mjs`)
  writeFileSync(file, code)
  return file
}

const lock = `(module $lock
  (import "env" "memory" (memory 1 1 shared))
  (func $take (export "take") (param $p i32)
    (block $out (loop $again
      (br_if $out (i32.eqz (i32.atomic.rmw.cmpxchg (local.get $p) (i32.const 0) (i32.const 1))))
      (drop (memory.atomic.wait32 (local.get $p) (i32.const 1) (i64.const -1)))
      (br $again))))
  (func $release (export "release") (param $p i32)
    (i32.atomic.store (local.get $p) (i32.const 0))
    (drop (memory.atomic.notify (local.get $p) (i32.const 1))))
  (func $add (export "add") (param $p i32)
    (i64.store offset=8 (local.get $p) (i64.add (i64.load offset=8 (local.get $p)) (i64.const 1)))))`

/** What each check begins with: a module, its memory, an instance of it, and what a thread does with that. */
function beginning(text: string): string {
  const bytes = Buffer.from(assemble(text)).toString('base64')
  return `const bytes = Buffer.from('${bytes}', 'base64')
const code = new WebAssembly.Module(bytes)
const newMemory = () => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
const open = (memory) => new WebAssembly.Instance(code, { env: { memory } }).exports
const use = ({ take, add, release }) => { take(16); add(16); release(16) }
const holds = (memory) => new BigInt64Array(memory.buffer)[3] === 2n
`
}

const check = (text: string, code: string): Promise<CheckResult> => checkFile(written(beginning(text) + code))

const inThreads = `
const thread = (memory) => use(open(memory))
export default { setup: newMemory, threads: [thread, thread], invariant: holds }`

describe('WebAssembly with shared memory', () => {
  const instances: Readonly<Record<string, string>> = {
    'one for each thread': inThreads,
    'made by the setup': `
const setup = () => { const memory = newMemory(); return { memory, own: [open(memory), open(memory)] } }
const threads = [({ own }) => use(own[0]), ({ own }) => use(own[1])]
export default { setup, threads, invariant: ({ memory }) => holds(memory) }`,
    'made by an asynchronous setup': `
const setup = async () => {
  const memory = newMemory()
  const { instance, module } = await WebAssembly.instantiate(bytes, { env: { memory } })
  const other = await WebAssembly.instantiate(module, { env: { memory } })
  return { memory, own: [instance.exports, other.exports] }
}
const threads = [({ own }) => use(own[0]), ({ own }) => use(own[1])]
export default { setup, threads, invariant: ({ memory }) => holds(memory) }`,
    'made where the module of the check begins': `
const memory = newMemory()
const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } })
const thread = () => use(instance.exports)
const setup = () => void new BigInt64Array(memory.buffer).fill(0n)
export default { setup, threads: [thread, thread], invariant: () => holds(memory) }`,
    'awaited in a thread': `
const thread = async (memory) => {
  const module = await WebAssembly.compile(bytes)
  use((await WebAssembly.instantiate(module, { env: { memory } })).exports)
}
export default { setup: newMemory, threads: [thread, thread], invariant: holds }`,
  }
  for (const [name, code] of Object.entries(instances))
    it(`is explored with instances ${name}`, async () => {
      const { verdict, complete, executions } = await check(lock, code)
      assert.deepEqual([verdict, complete], ['pass', true])
      assert.ok(executions > 1)
    })

  it('lets Workers have modules and memories', async () => {
    const program = join(folder, 'program.mjs')
    writeFileSync(
      program,
      `import { Worker, isMainThread, workerData } from 'node:worker_threads'
import { fileURLToPath } from 'node:url'
${beginning(lock)}
if (isMainThread) {
  const memory = newMemory()
  let ended = 0
  for (let n = 0; n < 2; n++)
    new Worker(fileURLToPath(import.meta.url), { workerData: { code, memory } }).on('exit', () => {
      if (++ended === 2 && !holds(memory)) throw new Error('lost')
    })
} else use(new WebAssembly.Instance(workerData.code, { env: workerData }).exports)`,
    )
    const file = written(`export default { threads: [new URL('./program.mjs', import.meta.url)] }`)
    const { verdict, complete } = await checkFile(file)
    assert.deepEqual([verdict, complete], ['pass', true])
  })

  it('has a lost wake-up found, by the names of the module, and by the token again', async () => {
    const broken = lock.replace('(drop (memory.atomic.notify (local.get $p) (i32.const 1)))', '')
    const file = written(beginning(broken) + inThreads)
    const { failure } = await checkFile(file)
    assert.equal(failure!.kind, 'deadlock')
    const table = counterexampleText(failure!.counterexample!)
    assert.match(table, /lock\.wasm-[0-9a-f]{8}\.js:\d+ .*take/)
    assert.match(table, /wait i32\[4\] = 1/)
    assert.equal((await replayFile(file, failure!.token!)).failure?.message, failure!.message)
  })

  it('has a data race found between plain instructions, in its memory and in arrays of JavaScript', async () => {
    const both = await check(
      lock,
      `export default { setup: newMemory, threads: [(memory) => open(memory).add(16), (memory) => open(memory).add(16)] }`,
    )
    assert.equal(both.failure!.kind, 'race')
    const mixed = await check(
      lock,
      `const write = (memory) => { new Uint8Array(memory.buffer)[25] = 1 }
export default { setup: newMemory, threads: [(memory) => open(memory).add(16), write] }`,
    )
    assert.equal(mixed.failure!.kind, 'race')
  })

  it('has a trap as an error of the thread', async () => {
    const { failure } = await check(
      lock,
      `export default { setup: newMemory, threads: [(memory) => open(memory).take(65536)] }`,
    )
    assert.match(failure!.message, /RuntimeError: memory access out of bounds/)
  })

  it('calls functions of the program that stop', async () => {
    const text = `(module (import "env" "memory" (memory 1 1 shared)) (import "env" "both" (func $both))
      (func (export "run") (call $both)))`
    const { failure } = await check(
      text,
      `const thread = (memory) => {
  const cells = new Int32Array(memory.buffer)
  const both = () => Atomics.store(cells, 0, Atomics.load(cells, 0) + 1)
  new WebAssembly.Instance(code, { env: { memory, both } }).exports.run()
}
const invariant = (memory) => new Int32Array(memory.buffer)[0] === 2
export default { setup: newMemory, threads: [thread, thread], invariant }`,
    )
    assert.match(failure!.message, /invariant/)
  })

  it('is refused, with what is in the way, where it cannot be stepped', async () => {
    const vectors = `(module (import "env" "memory" (memory 1 1 shared))
      (func (export "run") (drop (i32x4.splat (i32.const 1)))))`
    const run = `export default { setup: newMemory, threads: [(memory) => open(memory).run()] }`
    await assert.rejects(check(vectors, run), /cannot be stepped: it has the instruction i32x4\.splat/)
    const grows = `(module (import "env" "memory" (memory 1 2 shared))
      (func (export "run") (drop (memory.grow (i32.const 1)))))`
    await assert.rejects(
      check(
        grows,
        run.replace('newMemory', '() => new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true })'),
      ),
      /shared memory that grows/,
    )
  })

  it('lets all other modules run as they are', async () => {
    const text = `(module (memory (export "memory") 1) (func (export "add") (param i32 i32) (result i32)
      (i32.add (local.get 0) (local.get 1))))`
    const { verdict } = await check(
      text,
      `const { add, memory } = new WebAssembly.Instance(code).exports
export default {
  setup: () => new Int32Array(new SharedArrayBuffer(4)),
  threads: [(cells) => Atomics.add(cells, 0, add(1, 2)), (cells) => Atomics.add(cells, 0, memory.buffer.byteLength)],
  invariant: (cells) => cells[0] === 65539,
}`,
    )
    assert.equal(verdict, 'pass')
  })

  /** Another module beside the first, without shared memory. */
  const also = (text: string): string =>
    `const other = new WebAssembly.Module(Buffer.from('${Buffer.from(assemble(text)).toString('base64')}', 'base64'))\n`
  const counter = `(module (import "env" "memory" (memory 1 1 shared))
    (func (export "add") (i32.atomic.store (i32.const 0) (i32.add (i32.atomic.load (i32.const 0)) (i32.const 1)))))`
  const isTwo = `invariant: (memory) => new Int32Array(memory.buffer)[0] === 2`

  it('lets modules without memory call those that are stepped, and share tables and globals', async () => {
    const called = await check(
      counter,
      `${also('(module (import "e" "add" (func $add)) (func (export "run") (call $add)))')}
const thread = (memory) => new WebAssembly.Instance(other, { e: open(memory) }).exports.run()
export default { setup: newMemory, threads: [thread, thread], ${isTwo} }`,
    )
    assert.match(called.failure!.message, /invariant/)
    const tabled = await check(
      counter.replace('(func', '(import "env" "t" (table 1 funcref)) (elem (i32.const 0) 0) (func'),
      `${also(`(module (import "e" "t" (table 1 funcref)) (import "e" "g" (global $g (mut i32)))
        (func (export "run") (result i32)
          (call_indirect (i32.const 0)) (global.set $g (i32.const 5)) (global.get $g)))`)}
const thread = (memory) => {
  const t = new WebAssembly.Table({ initial: 1, element: 'anyfunc' })
  const g = new WebAssembly.Global({ value: 'i32', mutable: true }, 4)
  new WebAssembly.Instance(code, { env: { memory, t } })
  if (new WebAssembly.Instance(other, { e: { t, g } }).exports.run() !== 5 || g.value !== 5) throw new Error('global')
}
export default { setup: newMemory, threads: [thread, thread], ${isTwo} }`,
    )
    assert.match(tabled.failure!.message, /invariant/)
  })

  it('gives one function of JavaScript the type under which each module imports it', async () => {
    const { verdict } = await check(
      `(module (import "env" "memory" (memory 1 1 shared))
        (import "env" "f" (func $a (param i32))) (import "env" "f" (func $b (param i64) (result i32)))
        (type $t (func (param i32))) (type $u (func (param i64) (result i32)))
        (table 2 funcref) (elem (i32.const 0) $a $b) (func (export "run") (result i32)
          (call_indirect (type $t) (i32.const 1) (i32.const 0))
          (call_indirect (type $u) (i64.const 1) (i32.const 1))))`,
      `const thread = (memory) => {
  const { exports } = new WebAssembly.Instance(code, { env: { memory, f: () => 4.5 } })
  if (exports.run() !== 4) throw new Error('type')
}
export default { setup: newMemory, threads: [thread] }`,
    )
    assert.equal(verdict, 'pass')
  })

  it('cannot grow a memory that is as large as it gets, and refuses to follow another that grows', async () => {
    const size = `(module (import "env" "memory" (memory 1 4 shared))
      (func (export "grow") (result i32) (memory.grow (i32.const 2))))`
    const full = `const thread = () => {
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 3, shared: true })
  if (open(memory).grow() !== -1 || memory.grow(0) !== 2) throw new Error('grew')
}
export default { threads: [thread] }`
    assert.equal((await check(size, full)).verdict, 'pass')
    await assert.rejects(check(size, full.replace('grow(0)', 'grow(1)')), /shared memory that grows/)
  })

  it('lets an update that nothing takes the result of commute with another', async () => {
    const { executions } = await check(
      `(module (import "env" "memory" (memory 1 1 shared))
        (func (export "run") (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))))`,
      `const setup = () => { const memory = newMemory(); return [open(memory), open(memory)] }
export default { setup, threads: [([a]) => a.run(), ([, b]) => b.run()] }`,
    )
    assert.equal(executions, 1)
  })

  it('has the classes and errors of the engine', async () => {
    const code = `class Own extends WebAssembly.Instance { more() { return 1 } }
const kind = (made) => {
  try {
    made()
  } catch (error) {
    return [WebAssembly.LinkError, WebAssembly.CompileError, TypeError].findIndex((each) => error instanceof each)
  }
  return -1
}
const thread = (memory) => {
  const env = { memory }
  const own = new Own(code, { env })
  const table = new WebAssembly.Table({ initial: 1, element: 'anyfunc' })
  const found = [
    own.more(), own instanceof Own, code instanceof WebAssembly.Module, memory instanceof WebAssembly.Memory,
    String(table) === '[object WebAssembly.Table]', table instanceof WebAssembly.Table,
    WebAssembly.Module.exports(code).length === 3, WebAssembly.Module.customSections(code, 'name').length === 1,
    WebAssembly.validate(bytes), !WebAssembly.validate(bytes.subarray(1)),
    kind(() => new WebAssembly.Module(bytes.subarray(1))) === 1,
    kind(() => new WebAssembly.Instance(code)) === 2, kind(() => new WebAssembly.Instance(code, { env: {} })) === 0,
    kind(() => open(new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true }))) === 0,
    kind(() => table.set(0, () => 1)) === 2, kind(() => table.set(0, own.exports.take)) === -1,
  ]
  if (!found.every(Boolean)) throw new Error(found.join())
}
export default { setup: newMemory, threads: [thread] }`
    assert.equal((await check(lock, code)).failure?.message, undefined)
  })

  it('is stepped where a package has made memory and instances', async () => {
    const home = join(folder, 'node_modules/own')
    mkdirSync(home, { recursive: true })
    writeFileSync(join(home, 'package.json'), '{ "name": "own", "main": "index.js" }')
    writeFileSync(
      join(home, 'index.js'),
      `exports.open = (code) => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
  return { memory, run: [1, 2].map(() => new WebAssembly.Instance(code, { env: { memory } }).exports.add) }
}`,
    )
    const { failure } = await check(
      counter,
      `import own from 'own'
const invariant = ({ memory }) => new Int32Array(memory.buffer)[0] === 2
export default { setup: () => own.open(code), threads: [({ run }) => run[0](), ({ run }) => run[1]()], invariant }`,
    )
    assert.match(failure!.message, /invariant/)
  })

  it('tells the program what is wrong with what it imports', async () => {
    const wrong = `export default {
  threads: [() => {
    for (const given of [undefined, {}, { env: {} }, { env: { memory: 1 } }])
      try {
        new WebAssembly.Instance(code, given)
        throw new Error('made')
      } catch (error) {
        if (error.message === 'made') throw error
      }
  }],
}`
    assert.equal((await check(lock, wrong)).verdict, 'pass')
  })

  describe('of a large module, functions are written when they are called', () => {
    // What nobody calls makes it large, and could not be stepped.
    const unused = `(func $unused (export "unused") (result i32)
      ${'(drop (i32.const 1))'.repeat(10_001)} (i32x4.extract_lane 0 (i32x4.splat (i32.const 1))))`
    const large = (text: string): string => `${text.slice(0, text.lastIndexOf(')'))} ${unused})`

    it('by threads, by the setup and in Workers that explore: as if it were small', async () => {
      for (const options of [{}, { workers: 2 }]) {
        const { executions } = await checkFile(written(beginning(lock) + inThreads), options)
        const result = await checkFile(written(beginning(large(lock)) + inThreads), options)
        assert.deepEqual([result.verdict, result.complete, result.executions], ['pass', true, executions])
      }
    })

    it('what fails does so again by its token, for whoever has written other functions before', async () => {
      const broken = lock.replace('(drop (memory.atomic.notify (local.get $p) (i32.const 1)))', '')
      const code = beginning(large(broken))
      const file = written(code + inThreads)
      const { failure } = await checkFile(file)
      assert.equal(failure!.kind, 'deadlock')
      // The same module, of which this process has written all that is called by now.
      const again = await checkFile(file)
      assert.equal(again.failure!.token, failure!.token)
      assert.equal((await replayFile(file, failure!.token!)).failure?.message, failure!.message)
      // Other processes have written none of its functions yet.
      const printed = ({ code: exit, stdout }: { code: number | null; stdout: string }): string => {
        assert.equal(exit, 1)
        return stdout
      }
      const [, token] = / --replay (\S+)/.exec(printed(await faultlineAlone(['check', file])))!
      const text = printed(await faultlineAlone(['check', file, '--replay', token!]))
      assert.match(text, /deadlock: lost wake-up/)
    })

    it('also by call_indirect, by a start function, and by what those call', async () => {
      const text = large(`(module (import "env" "memory" (memory 1 1 shared))
        (table 2 funcref) (elem (i32.const 0) $one $two) (type $step (func (param i32) (result i32)))
        (func $one (type $step) (i32.atomic.rmw.add (local.get 0) (i32.const 1)))
        (func $two (type $step) (i32.add (call $one (local.get 0)) (call $three (local.get 0))))
        (func $three (type $step) (i32.atomic.rmw.add (local.get 0) (i32.const 10)))
        (func $begin (drop (call $three (i32.const 8))))
        (start $begin)
        (func (export "run") (param i32) (result i32)
          (call_indirect (type $step) (i32.const 0) (local.get 0))))`)
      const { verdict, complete } = await check(
        text,
        `const thread = (memory) => { open(memory).run(1) }
const invariant = (memory) => { const cells = new Int32Array(memory.buffer); return cells[0] === 22 && cells[2] === 20 }
export default { setup: newMemory, threads: [thread, thread], invariant }`,
      )
      assert.deepEqual([verdict, complete], ['pass', true])
    })

    it('one that cannot be stepped is refused where it is called', async () => {
      const checking = check(
        large(lock),
        `export default { setup: newMemory, threads: [(memory) => open(memory).unused()] }`,
      )
      await assert.rejects(checking, /a module of WebAssembly with shared memory cannot be stepped: .*i32x4/)
    })
  })
})
