// What `Atomics`, typed arrays and DataViews do with what hardly anybody gives them: of every type, shared or not,
// and of memory that is resized or transferred.

/** A statement of a program, which notes what each case gives or throws. */
export const elements = String.raw`{
  const cells = new Int32Array(new SharedArrayBuffer(32))
  const step = () => Atomics.add(cells, 7, 0)
  const t = (f) => { try { log.push(f()) } catch (e) { log.push(e.name) } }
  const types = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
      Float16Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array]
  const values = [0, -0, 1.7, -1.5, 300, 2 ** 31, 2 ** 32 + 5, NaN, Infinity, '7', '', null, undefined, true, 5n,
      -1n, 2n ** 65n, {}, Symbol.iterator, [3]]
  for (const T of types) for (const shared of [true, false]) {
    const a = new T(shared ? new SharedArrayBuffer(16) : 2)
    for (const v of values) for (const op of ['add', 'store', 'exchange', 'xor']) t(() => [Atomics[op](a, 0, v),
        a[0]])
    t(() => Atomics.compareExchange(a, 0, 1, 2)); t(() => Atomics.compareExchange(a, 1, 0n, 5n));
        t(() => Atomics.compareExchange(a, 0, '3', '4'))
    for (const i of [-1, 1.5, '1', 'x', undefined, null, 2 ** 53, -0, NaN, Infinity, {},
        1n]) t(() => Atomics.load(a, i))
    t(() => Atomics.notify(a, 0)); t(() => Atomics.notify(a, 0, -3)); t(() => Atomics.notify(a, 0, '2'));
        t(() => Atomics.notify(a, 99, 1)); t(() => Atomics.notify(a, 0, 1n))
    t(() => Atomics.wait(a, 0, 99, 0)); t(() => Atomics.wait(a, 0, 99n, 0)); t(() => Atomics.wait(a, 99, 1, 0));
        t(() => Atomics.wait(a, 0, 'x', 0)); t(() => Atomics.wait(a, 0, 12345, -1))
    t(() => { a[0] = 1.5; return a[0] }); t(() => { a[99] = 1; return a[99] }); t(() => { a['-0'] = 1;
        return a['-0'] }); t(() => { a[1.5] = 2; return a[1.5] }); t(() => Object.keys(a)); t(() => [...a]);
        t(() => a.with(0, 1)[0]); t(() => a.with(9, 1)); t(() => a.at(-1)); t(() => { a.fill(3, -1);
        return [...a] })
    t(() => { a.set([1, 2], 1) }); t(() => { a.set('12'); return [...a] }); t(() => a.subarray(1).length);
        t(() => a.slice(-1)[0]); t(() => a.indexOf(1)); t(() => a.includes(NaN)); t(() => a.toString());
        t(() => a.join('-')); t(() => JSON.stringify(Array.from(a, String)))
    t(() => delete a[0]); t(() => 0 in a); t(() => Object.getOwnPropertyDescriptor(a, 0)); t(() => a.length = 5);
        t(() => Atomics.isLockFree(T.BYTES_PER_ELEMENT))
  }
  for (const x of [undefined, null, 1, 'a', {}, [], new DataView(new ArrayBuffer(8)), new ArrayBuffer(8),
      cells.buffer]) { t(() => Atomics.load(x, 0)); t(() => Atomics.wait(x, 0, 0, 0)); t(() => Atomics.notify(x,
      0)); t(() => Atomics.add(x, 0, 1)) }
  for (const n of [undefined, 1, 0, -1, 1.5, '1', NaN, 2n]) t(() => Atomics.pause(n))
  const dv = new DataView(new SharedArrayBuffer(24), 3)
  for (const m of ['Int8', 'Uint8', 'Int16', 'Uint16', 'Int32', 'Uint32', 'Float16', 'Float32', 'Float64',
      'BigInt64', 'BigUint64']) for (const at of [0, 1, 5, 13, 14, 17, 20, 21, -1, 1.5, '2', undefined, NaN,
      1n]) for (const little of [true, false, undefined]) {
    t(() => dv['set' + m](at, m.startsWith('Big') ? -3n : 258.5, little)); t(() => dv['get' + m](at, little)) }
  t(() => dv.setInt8()); t(() => dv.getInt8()); t(() => dv.setFloat16(1, 2.1)); t(() => dv.getFloat16(1));
      t(() => dv.setInt16(1, '7', 1)); t(() => dv.setBigInt64(0, 1)); t(() => dv.byteLength)
  // resizable, not shared
  const r = new ArrayBuffer(16, { maxByteLength: 32 }); const track = new Int32Array(r);
      const fixed = new Int32Array(r, 4, 2); const rdv = new DataView(r, 4)
  const show = () => log.push([track.length, fixed.length, fixed.byteOffset, track[3], fixed[1], step()])
  show(); r.resize(8); show(); t(() => fixed[1]); t(() => Atomics.load(fixed, 1)); t(() => [...fixed]);
      t(() => fixed.at(0)); t(() => rdv.getInt32(0)); t(() => rdv.getInt32(2)); t(() => Atomics.store(track, 1,
      5)); t(() => track.map((x) => x + step()))
  r.resize(32); show(); t(() => track.findLast((x) => step() + x > 4)); t(() => Atomics.load(track, 7));
      r.resize(0); show(); t(() => rdv.byteLength); t(() => rdv.getInt8(0)); t(() => Atomics.add(track, 0, 1))
  t(() => { const b = new ArrayBuffer(8); const v = new Int32Array(b); const c = structuredClone(b, {
      transfer: [b] }); return [v.length, v[0], c.byteLength, b.detached] })
  t(() => { const b = new ArrayBuffer(8); const v = new Int32Array(b); b.transfer(); v[0] = 1; step();
      return [v.length, v[0], v.byteOffset] })
  t(() => { const b = new ArrayBuffer(8); const v = new Int32Array(b); b.transfer(); return Atomics.load(v, 0) })
  t(() => { const b = new ArrayBuffer(8); const v = new Int32Array(b); return v.map((x, i) => {
      if (i === 0) b.transfer(); return step() + x }) })
  t(() => { const v = new Int32Array(4); return v.map((x, i) => { if (i === 0) step(); return { valueOf() {
      return i * 2 } } }) })
  t(() => new Float16Array([1.1, 65520, 1e-8]).map((x) => x + step()))
  t(() => { const a = new Int32Array(new SharedArrayBuffer(8)); const b = structuredClone(a); Atomics.store(b, 0,
      7); return [a[0], b.buffer === a.buffer] })
  t(() => { const a = new Int32Array(new SharedArrayBuffer(16)); const b = new Uint8Array(a.buffer, 2, 5);
      b[1] = 9; a[1] = 0x01020304; return [a[0], [...b]] })
  t(() => { const a = new Float64Array(new SharedArrayBuffer(16)); a[0] = -0; a[1] = 2 ** 60;
      return [Object.is(a[0], -0), new BigInt64Array(a.buffer)[1]] })
  t(() => { const a = new Uint8ClampedArray(new SharedArrayBuffer(4)); a[0] = 2.5; a[1] = -3; a[2] = 999; a[3]--;
      return [...a] })
}`
