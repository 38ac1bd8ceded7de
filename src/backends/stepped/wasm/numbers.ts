// What instructions of WebAssembly compute, as expressions of JavaScript: i32 are integers from -2^31 on, i64 are
// BigInts from -2^63 on, f32 and f64 are numbers. (WebAssembly Core Specification 2.0, 4.3.)

type Compute = (a: string, b: string) => string

const i64 = (value: string): string => `BigInt.asIntN(64, ${value})`
const u64 = (value: string): string => `BigInt.asUintN(64, ${value})`
const f32 = (value: string): string => `Math.fround(${value})`
const truth = (condition: string): string => `(${condition}) ? 1 : 0`

const comparisons = (type: string, unsigned: (value: string) => string): [string, Compute][] =>
  (
    [
      ['lt', '<'],
      ['gt', '>'],
      ['le', '<='],
      ['ge', '>='],
    ] as const
  ).flatMap(([name, sign]): [string, Compute][] => [
    [`${type}.${name}_s`, (a, b) => truth(`${a} ${sign} ${b}`)],
    [`${type}.${name}_u`, (a, b) => truth(`${unsigned(a)} ${sign} ${unsigned(b)}`)],
  ])

const u32 = (value: string): string => `(${value} >>> 0)`

const bothFloats = (type: 'f32' | 'f64'): [string, Compute][] => {
  const round = type === 'f32' ? f32 : (value: string): string => value
  return [
    [`${type}.eq`, (a, b) => truth(`${a} === ${b}`)],
    [`${type}.ne`, (a, b) => truth(`${a} !== ${b}`)],
    [`${type}.lt`, (a, b) => truth(`${a} < ${b}`)],
    [`${type}.gt`, (a, b) => truth(`${a} > ${b}`)],
    [`${type}.le`, (a, b) => truth(`${a} <= ${b}`)],
    [`${type}.ge`, (a, b) => truth(`${a} >= ${b}`)],
    [`${type}.add`, (a, b) => round(`${a} + ${b}`)],
    [`${type}.sub`, (a, b) => round(`${a} - ${b}`)],
    [`${type}.mul`, (a, b) => round(`${a} * ${b}`)],
    [`${type}.div`, (a, b) => round(`${a} / ${b}`)],
    [`${type}.min`, (a, b) => `Math.min(${a}, ${b})`],
    [`${type}.max`, (a, b) => `Math.max(${a}, ${b})`],
    [`${type}.copysign`, (a, b) => `$copysign(${a}, ${b})`],
  ]
}

/** Instructions that take two operands. */
export const binary: ReadonlyMap<string, Compute> = new Map<string, Compute>([
  ['i32.add', (a, b) => `(${a} + ${b}) | 0`],
  ['i32.sub', (a, b) => `(${a} - ${b}) | 0`],
  ['i32.mul', (a, b) => `Math.imul(${a}, ${b})`],
  ['i32.div_s', (a, b) => `$divide(${a}, ${b})`],
  ['i32.div_u', (a, b) => `$nonzero(${b}, 'divide by zero') && ((${u32(a)} / ${u32(b)}) | 0)`],
  ['i32.rem_s', (a, b) => `$nonzero(${b}, 'remainder by zero') && ((${a} % ${b}) | 0)`],
  ['i32.rem_u', (a, b) => `$nonzero(${b}, 'remainder by zero') && ((${u32(a)} % ${u32(b)}) | 0)`],
  ['i32.and', (a, b) => `${a} & ${b}`],
  ['i32.or', (a, b) => `${a} | ${b}`],
  ['i32.xor', (a, b) => `${a} ^ ${b}`],
  ['i32.shl', (a, b) => `${a} << ${b}`],
  ['i32.shr_s', (a, b) => `${a} >> ${b}`],
  ['i32.shr_u', (a, b) => `(${a} >>> ${b}) | 0`],
  ['i32.rotl', (a, b) => `(${a} << ${b}) | (${a} >>> (32 - ${b}))`],
  ['i32.rotr', (a, b) => `(${a} >>> ${b}) | (${a} << (32 - ${b}))`],
  ['i32.eq', (a, b) => truth(`${a} === ${b}`)],
  ['i32.ne', (a, b) => truth(`${a} !== ${b}`)],
  ...comparisons('i32', u32),
  ['i64.add', (a, b) => i64(`${a} + ${b}`)],
  ['i64.sub', (a, b) => i64(`${a} - ${b}`)],
  ['i64.mul', (a, b) => i64(`${a} * ${b}`)],
  ['i64.div_s', (a, b) => `$divide64(${a}, ${b})`],
  ['i64.div_u', (a, b) => `$nonzero(${b}, 'divide by zero') && ${i64(`${u64(a)} / ${u64(b)}`)}`],
  ['i64.rem_s', (a, b) => `$nonzero(${b}, 'remainder by zero') && ${a} % ${b}`],
  ['i64.rem_u', (a, b) => `$nonzero(${b}, 'remainder by zero') && ${i64(`${u64(a)} % ${u64(b)}`)}`],
  ['i64.and', (a, b) => `${a} & ${b}`],
  ['i64.or', (a, b) => `${a} | ${b}`],
  ['i64.xor', (a, b) => `${a} ^ ${b}`],
  ['i64.shl', (a, b) => i64(`${a} << (${b} & 63n)`)],
  ['i64.shr_s', (a, b) => `${a} >> (${b} & 63n)`],
  ['i64.shr_u', (a, b) => i64(`${u64(a)} >> (${b} & 63n)`)],
  ['i64.rotl', (a, b) => `$rotate64(${a}, ${b} & 63n)`],
  ['i64.rotr', (a, b) => `$rotate64(${a}, -${b} & 63n)`],
  ['i64.eq', (a, b) => truth(`${a} === ${b}`)],
  ['i64.ne', (a, b) => truth(`${a} !== ${b}`)],
  ...comparisons('i64', u64),
  ...bothFloats('f32'),
  ...bothFloats('f64'),
])

type ComputeOne = (a: string) => string

const oneFloat = (type: 'f32' | 'f64'): [string, ComputeOne][] => [
  [`${type}.abs`, (a) => `Math.abs(${a})`],
  [`${type}.neg`, (a) => `-${a}`],
  [`${type}.ceil`, (a) => `Math.ceil(${a})`],
  [`${type}.floor`, (a) => `Math.floor(${a})`],
  [`${type}.trunc`, (a) => `Math.trunc(${a})`],
  [`${type}.nearest`, (a) => `$nearest(${a})`],
  [`${type}.sqrt`, (a) => (type === 'f32' ? f32(`Math.sqrt(${a})`) : `Math.sqrt(${a})`)],
]

const truncations = (['f32', 'f64'] as const).flatMap((from): [string, ComputeOne][] =>
  (['i32', 'i64'] as const).flatMap((to) =>
    (['s', 'u'] as const).flatMap((sign): [string, ComputeOne][] => [
      [`${to}.trunc_${from}_${sign}`, (a) => `$truncate(${a}, '${to}${sign}', false)`],
      [`${to}.trunc_sat_${from}_${sign}`, (a) => `$truncate(${a}, '${to}${sign}', true)`],
    ]),
  ),
)

/** Instructions that take one operand. */
export const unary: ReadonlyMap<string, ComputeOne> = new Map<string, ComputeOne>([
  ['i32.eqz', (a) => truth(`${a} === 0`)],
  ['i64.eqz', (a) => truth(`${a} === 0n`)],
  ['i32.clz', (a) => `Math.clz32(${a})`],
  ['i32.ctz', (a) => `$zeros(${a})`],
  ['i32.popcnt', (a) => `$ones(BigInt.asUintN(32, BigInt(${a})))`],
  ['i64.clz', (a) => `BigInt(64 - $length(${u64(a)}))`],
  ['i64.ctz', (a) => `$zeros64(${a})`],
  ['i64.popcnt', (a) => `BigInt($ones(${u64(a)}))`],
  ['i32.wrap_i64', (a) => `Number(BigInt.asIntN(32, ${a}))`],
  ['i64.extend_i32_s', (a) => `BigInt(${a})`],
  ['i64.extend_i32_u', (a) => `BigInt(${a} >>> 0)`],
  ['i32.extend8_s', (a) => `(${a} << 24) >> 24`],
  ['i32.extend16_s', (a) => `(${a} << 16) >> 16`],
  ['i64.extend8_s', (a) => `BigInt.asIntN(8, ${a})`],
  ['i64.extend16_s', (a) => `BigInt.asIntN(16, ${a})`],
  ['i64.extend32_s', (a) => `BigInt.asIntN(32, ${a})`],
  ['f64.convert_i32_s', (a) => a],
  ['f64.convert_i32_u', (a) => `${a} >>> 0`],
  ['f64.convert_i64_s', (a) => `Number(${a})`],
  ['f64.convert_i64_u', (a) => `Number(${u64(a)})`],
  ['f32.convert_i32_s', (a) => f32(a)],
  ['f32.convert_i32_u', (a) => f32(`${a} >>> 0`)],
  ['f32.convert_i64_s', (a) => `$single(${a})`],
  ['f32.convert_i64_u', (a) => `$single(${u64(a)})`],
  ['f32.demote_f64', f32],
  ['f64.promote_f32', (a) => a],
  ['i32.reinterpret_f32', (a) => `($bits.setFloat32(0, ${a}), $bits.getInt32(0))`],
  ['f32.reinterpret_i32', (a) => `($bits.setInt32(0, ${a}), $bits.getFloat32(0))`],
  ['i64.reinterpret_f64', (a) => `($bits.setFloat64(0, ${a}), $bits.getBigInt64(0))`],
  ['f64.reinterpret_i64', (a) => `($bits.setBigInt64(0, ${a}), $bits.getFloat64(0))`],
  ...oneFloat('f32'),
  ...oneFloat('f64'),
  ...truncations,
])
