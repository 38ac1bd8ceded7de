// The border: whatever is passed to a public call is refused by an error that names the argument, or does what it says;
// no code of the caller runs inside the kernel, and the machine lives afterwards.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import * as fc from 'fast-check'
import {
  type AddressSpace,
  BusError,
  ConfigurationError,
  type DiskFile,
  Machine,
  MemoryError,
  type MemoryFile,
  type MmuNotifier,
  SegmentationFault,
  fileSystem,
} from '../../src/memory.ts'
import { PAGE, withSpace } from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-arguments-'))
after(() => rmSync(folder, { recursive: true }))

const never = (value: unknown): never => value as never

/** What `call` throws: its name, code and message. */
function refusal(call: () => unknown): [name: string, code: unknown, message: string] {
  try {
    call()
  } catch (error) {
    const { name, code, message } = error as Error & { code?: unknown }
    return [name, code, message]
  }
  throw new Error('nothing was thrown')
}

describe('a size', () => {
  test('may be a text wherever something is given its size, and in each call on the layout', () => {
    const machine = Machine.create({ memory: '1MiB', cpus: 1 })
    const space = machine.createAddressSpace({ asLimit: '64MiB', stackLimit: '1MiB', memlockLimit: '64KiB' })
    assert.deepEqual([space.getLimit('as'), space.getLimit('memlock')], [64 * 2 ** 20, 65_536])
    space.setLimit('data', '32 MiB')
    assert.equal(space.getLimit('data'), 32 * 2 ** 20)
    const at = space.mmap('64KiB')
    assert.throws(() => space.mmap('1TiB'), { message: `mmap: ENOMEM (length: ${2 ** 40} bytes)` })
    space.setLimit('as', Infinity)
    space.setLimit('data', Infinity)
    assert.throws(() => space.mmap('2MiB'), {
      message:
        'mmap: ENOMEM (length: 2097152 bytes, of which memory and swap have 1048576; with noReserve, they need not hold all of it)',
    })
    space.munmap(space.mmap('2MiB', { noReserve: true }), '2MiB')
    const grown = space.mremap(at, '64KiB', '1MiB', { mayMove: true })
    assert.equal(space.residentPages(grown, '1MiB').length, 256)
    space.mlock(grown, '8KiB')
    space.munlock(grown, '8KiB')
    space.madvise(grown, '64K', 'dontneed')
    space.msync(grown, '1MiB')
    space.mprotect(grown, '0.5MiB', 'r')
    space.munmap(grown, '1 MiB')
    assert.deepEqual(space.maps(), [])
    using file = machine.openFile(join(folder, 'sized'), { mode: 'w+', size: '8KiB' })
    file.truncate('12KiB')
    assert.equal(file.size, 12_288)
    assert.throws(() => space.mmap('8 pages'), {
      code: 'ERR_OUT_OF_RANGE',
      message: /^length: '8 pages' is not/,
    })
    assert.throws(() => space.setLimit('as', 'all'), {
      code: 'ERR_OUT_OF_RANGE',
      message: /^bytes: 'all' is not/,
    })
    for (const call of [
      () => space.read(grown, never('8KiB')),
      () => space.fill(grown, never('8KiB'), 0),
      () => file.read(0, never('8KiB')),
      () => space.createHeap().allocate(never('64')),
    ])
      assert.throws(call, { code: 'ERR_INVALID_ARG_TYPE', message: /parseSize/ })
    machine.detach()
  })
})

describe('what is passed is refused by name, value and what is allowed', () => {
  const cases: readonly [
    what: string,
    call: (space: AddressSpace, at: number) => unknown,
    name: string,
    code: string,
    message: RegExp,
  ][] = [
    [
      'a fraction',
      (s, at) => s.readUint8(at + 0.5),
      'TypeError',
      'ERR_INVALID_ARG_TYPE',
      /^address: \d+\.5 is not/,
    ],
    [
      'no length',
      (s, at) => s.read(at, never(undefined)),
      'TypeError',
      'ERR_INVALID_ARG_TYPE',
      /^length: undefined/,
    ],
    ['a length of NaN', (s, at) => s.read(at, NaN), 'RangeError', 'ERR_OUT_OF_RANGE', /^length: NaN/],
    ['a length of 1.5', (s, at) => s.read(at, 1.5), 'RangeError', 'ERR_OUT_OF_RANGE', /^length: 1\.5/],
    [
      'a length of -1',
      (s, at) => s.munmap(at, -1),
      'RangeError',
      'ERR_OUT_OF_RANGE',
      /^length: -1 .* from 0/,
    ],
    ['a text', (s, at) => s.writeUint32(at, never('x')), 'TypeError', 'ERR_INVALID_ARG_TYPE', /^value: 'x'/],
    [
      '2^32',
      (s, at) => s.writeUint32(at, 2 ** 32),
      'RangeError',
      'ERR_OUT_OF_RANGE',
      /^value: 4294967296 .*2\^32 - 1/,
    ],
    ['-1', (s, at) => s.writeUint16(at, -1), 'RangeError', 'ERR_OUT_OF_RANGE', /^value: -1 .*2\^16 - 1/],
    [
      '2^64',
      (s, at) => s.writeBigUint64(at, 2n ** 64n),
      'RangeError',
      'ERR_OUT_OF_RANGE',
      /^value: 1844\d+n/,
    ],
    [
      'a number',
      (s, at) => s.writeBigUint64(at, never(1)),
      'TypeError',
      'ERR_INVALID_ARG_TYPE',
      /^value: 1 .*bigint/,
    ],
    ['a byte of 256', (s, at) => s.fill(at, 4, 256), 'RangeError', 'ERR_OUT_OF_RANGE', /^byte: 256/],
    [
      'a bigint',
      (s, at) => s.readUint32(never(BigInt(at))),
      'TypeError',
      'ERR_INVALID_ARG_TYPE',
      /^address: \d+n/,
    ],
    [
      'no address',
      (s) => s.addUint32(never(undefined), 1),
      'TypeError',
      'ERR_INVALID_ARG_TYPE',
      /^address: undef/,
    ],
    [
      'an atomic of 2',
      (s, at) => s.addUint32(at + 2, 1),
      'RangeError',
      'ERR_OUT_OF_RANGE',
      /^address: .*multiple of/,
    ],
    [
      '1 for true',
      (s) => s.mmap(PAGE, { shared: never(1) }),
      'TypeError',
      'ERR_INVALID_ARG_TYPE',
      /^shared: 1/,
    ],
    [
      'a near name',
      (s) => s.mmap(PAGE, never({ prot: 'r' })),
      'TypeError',
      'ERR_INVALID_ARG_VALUE',
      /mean protection/,
    ],
    [
      'a typing error',
      (s) => s.mmap(PAGE, never({ fixd: true })),
      'TypeError',
      'ERR_INVALID_ARG_VALUE',
      /mean fixed/,
    ],
    [
      'an unknown name',
      (s) => s.mmap(PAGE, never({ qqq: 1 })),
      'TypeError',
      'ERR_INVALID_ARG_VALUE',
      /there are .*fix/,
    ],
    [
      'null for options',
      (s) => s.mmap(PAGE, never(null)),
      'TypeError',
      'ERR_INVALID_ARG_TYPE',
      /^mmap options: null/,
    ],
    [
      'an address of NaN',
      (s) => s.mmap(PAGE, { address: NaN }),
      'TypeError',
      'ERR_INVALID_ARG_TYPE',
      /^address: NaN/,
    ],
    [
      'an unknown word',
      (s, at) => s.touch(at, never('q')),
      'RangeError',
      'ERR_INVALID_ARG_VALUE',
      /^access: 'q' .*'r', /,
    ],
    [
      'an instruction of the program that the kernel fetches',
      (s, at) => s.touch(at, never('x'), 'kernel'),
      'RangeError',
      'ERR_INVALID_ARG_VALUE',
      /^access: 'x' is not one of 'r', 'w'$/,
    ],
    [
      'an advice',
      (s, at) => s.madvise(at, 1, 'dontned' as never),
      'RangeError',
      'ERR_INVALID_ARG_VALUE',
      /^advice: 'dontned' is not one of 'normal', /,
    ],
    [
      'a way to msync',
      (s, at) => s.msync(at, 1, 'SYNC' as never),
      'RangeError',
      'ERR_INVALID_ARG_VALUE',
      /^mode: 'SYNC' is not one of /,
    ],
    [
      'a limit',
      (s) => s.setLimit('nofile' as never, 1),
      'RangeError',
      'ERR_INVALID_ARG_VALUE',
      /^limit: 'nofile' is not one of 'as', /,
    ],
    ['a negative address', (s) => s.readUint32(-4), 'SegmentationFault', 'SEGV_MAPERR', / at -4 \(r\)/],
    [
      'an address of 2^60',
      (s) => s.readUint8(2 ** 60),
      'SegmentationFault',
      'SEGV_MAPERR',
      / at 1152921504606847000 /,
    ],
    ['no length at all', (s) => s.mmap(0), 'MemoryError', 'EINVAL', /^mmap: EINVAL \(length: 0/],
    [
      'a misaligned address',
      (s, at) => s.munmap(at + 1, 1),
      'MemoryError',
      'EINVAL',
      /address: 0x\w+1 is not a mul/,
    ],
    ['a length of 2^52', (s, at) => s.read(at, 2 ** 52), 'SegmentationFault', 'SEGV_MAPERR', /./],
    [
      'a null character',
      (s) => s.machine.openFile('a\0b'),
      'RangeError',
      'ERR_INVALID_ARG_VALUE',
      /^path: 'a\\0b'/,
    ],
    [
      'no file URL',
      (s) => s.machine.openFile(new URL('http://a/b')),
      'TypeError',
      'ERR_INVALID_ARG_VALUE',
      /^path: 'ht/,
    ],
    [
      'a path of bytes',
      (s) => s.machine.openFile(Buffer.of(255)),
      'RangeError',
      'ERR_INVALID_ARG_VALUE',
      /^path: .*UTF-8/,
    ],
    ['no path', (s) => s.machine.openFile(''), 'MemoryError', 'ENOENT', /path: ''/],
    [
      'a mode',
      (s) => s.machine.openFile('a', { mode: never(1) }),
      'TypeError',
      'ERR_INVALID_ARG_TYPE',
      /^mode: 1/,
    ],
    [
      'no size',
      (s) => s.machine.createFile(never({})),
      'TypeError',
      'ERR_INVALID_ARG_TYPE',
      /^size: undefined/,
    ],
    [
      'no cpus',
      () => Machine.create(never({ memory: '1MiB' })),
      'TypeError',
      'ERR_INVALID_ARG_TYPE',
      /^cpus: undef/,
    ],
    [
      'no memory',
      () => Machine.create(never({ cpus: 1 })),
      'TypeError',
      'ERR_INVALID_ARG_TYPE',
      /^memory: undef/,
    ],
    [
      'no machine',
      () => Machine.create(never(undefined)),
      'TypeError',
      'ERR_INVALID_ARG_TYPE',
      /options: undefined/,
    ],
    [
      'a storage',
      (s) => s.machine.setStorage(never({})),
      'TypeError',
      'ERR_INVALID_ARG_TYPE',
      /^storage\.open: undef/,
    ],
  ]
  for (const [what, call, name, code, message] of cases) {
    test(what, () => {
      withSpace((space) => {
        const at = space.mmap(2 * PAGE)
        const got = refusal(() => call(space, at))
        assert.deepEqual(got.slice(0, 2), [name, code])
        assert.match(got[2], message)
        space.writeUint32(at, 1)
        assert.equal(space.readUint32(at), 1)
      })
    })
  }

  test('what fits is taken', () => {
    withSpace((space, machine) => {
      const at = space.mmap(PAGE)
      space.writeUint32(at, 2 ** 32 - 1)
      assert.equal(space.addUint32(at, -1), 2 ** 32 - 1)
      assert.equal(space.readUint32(at), 2 ** 32 - 2)
      space.writeBigUint64(at, 2n ** 64n - 1n)
      assert.equal(space.readBigUint64(at), 2n ** 64n - 1n)
      const path = join(folder, 'path of mä ny forms')
      writeFileSync(path, 'content')
      for (const form of [path, pathToFileURL(path), Buffer.from(path)]) {
        const file = machine.openFile(form)
        assert.equal(file.path, path)
        file.close()
      }
    })
  })
})

// ---------------------------------------------------------------------------------------------------------------------

interface Objects {
  readonly machine: Machine
  readonly space: AddressSpace
  readonly file: MemoryFile
  readonly disk: DiskFile
  readonly notifier: MmuNotifier
  readonly at: number
}

/** Calls, with their arguments: '' for one that the garbage takes the place of. */
const calls: Readonly<Record<string, (objects: Objects, values: readonly unknown[]) => unknown>> = {
  'mmap length': ({ space }, [v]) => space.mmap(never(v)),
  'mmap options': ({ space }, [v]) => space.mmap(PAGE, never(v)),
  ...Object.fromEntries(
    [
      'protection',
      'address',
      'fixed',
      'shared',
      'file',
      'offset',
      'growsDown',
      'noReserve',
      'stack',
      'populate',
      'contiguous',
      'locked',
    ].map((option) => [
      `mmap ${option}`,
      ({ space }: Objects, [v]: readonly unknown[]) => space.mmap(PAGE, { [option]: v }),
    ]),
  ),
  'munmap address': ({ space }, [v]) => space.munmap(never(v), PAGE),
  'munmap length': ({ space, at }, [v]) => space.munmap(at + 8 * PAGE, never(v)),
  'mprotect protection': ({ space, at }, [v]) => space.mprotect(at + PAGE, PAGE, never(v)),
  'mprotect length': ({ space, at }, [v]) => space.mprotect(at + PAGE, never(v), 'rw'),
  'madvise advice': ({ space, at }, [v]) => space.madvise(at + PAGE, PAGE, never(v)),
  'msync mode': ({ space, at }, [v]) => space.msync(at, PAGE, never(v)),
  'mremap oldLength': ({ space, at }, [v]) => space.mremap(at + 4 * PAGE, never(v), PAGE),
  'mremap newLength': ({ space, at }, [v]) => space.mremap(at + 5 * PAGE, PAGE, never(v)),
  'mremap options': ({ space, at }, [v]) => space.mremap(at + PAGE, PAGE, PAGE, never(v)),
  'brk address': ({ space }, [v]) => space.brk(never(v)),
  'mlock address': ({ space }, [v]) => space.mlock(never(v), 1),
  'mlock length': ({ space, at }, [v]) => space.mlock(at, never(v)),
  'mlockall options': ({ space }, [v]) => space.mlockall(never(v)),
  'setLimit limit': ({ space }, [v]) => space.setLimit(never(v), 2 ** 40),
  'setLimit bytes': ({ space }, [v]) => space.setLimit('stack', never(v)),
  'residentPages length': ({ space, at }, [v]) => space.residentPages(at, never(v)),
  'observe observer': ({ space }, [v]) => space.observe(never(v)),
  'readUint8 address': ({ space }, [v]) => space.readUint8(never(v)),
  'readUint16 address': ({ space }, [v]) => space.readUint16(never(v)),
  'readUint32 address': ({ space }, [v]) => space.readUint32(never(v)),
  'readFloat64 address': ({ space }, [v]) => space.readFloat64(never(v)),
  'touch access': ({ space, at }, [v]) => space.touch(at, never(v)),
  'touch mode': ({ space, at }, [v]) => space.touch(at, 'r', never(v)),
  'writeUint8 value': ({ space, at }, [v]) => space.writeUint8(at, never(v)),
  'writeUint16 value': ({ space, at }, [v]) => space.writeUint16(at, never(v)),
  'writeUint32 value': ({ space, at }, [v]) => space.writeUint32(at, never(v)),
  'writeUint32 address': ({ space }, [v]) => space.writeUint32(never(v), 1),
  'writeFloat64 value': ({ space, at }, [v]) => space.writeFloat64(at, never(v)),
  'writeBigUint64 value': ({ space, at }, [v]) => space.writeBigUint64(at, never(v)),
  'compareExchangeUint32 expected': ({ space, at }, [v]) => space.compareExchangeUint32(at, never(v), 1),
  'addUint32 value': ({ space, at }, [v]) => space.addUint32(at, never(v)),
  'read length': ({ space, at }, [v]) => space.read(at, never(v)),
  'readInto target': ({ space, at }, [v]) => space.readInto(at, never(v)),
  'write bytes': ({ space, at }, [v]) => space.write(at, never(v)),
  'fill length': ({ space, at }, [v]) => space.fill(at, never(v), 1),
  'fill byte': ({ space, at }, [v]) => space.fill(at, 5, never(v)),
  'withRange address': ({ space }, [v]) => space.withRange(never(v), 1, 'r', () => 1),
  'withRange length': ({ space, at }, [v]) => space.withRange(at, never(v), 'rw', () => 1),
  'withRange access': ({ space, at }, [v]) => space.withRange(at, 1, never(v), () => 1),
  'withRange use': ({ space, at }, [v]) => space.withRange(at, 1, 'r', never(v)),
  'withPages length': ({ space, at }, [v]) => space.withPages(at, never(v), 'r', () => {}),
  'writeInt8 value': ({ space, at }, [v]) => space.writeInt8(at, never(v)),
  'writeInt16 value': ({ space, at }, [v]) => space.writeInt16(at, never(v)),
  'writeInt32 value': ({ space, at }, [v]) => space.writeInt32(at, never(v)),
  'writeBigInt64 value': ({ space, at }, [v]) => space.writeBigInt64(at, never(v)),
  'writeFloat32 value': ({ space, at }, [v]) => space.writeFloat32(at, never(v)),
  'readFloat32 address': ({ space }, [v]) => space.readFloat32(never(v)),
  'loadUint32 address': ({ space }, [v]) => space.loadUint32(never(v)),
  'loadBigUint64 address': ({ space }, [v]) => space.loadBigUint64(never(v)),
  'storeUint32 value': ({ space, at }, [v]) => space.storeUint32(at, never(v)),
  'storeBigUint64 value': ({ space, at }, [v]) => space.storeBigUint64(at, never(v)),
  'subUint32 value': ({ space, at }, [v]) => space.subUint32(at, never(v)),
  'exchangeUint32 value': ({ space, at }, [v]) => space.exchangeUint32(at, never(v)),
  'addBigUint64 value': ({ space, at }, [v]) => space.addBigUint64(at, never(v)),
  'compareExchangeBigUint64 expected': ({ space, at }, [v]) =>
    space.compareExchangeBigUint64(at, never(v), 1n),
  'waitUint32 expected': ({ space, at }, [v]) => space.waitUint32(at, never(v), 0),
  // What is there is 7, so that nobody sleeps.
  'waitUint32 timeout': ({ space, at }, [v]) => space.waitUint32(at, 1, never(v)),
  'notify count': ({ space, at }, [v]) => space.notify(at, never(v)),
  'compare other': ({ space, at }, [v]) => space.compare(at, never(v), 10),
  'compare length': ({ space, at }, [v]) => space.compare(at, at + 1, never(v)),
  'indexOf value': ({ space, at }, [v]) => space.indexOf(at, 10, never(v)),
  'indexOf length': ({ space, at }, [v]) => space.indexOf(at, never(v), 1),
  'copyWithin target': ({ space, at }, [v]) => space.copyWithin(never(v), at, 4),
  'copyWithin length': ({ space, at }, [v]) => space.copyWithin(at, at + 4, never(v)),
  'createAddressSpace options': ({ machine }, [v]) => machine.createAddressSpace(never(v)).destroy(),
  'createFile size': ({ machine }, [v]) => machine.createFile({ size: never(v) }).close(),
  'createFile contents': ({ machine }, [v]) => machine.createFile({ size: 9, contents: never(v) }).close(),
  'openFile path': ({ machine }, [v]) => machine.openFile(never(v)).close(),
  'openFile options': ({ machine, disk }, [v]) => machine.openFile(disk.path, never(v)).close(),
  'openFile permissions': ({ machine, disk }, [v]) =>
    machine.openFile(disk.path, { permissions: never(v) }).close(),
  'swapOn size': ({ machine }, [v]) => machine.swapOn(join(folder, 'none', 'swap'), { size: never(v) }),
  'setStorage storage': ({ machine }, [v]) => machine.setStorage(never(v)),
  'read offset': ({ file }, [v]) => file.read(never(v), 1),
  'file readInto offset': ({ file }, [v]) => file.readInto(never(v), new Uint8Array(1)),
  'file readInto target': ({ file }, [v]) => file.readInto(0, never(v)),
  'write offset': ({ file }, [v]) => file.write(never(v), new Uint8Array(1)),
  'populate pages': ({ file }, [v]) => file.populate(0, never(v)),
  'truncate bytes': ({ disk }, [v]) => disk.truncate(never(v)),
  'disk write bytes': ({ disk }, [v]) => disk.write(0, never(v)),
  'notifier readUint32 address': ({ notifier }, [v]) => notifier.readUint32(never(v)),
  'notifier writeUint32 value': ({ notifier, at }, [v]) => notifier.writeUint32(at, never(v)),
  'Machine.create memory': (_, [v]) => Machine.create({ memory: never(v), cpus: 1 }).detach(),
  'Machine.create cpus': (_, [v]) => Machine.create({ memory: '1MiB', cpus: never(v) }).detach(),
  'Machine.create checkRanges': (_, [v]) =>
    Machine.create({ memory: '1MiB', cpus: 1, checkRanges: never(v) }).detach(),
  'Machine.create options': (_, [v]) => Machine.create(never(v)).detach(),
  'Machine.create config': (_, [v]) => Machine.create({ memory: '1MiB', cpus: 1, config: never(v) }).detach(),
}

/** Runs what is given to it wherever a value might be used. */
const thrower = (): never => {
  throw new Error('code of the caller')
}
const garbage = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    true,
    '',
    'x',
    'rw',
    NaN,
    Infinity,
    -Infinity,
    -0,
    0.5,
    -1,
    -4096,
    2 ** 31,
    2 ** 32,
    2 ** 43,
    2 ** 53,
    1e300,
    5n,
    [],
    {},
    () => 0,
    Symbol('s'),
    new Date(0),
    new Uint8Array(3),
    new Uint16Array(3),
    new DataView(new ArrayBuffer(4)),
  ),
  fc
    .constantFrom<() => unknown>(
      () => ({ valueOf: thrower, toString: thrower, [Symbol.toPrimitive]: thrower }),
      () =>
        new (class extends Uint8Array {
          override get length(): number {
            return thrower()
          }
          override set = thrower
          override subarray = thrower
          static get [Symbol.species](): never {
            return thrower()
          }
        })(5000),
      () => Object.defineProperty(new Uint8Array(5), 'length', { value: 9000 }),
      () => new Proxy(new Uint8Array(5), {}),
      () => Object.create(Uint8Array.prototype) as unknown,
      () => ({ length: 3, buffer: new ArrayBuffer(3), byteOffset: 0 }),
    )
    .map((make) => make()),
  fc.integer(),
  fc.double(),
  fc.string({ maxLength: 5 }),
  fc.dictionary(fc.string({ maxLength: 3 }), fc.integer(), { maxKeys: 2 }),
)

test('whatever is passed: an error of a known kind that names the argument, and the machine lives', () => {
  const path = join(folder, 'garbage')
  writeFileSync(path, new Uint8Array(PAGE))
  const make = (): Objects => {
    const machine = Machine.create({ memory: '1MiB', cpus: 1 })
    const space = machine.createAddressSpace()
    const at = space.mmap(16 * PAGE)
    const disk = machine.openFile(path, { mode: 'r+' })
    return {
      machine,
      space,
      at,
      disk,
      file: machine.createFile({ size: PAGE }),
      notifier: space.registerNotifier(),
    }
  }
  let objects = make()
  const known = [TypeError, RangeError, MemoryError, SegmentationFault, BusError, ConfigurationError]
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(calls)), garbage, (name, value) => {
      try {
        calls[name]!(objects, [value])
      } catch (error) {
        assert.ok(
          known.some((kind) => error instanceof kind),
          `${name}: ${String(error)}`,
        )
        const { message, code } = error as Error & { code?: string }
        if (error instanceof TypeError || error instanceof RangeError) {
          assert.match(
            code ?? '',
            /^ERR_(INVALID_ARG_TYPE|INVALID_ARG_VALUE|OUT_OF_RANGE)$/,
            `${name}: ${message}`,
          )
          const argument = name.split(' ').at(-1)!
          assert.ok(message.includes(argument) || argument === 'options', `${name}: ${message}`)
          assert.match(message, /^[\w. ]+: /)
        }
      }
      // It lives: a store, a load and a call.
      try {
        objects.space.writeUint32(objects.at, 7)
        assert.equal(objects.space.readUint32(objects.at), 7)
        objects.space.munmap(objects.space.mmap(PAGE), PAGE)
      } finally {
        if (objects.space.maps().length > 100) {
          objects.machine.detach()
          objects = make()
        }
      }
    }),
    { numRuns: 2500 },
  )
  objects.machine.detach()
})

// ---------------------------------------------------------------------------------------------------------------------

describe('no code of the caller runs inside the kernel', () => {
  /** What stands where the kernel might use it: remembers whether it ran at all. */
  class Evil extends Uint8Array {
    static ran = 0
    static get [Symbol.species](): never {
      return Evil.run()
    }
    static run(): never {
      Evil.ran++
      throw new Error('mine')
    }
    override get length(): number {
      return Evil.run()
    }
    override get buffer(): never {
      return Evil.run()
    }
    override set(): never {
      return Evil.run()
    }
    override subarray(): never {
      return Evil.run()
    }
    override fill(): never {
      return Evil.run()
    }
  }
  const evil = (bytes: number): Evil => new Evil(bytes)

  test('bytes of a subclass, with methods and properties of their own', () => {
    withSpace((space, machine) => {
      const at = space.mmap(4 * PAGE)
      space.fill(at, 4 * PAGE, 7)
      const path = join(folder, 'evil')
      writeFileSync(path, '')
      const file = machine.openFile(path, { mode: 'r+' })
      const target = evil(2 * PAGE + 100)
      space.readInto(at + 50, target)
      space.write(at + 50, evil(3 * PAGE))
      assert.equal(space.readUint8(at + 50 + PAGE), 0)
      file.write(10, evil(2 * PAGE))
      machine.createFile({ size: 3 * PAGE, contents: evil(2 * PAGE) }).close()
      const long = Object.defineProperty(new Uint8Array(64), 'length', { value: 9000 })
      space.readInto(at, long)
      space.write(at, long)
      assert.equal(file.size, 10 + 2 * PAGE)
      assert.equal(Evil.ran, 0)
      file.close()
      for (const fake of [
        new Proxy(new Uint8Array(8), {}),
        { length: 8 },
        Object.create(Uint8Array.prototype),
      ])
        assert.throws(
          () => space.write(at, never(fake)),
          /^TypeError: bytes: an object is not a typed array or a DataView/,
        )
      for (const [given, shown] of [
        [new ArrayBuffer(8), 'an ArrayBuffer'],
        [new SharedArrayBuffer(8), 'a SharedArrayBuffer'],
      ] as const)
        assert.throws(() => space.write(at, never(given)), {
          message: `bytes: ${shown} is not a typed array or a DataView`,
        })
    })
  })

  test('arrays whose bytes are gone, which are no empty ones', () => {
    withSpace((space, machine) => {
      const at = space.mmap(PAGE)
      const file = machine.createFile({ size: PAGE })
      const detached = new ArrayBuffer(8)
      const shorter = new ArrayBuffer(8, { maxByteLength: 16 })
      const gone = [
        new Uint8Array(detached),
        new BigInt64Array(detached),
        new DataView(detached),
        new Uint8Array(shorter, 0, 8),
        new Uint8Array(shorter, 4),
        new Uint8Array(shorter, 4, 0),
        new DataView(shorter, 0, 8),
        new DataView(shorter, 4),
      ]
      detached.transfer()
      shorter.resize(3)
      const users: Readonly<Record<string, readonly ((bytes: Uint8Array) => unknown)[]>> = {
        target: [(bytes) => file.readInto(0, bytes), (bytes) => space.readInto(at, bytes)],
        bytes: [(bytes) => file.write(0, bytes), (bytes) => space.write(at, bytes)],
        contents: [(contents) => machine.createFile({ size: PAGE, contents }).close()],
        value: [(bytes) => space.indexOf(at, PAGE, bytes)],
      }
      for (const [name, uses] of Object.entries(users)) {
        for (const use of uses) {
          const message = `${name}: its buffer was detached or made shorter`
          for (const bytes of gone)
            assert.throws(() => use(never(bytes)), {
              name: 'TypeError',
              code: 'ERR_INVALID_ARG_VALUE',
              message,
            })
          use(new Uint8Array(0))
        }
      }
      file.close()
    })
  })

  test('a constructor of arrays that somebody has changed', () => {
    withSpace((space) => {
      const at = space.mmap(4 * PAGE)
      const before = Object.getOwnPropertyDescriptor(Uint8Array, Symbol.species)
      Object.defineProperty(Uint8Array, Symbol.species, { get: thrower, configurable: true })
      try {
        space.write(at + 5, new Uint8Array(2 * PAGE))
        space.readInto(at + 5, new Uint8Array(2 * PAGE))
        space.writeUint16(at + PAGE - 1, 5)
        assert.equal(space.readUint16(at + PAGE - 1), 5)
      } finally {
        delete (Uint8Array as { [Symbol.species]?: unknown })[Symbol.species]
        if (before !== undefined) Object.defineProperty(Uint8Array, Symbol.species, before)
      }
    })
  })

  test('accessors of options, which are read once', () => {
    withSpace((space, machine) => {
      let reads = 0
      const options = {
        get protection(): 'r' {
          reads++
          // It may use the machine: it runs outside.
          space.maps()
          return reads === 1 ? 'r' : never('nonsense')
        },
      }
      space.mmap(PAGE, options)
      assert.equal(reads, 1)
      assert.throws(
        () =>
          space.mmap(PAGE, {
            get address() {
              return thrower()
            },
          }),
        /^Error: code of the caller/,
      )
      const file = machine.createFile({ size: PAGE })
      Object.defineProperty(file, 'pointer', { get: thrower })
      space.mmap(PAGE, { file })
      file.write(0, new Uint8Array(5))
      assert.throws(() => space.mmap(PAGE, { file: never(Object.create(file)) }), TypeError)
      space.munmap(space.maps()[0]!.start, PAGE)
      file.close()
    })
  })

  test('options that a class has: its accessors count, and its methods are none', () => {
    class Options {
      readonly populate = true
      get protection(): 'r' {
        return 'r'
      }
      help(): void {}
    }
    withSpace((space) => {
      space.mmap(PAGE, new (class extends Options {})())
      assert.equal(space.maps()[0]!.protection, 'r')
      assert.equal(space.residentPages(space.maps()[0]!.start, PAGE)[0], true)
    })
  })

  test('hooks of stack traces', () => {
    withSpace((space) => {
      const at = space.mmap(PAGE, { protection: 'r' })
      const { prepareStackTrace } = Error
      Error.prepareStackTrace = () => {
        space.readUint8(at)
        return thrower()
      }
      try {
        assert.throws(
          () => space.writeUint8(at, 1),
          (error) => error instanceof SegmentationFault,
        )
        assert.throws(
          () => space.readUint8(at + PAGE),
          (error) => error instanceof SegmentationFault,
        )
      } finally {
        Error.prepareStackTrace = prepareStackTrace
      }
      assert.equal(space.readUint8(at), 0)
    })
  })

  test('a storage that throws what cannot be looked into, answers nonsense, or uses the machine', () => {
    const path = join(folder, 'storage')
    writeFileSync(path, new Uint8Array(4 * PAGE).fill(3))
    withSpace((space, machine) => {
      const file = machine.openFile(path, { mode: 'r+' })
      const at = space.mmap(4 * PAGE, { file, shared: true })
      const eio = (error: unknown): boolean => error instanceof BusError && error.errno === 'EIO'
      const answers: readonly (() => unknown)[] = [
        () => NaN,
        () => -1,
        () => 1e9,
        () => '5',
        () => undefined,
        () => 0.5,
        () => ({ valueOf: () => 5 }),
        () => {
          throw {
            get code() {
              return thrower()
            },
          }
        },
        () => {
          throw null
        },
        () => {
          throw new Proxy({}, { get: thrower })
        },
        () => space.readUint8(at),
        () => space.mmap(PAGE),
        () => machine.sync(),
      ]
      for (const answer of answers) {
        machine.setStorage({ ...fileSystem, read: never(answer) })
        assert.throws(() => space.readUint8(at), eio, String(answer))
      }
      machine.setStorage({ ...fileSystem, close: thrower })
      file.close()
      space.munmap(at, 4 * PAGE)
      machine.setStorage({ ...fileSystem, identify: () => never({ device: 1, inode: 2 }) })
      assert.throws(() => machine.openFile(path), { code: 'EIO' })
      machine.setStorage(fileSystem)
      const again = machine.openFile(path)
      assert.equal(again.read(0, 1)[0], 3)
      again.close()
    })
  })
})
