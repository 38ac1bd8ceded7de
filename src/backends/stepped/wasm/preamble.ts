/** What stands before the functions of a module that is written in JavaScript: what takes more than an expression. */
export const preamble = `const $trap = (message) => { throw new WebAssembly.RuntimeError(message) }
const $bits = new DataView(new ArrayBuffer(8))
const $nonzero = (value, message) => value == 0 ? $trap(message) : true
const $divide = (a, b) => {
  if (b === 0) $trap('divide by zero')
  if (a === -2147483648 && b === -1) $trap('divide result unrepresentable')
  return (a / b) | 0
}
const $divide64 = (a, b) => {
  if (b === 0n) $trap('divide by zero')
  if (a === -(2n ** 63n) && b === -1n) $trap('divide result unrepresentable')
  return a / b
}
const $rotate64 = (a, by) => {
  const bits = BigInt.asUintN(64, a)
  return BigInt.asIntN(64, (bits << by) | (bits >> (64n - by)))
}
const $length = (value) => value === 0n ? 0 : value.toString(2).length
const $ones = (value) => value.toString(2).split('1').length - 1
const $zeros = (value) => value === 0 ? 32 : 31 - Math.clz32(value & -value)
const $zeros64 = (value) => value === 0n ? 64n : BigInt($length(BigInt.asUintN(64, value & -value)) - 1)
const $nearest = (value) => {
  if (!Number.isFinite(value) || Math.abs(value) >= 2 ** 52) return value
  const below = Math.floor(value)
  const apart = value - below
  const rounded = apart < 0.5 || (apart === 0.5 && below % 2 === 0) ? below : below + 1
  return rounded === 0 ? value * 0 : rounded
}
const $copysign = (value, like) => {
  const isNegative = like < 0 || Object.is(like, -0)
  return (value < 0 || Object.is(value, -0)) === isNegative ? value : -value
}
const $single = (value) => {
  const size = value < 0n ? -value : value
  if (size < 2n ** 53n) return Math.fround(Number(value))
  const rounded = Math.fround(Number((size >> 11n) | (size & 2047n ? 1n : 0n))) * 2048
  return value < 0n ? -rounded : rounded
}
const $limits = {
  i32s: [-(2 ** 31), 2 ** 31], i32u: [0, 2 ** 32], i64s: [-(2 ** 63), 2 ** 63], i64u: [0, 2 ** 64],
}
const $truncate = (value, type, saturates) => {
  const [least, end] = $limits[type]
  const is64 = type.startsWith('i64')
  const whole = Math.trunc(value)
  if (!saturates && !(whole >= least && whole < end)) $trap('float unrepresentable in integer range')
  if (Number.isNaN(whole)) return is64 ? 0n : 0
  if (!is64) return Math.min(Math.max(whole, least), end - 1) | 0
  const kept = BigInt(whole < least ? least : whole < end ? whole : end)
  return BigInt.asIntN(64, whole >= end ? kept - 1n : kept)
}
const $callee = (table, index, type) => {
  const { elements } = table
  if (index >= elements.length) $trap('table index is out of bounds')
  const called = elements[index]
  if (called === null || $types.get(called) !== type) $trap('null function or function signature mismatch')
  return called
}
const $entry = ({ elements }, at) => at < elements.length ? elements[at] : $trap('table index is out of bounds')
const $setEntry = ({ elements }, at, value) => {
  if (at >= elements.length) $trap('table index is out of bounds')
  elements[at] = value
}
const $growTable = (table, by, value) => table.$grow(by, value)
const $fillTable = ({ elements }, at, value, count) => {
  if (at + count > elements.length) $trap('table index is out of bounds')
  elements.fill(value, at, at + count)
}
const $copyTable = ({ elements }, from, to, at, count) => {
  if (to + count > elements.length || at + count > from.length) $trap('table index is out of bounds')
  const copied = from.slice(at, at + count)
  for (let n = 0; n < count; n++) elements[to + n] = copied[n]
}
const $bytesOf = (text) => Uint8Array.from(Buffer.from(text, 'base64'))
const $imported = (called, type, own) => {
  const known = $types.get(called)
  if (known !== undefined) return known === type ? called : $made.refuse()
  if (own === null) return called
  const made = own(called)
  $types.set(made, type)
  return made
}
`

/**
 * The same of one that has memory: views of it, and what is done to many bytes. `$memory` is a WebAssembly.Memory of at
 * most `$most` pages, and `$refuseGrowth` ends the check.
 */
export const memoryPreamble = `const OUT = 'memory access out of bounds'
const UNALIGNED = 'operation does not support unaligned accesses'
const $buffer = $memory.buffer
const i8 = new Int8Array($buffer), u8 = new Uint8Array($buffer), i16 = new Int16Array($buffer)
const u16 = new Uint16Array($buffer), i32 = new Int32Array($buffer), u32 = new Uint32Array($buffer)
const i64 = new BigInt64Array($buffer), f32 = new Float32Array($buffer), f64 = new Float64Array($buffer)
const view = new DataView($buffer)
const $bytes = $buffer.byteLength
const $size = () => $bytes
const $grow = (by) => {
  const pages = $bytes / 65536
  if (by === 0) return pages
  return pages + (by >>> 0) > $most ? -1 : $refuseGrowth()
}
const $fill = (to, value, count) => {
  if (to + count > $size()) $trap(OUT)
  u8.fill(value, to, to + count)
}
const $copy = (to, from, count) => {
  if (to + count > $size() || from + count > $size()) $trap(OUT)
  u8.copyWithin(to, from, from + count)
}
const $init = (data, to, from, count) => {
  if (to + count > $size() || from + count > data.length) $trap(OUT)
  u8.set(data.subarray(from, from + count), to)
}
`
