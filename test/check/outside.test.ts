// What functions of the engine, of Node and of packages that are not stepped do with shared memory that they are given.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type CheckResult, checkFile } from '../../src/check/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
after(() => rmSync(folder, { recursive: true }))
mkdirSync(join(folder, 'node_modules/plain'), { recursive: true })
writeFileSync(join(folder, 'node_modules/plain/package.json'), '{ "type": "module", "main": "main.js" }')
writeFileSync(
  join(folder, 'node_modules/plain/main.js'),
  `export const put = (bytes, at, value) => { bytes[at] = value }
  export const get = ({ bytes }) => bytes[0]
  export const deep = (list) => list[0].a.b.c.get('d').bytes[0]
  export const later = (bytes) => () => bytes[0]
  export const twice = (called) => [called(), called()].join()
  let kept = null
  export const keep = (bytes) => { kept = bytes }
  export const kept0 = () => kept[0]
  export const fill = (bytes, value) => { for (let at = 0; at < bytes.length; at++) bytes[at] = value }
  export const map = (bytes, call) => Array.from({ length: bytes.length }, (_, at) => call(bytes[at]))
  export const getInt8 = (view) => view.getInt8(0)
  export const tag = (_, bytes) => bytes[0]
  export const soon = (call) => Promise.resolve().then(call)
  export const afterwards = (call) => { setTimeout(call, 1) }
  export class Writer { constructor(bytes) { this.bytes = bytes } put(value) { this.bytes[0] = value } }`,
)
mkdirSync(join(folder, 'node_modules/common'), { recursive: true })
writeFileSync(join(folder, 'node_modules/common/package.json'), '{ "main": "main.js" }')
writeFileSync(
  join(folder, 'node_modules/common/main.js'),
  'exports.Reader = class { constructor(bytes) { this.bytes = bytes } get() { return this.bytes[0] } }',
)

/** What programs may name, each with its import or the line that makes it: a program has those that it names. */
const lines = {
  assert: `import assert from 'node:assert'`,
  spawn: `import { spawn } from 'node:child_process'`,
  createHash: `import { createHash } from 'node:crypto'`,
  randomBytes: `import { randomBytes } from 'node:crypto'`,
  randomFill: `import { randomFill } from 'node:crypto'`,
  randomFillSync: `import { randomFillSync } from 'node:crypto'`,
  fs: `import * as fs from 'node:fs'`,
  read: `import { read } from 'node:fs'`,
  readFile: `import { readFile } from 'node:fs'`,
  readSync: `import { readSync } from 'node:fs'`,
  readv: `import { readv } from 'node:fs'`,
  readvSync: `import { readvSync } from 'node:fs'`,
  writeSync: `import { writeSync } from 'node:fs'`,
  http: `import * as http from 'node:http'`,
  isDeepStrictEqual: `import { isDeepStrictEqual } from 'node:util'`,
  promisify: `import { promisify } from 'node:util'`,
  types: `import { types } from 'node:util'`,
  v8: `import * as v8 from 'node:v8'`,
  zlib: `import * as zlib from 'node:zlib'`,
  common: `import common from 'common'`,
  plain: `import * as plain from 'plain'`,
  encoder: `const encoder = new TextEncoder()`,
  sameText: `const sameText = (a, b) => a === b`,
  pass: `const pass = (value) => value`,
  zero: `import { openSync as openZero } from 'node:fs'; const zero = openZero('/dev/zero')`,
  none: `import { openSync as openNone } from 'node:fs'; const none = openNone('/dev/null', 'w')`,
}
const prelude = `
const setup = () => {
  const memory = new SharedArrayBuffer(32)
  const bytes = new Uint8Array(memory), buffer = Buffer.from(memory)
  const words = new Int32Array(memory)
  const through = new Proxy(words, {}), looks = new Proxy(words, { get: (target, key) => Reflect.get(target, key) })
  return { memory, bytes, buffer, words, view: new DataView(memory), log: [], through, looks }
}
`

let files = 0

function check(threads: readonly string[], more = ''): Promise<CheckResult> {
  const file = join(folder, `outside-${files++}.check.mjs`)
  const bodies = threads.map(
    (body) => `({ memory, bytes, buffer, words, view, log, through, looks, given }) => { ${body} }`,
  )
  const text = `${prelude}\nexport default { setup, threads: [${bodies.join()}], ${more} }`
  const named = Object.entries(lines).filter(([name]) => new RegExp(`\\b${name}\\b`).test(text))
  writeFileSync(file, [...named.map(([, line]) => line), text].join('\n'))
  return checkFile(file)
}

/** Of the first word, beside a thread that changes it by an atomic operation: so each is a data race. */
const accesses = [
  // Functions that write.
  `encoder.encodeInto('ab', bytes)`,
  `const { encodeInto } = encoder; encodeInto.call(encoder, 'ab', bytes)`,
  `Reflect.apply(encoder.encodeInto, encoder, ['ab', bytes])`,
  `encoder?.encodeInto('ab', bytes)`,
  `encoder['encode' + 'Into']('ab', bytes)`,
  `randomFillSync(bytes)`,
  `crypto.getRandomValues(bytes)`,
  `readSync(zero, bytes)`,
  `readSync(zero, bytes, { length: 4 })`,
  `readvSync(zero, [bytes])`,
  `Reflect.set(bytes, 0, 1)`,
  `Reflect.defineProperty(bytes, '0', { value: 1, writable: true, enumerable: true, configurable: true })`,
  `Object.assign(bytes, [1])`,
  `Array.prototype.fill.call(bytes, 1)`,
  `Uint8Array.prototype.set.call(bytes, [1])`,
  `DataView.prototype.setInt8.apply(view, [0, 1])`,
  `buffer.write('a')`,
  `buffer.writeUInt8(1, 0)`,
  `buffer.writeInt32LE(1)`,
  `buffer.writeUIntBE(1, 1, 3)`,
  `buffer.writeDoubleBE(1, 0)`,
  `buffer.writeBigInt64LE(1n)`,
  `buffer.fill('a', 'utf8')`,
  `buffer.swap16()`,
  `Buffer.from('abc').copy(buffer, 1)`,
  `buffer.slice(0, 4)[0] = 1`,
  `buffer.subarray(0, 4).writeUInt8(1, 0)`,
  `Buffer.from(memory, 0, 4)[0] = 1`,
  `plain.put(bytes, 0, 1)`,
  `new plain.Writer(bytes).put(7); plain.put(bytes, 1, 2)`,
  `const put = encoder.encodeInto.bind(encoder); put('', bytes.subarray(8)); put('ab', bytes)`,
  `const put = encoder.encodeInto.bind(encoder, 'ab'); put(bytes)`,
  // Functions that read.
  `log.push(Reflect.get(bytes, 0))`,
  `log.push(buffer.readUInt8(0))`,
  `log.push(buffer.readUIntLE(0, 6))`,
  `log.push(buffer.toString())`,
  `log.push(buffer.toString('hex', 0, 2))`,
  `log.push(String(buffer))`,
  `log.push(\`\${buffer}\`)`,
  `log.push(buffer.equals(Buffer.alloc(32)))`,
  `log.push(Buffer.compare(buffer, Buffer.alloc(1)))`,
  `log.push(buffer.toJSON())`,
  `log.push(buffer.indexOf(1))`,
  `buffer.copy(Buffer.alloc(4))`,
  `log.push(Buffer.concat([buffer, buffer]))`,
  `log.push(Buffer.from(bytes))`,
  `log.push(new TextDecoder().decode(bytes))`,
  `log.push(createHash('sha1').update(bytes).digest('hex'))`,
  `writeSync(none, bytes)`,
  `log.push(JSON.stringify({ deep: [{ words }] }))`,
  `log.push(JSON.stringify([{ toJSON: () => words }]), plain.get({ bytes: [] }))`,
  `log.push(JSON.stringify({ toJSON: () => words }, (key, value) => value))`,
  `log.push(plain.deep([{ a: { b: { c: new Map([['d', { bytes }]]) } } }]))`,
  `log.push(Object.values(words))`,
  `log.push(Object.entries(words))`,
  `log.push(Object.assign({}, words))`,
  `log.push(Object.getOwnPropertyDescriptor(words, '0'))`,
  `log.push(words.toLocaleString())`,
  `log.push(isDeepStrictEqual({ words }, { words: 1 }))`,
  `assert.notDeepEqual([bytes], [])`,
  `log.push(Array.prototype.slice.call(words, 0, 1))`,
  `log.push([].concat(Array.prototype.map.call(words, String)))`,
  `log.push(Math.max.apply(null, words))`,
  `const hash = createHash('sha1'); const add = hash.update.bind(hash); add(bytes)`,
  `const { stringify: text } = JSON; log.push(text({ words }))`,
  `log.push(JSON.stringify.call(null, [words]), (0, JSON.stringify)({ words }))`,
  `log.push(memory.slice(0, 4).byteLength, [1, 2].slice(1), 'text'.slice(1))`,
  `log.push(words.values().map((value) => value + 1).toArray())`,
  // Functions of packages, and what was given to them before.
  `log.push(new common.Reader(bytes).get())`,
  `log.push(plain.get({ bytes }))`,
  `const read = plain.later(bytes); log.push(read())`,
  `plain.keep(bytes); log.push(plain.kept0())`,
  `plain.fill(bytes, 1)`,
  `log.push(plain.map(bytes, (value) => value))`,
  `log.push(plain.map(bytes, (value) => value + Atomics.load(words, 1)))`,
  `log.push(plain.getInt8(view))`,
  `const { tag } = plain; log.push(tag\`\${bytes}\`)`,
  `log.push(plain.tag\`\${bytes}\`)`,
  `log.push(plain['tag']\`\${bytes}\`)`,
  `class Own extends Uint8Array { at(i) { return super.at(i) } } log.push(new Own(memory).at(0))`,
  `class Own extends Int32Array { put(v) { super.fill(v) } } new Own(memory).put(1)`,
  `class Own extends Uint8Array { put(v) { super['set'](v) } } new Own(memory).put([1])`,
  `const read = plain.get.bind(null, { bytes }); log.push(read())`,
  `log.push([{ bytes }].map(plain.get), Array.from([{ bytes }], plain.get))`,
  `log.push([{ bytes }].map(plain.get), Atomics.load(words, 1))`,
  `Promise.resolve({ bytes }).then(plain.get)`,
  `setTimeout(plain.get, 1, { bytes })`,
  `const target = new EventTarget(); target.addEventListener('a', plain.get.bind(null, { bytes })); target.dispatchEvent(new Event('a'))`,
  `plain.soon(() => log.push(words[0]))`,
  `plain.afterwards(() => log.push(words[0]))`,
  `class Own extends plain.Writer { first() { return this.bytes[0] } } ; new Own(bytes).put(1)`,
  `class Own extends common.Reader {} ; class Other extends Own { constructor(all) { super(all) } } ; log.push(new Other(bytes).get())`,
  // Called by the engine.
  `log.push([0].map(words.at, words))`,
  `log.push([0].map(words.at.bind(words)))`,
  `log.push('a'.replace('a', words.join.bind(words)))`,
  `Promise.resolve(words).then(Object.values)`,
  `setTimeout(words.fill.bind(words), 1, 1)`,
  `const own = { [Symbol.iterator]: words.values.bind(words) }; log.push([...own])`,
  `const Bound = Int32Array.bind(null, memory); log.push(new Bound()[0])`,
  // Called on what is known by another name.
  `const all = Object; log.push(all.values(words))`,
  `log.push(new TextDecoder('latin1').decode(memory))`,
  `Reflect.set({}, '0', 1, words)`,
  // Through a proxy, and as parts of something else.
  `log.push(through[0])`,
  `through[0] = 1`,
  `log.push({ ...through })`,
  `log.push(JSON.stringify(through), Object.assign({}, through))`,
  `log.push(Reflect.get(looks, 0))`,
  `looks[0] = 1`,
  `log.push(new Blob([bytes]).size)`,
  `log.push(String.raw({ raw: bytes }))`,
  `log.push(Reflect.construct(Uint8Array, [bytes]))`,
  `const key = '0'; log.push(words[key])`,
  `const key = '0'; words[key] = 1`,
]

/** Nothing of the first word. */
const others = [
  `encoder.encodeInto('ab', bytes.subarray(4))`,
  `encoder.encodeInto('ab', bytes.subarray(4, 8)); log.push(bytes.slice(4, 6))`,
  `buffer.write('abc', 4)`,
  `buffer.write('abcdefgh', 4, 2, 'latin1')`,
  `buffer.writeUInt32LE(1, 4); log.push(buffer.readUInt16BE(6))`,
  `log.push(buffer.toString('utf8', 4, 8))`,
  `Buffer.from('abc').copy(buffer, 4)`,
  `buffer.copy(Buffer.alloc(4), 0, 4)`,
  `buffer.slice(4).fill(1)`,
  `log.push(memory.slice(4).byteLength, memory.slice(-8, 12).byteLength)`,
  `buffer.subarray(4).equals(Buffer.alloc(1))`,
  `readSync(zero, bytes, 4, 4)`,
  `writeSync(none, bytes, 4)`,
  `Reflect.set(words, 1, 1)`,
  `log.push(bytes.slice(4), Reflect.get(words, 3), words.at(1), words.at(-1), words.at(9), words.at(-9))`,
  `plain.put(bytes, 5, 1)`,
  // They are handed on, and nobody looks into them.
  `log.push(bytes, words); log.unshift(buffer); log.splice(0, 1, view)`,
  `log.push(new Map([[words, bytes]]).get(words), new Set([bytes]).has(bytes), new WeakRef(bytes).deref())`,
  `log.push([bytes].includes(words), [words].indexOf(words), [1].concat([bytes]).at(1))`,
  `log.push(Object.keys({ bytes }), Object.freeze({ bytes }), Array.isArray(bytes), ArrayBuffer.isView(bytes))`,
  `log.push(Object.is(bytes, words), Object.getPrototypeOf(bytes), Reflect.has(bytes, 'length'))`,
  `log.push(Object.entries({ bytes }), Object.assign({}, { bytes }), Object.fromEntries([['a', bytes]]))`,
  `log.push(pass(bytes), pass.call(null, words), pass.bind(null)(buffer), [bytes].map(pass))`,
  `log.push({}.toString.call(bytes), Object.prototype.hasOwnProperty.call(bytes, 'a'), ((a) => a).bind(null, bytes))`,
  `log.push(types.isUint8Array(bytes), Buffer.isBuffer(buffer), Buffer.byteLength(bytes)); assert(bytes); assert.equal(bytes, bytes)`,
  `Object.defineProperty(bytes, 'note', { value: 1 }); Reflect.set({}, 'a', bytes); log.push(Reflect.get(bytes, 'length'))`,
  `log.push((function* () { yield yield }()).next(bytes), DataView.prototype.getInt8.call(view, 4))`,
  `new Map().set(words, bytes); new WeakMap().set(bytes, words); new Set().add(words)`,
  `log.push(words.at.bind(words, 1)(), [1].map(words.at.bind(words)).name, words.at.bind(words).name)`,
  `log.push(plain.map([1, 2], (value) => value + 1), [1].map(plain.tag), Object.is(plain.get, plain.get))`,
  // What is no element of it.
  `const key = Symbol.asyncIterator; log.push(words[key]); words[key] = 1`,
  `const next = bytes.subarray(4, 8); log.push(next[-4], next['length'], next[4]); next[-4] = next[28] = 1; next['a'] = 2`,
  `log.push(Reflect.has(through, 'length'), through.constructor, looks[3])`,
  `log.push(sameText(bytes, words), structuredClone(words).length, bytes.byteOffset, bytes.subarray(1))`,
]

describe('functions that are not the program’s, and shared memory', () => {
  for (const access of accesses)
    it(`is a data race: ${access}`, async () => {
      const { verdict, failure } = await check([access, 'Atomics.add(words, 0, 1)'])
      assert.deepEqual([verdict, failure?.kind], ['fail', 'race'], failure?.message)
    })

  for (const access of others)
    it(`is none: ${access}`, async () => {
      const { verdict, complete, failure } = await check([access, 'Atomics.add(words, 0, 1)'])
      assert.deepEqual([verdict, complete], ['pass', true], failure?.message)
    })

  for (const call of [
    'read(zero, bytes, () => {})',
    'readv(zero, [bytes], () => {})',
    'randomFill(bytes, () => {})',
  ])
    it(`refuses what writes into shared memory later: ${call}`, async () => {
      const refusal = await check([call, 'Atomics.add(words, 0, 1)']).then(String, String)
      assert.match(refusal, /SteppingRefused.*which calls back when an event of Node comes; use \w+Sync\(\)/s)
    })

  for (const call of [
    `readFile('/dev/null', () => { Atomics.store(words, 1, 1) })`,
    `fs.stat('/dev/null', () => {})`,
    `randomBytes(4, () => {})`,
    `zlib.gzip('text', (error, result) => { log.push(result) })`,
    `spawn('true')`,
    `const look = fs.stat; look('/dev/null', () => {})`,
    `const call = (called, ...given) => called(...given); call(readFile, '/dev/null', () => {})`,
    `readFile.call(fs, '/dev/null', () => {})`,
    `promisify(readFile)('/dev/null').then(() => {})`,
    `http.get('http://localhost')`,
    `fs.createReadStream('/dev/null')`,
    `zlib.createGzip()`,
  ])
    it(`refuses what calls back later: ${call}`, async () => {
      const refusal = await check([call, 'Atomics.add(words, 0, 1)']).then(String, String)
      assert.match(refusal, /SteppingRefused.*which calls back when an event of Node comes/s)
    })

  for (const call of [
    `new v8.Deserializer(buffer)`,
    `log.push(Object.create(words)[0])`,
    `log.push(Object.setPrototypeOf({}, words)[0])`,
    `log.push({ __proto__: words }[0])`,
  ])
    it(`refuses what reads shared memory where nobody sees it: ${call}`, async () => {
      const refusal = await check([call, 'Atomics.add(words, 0, 1)']).then(String, String)
      assert.match(refusal, /SteppingRefused.*(Deserializer|inherits)/s)
    })

  for (const [made, call] of [
    ['new plain.Writer(all.bytes)', 'given.put(7)'],
    ['new common.Reader(all.bytes)', 'log.push(given.get())'],
  ])
    it(`is a data race of what the setup has made: ${made}`, async () => {
      const more = `setup: () => { const all = setup(); return { ...all, given: ${made} } }`
      const { failure } = await check([call!, 'Atomics.add(words, 0, 1)'], more)
      assert.equal(failure?.kind, 'race')
    })

  it('steps a package that calls what can stop', async () => {
    const twice = 'log.push(plain.twice(() => Atomics.add(words, 0, 1)))'
    const holds = 'invariant: ({ log, words }) => words[0] === 4 && log.length === 2'
    const { verdict, failure, executions } = await check([twice, twice], holds)
    assert.deepEqual([verdict, executions > 1], ['pass', true], failure?.message)
    const never = await check([twice, twice], 'invariant: ({ log }) => !log.includes("0,2")')
    assert.match(never.failure!.message, /invariant/)
  })

  it('lets functions of these names be called that are others, or do it at once', async () => {
    const call = `const own = { readFile: (f) => f(), open: (f) => f(1) }
      own.readFile(() => log.push(1)); own.open(log.push.bind(log))
      log.push(/a/.exec('a').index, randomBytes(4).length)`
    const { verdict, failure } = await check([call], 'invariant: ({ log }) => log.join() === "1,1,0,4"')
    assert.equal(verdict, 'pass', failure?.message)
  })

  it('keeps what is bound and handed on as it is in the engine', async () => {
    const call = `const own = function (...given) { log.push([this?.a, ...given].join()) }
      const bound = own.bind({ a: 1 }, 2)
      bound(3); bound.call({ a: 9 }, 4); new bound(5); own.apply({ a: 6 }); own.call(undefined, 7)
      Reflect.apply(own, { a: 8 }, { length: 1, 0: 'x' })
      for (const wrong of [() => own.apply(null, 3), () => Reflect.apply(own, null)])
        try { wrong() } catch (error) { log.push(error.message) }
      log.push(bound.name, bound.length)`
    const wanted: unknown[] = []
    new Function('log', call)(wanted)
    const ends = `invariant: ({ log }) => log.join('|') === ${JSON.stringify(wanted.join('|'))}`
    const { verdict, failure } = await check([call], ends)
    assert.equal(verdict, 'pass', `${failure?.message}: ${wanted.join('|')}`)
  })

  it('undoes what they have written, from execution to execution', async () => {
    const increment = `while (Atomics.compareExchange(words, 0, 0, 1) !== 0);
      buffer.writeUInt8(buffer.readUInt8(4) + 1, 4)
      plain.put(bytes, 5, bytes[5] + 1)
      encoder.encodeInto(String(bytes[4]), bytes.subarray(6))
      Atomics.store(words, 0, 0)`
    const ends = 'invariant: ({ bytes }) => bytes[4] === 2 && bytes[5] === 2 && bytes[6] === 50'
    const { verdict, complete, executions, failure } = await check([increment, increment], ends)
    assert.deepEqual([verdict, complete], ['pass', true], failure?.message)
    assert.ok(executions > 1)
  })

  it('keeps the messages of the engine, and the order in which it does things', async () => {
    const told = `const told = (call) => { try { call() } catch (error) { log.push(error.message) } }
      const nothing = undefined, object = { deep: {} }
      told(() => object.method(1)); told(() => object.deep.method(1)); told(() => nothing.method(1))
      told(() => object.deep?.method(bytes)); told(() => encoder.encodeInto(1, 2, 3))
      const traps = { get first() { log.push('first'); return (a) => log.push(a) } }
      traps.first(log.push('argument'))
      log.push(Array.isArray(Array.prototype.slice.call(bytes, 0, 1)), Uint8Array.prototype.slice.call(bytes, 0, 1))
      const proxy = new Proxy(() => 'called', { get: (_, key) => log.push(String(key)) })
      log.push(proxy(bytes), proxy.bind === undefined)`
    const wanted: string[] = []
    const run = new Function('log', 'bytes', 'encoder', told) as (...args: readonly unknown[]) => void
    run(wanted, new Uint8Array(1), new TextEncoder())
    const ends = `invariant: ({ log }) => { if (JSON.stringify(log) !== ${JSON.stringify(JSON.stringify(wanted))}) throw new Error(log.join(' | ')) }`
    const { verdict, failure } = await check([told], ends)
    assert.equal(verdict, 'pass', `${failure?.message}\nand not ${wanted.join(' | ')}`)
  })
})

/** Of the first word, by patterns; `load` is a step. */
const patterns = [
  `const { words: { 0: first } } = { words }; log.push(first)`,
  `const { '0': first } = words; log.push(first)`,
  `const { words: { ...all } } = Object.freeze({ words }); log.push(all[0])`,
  `for (const { ...all } of [words]) log.push(all[0])`,
  `for (const { ...all } of [words]) { Atomics.load(words, 1); log.push(all[0]) }`,
  `const { none: { 0: first } = words } = {}; log.push(first)`,
  `const [{ 0: first } = words] = []; log.push(first)`,
  `const [, ...[{ 0: first }]] = new Set([1, words]); log.push(first)`,
  `const { words: { 0: first }, other = load(), ...rest } = { words, more: 1 }; log.push(first, rest.more)`,
  `const [{ 0: first }, other = load()] = [words]; log.push(first, other)`,
  `let first; [{ 0: first }] = [words]; ({ words: { 0: first } } = { words }); log.push(first)`,
  `log.push((({ words: { 0: first } }) => first)({ words }))`,
  `log.push(((...[{ 0: first }]) => first)(words))`,
  `log.push((({ ...all }) => all[0])(words))`,
  `log.push({ take([{ ...all }]) { return all[0] } }.take([words]))`,
  `class Own { constructor({ ...all }) { this.first = all[0] } } ; log.push(new Own(words).first)`,
  `try { throw words } catch ({ 0: first }) { log.push(first) }`,
  `try { throw { words } } catch ({ words: { 0: first } }) { log.push(first); load() }`,
]

describe('patterns that take elements by number', () => {
  for (const each of patterns)
    it(`is a data race: ${each}`, async () => {
      const body = `const load = () => Atomics.load(words, 1); ${each}`
      const { verdict, failure } = await check([body, 'Atomics.add(words, 0, 1)'])
      assert.deepEqual([verdict, failure?.kind], ['fail', 'race'], failure?.message)
    })

  it('takes of other objects what the engine takes', async () => {
    const call = `const list = [{ 0: 1 }, { 0: 2, a: 3 }, 4]
      const sealed = Object.freeze({ in: list[1], get b() { return this.in.a } })
      const { in: { 0: x, ...y }, b, ...others } = sealed; log.push(x, y.a, b, Object.keys(others).length)
      const [{ 0: p }, , ...q] = list; log.push(p, q[0]); const [{ 0: s }] = list.values(); log.push(s)
      const numbers = function* () { try { yield list[0]; yield 1 } finally { log.push('closed') } }
      const [{ 0: n }] = numbers(); log.push(n)
      const { 0: c } = 'text', { length: { 0: none } } = 'text'; log.push(c, none)
      const told = (call) => { try { call() } catch (error) { log.push(error.constructor.name) } }
      told(() => { const [{ 0: a }] = 5 })
      told(() => { const { a: { 0: b } } = {} }); told(() => { const [{ 0: a }] = [] })
      try { throw list } catch ([{ 0: a }, { 0: b }]) { log.push(a, b) }
      const take = ({ in: { 0: a } = list[0] } = {}) => a; log.push(take(), take(sealed))`
    const wanted: unknown[] = []
    new Function('log', call)(wanted)
    const ends = `invariant: ({ log }) => { if (log.join() !== '${wanted.join()}') throw new Error(log.join()) }`
    const { verdict, failure } = await check([call], ends)
    assert.equal(verdict, 'pass', `${failure?.message} and not ${wanted.join()}`)
    const { verdict: stepped, failure: other } = await check(
      [`Atomics.load(words, 1); ${call}; Atomics.load(words, 1)`],
      ends,
    )
    assert.equal(stepped, 'pass', other?.message)
  })
})

describe('modules of Node that make promises, in programs that name none', () => {
  const programs = {
    once: `import { EventEmitter, once } from 'node:events'
      const thread = (words) => {
        const emitter = new EventEmitter()
        once(emitter, 'done').then(() => Atomics.add(words, 0, 1))
        emitter.emit('done')
      }`,
    storage: `import { AsyncLocalStorage } from 'node:async_hooks'
      const storage = new AsyncLocalStorage()
      const thread = (words) => storage.run(1, () => Atomics.add(words, 0, storage.getStore()))`,
    rejects: `import assert from 'node:assert'
      const thread = (words) => void assert.rejects(() => {}).catch(() => Atomics.add(words, 0, 1))`,
    promisify: `import { promisify } from 'node:util'
      const later = promisify((call) => call(null, 1))
      const thread = (words) => void later().then((one) => Atomics.add(words, 0, one))`,
  }
  for (const [name, text] of Object.entries(programs))
    it(name, async () => {
      const file = join(folder, `${name}.check.mjs`)
      const state = 'setup: () => new Int32Array(new SharedArrayBuffer(4))'
      const ends = 'threads: [thread, thread], invariant: (words) => words[0] === 2'
      writeFileSync(file, `${text}\nexport default { ${state}, ${ends} }`)
      const { verdict, complete, failure } = await checkFile(file)
      assert.deepEqual([verdict, complete], ['pass', true], failure?.message)
    })
})
