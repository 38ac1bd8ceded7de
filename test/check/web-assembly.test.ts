// Modules of WebAssembly with memory that threads share: what their instructions do to it are steps as any other.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type CheckResult, checkFile, counterexampleText, replayFile } from '../../src/check/index.ts'
import { assemble } from '../backends/stepped/wasm/assemble.ts'

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
})
