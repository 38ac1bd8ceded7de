// Modules of WebAssembly in JavaScript do what they do in the engine: the same results, traps and memory.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Instance, type Module, engine } from '../../../../src/backends/stepped/wasm/engine.ts'
import { binary, unary } from '../../../../src/backends/stepped/wasm/numbers.ts'
import { translateWasm } from '../../../../src/backends/stepped/wasm/translate.ts'
import { assemble } from './assemble.ts'

type Called = (...args: readonly unknown[]) => unknown
type Exports = Readonly<Record<string, Called>>
type Type = 'i32' | 'i64' | 'f32' | 'f64'

interface Pair {
  readonly native: Exports
  readonly ours: Exports
  readonly memories: readonly [native: Uint8Array, ours: Uint8Array]
}

const newMemory = (): { buffer: ArrayBufferLike } =>
  new engine.Memory({ initial: 1, maximum: 2, shared: true })
const functionsOf = (given: unknown[]): object => ({
  $functions: given,
  $tables: [],
  $globals: [],
  $types: new WeakMap(),
  $made: {
    table: (length: number) => ({ elements: Array.from({ length }, () => null) }),
    global: (_type: string, _isMutable: boolean, value: unknown) => ({ value }),
  },
  $maximum: 2,
  $refuseGrowth: () => assert.fail(),
})

/** The same module, in the engine and in JavaScript, each with a memory of its own. */
function both(text: string, imported: Called = () => 0): Pair {
  const bytes = assemble(text)
  const module: Module = new engine.Module(bytes)
  const [theirs, own] = [newMemory(), newMemory()]
  const instance: Instance = new engine.Instance(module, { env: { memory: theirs, imported } })
  const made = { exports: {} as (given: object) => Exports }
  new Function('module', translateWasm(bytes, module))(made)
  const wanted = engine.Module.imports(module).filter(({ kind }) => kind === 'function')
  return {
    native: instance.exports as Exports,
    ours: made.exports({ ...functionsOf(wanted.map(() => imported)), $given: own }),
    memories: [new Uint8Array(theirs.buffer), new Uint8Array(own.buffer)],
  }
}

function outcome(called: Called, args: readonly unknown[]): unknown {
  try {
    return called(...args)
  } catch (error) {
    return `throws ${(error as Error).message}`
  }
}

function same({ native, ours }: Pair, name: string, args: readonly unknown[]): void {
  const [expected, found] = [outcome(native[name]!, args), outcome(ours[name]!, args)]
  assert.deepEqual(found, expected, `${name}(${args.map(String).join(', ')})`)
}

/** Both memories have the same in them. */
function sameMemory({ memories: [theirs, own] }: Pair): void {
  assert.ok(Buffer.from(theirs.buffer).equals(Buffer.from(own.buffer)))
}

const whole = [0, 1, -1, 2, 7, 31, 32, 33, 255, 128, -128, 65535, 2 ** 31 - 1, -(2 ** 31), 0x12345678]
const real = [
  0,
  -0,
  0.5,
  -0.5,
  1.5,
  2.5,
  -1.5,
  0.49999999,
  1e10,
  -1e10,
  2 ** 31,
  2 ** 63,
  2 ** 64,
  1e300,
  Infinity,
  NaN,
]
const values: Readonly<Record<Type, readonly unknown[]>> = {
  i32: whole,
  i64: [
    ...whole.map(BigInt),
    2n ** 63n - 1n,
    -(2n ** 63n),
    2n ** 53n + 1n,
    0x123456789abcdef0n,
    2n ** 40n + 1n,
  ],
  f32: real.map(Math.fround),
  f64: [...real, -(2 ** 63), 2 ** 32 - 0.5, -0.9, 2 ** 52 + 0.5],
}

/** The types of what an instruction takes and leaves, by its name. */
function typesOf(name: string): { readonly from: Type; readonly to: Type } {
  const [to, operation] = name.split('.') as [Type, string]
  const from = (/_([if](?:32|64))(?:_[su])?$/.exec(operation)?.[1] as Type | undefined) ?? to
  const isTest = /^(eqz|eq|ne|[lg][te](_[su])?)$/.test(operation)
  return { from: isTest ? to : from, to: isTest ? 'i32' : to }
}

const memory = '(import "env" "memory" (memory 1 2 shared))'

describe('numbers', () => {
  const functions = [
    ...[...unary.keys()].map((name) => {
      const { from, to } = typesOf(name)
      return `(func (export "${name}") (param ${from}) (result ${to}) (${name} (local.get 0)))`
    }),
    ...[...binary.keys()].map((name) => {
      const { from, to } = typesOf(name)
      return `(func (export "${name}") (param ${from} ${from}) (result ${to}) (${name} (local.get 0) (local.get 1)))`
    }),
  ]
  const pair = both(`(module ${memory} ${functions.join('\n')})`)
  // Which bits a NaN has is not told by JavaScript.
  const isKnown = (name: string, value: unknown): boolean =>
    !/reinterpret_f/.test(name) || !Number.isNaN(value)

  for (const name of unary.keys())
    it(name, () => {
      for (const value of values[typesOf(name).from]) if (isKnown(name, value)) same(pair, name, [value])
    })
  for (const name of binary.keys())
    it(name, () => {
      const own = values[typesOf(name).from]
      for (const a of own) for (const b of own) same(pair, name, [a, b])
    })
})

describe('memory', () => {
  const types = ['i32', 'i64', 'f32', 'f64'] as const
  const narrow = { i32: ['8', '16'], i64: ['8', '16', '32'], f32: [], f64: [] }
  const load = (name: string, type: Type): string =>
    `(func (export "${name}") (param i32) (result ${type}) (${name} offset=3 (local.get 0)))`
  const store = (name: string, type: Type): string =>
    `(func (export "${name}") (param i32 ${type}) (${name} offset=3 (local.get 0) (local.get 1)))`
  const plain = types.flatMap((type) => [
    [`${type}.load`, load(`${type}.load`, type)],
    [`${type}.store`, store(`${type}.store`, type)],
    ...narrow[type].flatMap((bits) => [
      ...['s', 'u'].map((sign) => [`${type}.load${bits}_${sign}`, load(`${type}.load${bits}_${sign}`, type)]),
      [`${type}.store${bits}`, store(`${type}.store${bits}`, type)],
    ]),
  ])
  const atomic = (['i32', 'i64'] as const).flatMap((type) =>
    ['', ...narrow[type]].flatMap((bits) => {
      const end = bits === '' ? '' : '_u'
      const rmw = ['add', 'sub', 'and', 'or', 'xor', 'xchg'].map(
        (each) => `${type}.atomic.rmw${bits}.${each}${end}`,
      )
      const exchange = `${type}.atomic.rmw${bits}.cmpxchg${end}`
      return [
        [`${type}.atomic.load${bits}${end}`, ''],
        [`${type}.atomic.store${bits}`, `(param i32 ${type})`],
        ...rmw.map((name) => [name, `(param i32 ${type}) (result ${type})`]),
        [exchange, `(param i32 ${type} ${type}) (result ${type})`],
      ].map(([name, signature]) => {
        const given = signature === '' ? `(param i32) (result ${type})` : signature!
        const operands = given
          .split(')')[0]!
          .split(' ')
          .slice(1)
          .map((_, at) => `(local.get ${at})`)
        return [name!, `(func (export "${name!}") ${given} (${name!} offset=8 ${operands.join(' ')}))`]
      })
    }),
  )
  const bulk = [
    [
      'memory.fill',
      '(func (export "memory.fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))',
    ],
    [
      'memory.copy',
      '(func (export "memory.copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))',
    ],
    [
      'memory.init',
      '(func (export "memory.init") (param i32 i32 i32) (memory.init $passive (local.get 0) (local.get 1) (local.get 2)))',
    ],
    ['memory.size', '(func (export "memory.size") (result i32) (memory.size))'],
    ['data.drop', '(func (export "data.drop") (data.drop $passive))'],
    [
      'memory.atomic.notify',
      '(func (export "memory.atomic.notify") (param i32 i32) (result i32) (memory.atomic.notify (local.get 0) (local.get 1)))',
    ],
    [
      'wait',
      '(func (export "wait") (param i32 i32) (result i32) (memory.atomic.wait32 (local.get 0) (local.get 1) (i64.const 0)))',
    ],
    [
      'wait64',
      '(func (export "wait64") (param i32 i64) (result i32) (memory.atomic.wait64 (local.get 0) (local.get 1) (i64.const 1000)))',
    ],
  ]
  const all = [...plain, ...atomic, ...bulk]
  const pair = both(`(module ${memory} (data (i32.const 16) "\\80\\ff\\01\\7f abcdefgh\\fe")
    (data $passive "passive") ${all.map(([, text]) => text).join('\n')})`)
  const addresses = [0, 1, 8, 13, 16, 40, 65520, 65525, 65528, 65536, -1, -8]

  for (const [name] of all)
    it(name!, () => {
      for (const at of addresses) {
        sameMemory(pair)
        const { length } = pair.native[name!]!
        if (/^(memory\.(fill|copy|init)|data)/.test(name!)) {
          for (const from of [0, 3, 20, 65530])
            for (const count of [0, 4, 20]) same(pair, name!, [at, from, count])
          continue
        }
        const type = typesOf(name!).to
        const own = name === 'wait64' ? values.i64 : values[(type as string) in values ? type : 'i32']
        if (length < 2) same(pair, name!, [at])
        else
          for (const value of own) same(pair, name!, [at, value, own[(own.indexOf(value) + 1) % own.length]])
      }
    })
})

const control: Readonly<
  Record<string, { text: string; calls: readonly (readonly [string, ...unknown[]])[] }>
> = {
  'branches out of blocks, with what they leave': {
    text: `(func (export "f") (param i32) (result i32)
      (block $c (result i32) (block $b (result i32) (block $a (result i32)
        (i32.const 1) (i32.const 10) (br_table $a $b $c (local.get 0)))
        (i32.add (i32.const 100)) (br $c))
        (i32.add (i32.const 1000))))`,
    calls: [-1, 0, 1, 2, 3, 99].map((n) => ['f', n] as const),
  },
  'loops with parameters': {
    text: `(func (export "f") (param i32) (result i32) (local i32)
      (i32.const 1) (loop $again (param i32) (result i32)
        (i32.mul (local.get 0)) (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (br_if $again (local.get 0))))`,
    calls: [
      ['f', 5],
      ['f', 1],
      ['f', 12],
    ],
  },
  'code that is never reached': {
    text: `(func (export "f") (param i32) (result i32)
      (block (if (local.get 0) (then (return (i32.const 7)) (drop) (i32.add) (drop)) (else (br 1) (block (br 0)))))
      (loop (result i32) (block (br_if 0 (i32.const 1)) (unreachable)) (i32.const 3)))
    (func (export "g") (result i32) (unreachable) (i32.const 1) (i64.const 2) (drop) (drop) (f32.add) (drop))`,
    calls: [['f', 0], ['f', 1], ['g']],
  },
  'several results, of calls and of imported functions': {
    text: `(func $two (param i64) (result i64 i32) (local.get 0) (i32.const -5))
    (func (export "f") (param i64) (result i32) (call $two (local.get 0)) (drop) (i32.wrap_i64))
    (func (export "g") (result i32) (call $imported (i32.const 3)))
    (func (export "h") (param i64) (result i64 i32) (call $two (local.get 0)))`,
    calls: [['f', 2n ** 40n + 7n], ['f', 7], ['g'], ['h', -1n]],
  },
  'calls through a table': {
    text: `(table 5 funcref) (elem (i32.const 1) $add $sub $other)
    (type $op (func (param i32 i32) (result i32)))
    (func $add (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func $sub (param i32 i32) (result i32) (i32.sub (local.get 0) (local.get 1)))
    (func $other (param i32))
    (func (export "f") (param i32) (result i32) (call_indirect (type $op) (i32.const 9) (i32.const 4) (local.get 0)))
    (func (export "g") (param i32) (table.set 0 (local.get 0) (ref.func $sub)))
    (func (export "h") (result i32) (table.size 0))`,
    calls: [
      ['f', 0],
      ['f', 1],
      ['f', 2],
      ['f', 3],
      ['f', 4],
      ['f', 5],
      ['f', -1],
      ['g', 0],
      ['f', 0],
      ['g', 5],
      ['h'],
    ],
  },
  'globals, selects and a start function': {
    text: `(global $n (mut i64) (i64.const -3)) (global $k f32 (f32.const 1.25))
    (start $begin) (func $begin (global.set $n (i64.const 40)))
    (func (export "f") (param i32) (result i64)
      (global.set $n (i64.add (global.get $n) (select (i64.const 1) (i64.const 2) (local.get 0)))) (global.get $n))
    (func (export "g") (result f32) (f32.neg (global.get $k)))`,
    calls: [['f', 0], ['f', 1], ['g']],
  },
  'arguments that are converted': {
    text: `(func (export "f") (param i32 f32 f64) (result f64)
      (f64.add (local.get 2) (f64.add (f64.convert_i32_u (local.get 0)) (f64.promote_f32 (local.get 1)))))
    (func (export "class") (param i64) (result i64) (local.get 0))`,
    calls: [
      ['f', -1, 0.1, '3'],
      ['f', 2 ** 32 + 5, 1e40, null],
      ['f', 1n, 1, 1],
      ['class', 5],
      ['class', 2n ** 64n + 1n],
    ],
  },
}

describe('control', () => {
  for (const [name, { text, calls }] of Object.entries(control))
    it(name, () => {
      const pair = both(
        `(module ${memory} (import "env" "imported" (func $imported (param i32) (result i32))) ${text})`,
        (value) => (value as number) * 2 ** 31 + 2.75,
      )
      for (const [called, ...args] of calls) same(pair, called, args)
    })

  it('refuses what it cannot write', () => {
    const refused = {
      'i32x4.splat': '(func (export "f") (drop (i32x4.splat (i32.const 1))))',
      v128: '(func (param v128))',
    }
    for (const [what, text] of Object.entries(refused)) {
      const bytes = assemble(`(module ${memory} ${text})`)
      assert.throws(
        () => translateWasm(bytes, new engine.Module(bytes)),
        new RegExp(what.replace('.', '\\.')),
      )
    }
  })
})

describe('Expressions that wait on the stack', () => {
  it('are computed before what they read changes, and once', () => {
    const pair = both(`(module (import "env" "memory" (memory 1 2 shared))
      (func (export "local") (param $a i32) (result i32)
        (i32.add (i32.mul (local.get $a) (i32.const 3)) (local.tee $a (i32.add (local.get $a) (i32.const 1)))))
      (func (export "places") (param $a i32) (result i32)
        (i32.sub
          (i32.add (i32.load (i32.const 8)) (i32.load offset=4 (i32.const 8)))
          (i32.rotl (i32.add (i32.load (local.get $a)) (i32.const 7)) (i32.add (local.get $a) (i32.const 2)))))
      (func (export "memory") (param $a i32) (result i32)
        (i32.store (i32.const 16) (i32.const 5))
        (i32.add (i32.load (i32.const 16)) (block (result i32)
          (i32.store (i32.const 16) (local.get $a)) (i32.load (i32.const 16)))))
      (func (export "choice") (param $a i32) (result i32)
        (if (result i32) (i32.eqz (i32.eqz (i32.lt_u (local.get $a) (i32.const 9))))
          (then (select (local.get $a) (i32.const 0) (i32.ne (local.get $a) (i32.const 3))))
          (else (i32.const -1))))
      (func (export "unaligned") (param $a i32) (result i64)
        (i64.store (i32.const 11) (i64.mul (i64.extend_i32_u (local.get $a)) (i64.const 4294967297)))
        (i64.load offset=3 (i32.const 8))))`)
    for (const bytes of pair.memories) bytes.fill(0).set([3, 0, 0, 0, 1, 2, 3, 4, 9, 0, 7, 0, 1, 0, 8], 0)
    for (const name of ['local', 'places', 'memory', 'choice', 'unaligned'])
      for (const value of [0, 1, 3, 8, 9, 12, -1, 2 ** 31]) same(pair, name, [value])
  })
})
