// Random small programs over shared memory, made of what JavaScript has to read, write and call with.

import * as more from './program-language.ts'
import { type Arbitrary, tuple, array, constantFrom, integer, nat, record } from 'fast-check'

/** Of one statement: `i` and `j` are indices, `v` and `w` values, `op` and `type` names. */
export interface Choice {
  readonly i: number
  readonly j: number
  readonly v: number
  readonly w: number
  readonly op: string
  readonly type: string
}

const prelude = `
const { load, store: put } = Atomics
const A = Atomics
class Base {
  static made = 0
  static { Base.made = Atomics.load(new Int32Array(new SharedArrayBuffer(4)), 0) + 1 }
  #cells
  kind = 'base'
  constructor(cells, first = cells[0]) {
    this.#cells = cells
    Atomics.add(cells, 0, first + 1)
  }
  get head() { return Atomics.load(this.#cells, 0) }
  set head(value) { Atomics.store(this.#cells, 0, value) }
  get #tail() { return Atomics.load(this.#cells, 1) }
  set #tail(value) { Atomics.store(this.#cells, 1, value) }
  move(by) { this.#tail += by; return this.#tail++ + this.head }
  static of(cells) { return new this(cells) }
  *[Symbol.iterator]() { yield this.kind; yield* [1, 2] }
}
class Derived extends Base {
  own = 1
  constructor(cells) { super(cells, 2); this.own = super.head }
  move(by) { return super.move(by) * 2 }
}
class Plain extends Base { extra = 7 }
function Old(cells) { this.cells = cells; Atomics.add(cells, 2, 5) }
Old.prototype.take = function () { return Atomics.exchange(this.cells, 2, 9) }
function* numbers(count = 3) { for (let n = 0; n < count; n++) yield n * n }
function* stopping(cells) { yield Atomics.add(cells, 0, 1); yield 2 }
function optional(value, { depth = 0, ...others } = {}) { return [value ?? depth, Object.keys(others)] }
const table = { get first() { return Atomics.load(this.cells, 0) }, bump(by) { return Atomics.add(this.cells, 0, by) } }
function each(list, callback) { const out = []; list.forEach((x, n) => out.push(callback(x, n))); return out }
`

const statements: readonly ((choice: Choice) => string)[] = [
  ...more.statements,
  ({ i, op, v }) => `log.push(Atomics.${op}(cells, ${i}, ${v}))`,
  ({ i, v }) => `log.push(Atomics.store(cells, ${i}, ${v}.7), Atomics.store(cells, ${i}, '${v}'))`,
  ({ i, v, w }) => `log.push(Atomics.compareExchange(cells, ${i}, ${v}, ${w}), cells[${i}])`,
  ({ i, op, v, type }) =>
    `{ const a = new ${type}(new SharedArrayBuffer(64), 8, 4); const n = a[0] === 0 ? (x) => x : BigInt
      log.push(Atomics.${op}(a, ${i}, n(${v})), Atomics.load(a, ${i}), a[${i}]++, ++a[0], (a[1] += n(${v})),
        [...a]) }`,
  ({ i, v }) => `log.push(load(cells, ${i}), put(cells, ${i}, ${v}), A.add(cells, ${i}, 1))`,
  ({ i, op, v }) => `log.push(Atomics['${op}'](cells, ${i}, ${v}), A['${op}'](cells, ${i}, ${v}))`,
  ({ op, i, v }) => `{ const name = '${op}'; log.push(Atomics[name](cells, ${i}, ${v})) }`,
  ({ i, v }) => `log.push(Atomics.load(...[cells, ${i}]), Atomics?.store?.(cells, ${i}, ${v}))`,
  ({ i, v }) => `log.push(globalThis.Atomics.add(cells, ${i}, ${v}), typeof Atomics, Atomics.isLockFree(4))`,
  ({ i, j, v }) => `[cells[${i}], cells[${j}]] = [cells[${j}], ${v}]; log.push(...cells)`,
  ({ i, v }) => `{ const [a, , b = ${v}, ...rest] = cells; log.push(a, b, rest, ${i}) }`,
  ({ i, v }) => `for (cells[${i}] of [1, ${v}]) log.push(cells[${i}])`,
  ({ i }) => `for (const value of cells) { if (value === ${i}) break; log.push(value) }`,
  ({ i }) => `for (const [n, value] of cells.entries()) { if (n > ${i}) continue; log.push(n + value) }`,
  ({ i }) => `log.push(cells?.[${i}], maybe?.[${i}], maybe?.cells[${i}].x, holder?.cells?.[${i}])`,
  ({ i, v }) =>
    `log.push(holder?.bump?.(${i}, ${v}), holder.missing?.(${i}), maybe?.bump(1), holder?.['bump'](1, 2))`,
  ({ i, j, v }) =>
    `cells[${i}] ||= ${v}; cells[${j}] &&= ${v}; cells[${i}] ??= 3; cells[${j}] **= 2;
      log.push(cells[${i}], cells[${j}])`,
  ({ i, v }) =>
    `{ let n = ${i}; cells[n++ % 4] += n; cells[(n += 2) % 4] = n; log.push(n, cells[n % 4]--, ${v}) }`,
  ({ i, v }) =>
    `{ class T { n = Atomics.add(cells, ${i}, ${v}); #m = load(cells, ${i}); 'k k' = this.n + this.#m;
        7 = [...cells]; f = () => this.#m; get m() { return this.f() + this.#m } }
      const t = new T(); log.push(t, t.m, t.f.name, t['k k'], new T().n) }`,
  ({ i, v }) =>
    `{ class A { x = load(cells, ${i}); constructor(...given) { log.push(given, this.x) } }
      class B extends A { y = this.x + Atomics.add(cells, ${i}, 1); z = [...cells]; w
        constructor(v) { const self = super(v, load(cells, ${i})); log.push(self === this, this.y, v) } }
      const C = class extends B { y = this.y * Atomics.add(cells, ${i}, 2) }
      log.push(new B(${v}), new C(1), C.name, Object.keys(new C(2)), Object.getOwnPropertyNames(A.prototype)) }`,
  ({ i, v }) =>
    `{ const target = {}
      class A { constructor(kind) { return kind === 0 ? target : new Proxy(this, { get: () => ${v} }) } }
      class B extends A { n = Atomics.add(cells, ${i}, 1); constructor(kind) { if (kind) super(kind); else super(0) } }
      log.push(new B(0), new B(0) === target, new B(1).n, { ...new B(2) }) }`,
  ({ v }) =>
    `{ const b = new Base(cells); b.head += ${v};
      log.push(b.head, b.head++, --b.head, b.move(${v}), [...b], Base.made) }`,
  () => `{ const o = new Old(cells); log.push(o.take(), o instanceof Old, o.take()) }`,
  ({ i }) => `log.push([...numbers(${i})], Math.max(...numbers()), Array.from(cells), Array.from(numbers()))`,
  ({ i, v }) =>
    `log.push([1, 2, , 4].map((x, n) => Atomics.add(cells, ${i}, x + n)), [3,
        ${v}].some((x) => Atomics.load(cells, x % 4) > 2))`,
  ({ i, v }) =>
    `log.push([5, 6].reduce((sum, x) => sum + Atomics.add(cells, ${i}, x), ${v}), [1, 2].flatMap((x) => [x,
        Atomics.load(cells, x)]))`,
  ({ i }) =>
    `log.push([1, 2, 3].findLast((x) => Atomics.sub(cells, ${i}, x) > 1), [1,
        2].every((x) => Atomics.load(cells, x) < 9))`,
  ({ i }) =>
    `log.push(cells.map((x) => x + Atomics.load(cells, ${i})), cells.filter((x) => x > Atomics.load(cells, 1)),
        cells.find((x) => x > load(cells, 0)))`,
  ({ i }) => `log.push(each([1, 2], (x) => Atomics.add(cells, ${i}, x)), each([4], (x) => x))`,
  ({ i }) => `new Map([[1, 2]]).forEach((value, key) => log.push(Atomics.add(cells, ${i}, value + key)))`,
  ({ i, v }) =>
    `log.push([2, 1, ${v}].sort((a, b) => Atomics.load(cells, a % 4) - b), 'a-b-'.replace(/-/g,
        (_, at) => Atomics.add(cells, ${i}, at)), [...stopping(cells)], { apply: (x) => x }.apply(${i}))`,
  ({ i }) => `for (const x of stopping(cells)) { log.push(x); if (x > ${i}) break }`,
  ({ i, v }) =>
    `for (const n of [0, 1]) { try { log.push(Atomics.load(cells, ${i})) } finally { if (n) log.push('if')
        else for (let k = 0; k < 2; k++) { try { log.push(k) } finally {
          switch (k) { case ${v % 2}: log.push('k') } } } } }`,
  () => `log.push(optional(undefined, { depth: 2, a: 1 }), optional(1))`,
  ({ v }) =>
    `log.push((() => { try { return Atomics.load(cells, 0) } finally { Atomics.store(cells, 0, ${v}) } })(),
        cells[0])`,
  ({ i }) =>
    `try { Atomics.load(cells,
        99) } catch (error) { log.push(error.name) } finally { log.push(Atomics.load(cells, ${i})) }`,
  ({ i, v }) =>
    `{ const view = new DataView(cells.buffer); view.setInt16(${i}, ${v}, true);
      log.push(view.getUint8(${i}), view.getFloat32(4)) }`,
  ({ i, j }) =>
    `log.push(cells.subarray(1)[${i}], cells.slice(${i}, ${j}), cells.indexOf(${j}), cells.at(-1),
        cells.join(), String(cells))`,
  ({ i, v }) =>
    `cells.fill(${v}, ${i}, 3); cells.set([${v}, 2], 1); cells.copyWithin(0, 2); cells.reverse(); cells.sort();
      log.push(...cells)`,
  ({ v }) =>
    `{ const copy = new Int32Array(cells); const own = new Int32Array(8); own.set(cells); own[1] += ${v};
      log.push(...copy, ...own) }`,
  ({ v }) =>
    `{ const name = 'fill'; cells[name](${v});
      log.push(cells['at'](0), cells[['join'][0]](), [...cells.values()], '' + cells) }`,
  ({ i, v }) =>
    `{ const counter = { cells, __proto__: table }; counter.bump(${v});
      log.push(counter.first, counter?.first, ${i}) }`,
  ({ i, v }) =>
    `outer: for (let n = 0; ;
      n++) { for (const x of [n, ${v}]) { if (Atomics.add(cells, ${i}, 1) > 6) break outer;
      if (x === n) continue outer } }`,
  ({ i }) =>
    `switch (Atomics.load(cells, ${i})) { case 0: log.push('zero'); case 1: log.push('one'); break;
      default: log.push('more') }`,
  ({ i, v }) =>
    `log.push(Atomics.wait(cells, ${i}, 77, ${v}), Atomics.notify(cells, ${i}), Atomics.load(cells, ${i}) ? 1 : 2)`,
  ({ i, v }) =>
    `{ const f = Atomics.add.bind(Atomics, cells); const g = (function () { return Atomics.load(this, ${i}) });
      log.push(f(${i}, ${v}), g.call(cells), g.apply(cells, [])) }`,
  ({ i }) =>
    `{ const spread = { ...holder, x: cells[${i}] }; const { x, ...rest } = spread; log.push(x, Object.keys(rest)) }`,
  ({ i, v }) =>
    `{ const f = (n) => n <= 0 ? Atomics.load(cells, ${i}) : f(n - 1) + Atomics.add(cells, ${i}, 1);
      log.push(f(${v} % 5)) }`,
  ({ i, v }) =>
    `log.push(\`\${Atomics.load(cells, ${i})} \${cells[${i}]}\`, (cells[${i}], ${v}), !cells[0], -cells[1],
        delete holder.none)`,
  ({ i, v }) =>
    `{ const f = () => { const k = Atomics.load(cells, ${i}); const seen = [];
      for (const change of [() => { k = Atomics.add(cells, 0, ${v}) }, () => k++, () => { k ||= cells[1] }])
        try { seen.push(change()) } catch (error) { seen.push(error.name) }
      try { k = Atomics.add(cells, 1, ${v}) } catch (error) { seen.push(error.name) }
      try { --k } catch (error) { seen.push(error.name) } try { k ||= 5 } catch (error) { seen.push(error.name) }
      try { k &&= cells[2] } catch (error) { seen.push(error.name) } return [k, seen] }; log.push(f()) }`,
  () => `{ const d = new Derived(cells); log.push(d.own, d.move(3), d.head, d instanceof Base) }`,
  ({ v }) => `{ const p = new Plain(cells, ${v}); log.push(p.extra, p.kind, p.head, Plain.of(cells).head) }`,
  () => `{ const { head, kind, ...others } = new Base(cells); log.push(head, kind, others) }`,
  ({ i }) =>
    `{ const { a = Atomics.load(cells, ${i}), [String(Atomics.add(cells, 0, 1))]: b = 2 } = { 1: 7 }; log.push(a, b) }`,
  ({ i, v }) =>
    `{ const later = []; for (let n = 0; n < 3; n++) { later.push(() => n); n += Atomics.add(cells, ${i}, 0) & 1 }
      for (const x of [${v}, 2]) { Atomics.add(cells, 1, x); later.push(() => x) } log.push(later.map((f) => f())) }`,
  ({ i }) =>
    `{ let total = 0; const add = () => { total += Atomics.add(cells, ${i}, 1) }; add(); total *= 2; add();
      log.push(total) }`,
  ({ v }) =>
    `{ const held = (name) => ({ [Symbol.dispose]() { log.push(name, Atomics.add(cells, 0, 1));
      if (name > 2) throw name } });
      const f = () => { using a = held(1), b = held(${v}); log.push(cells[0]); return Atomics.load(cells, 0) };
      log.push(f()) }`,
  ({ i, v }) =>
    `{ const f = (n) => { for (;;) { try { if (n > 2) return n; n += Atomics.add(cells, ${i}, 1) + 1;
      if (n === 2) continue }
      catch (e) { log.push(e) } finally { log.push(Atomics.load(cells, 0)); if (n === ${v}) break } } return -n };
      log.push(f(0)) }`,
  ({ i }) =>
    `try { try { throw Atomics.add(cells, ${i}, 1) } finally { Atomics.add(cells, 0, 2) } }
      catch (e) { log.push(e, Atomics.load(cells, 0)) }`,
  ({ i, v }) =>
    `{ const o = { get [\`x\${${i}}\`]() { return Atomics.add(cells, 0, 1) }, set y(z) { Atomics.store(cells, 1, z) } };
      log.push(o.x${i}, o['x' + ${i}], o.y = ${v}, cells[1]) }`,
  ({ i }) =>
    `{ const tag = (strings, ...values) => strings.raw.join('|') + values + Atomics.load(cells, ${i});
      log.push(tag\`a\${Atomics.add(cells, 0, 1)}b\${2}\\n\`) }`,
  ({ i, v }) =>
    `{ const it = { [Symbol.iterator]: () => ({ left: 3, next() { return { done: this.left-- < Atomics.load(cells,
      3) - 9, value: this.left } },
      return() { log.push('closed'); return {} } }) }; let n = 0;
      for (const x of it) { if (n++ > ${v} % 3) break; log.push(x, Atomics.add(cells, ${i}, 1)) } }`,
  ({ i }) =>
    `for (const key in { a: 1, b: 2, __proto__: { c: 3 } }) { if (key === 'b') continue;
      log.push(key, Atomics.add(cells, ${i}, 1)) }`,
  ({ i, v }) =>
    `switch (Atomics.load(cells, ${i})) { case Atomics.add(cells, 1, 1): log.push('a');
      default: log.push('b', cells[0]);
      case ${v}: { const x = Atomics.load(cells, 1); log.push(x); break } case 'no': log.push('c') }`,
  ({ v }) =>
    `{ const f = function () { return [this?.x, arguments.length, new.target === undefined, Atomics.load(cells, 0)] };
      log.push(f.call({ x: ${v} }, 1, 2), new f(1)[0], Reflect.apply(f, undefined, [])) }`,
  ({ v }) =>
    `{ class Pair { #a; static #made = 0;
      constructor(a) { this.#a = a } #up(n) { return this.#a += n + Atomics.add(cells, 0, 1) }
      static make(a) { Pair.#made++;
      return new this(a) } go() { return [this.#up(1), this.#a++, #a in this, Pair.#made] } }
      log.push(Pair.make(${v}).go()) }`,
  ({ i, v }) =>
    `{ const px = new Proxy({ z: 1 }, { get: (t, p) => p === 'z' ? t.z : Atomics.load(cells, Number(p)),
      set: (t, p, z) => { Atomics.store(cells, Number(p), z); return true } }); px[${i}] = ${v}; px[${i}]++;
      log.push(px[${i}], px.z) }`,
  ({ v }) =>
    `{ let a = 1, b; [a, b = Atomics.add(cells, 0, a)] = [${v}];
      ({ a, b: { c: b } = { c: Atomics.load(cells, 0) } } = { a: b });
      a ||= Atomics.load(cells, 0); b ??= 1; a &&= b + Atomics.load(cells, 1); log.push(a, b) }`,
  ({ i }) =>
    `{ let n = 4; do { if (n === 2) continue; log.push(n) } while (n-- > 0 && Atomics.add(cells, ${i}, 1) < 3) }`,
  ({ i, v }) =>
    `log.push((maybe?.f(Atomics.load(cells, ${i})))?.g, (holder?.bump)(${i}, ${v}), [..."ab"], (0, holder.bump).name)`,
]

const choice: Arbitrary<Choice> = record({
  i: integer({ min: 0, max: 3 }),
  j: integer({ min: 0, max: 3 }),
  v: integer({ min: -3, max: 300 }),
  w: integer({ min: 0, max: 9 }),
  op: constantFrom('add', 'sub', 'and', 'or', 'xor', 'exchange', 'store'),
  type: constantFrom(
    ...['Int8', 'Uint8', 'Int16', 'Uint16', 'Int32', 'Uint32', 'BigInt64', 'BigUint64'].map(
      (name) => `${name}Array`,
    ),
  ),
})

const statement = tuple(nat({ max: statements.length - 1 }), choice).map(([at, chosen]) =>
  statements[at]!(chosen),
)

/** What cannot stop: it computes the same as long as the thread is alone. */
export const rigid: readonly string[] = [
  "log.push(JSON.parse('[1]', (key, value) => Atomics.add(cells, 0, 1)))",
  'log.push({ valueOf: () => Atomics.add(cells, 0, 1) } + 1, `${{ toString: () => Atomics.load(cells, 0) }}`)',
  'class Ticket { static number = Atomics.add(cells, 0, 1) } log.push(Ticket.number)',
  'class Ticket { [`a${1}`] = Atomics.add(cells, 0, 1) } log.push(new Ticket().a1)',
]

/** A module that exports `main`, which returns a list of what it saw. */
export function programOf(body: readonly string[], form: 'module' | 'commonjs'): string {
  const blocks = body.map((text) => `  try { ${text} } catch (error) { log.push(String(error)) }`)
  const exported = form === 'module' ? 'export { main, run }' : 'module.exports = { main, run }'
  return `${prelude}${more.prelude}
function main() {
  const log = []
  const cells = new Int32Array(new SharedArrayBuffer(16))
  const maybe = undefined
  const holder = { cells, bump(i, v) { return Atomics.add(this.cells, i, v) } }
${blocks.join('\n')}
  return log
}
function run(out) { out.result = main() }
${exported}
`
}

/** Each kind of statement once. */
export const oneOfEach: readonly string[] = statements.map((write) =>
  write({ i: 1, j: 2, v: 3, w: 4, op: 'add', type: 'Int32Array' }),
)

export const randomBody: Arbitrary<string[]> = array(statement, { minLength: 1, maxLength: 6 })
