// More statements of random programs: what the language has beyond the calls and accesses of program-text.ts.

import type { Choice } from './program-text.ts'

/** Declared once in each program. */
export const prelude = `
const step = (cells, by = 1) => Atomics.add(cells, 0, by)
const seen = (log, f) => { try { log.push(f()) } catch (error) { log.push(error.name) } }
class Priv {
  #v = 1
  #m(n) { return this.#v += n }
  get #g() { return this.#v * 2 }
  set #g(n) { this.#v = n }
  static #make(n) { return new Priv().#m(n) }
  static made(cells) { return Priv.#make(step(cells)) }
  static has(o) { return #v in o && #m in o }
  run(cells, o) { this.#g = step(cells, 2); this.#g += 1; return [this.#m(step(cells)), o?.#v, this?.#m?.(1),
      this.#g, Priv.has(this)] }
}
class Parent { m(n) { return ['parent', n, this.tag] } get p() { return this.tag + 'p' } set p(v) {
      this.q = v } tag = 'own' }
const parentObject = { m(n) { return ['super', n, this.tag] } }
function iterable(cells, log, count, ends = {}) {
  let n = 0
  return { [Symbol.iterator]() { log.push('open', step(cells)); return this },
    next() { step(cells); if (ends.next === n) throw 'next'; return { done: n >= count, get value() {
      log.push('value'); return n++ } } },
    get return() { log.push('get return'); return ends.lacks ? undefined : () => { log.push('return',
      step(cells)); if (ends.throws) throw 'return'; return ends.wrong ? 1 : {} } } }
}
function Made(cells) { step(cells) }
Made.prototype.of = 'Made'
async function* later(cells, log) { try { for (let n = 0; n < 3; n++) log.push(yield n + step(cells)) }
      finally { log.push('ended', step(cells)); await 0; step(cells) } }
`

const withEnds = (n: number): string =>
  ['{}', '{ next: 1 }', '{ throws: true }', '{ wrong: true }', '{ lacks: true }'][Math.abs(n) % 5]!

export const statements: readonly ((choice: Choice) => string)[] = [
  ({ i, v }) =>
    `a: for (let n = 0; n < 3; n++) { try { switch (n + step(cells, 0)) { case ${i}: continue a;
      case 1: log.push('one'); break; default: if (${v} % 2) break a } log.push(n) } finally { log.push('f',
      step(cells)); if (n === 2) continue a } }`,
  ({ i, v }) =>
    `seen(log, () => { const [a, b = step(cells)] = iterable(cells, log, ${i}, ${withEnds(v)}); return [a, b] })`,
  ({ i, v }) =>
    `seen(log, () => { const o = {}; [o[step(cells)], , o.b = step(cells), ...o.c] = iterable(cells, log,
      ${i + 1}, ${withEnds(v)}); return o })`,
  ({ i, v }) =>
    `seen(log, () => { let a, b; [a, [b] = [step(cells)]] = iterable(cells, log, ${i}, ${withEnds(v)});
      return [a, b] })`,
  ({ v }) =>
    `seen(log, () => { const [{ x = step(cells), ...r } = { y: 1 }, ...[q, w]] = [undefined, ${v},
      step(cells)]; return [x, r, q, w] })`,
  ({ i, v }) =>
    `seen(log, () => { for (const [a = step(cells), b] of [[undefined, 1], iterable(cells, log, ${i},
      ${withEnds(v)})]) log.push(a, b) })`,
  ({ v }) =>
    `seen(log, () => { for (const x of iterable(cells, log, 3, ${withEnds(v)})) { log.push(x); if (x === 1) {
      if (${v} % 2) return step(cells); throw step(cells) } } })`,
  ({ i }) =>
    `log.push(new Priv().run(cells, new Priv()), Priv.made(cells)); seen(log, () => new Priv().run(cells, {}));
      log.push(${i})`,
  ({ v }) =>
    `{ const o = { __proto__: parentObject, tag: 't', m(n) { return [super.m(step(cells)), super['m'](n),
      super.x?.(n), super.m?.(step(cells))] } }; log.push(o.m(${v})) }`,
  ({ v }) =>
    `{ class C extends Parent { m(n) { return [super.m(step(cells)), (() => super.p)(), super.p = step(cells),
      this.q, super['p'], n] } static s = 1; static { this.t = 2 } } log.push(new C().m(${v}), C.s, C.t) }`,
  ({ i, v }) =>
    `{ const tag = (s, ...r) => [s.raw.length, s === tag.last, (tag.last = s, r)];
      const f = (n) => tag\`a\${step(cells)}b\${n}\`; log.push(f(${i}), f(${v}), { t: tag }.t\`\${step(cells)}\`) }`,
  ({ v }) =>
    `{ using a = { [Symbol.dispose]() { log.push('a', step(cells)) } }; for (using b of [{ [Symbol.dispose]() {
      log.push('b', step(cells)) } }, null]) { log.push(step(cells)); if (${v} % 2) break } }`,
  ({ v }) =>
    `{ const fs = []; for (let n = 0, g = () => n; n < 3; n += 1 + step(cells, 0) * 0) { fs.push(() => n, g);
      if (n === 1) n += ${Math.abs(v) % 2}; step(cells) } for (const k in { a: 1, b: 2 }) { step(cells);
      fs.push(() => k) } log.push(fs.map((f) => f())) }`,
  ({ v }) =>
    `{ const mapped = function (a, b) { arguments[0] = step(cells); b = ${v}; step(cells); return [a, b,
      [...arguments], arguments.length] }; log.push(mapped(1, 2, 3), mapped()) }`,
  () =>
    `{ const f = function (n) { const inner = () => [arguments.length, n]; n = step(cells); return inner() };
      log.push(f(7, 8), f.call(null)) }`,
  ({ i }) =>
    `{ class List extends Array { static get [Symbol.species]() { log.push('species'); return ${i}
      % 2 ? List : Array } } const l = List.from([1, 2, 3]);
      log.push(l.map((x) => x + step(cells)) instanceof List, l.filter((x) => step(cells) >= 0 && x > 1),
      l.flatMap((x) => [x, [step(cells)]])) }`,
  ({ v }) =>
    `{ const a = [3, 1, , 2]; log.push(a.map((x, n) => { if (n === 1) a[3] = ${v}; return x + step(cells) }),
      a.find((x) => step(cells) > 99), a.findLastIndex((x) => step(cells) && x === 1), a.reduceRight((s,
      x) => s + x + step(cells)), a.some((x) => step(cells) > 3), a.every((x) => step(cells) < 0)) }`,
  () =>
    `{ const a = [3, undefined, 1, , 2]; log.push([...a].sort((x, y) => step(cells, 0) + x - y), a.sort((x,
      y) => y - x + step(cells, 0)), a.toSorted((x, y) => step(cells, 0) + x - y)) }`,
  ({ v }) =>
    `log.push('a1b22'.replace(/(?<d>\\d+)/g, (m, d, at, all, groups) => [m, d, at, groups.d, step(cells)]),
      'xyx'.replaceAll('x', () => step(cells) + ${v}), 'abc'.replace('b', (m, at) => at + step(cells)))`,
  ({ v }) =>
    `{ const r = /a/y; r.lastIndex = ${v} % 2; log.push('aab'.replace(r, () => step(cells)), r.lastIndex) }`,
  () =>
    `log.push(Object.groupBy([1, 2, 3], (x) => x + step(cells, 0) > 2 ? 'big' : 'small'), [...Map.groupBy([1,
      2], (x) => step(cells))])`,
  ({ i }) =>
    `log.push(Array.from({ length: ${i} }, (_, n) => n + step(cells)), Array.from('ab',
      (c) => c + step(cells)), Array.from(new Set([1, 2]), function (x) { return this.k + x + step(cells) }, {
      k: 1 }))`,
  ({ i, v }) =>
    `seen(log, () => Array.from(iterable(cells, log, ${i + 1}, ${withEnds(v)}), (x) => {
      if (x === 1) throw 'mapper'; return step(cells) }))`,
  () =>
    `{ const m = new Map([[1, 'a'], [2, 'b']]); m.forEach(function (x, k, all) { log.push(x, k, all === m,
      this.t, step(cells)); if (k === 1) m.delete(2), m.set(3, 'c') }, { t: 1 }) }`,
  ({ v }) => `seen(log, () => { step(cells); const r = early + 1; const early = ${v}; return r })`,
  () =>
    `seen(log, () => { const use = () => late; log.push(step(cells)); const r = use(); let late = 1; return r })`,
  () =>
    `seen(log, () => { const use = () => late; let late = step(cells); late += step(cells); return use() })`,
  () =>
    `seen(log, () => { log.push(step(cells)); return called(); function called() { return step(cells) + later }
      var later = 1 })`,
  () =>
    `{ const m = new Made(cells); log.push(m.of, m instanceof Made, Reflect.construct(Made, [cells]).of,
      ((K) => new K(cells))(Made).of) }`,
  ({ v }) =>
    `{ const f = ${v} % 2 ? () => step(cells) : function () { return step(cells) }; let g; g ??= () => 1;
      const { h = () => step(cells) } = {}; const o = { k: () => 1, l: step(cells), ['m' + step(cells, 0)]() {}
      }; log.push(f.name, g.name, h.name, o.k.name, [() => step(cells)].map((x) => x.name)) }`,
  ({ v }) =>
    `seen(log, () => { const o = null; return o.m(log.push('argument'), step(cells)) }); seen(log, () => {
      const o = { m: (x) => ['old', x] }; return o.m((o.m = () => 'new', step(cells) + ${v})) })`,
  () =>
    `seen(log, () => { const o = { get m() { log.push('get'); return (x) => x } }; return [o.m(step(cells)),
      o['m'](step(cells)), o?.m?.(step(cells))] })`,
  ({ v }) =>
    `seen(log, () => { const key = { toString() { log.push('key'); return 'k' } }; const o = { k: ${v} };
      o[key] = (log.push('value'), step(cells)); return [o, { [key]: (log.push('value'), step(cells)) }] })`,
  () =>
    `seen(log, () => { const { a, ...rest } = { get a() { log.push('a'); return step(cells) }, b: 1,
      [Symbol.for('c')]: 2 }; return [a, rest] })`,
  () =>
    `seen(log, () => { class D extends Parent { constructor(n) { if (n) super(); step(cells);
      if (n > 1) return { given: n } } } log.push(new D(1).tag, new D(2)); return new D(0) })`,
  () =>
    `seen(log, () => { class D extends Parent { constructor(n) { super(); step(cells); return n } }
      log.push(new D(undefined).tag); return new D(1) })`,
  ({ v }) =>
    `{ function* g(a, [b = step(cells)] = [], { c = a } = {}) { try { const x = yield [a, b, c]; log.push(x);
      yield* iterable(cells, log, 2, ${withEnds(v)}); return step(cells) } catch (e) { log.push(String(e));
      yield 'caught' } finally { log.push('f', step(cells)) } } const it = g(1); seen(log, () => it.next(5));
      seen(log, () => it.next(6)); seen(log, () => it.${['next', 'return', 'throw'][Math.abs(v) % 3]}(7)); seen(log,
      () => it.next(8)) }`,
  () =>
    `{ const o = { *[Symbol.iterator]() { yield step(cells); yield* [1, 2] } }; log.push([...o],
      Math.max(...o), new Set(o), Object.fromEntries([[1, [...o]]]), Array.from(o)) }`,
  ({ v }) =>
    `seen(log, () => [0, 1].map((n) => { do { if (n++ > 3) break; if (${v} % 2) continue }
      while (step(cells) < 3); return n }))`,
  () =>
    `{ const p = new Proxy({ a: 1 }, { get: (t, k, r) => [k, step(cells)], set: (t, k, v) => { log.push(k, v,
      step(cells)); return true } }); p.x = p.y; log.push(p.z, (p.w = 3)) }`,
  () =>
    `seen(log, () => { const x = { n: 1 }; const { n: m = step(cells) } = x; x.n ||= step(cells);
      x.o ??= step(cells); x.n &&= step(cells); return [m, x, x?.n, delete x?.n, x] })`,
  ({ v }) =>
    `seen(log, () => { const k = ${v}; try { [k] = [step(cells)] } catch (e) { log.push(e.name) } try { ({ k }
      = { k: step(cells) }) } catch (e) { log.push(e.name) } for (const q of [1]) try { q = step(cells) }
      catch (e) { log.push(e.name) } return k })`,
  ({ v }) =>
    `seen(log, () => { step(cells); switch (${v} % 2) { case 0: let x = step(cells); const y = 2; case 1:
      const f = () => [x, typeof y, A]; class A {} step(cells); return f() } })`,
  () => `seen(log, () => ((a = () => b, c = step(cells), b = step(cells)) => [a(), step(cells), a(), c])())`,
  () =>
    `{ for (const given of [[], [4], [4, 5]]) seen(log, () => ((a = b, b = step(cells)) => [a, b])(...given));
      seen(log, () => ((a = step(cells), [b, c = d, d] = []) => [a, b, c])()); seen(log, () => ((a = typeof b,
      b = step(cells)) => a)()); seen(log, () => ((x, a = () => x) => { x = step(cells); return a() })(9)) }`,
  () =>
    `{ const f = () => { x = 1 }, g = () => { [x] = [step(cells)] }; seen(log, f); seen(log, g); let x; g();
      log.push(x); seen(log, () => { step(cells); ({ y = 3 } = {}); const y = 1 }); seen(log, () => { try {
      throw step(cells) } catch ({ message = e, e = 1 }) {} }) }`,
  () =>
    `seen(log, () => { const f = ({ 0: a, 1: b = step(cells), ...r }) => [a, b, r], out = [f([1]), f([1, 2, 3])];
      for (const { 0: k, 1: { 0: v } } of new Map([[1, [2]]])) out.push(step(cells), k, v); let k; for ({ 0: k } of
      [[7]]) out.push(k); return [...out, [[1, 2]].map(({ 0: a, 1: b }) => a + b + step(cells))] })`,
  () =>
    `seen(log, () => { let n = 0; class A { a = n++; #p = n++; f = () => 1; constructor(c) { step(c) }
      get p() { return this.#p } } class B extends A { b = n++; constructor(c) { super(c); step(c) } }
      class C extends B { c = n++ } const o = new C(cells); return [o.a, o.p, o.b, o.c, n, o.f.name] })`,
  () =>
    `seen(log, () => { const o = {}; class A { constructor() { return o } } class B extends A { b = log.push('b')
      constructor() { super(); this.c = step(cells) } } new B(); return [o, o === new B()] })`,
  () =>
    `seen(log, () => (function f(n) { const g = (m) => m ? f(0) : step(cells); return n ? [g(n), g(0),
      f.name] : step(cells) })(1))`,
  ({ i }) =>
    `{ const view = new DataView(cells.buffer, 1); log.push(view.getInt16(${i}), view.setUint8(1, 300),
      view.getUint32(3, true), view.byteOffset); seen(log, () => view.getFloat64(12)) }`,
  ({ v }) =>
    `{ const own = new Float32Array([1.5, ${v}, NaN]); log.push(own.map((x) => x + step(cells)),
      own.filter((x) => step(cells) && x > 1), own.toSorted((a, b) => a - b + step(cells, 0)),
      own.findLast((x) => step(cells) > 0)) }`,
  ({ v }) =>
    `seen(log, () => { const a = new Int32Array(new ArrayBuffer(8, { maxByteLength: 16 }));
      const out = a.map((x, n) => { a.buffer.resize(n ? 4 : 16); return step(cells) + n }); return [out,
      a.length, ${v}] })`,
  ({ i, v }) =>
    `seen(log, () => [Atomics.add(cells, { valueOf() { log.push('index'); return ${i} } }, { valueOf() {
      log.push('operand'); return ${v} } }), ...cells]); seen(log, () => Atomics.add([1], 0, { valueOf() {
      log.push('operand') } })); seen(log, () => Atomics.store(cells, 9, { valueOf() { log.push('operand') } }))`,
  () =>
    `{ const f = (a, b = step(cells), { c = b } = {}, ...d) => [a, b, c, d]; log.push(f(1), f(1, undefined, {},
      4), f.length) }`,
  () =>
    `seen(log, () => { var v = 1; { function v2() { return v } } v = step(cells); var v; return [v, v2()] })`,
  ({ v }) =>
    `(async () => { try { log.push('async', await step(cells), await Promise.all([step(cells), later(cells,
      log).next()])); for await (const x of later(cells, log)) { log.push(x); if (x > ${v} % 4) break } }
      catch (e) { log.push(e.name) } finally { log.push(await step(cells)) } })()`,
  ({ v }) =>
    `{ const g = later(cells, log); g.next(1).then((r) => log.push(r)); g.${
      ['next', 'return', 'throw'][Math.abs(v) % 3]
    }(2).then((r) => log.push(r), (e) => log.push(['rejected', e]));
      g.next(3).then((r) => log.push(r)) }`,
  () =>
    `(async ({ a }, b = step(cells)) => [a, b])().then((r) => log.push(r), (e) => log.push(e.name));
      (async () => { const { x = await step(cells), ...r } = { y: await 1 }; return [x,
      r] })().then((r) => log.push(r))`,
  () =>
    `Promise.all(null).catch((e) => log.push(e.name)); Promise.allSettled([step(cells),
      Promise.reject(1)]).then((r) => log.push(r)); Promise.any([]).catch((e) => log.push(e.name));
      Promise.race([step(cells)]).then((r) => log.push(r)); Promise.try(() => step(cells)).then((r) => log.push(r))`,
]
