// What instructions of WebAssembly do to memory, as statements of JavaScript over views of it: `i8` … `f64` where an
// access is aligned, and `view` where it is not. (WebAssembly Core Specification 2.0, 4.4.7; Threads proposal.)

type Compute = (...operands: readonly string[]) => string

/** An access to memory: how many operands it takes, whether it leaves a value, and its statements. */
export interface Access {
  readonly operands: number
  readonly leaves: boolean
  /** `to` may be '': the value is dropped. */
  readonly mayDrop?: boolean
  /** `to` is where its result goes, `at` the variable for the address; the first operand is that without its offset. */
  readonly write: (to: string, at: string, offset: number, operands: readonly string[]) => string
}

const arrays = { 8: 'i8', 16: 'i16', 32: 'i32', 64: 'i64' } as const
type Bits = keyof typeof arrays

const shiftOf: Readonly<Record<Bits, number>> = { 8: 0, 16: 1, 32: 2, 64: 3 }

function indexOf(at: string, bits: Bits): string {
  return bits === 8 ? at : `${at} >>> ${shiftOf[bits]}`
}

const isFixed = (base: string): boolean => /^\d+$/.test(base)

/** The address, within memory; `checked` comes before that is looked at. */
function address(at: string, base: string, offset: number, bytes: number, checked = ''): string {
  const sum = offset === 0 ? '' : ` + ${offset}`
  const whole = isFixed(base) ? String(Number(base) + offset) : `(${base} >>> 0)${sum}`
  return `${at} = ${whole}; ${checked}if (${at} + ${bytes} > $size()) $trap(OUT)`
}

/** Whether that is known. */
const isAligned = (base: string, offset: number, bits: Bits): boolean =>
  isFixed(base) && (Number(base) + offset) % (bits / 8) === 0

const plainName = /^([if])(32|64)\.(load|store)(8|16|32)?(?:_([su]))?$/
const atomicName = /^i(32|64)\.atomic\.(load|store|rmw)(8|16|32)?(?:\.(\w+?))?(?:_u)?$/

/** Undefined where it is no access to memory. */
export function accessOf(name: string): Access | undefined {
  const plain = plainName.exec(name)
  if (plain !== null) {
    const [, kind, width, does, narrow, sign] = plain
    return (does === 'load' ? plainLoad : plainStore)(
      kind as 'i' | 'f',
      Number(width) as 32 | 64,
      Number(narrow ?? width) as Bits,
      sign === 'u',
    )
  }
  const atomic = atomicName.exec(name)
  if (atomic === null) return others.get(name)
  const [, width, does, narrow, operation] = atomic
  return atomicAccess(Number(width) as 32 | 64, Number(narrow ?? width) as Bits, operation ?? does!)
}

function plainLoad(kind: 'i' | 'f', width: 32 | 64, bits: Bits, isUnsigned: boolean): Access {
  // A 64-bit integer of which all is read has no sign yet.
  const unsigned = isUnsigned ? 'u' : 'i'
  const array = kind === 'f' ? `f${bits}` : bits === 64 ? 'i64' : `${unsigned}${bits}`
  const method =
    kind === 'f' ? `getFloat${bits}` : `get${bits === 64 ? 'Big' : ''}${isUnsigned ? 'Uint' : 'Int'}${bits}`
  const widened = (value: string): string =>
    kind === 'i' && width === 64 && bits < 64 ? `BigInt(${value})` : value
  return {
    operands: 1,
    leaves: true,
    write(to, at, offset, [base]) {
      const aligned = `${to} = ${widened(`${array}[${indexOf(at, bits)}]`)}`
      const where = address(at, base!, offset, bits / 8)
      if (bits === 8 || isAligned(base!, offset, bits)) return `${where}\n${aligned}`
      const any = `${to} = ${widened(`view.${method}(${at}, true)`)}`
      return `${where}\nif (${at} & ${bits / 8 - 1}) ${any}\nelse ${aligned}`
    },
  }
}

function plainStore(kind: 'i' | 'f', width: 32 | 64, bits: Bits): Access {
  const array = kind === 'f' ? `f${bits}` : arrays[bits]
  const method = kind === 'f' ? `setFloat${bits}` : `set${bits === 64 ? 'Big' : ''}Int${bits}`
  const narrowed = (value: string): string =>
    kind === 'i' && width === 64 && bits < 64 ? `Number(BigInt.asIntN(${bits}, ${value}))` : value
  return {
    operands: 2,
    leaves: false,
    write(_, at, offset, [base, given]) {
      const value = narrowed(given!)
      const where = address(at, base!, offset, bits / 8)
      const aligned = `${array}[${indexOf(at, bits)}] = ${value}`
      if (bits === 8 || isAligned(base!, offset, bits)) return `${where}\n${aligned}`
      return `${where}\nif (${at} & ${bits / 8 - 1}) view.${method}(${at}, ${value}, true)\nelse ${aligned}`
    },
  }
}

const operations: Readonly<Record<string, string>> = {
  load: 'load',
  store: 'store',
  add: 'add',
  sub: 'sub',
  and: 'and',
  or: 'or',
  xor: 'xor',
  xchg: 'exchange',
  cmpxchg: 'compareExchange',
}

function alignedAddress(at: string, base: string, offset: number, bytes: number): string {
  const check =
    bytes === 1 || isAligned(base, offset, (bytes * 8) as Bits)
      ? ''
      : `if (${at} & ${bytes - 1}) $trap(UNALIGNED); `
  return address(at, base, offset, bytes, check)
}

function atomicAccess(width: 32 | 64, bits: Bits, operation: string): Access {
  // What is narrower is extended with zeros.
  const array = bits < width ? `u${bits}` : arrays[bits]
  const isNarrow = width === 64 && bits < 64
  const value = (given: string): string => (isNarrow ? `Number(BigInt.asUintN(${bits}, ${given}))` : given)
  return {
    operands: operation === 'load' ? 1 : operation === 'cmpxchg' ? 3 : 2,
    leaves: operation !== 'store',
    mayDrop: operation !== 'store' && operation !== 'load',
    write(to, at, offset, [base, ...given]) {
      const args = [array, indexOf(at, bits), ...given.map(value)].join(', ')
      const call = `Atomics.${operations[operation]!}(${args})`
      const where = alignedAddress(at, base!, offset, bits / 8)
      if (operation === 'store' || to === '') return `${where}\n${call}`
      return `${where}\n${to} = ${isNarrow ? `BigInt(${call})` : call}`
    },
  }
}

const wait = (bits: 32 | 64): Access => ({
  operands: 3,
  leaves: true,
  mayDrop: true,
  write(to, at, offset, [base, expected, timeout]) {
    const where = alignedAddress(at, base!, offset, bits / 8)
    // Nanoseconds; without end where they are negative.
    const isEndless = /^\(-\d+n\)$/.test(timeout!)
    const time = isEndless ? 'Infinity' : `${timeout!} < 0n ? Infinity : Number(${timeout!}) / 1e6`
    const call = `Atomics.wait(i${bits}, ${indexOf(at, bits)}, ${expected!}, ${time})`
    if (to === '') return `${where}\n${call}`
    return `${where}\n${to} = ${call}\n${to} = ${to} === 'ok' ? 0 : ${to} === 'not-equal' ? 1 : 2`
  },
})

const statement = (operands: number, write: Compute): Access => ({
  operands,
  leaves: false,
  write: (_to, _at, _offset, given) => write(...given),
})

const unsigned = (value: string | undefined): string => `${value!} >>> 0`

const others: ReadonlyMap<string, Access> = new Map<string, Access>([
  ['memory.atomic.wait32', wait(32)],
  ['memory.atomic.wait64', wait(64)],
  [
    'memory.atomic.notify',
    {
      operands: 2,
      leaves: true,
      mayDrop: true,
      write(to, at, offset, [base, count]) {
        const call = `Atomics.notify(i32, ${indexOf(at, 32)}, ${unsigned(count)})`
        return `${alignedAddress(at, base!, offset, 4)}\n${to === '' ? call : `${to} = ${call}`}`
      },
    },
  ],
  ['memory.size', { operands: 0, leaves: true, write: (to) => `${to} = $size() / 65536` }],
  ['memory.grow', { operands: 1, leaves: true, write: (to, _at, _offset, [by]) => `${to} = $grow(${by!})` }],
  [
    'memory.fill',
    statement(3, (to, value, count) => `$fill(${unsigned(to)}, ${value!}, ${unsigned(count)})`),
  ],
  [
    'memory.copy',
    statement(3, (to, from, count) => `$copy(${unsigned(to)}, ${unsigned(from)}, ${unsigned(count)})`),
  ],
])
