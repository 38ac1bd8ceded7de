// Programs as people and compilers write them: what they do is checked, whatever of the language they are made of, or
// refused with its place.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { checkFile } from '../../src/check/index.ts'

interface Case {
  readonly name: string
  readonly text: string
  readonly verdict: 'pass' | 'fail' | 'refused'
  /** What is said of it. */
  readonly says?: RegExp
  readonly extension?: string
}

const alike = (thread: string, invariant: string): string => `
const thread = ${thread}
export default {
  title: 'two threads of one function',
  setup: () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [thread, thread],
  invariant: (a) => ${invariant},
}
`

const cases: readonly Case[] = [
  {
    name: 'a method that is added under a computed name',
    text: `const ops = {}
for (const name of ['first', 'second']) ops[name] = (a) => { Atomics.store(a, 0, Atomics.load(a, 0) + 1) }
${alike('function (a) { ops.first(a) }', 'a[0] === 2')}`,
    verdict: 'fail',
  },
  {
    name: 'accessors that Object.defineProperty makes',
    text: `class Counter { constructor(a) { this.a = a } }
Object.defineProperty(Counter.prototype, 'value', {
  get() { return Atomics.load(this.a, 0) },
  set(v) { Atomics.store(this.a, 0, v) },
})
${alike('function (a) { new Counter(a).value++ }', 'a[0] === 2')}`,
    verdict: 'fail',
  },
  {
    name: 'an access in valueOf, which the language calls',
    text: `class Counter { constructor(a) { this.a = a } valueOf() { return Atomics.load(this.a, 0) } }
${alike('function (a) { Atomics.store(a, 0, new Counter(a) + 1) }', 'a[0] === 2')}`,
    verdict: 'refused',
    says: /:1: Atomics\.load\(this\.a, 0\) comes to a shared access where nothing can stop; call it/,
  },
  {
    name: 'a field whose value is of a class that comes later in the function',
    text: alike(
      `function (a) {
  class First { second = new Second() }
  class Second { add() { Atomics.add(a, 0, 1) } }
  new First().second.add()
}`,
      'a[0] === 2',
    ),
    verdict: 'pass',
  },
  {
    name: 'once() of an emitter that has on() and once() alone',
    text: `import { EventEmitter, once } from 'node:events'
class Source {
  emitter = new EventEmitter()
  on(...args) { return this.emitter.on(...args) }
  once(...args) { return this.emitter.once(...args) }
}
${alike(
  `async function (a) {
  const source = new Source()
  setImmediate(() => { source.emitter.emit('end', 1) })
  Atomics.add(a, 0, (await once(source, 'end'))[0])
}`,
  'a[0] === 2',
)}`,
    verdict: 'pass',
  },
  {
    name: 'a function without this, which new calls',
    text: `function Ticket(a) { Atomics.add(a, 0, 1) }
Ticket.prototype.count = 1
${alike('function (a) { Atomics.add(a, 1, new Ticket(a).count) }', 'a[0] === 2 && a[1] === 2')}`,
    verdict: 'pass',
  },
  {
    name: 'code that is made of a text',
    text: alike("function (a) { new Function('a', 'a[0]++')(a) }", 'a[0] === 2'),
    verdict: 'refused',
    says: /:2: code that is made of a text is not stepped; write it into a module/,
  },
  ...Object.entries({
    'a name of its own for it': 'const Make = Function; Make',
    'what is handed over': '((Make) => Make)(Function)',
    call: 'Function.call.bind(Function, null)',
    'Reflect.construct': '((...parts) => Reflect.construct(Function, parts))',
  }).map(([by, make]) => ({
    name: `code that is made of a text, by ${by}`,
    text: alike(`function (a) { ${make}('a', 'a[0]++')(a) }`, 'a[0] === 2'),
    verdict: 'refused' as const,
    says: /:2: code that is made of a text is not stepped; write it into a module/,
  })),
  ...Object.entries({
    'the constructor of a function': "(() => {}).constructor('a', text)(a)",
    'that of an async one': "(async () => {}).constructor('a', text)(a)",
    'eval by another name': '(0, eval)(`(a) => { ${text} }`)(a)',
    'a computed name': "globalThis['Func' + 'tion']('a', text)(a)",
  }).map(([by, run]) => ({
    name: `operations in code that is made of a text, by ${by}`,
    text: `const text = 'Atomics.store(a, 0, Atomics.load(a, 0) + 1)'
${alike(`function (a) { ${run} }`, 'a[0] === 2')}`,
    verdict: 'refused' as const,
    says: /:3: Atomics\.load in code that is not stepped, such as what is made of a text; write it into a module/,
  })),
  {
    name: 'eval, which sees the variables of a function',
    text: alike("function (a) { let n = Atomics.load(a, 0); eval('n++'); Atomics.store(a, 0, n) }", 'a[0]'),
    verdict: 'refused',
    says: /:2: code that is made of a text is not stepped; write it into a module/,
  },
  {
    name: 'a getter that stops while the engine copies an object, whose copy is asked for the same name',
    text: alike(
      `function (a) {
  let n = 0
  const { ...copy } = { get v() { Atomics.add(a, 0, 1) > 9; n++; return 2 } }
  if (n + 10 * copy.v !== 21) throw new Error(String(n))
}`,
      'a[0] === 2',
    ),
    verdict: 'refused',
    says: /:4: Atomics\.add\(a, 0, 1\) comes to a shared access where nothing can stop/,
  },
  {
    name: 'with',
    text: `module.exports = {
  title: 'with',
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [(a) => { with ({ a }) Atomics.add(a, 0, 1) }, (a) => { Atomics.add(a, 0, 1) }],
}`,
    verdict: 'refused',
    says: /:4: with; name the object in front of its properties/,
    extension: 'cjs',
  },
  {
    name: 'super() in an arrow function of a constructor that stops',
    text: `class Base { constructor(a) { Atomics.add(a, 0, 1) } }
class Derived extends Base { constructor(a) { const make = () => super(a); make(); Atomics.add(a, 0, 1) } }
${alike('function (a) { new Derived(a) }', 'a[0] === 4')}`,
    verdict: 'refused',
    says: /:2: super\(\) in an arrow function; call it in the constructor itself/,
  },
  {
    name: 'a getter that stops while the engine copies an object, before an await',
    text: `const thread = async (a) => {
  const copy = { ...{ get v() { return Atomics.add(a, 0, 1) } } }
  await copy
}
export default { setup: () => new Int32Array(new SharedArrayBuffer(8)), threads: [thread, thread] }`,
    verdict: 'refused',
    says: /:2: Atomics\.add\(a, 0, 1\) comes to a shared access where nothing can stop; call it/,
  },
  {
    name: 'an access in the callback of a sort, which the engine calls',
    text: alike('function (a) { [2, 1].sort((x, y) => Atomics.add(a, x, y)) }', 'a[1] === 4'),
    verdict: 'pass',
  },
  {
    name: 'an access in the value of a static field',
    text: `const take = (a) => Atomics.add(a, 0, 1)
${alike('function (a) { class Ticket { static number = take(a) } Atomics.load(a, Ticket.number) }', 'a[0] === 2')}`,
    verdict: 'refused',
    says: /:1: Atomics\.add\(a, 0, 1\) comes to a shared access where nothing can stop; call it/,
  },
  {
    name: 'an access in the value of a field whose name is computed',
    text: `const take = (a) => Atomics.add(a, 0, 1)
${alike("function (a) { class Ticket { ['a' + 1] = take(a) } new Ticket() }", 'a[0] === 2')}`,
    verdict: 'refused',
    says: /:1: Atomics\.add\(a, 0, 1\) comes to a shared access where nothing can stop; call it/,
  },
  {
    name: 'an access in the value of a field: two that count without care',
    text: `class Count {
  value; constructor(a) { this.value = Atomics.load(a, 0) + 1; Atomics.store(a, 0, this.value) } }
${alike('function (a) { class Ticket { count = new Count(a) } new Ticket() }', 'a[0] === 2')}`,
    verdict: 'fail',
  },
  {
    name: 'fields, private and not, in the order of classes that extend each other',
    text: `const add = (a, at) => Atomics.add(a, at, 1)
class Base { name = 'base'; made = this.make(); constructor(...given) { this.given = given.length } make() {} }
class Queue extends Base {
  a = memory; lock = add(this.a, 0); #n = add(this.a, 1); get = () => this.#n + this.lock * 0; 7 = add(this.a, 2)
  static limit = 2
  make() { return 'queue' + this.lock }
}
class Small extends Queue{own=add(this.a,3);constructor(a){memory=a,super(1,2),this.y=this.own*0}set(y){this.y=y}}
class Seen extends Small {
  last = add(this.a, 3); seen() { return Object.keys(this).join() + this.get.name + this.made } }
let memory
${alike(
  `function (a) {
  const seen = new Seen(a).seen()
  if (seen !== '7,name,made,given,a,lock,get,own,y,lastgetqueueundefined') throw new Error(seen)
  memory = a
  if (new Queue(1).given !== 1 || new Queue().get() < 2) throw new Error('other')
}`,
  'a[0] === 6 && a[1] === 6 && a[2] === 6 && a[3] === 4',
)}`,
    verdict: 'pass',
  },
  {
    name: 'a class as Babel writes it for ES5',
    text: `function define(e, r) { for (var t = 0; t < r.length; t++) { var o = r[t]; o.configurable = !0
  "value" in o && (o.writable = !0); Object.defineProperty(e, o.key, o) } }
var Counter = function () {
  function Counter(a) { this.a = a }
  return define(Counter.prototype,
    [{ key: "increment", value: function increment() { Atomics.add(this.a, 0, 1) } }]), Counter
}()
${alike('function (a) { new Counter(a).increment() }', 'a[0] === 2')}`,
    verdict: 'pass',
  },
  {
    name: 'a subclass as TypeScript writes it for ES5',
    text: `var Counter = (function () { function Counter(a) { this.a = a }
  Counter.prototype.increment = function () { Atomics.add(this.a, 0, 1) }; return Counter }())
var Sub = (function (_super) {
  function __() { this.constructor = Sub }
  __.prototype = _super.prototype; Sub.prototype = new __()
  function Sub() { return _super !== null && _super.apply(this, arguments) || this }
  return Sub }(Counter))
${alike('function (a) { new Sub(a).increment() }', 'a[0] === 2')}`,
    verdict: 'pass',
  },
  {
    name: 'a constructor with an access that is called by apply',
    text: `function Base(a) { this.was = Atomics.add(a, 0, 1) }
function Sub() { return Base.apply(this, arguments) || this }
${alike('function (a) { const { was } = new Sub(a); Atomics.add(a, 1, was) }', 'a[0] === 2 && a[1] === 1')}`,
    verdict: 'pass',
  },
  {
    name: 'a bound function',
    text: `const increment = (a, by) => Atomics.add(a, 0, by)
${alike('function (a) { const f = increment.bind(null, a); f(1) }', 'a[0] === 2')}`,
    verdict: 'pass',
  },
  {
    name: 'the call form (0, o.f)() before an optional chain',
    text: `const o = { f: (x) => ({ v: x }) }
${alike('function (a) { Atomics.add(a, 0, (0, o.f)(1)?.v) }', 'a[0] === 2')}`,
    verdict: 'pass',
  },
  {
    name: 'a chain in parentheses that is called',
    text: `const counter = { by: 1, next(a) { return { was: Atomics.add(a, 0, this.by) } } }
${alike('function (a) { (counter?.next)(a)?.was }', 'a[0] === 2')}`,
    verdict: 'pass',
  },
  {
    name: 'a lock that is held by using',
    text: `class Lock {
  constructor(w) { this.w = w }
  acquire() {
    while (Atomics.compareExchange(this.w, 0, 0, 1) !== 0) Atomics.wait(this.w, 0, 1)
    return { [Symbol.dispose]: () => { Atomics.store(this.w, 0, 0); Atomics.notify(this.w, 0) } }
  }
}
${alike('function (w) { using held = new Lock(w).acquire(); w[1]++ }', 'a[1] === 2')}`,
    verdict: 'pass',
  },
  {
    name: 'new.target',
    text: `function Counter(a) { if (!new.target) return new Counter(a); Atomics.add(a, 0, 1) }
${alike('function (a) { Counter(a) }', 'a[0] === 2')}`,
    verdict: 'pass',
  },
  {
    name: 'a getter of the base class through super',
    text: `class Base { constructor(a) { this.a = a } get value() { return Atomics.add(this.a, 0, 1) } }
class Sub extends Base { get value() { return super.value } }
${alike('function (a) { void new Sub(a).value }', 'a[0] === 2')}`,
    verdict: 'pass',
  },
  {
    name: 'an iterator of the program',
    text: `const drain = (a) => ({ [Symbol.iterator]: () => ({ next: () => {
  const left = Atomics.sub(a, 0, 1)
  return { done: left <= 0, value: left } } }) })
export default {
  setup: () => { const a = new Int32Array(new SharedArrayBuffer(4)); a[0] = 2; return a },
  title: 'an iterator over shared memory',
  threads: [(a) => { for (const x of drain(a)) void x }, (a) => { for (const x of drain(a)) void x }],
}`,
    verdict: 'pass',
  },
  {
    name: 'a static block in a function, with the name of a setter',
    text: `class Cell { constructor(a) { this.a = a } set value(v) { Atomics.store(this.a, 0, v) } }
${alike(
  `function (a) {
  class Settings { static value; static { Settings.value = 3 } }
  new Cell(a).value = Settings.value
}`,
  'a[0] === 3',
)}`,
    verdict: 'pass',
  },
  {
    name: 'traps of a proxy',
    text: `const view = (a) => new Proxy({}, {
  get: (_, p) => Atomics.load(a, Number(p)), set: (_, p, v) => { Atomics.store(a, Number(p), v); return true } })
${alike('function (a) { view(a)[0]++ }', 'a[0] === 2')}`,
    verdict: 'fail',
  },
  {
    name: 'a base class whose constructor has an access',
    text: `class Base { #n; constructor(a) { this.#n = Atomics.add(a, 0, 1) } get n() { return this.#n } }
class Sub extends Base { #twice = 2 * this.n; get twice() { return this.#twice } }
${alike('function (a) { Atomics.add(a, 1, new Sub(a).twice) }', 'a[0] === 2 && a[1] === 2')}`,
    verdict: 'pass',
  },
  {
    name: 'a callback of map that shortens the array',
    text: alike(
      `function (a) {
  const list = [1, 2, 3]
  const mapped = list.map((x, i) => { Atomics.add(a, 0, 1); if (i === 0) list.length = 1; return x })
  if (mapped.length !== 3 || list.length !== 1) throw new Error('length ' + mapped.length)
}`,
      'a[0] === 2',
    ),
    verdict: 'pass',
  },
  {
    name: 'functions that give their own name to something else',
    text: `const make = function made(a) {
  var made = {}; made.old = Atomics.add(a, 0, 1); made = { of: made.old }; return made.of
}
const parameter = function given(given) { Atomics.load(given, 0); return given.length }
const inner = function own(a) { function own() { return Atomics.load(a, 1) } return own() }
const byDefault = function g(a, own = g) { var g = Atomics.load(a, 1); return typeof own + g }
const recursive = function again(a, n) { return n + Atomics.load(a, 1) === 0 ? 0 : again(a, n - 1) }
const lexical = function k(a) { const k = Atomics.load(a, 1); return k }
${alike(
  `function (a) {
  const got = [make(a) < 2, parameter(a), inner(a), byDefault(a), recursive(a, 2), lexical(a)].join()
  if (got !== 'true,4,0,function0,0,0') throw new Error(got)
}`,
  'a[0] === 2',
)}`,
    verdict: 'pass',
  },
]

describe('the language as it is written', () => {
  const folder = mkdtempSync(join(tmpdir(), 'language-'))
  after(() => rmSync(folder, { recursive: true }))

  cases.forEach(({ name, text, verdict, says, extension = 'mjs' }, number) => {
    it(`${verdict}: ${name}`, async () => {
      const file = join(folder, `case-${number}.${extension}`)
      writeFileSync(file, text)
      const check = checkFile(file, { seconds: 600 })
      if (verdict === 'refused') {
        await assert.rejects(check, (error: Error) => {
          assert.equal(error.name, 'SteppingRefused')
          assert.match(error.message, says!)
          return true
        })
        return
      }
      const result = await check
      assert.equal(result.verdict, verdict)
      if (verdict === 'pass') assert.equal(result.complete, true)
      assert.ok(result.executions > 1 || result.verdict === 'fail' || result.steps > 1)
    })
  })
})
