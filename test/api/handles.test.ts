// What is no handle, or one of something else, is refused before the kernel is entered; and what a caller has set on
// objects, on the prototype of all objects, or answers later, does not count.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createContext } from 'node:vm'
import { moveMessagePortToContext, receiveMessageOnPort } from 'node:worker_threads'
import * as library from '../../src/memory.ts'
import {
  AddressSpace,
  DiskFile,
  Heap,
  KernelReentryError,
  Machine,
  MachineFile,
  MmuNotifier,
  MemoryFile,
  Snapshot,
  type Storage,
  fileSystem,
} from '../../src/memory.ts'

const PAGE = 4096
const isError = (made: unknown): boolean => (made as { prototype: unknown }).prototype instanceof Error
const never = (value: unknown): never => value as never

/** A machine, and the path of a file of one page. */
function withFile(body: (machine: Machine, path: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-handles-'))
  const path = join(folder, 'file')
  writeFileSync(path, new Uint8Array(PAGE))
  const machine = Machine.create({ memory: '1MiB', cpus: 1, config: { SLUB_DEBUG: true } })
  try {
    body(machine, path)
  } finally {
    machine.detach()
    rmSync(folder, { recursive: true })
  }
}

test('handles that are none', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const space = machine.createAddressSpace()
  const file = machine.createFile({ size: PAGE })
  for (const nothing of [undefined, null, 7, 'handle', {}, space.handle.machine]) {
    assert.throws(() => AddressSpace.attach(never(nothing)), { name: /Error$/, code: /^ERR_/ })
    assert.throws(() => MemoryFile.attach(never(nothing)), { name: 'TypeError', code: /^ERR_/ })
    assert.throws(() => DiskFile.attach(never(nothing)), { name: 'TypeError', code: /^ERR_/ })
  }
  assert.throws(() => Machine.attach(never({ kind: 'faultline-machine' })), {
    name: 'TypeError',
    code: /^ERR_/,
  })
  for (const wrong of [0, -5, 0.5, NaN, 2 ** 40, '16', undefined]) {
    assert.throws(() => AddressSpace.attach({ ...space.handle, mm: never(wrong) }), /^(Type|Range)Error/)
    // Of a number that there may be, it is found out when the address space is used.
    if (wrong !== 2 ** 40)
      assert.throws(() => AddressSpace.attach({ ...space.handle, generation: never(wrong) }), /Error/)
    assert.throws(() => MemoryFile.attach({ ...file.handle, file: never(wrong) }), /^(Type|Range)Error/)
    assert.throws(() => MemoryFile.attach({ ...file.handle, generation: never(wrong) }), /Error/)
  }
  assert.throws(() => DiskFile.attach(never(file.handle)), TypeError)
  space.writeUint8(space.mmap(PAGE), 1)
  machine.detach()
})

const sharedMemory = (pages: number) =>
  new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })

test('the parts of a handle that do not belong together, or are none', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 2 })
  const other = Machine.create({ memory: '1MiB', cpus: 2 })
  const { handle } = machine
  const posing: unknown = Object.create(WebAssembly.Memory.prototype)
  const memories = [
    undefined,
    5,
    {},
    posing,
    new WebAssembly.Memory({ initial: 1 }),
    sharedMemory(0),
    sharedMemory(1),
  ]
  const wrong = {
    id: [undefined, 5, {}, '', 'x', other.handle.id],
    heap: [...memories, handle.memory, other.handle.heap],
    memory: [...memories, sharedMemory(17), handle.heap, other.handle.memory],
  }
  for (const [field, values] of Object.entries(wrong)) {
    for (const value of values) {
      assert.throws(
        () => Machine.attach({ ...handle, [field]: never(value) }),
        // Which of two that do not fit is the wrong one, nobody knows.
        { name: /^(Type|Range)Error$/, code: /^ERR_/, message: /^handle\.(id|heap|memory): / },
        `${field}: ${String(value)}`,
      )
    }
  }
  assert.equal(Machine.attach(structuredClone(handle)), machine, 'a clone is the same machine')
  const realm = createContext({})
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(handle)
  const { message } = receiveMessageOnPort(moveMessagePortToContext(port2, realm)) as { message: never }
  assert.equal(Machine.attach(message), machine, 'and so is one of another realm')
  port1.close()
  assert.throws(() => Object.assign(machine.handle, { heap: other.handle.heap }), TypeError)
  machine.detach()
  other.detach()
})

test('an object for its handle: it is not copied for another thread, and attaching says what to pass', () => {
  using machine = Machine.create({ memory: '1MiB', cpus: 1 })
  using space = machine.createAddressSpace()
  using file = machine.createFile({ size: PAGE })
  using snapshot = space.snapshot()
  const objects = [machine, space, file, snapshot, space.createHeap(), space.registerNotifier()]
  for (const object of objects)
    assert.throws(() => structuredClone({ object }), { name: 'DataCloneError' }, object.constructor.name)
  const attachers = [Machine.attach, AddressSpace.attach, MemoryFile.attach]
  for (const [index, attach] of attachers.entries())
    assert.throws(() => attach(never(objects[index])), { name: 'TypeError', message: /: pass its \.handle$/ })
})

test('a handle that leads to something else than it says', () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-handles-'))
  const path = join(folder, 'file')
  writeFileSync(path, new Uint8Array(PAGE))
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const space = machine.createAddressSpace()
  const another = machine.createAddressSpace()
  const memory = machine.createFile({ size: PAGE })
  const disk = machine.openFile(path)
  const refused = (call: () => unknown, field: string): void =>
    assert.throws(call, {
      name: /^(Type|Range)Error$/,
      code: /^ERR_/,
      message: new RegExp(`^handle\\.${field}: .+ is not `),
    })
  const disks = (change: object) => () => DiskFile.attach({ ...disk.handle, ...change })
  const { file, generation } = disk.handle
  refused(() => MemoryFile.attach({ ...memory.handle, file, generation }), 'file')
  refused(disks({ file: memory.handle.file, generation: memory.handle.generation }), 'file')
  refused(disks({ file: file + 1 }), 'file')
  refused(disks({ writable: true }), 'writable')
  refused(disks({ writable: 'x' }), 'writable')
  refused(disks({ path: 5 }), 'path')
  refused(() => MemoryFile.attach({ ...memory.handle, name: never(5) }), 'name')
  // Whether this thread knows the address space already or not.
  refused(() => AddressSpace.attach({ ...space.handle, mm: another.handle.mm }), 'mm')
  for (const mm of [file, another.handle.mm, space.handle.mm + 1])
    assert.throws(() => AddressSpace.attach({ ...space.handle, mm, generation: 999 }), { code: 'ESRCH' })
  space.destroy()
  assert.throws(() => AddressSpace.attach({ ...space.handle }), { code: 'ESRCH' })
  disk.close()
  machine.detach()
  rmSync(folder, { recursive: true })
})

test('nobody else can make the objects of the library, from whatever places', () => {
  withFile((machine, path) => {
    const space = machine.createAddressSpace()
    const at = space.mmap(PAGE)
    const notifier = space.registerNotifier()
    const file = machine.openFile(path)
    const { mm, generation } = space.handle
    const opened = { pointer: file.pointer, open: file.handle.file, generation, writable: true, owns: true }
    space.writeUint8(at, 1)
    assert.equal(notifier.readUint32(at), 1)
    const before = machine.usage()
    // Each with what its constructor takes, with and without something in the place of the key.
    const forged: Readonly<Record<string, readonly [made: unknown, given: readonly unknown[]]>> = {
      Machine: [Machine, [machine.handle]],
      AddressSpace: [AddressSpace, [machine, mm, generation]],
      MmuNotifier: [MmuNotifier, [machine, mm]],
      MachineFile: [MachineFile, [machine, opened, 'name']],
      MemoryFile: [MemoryFile, [machine, opened, 'name']],
      DiskFile: [DiskFile, [machine, opened, path]],
      Snapshot: [Snapshot, [space]],
      Heap: [Heap, [space, {}, at]],
    }
    const classes = Object.values(library).filter(
      (value) => typeof value === 'function' && String(value).startsWith('class ') && !isError(value),
    )
    assert.deepEqual(
      new Set(classes),
      new Set(Object.values(forged).map(([made]) => made)),
      'every class is tried',
    )
    for (const [name, [made, given]] of Object.entries(forged)) {
      const Made = made as new (...given: unknown[]) => object
      const Sub = class extends Made {}
      const refused = { name: 'TypeError', code: 'ERR_ILLEGAL_CONSTRUCTOR', message: /: use / }
      for (const key of [[], [undefined], [Symbol('faultline')], [{}]]) {
        assert.throws(() => new Made(...key, ...given), refused, name)
        assert.throws(() => new Sub(...key, ...given), refused, name)
        assert.throws(() => Reflect.construct(Made, [...key, ...given], Object), refused, name)
      }
    }
    for (const none of [undefined, null, {}, 5, Object.create(Machine.prototype), new Proxy(machine, {})]) {
      const refused = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', message: /^machine: / }
      assert.throws(() => AddressSpace.create(never(none), {}), refused)
      assert.throws(() => MemoryFile.create(never(none), { size: 1 }), refused)
      assert.throws(() => DiskFile.open(never(none), path, {}), refused)
    }
    space.writeUint8(at, 1)
    assert.equal(notifier.readUint32(at), 1)
    assert.deepEqual(machine.usage(), before)
  })
})

test('a field that no handle of the kind has', () => {
  withFile((machine, path) => {
    const space = machine.createAddressSpace()
    const memory = machine.createFile({ size: PAGE })
    const disk = machine.openFile(path)
    const attaches: [attach: (handle: never) => unknown, handle: object][] = [
      [(handle) => Machine.attach(handle), machine.handle],
      [(handle) => AddressSpace.attach(handle), space.handle],
      [(handle) => MemoryFile.attach(handle), memory.handle],
      [(handle) => DiskFile.attach(handle), disk.handle],
      [(machineHandle) => AddressSpace.attach({ ...space.handle, machine: machineHandle }), machine.handle],
    ]
    for (const [attach, handle] of attaches) {
      attach(never({ ...handle }))
      for (const extra of [
        { extra: 1 },
        { extra: undefined },
        { constructor: 1 },
        JSON.parse('{"__proto__": 1}'),
      ]) {
        const wrong: unknown = Object.defineProperties({ ...handle }, Object.getOwnPropertyDescriptors(extra))
        const expected = {
          name: 'TypeError',
          code: 'ERR_INVALID_ARG_VALUE',
          message: /^handle: there is no field '/,
        }
        assert.throws(() => attach(never(wrong)), expected, Object.keys(extra as object).join())
      }
    }
    assert.throws(() => MemoryFile.attach(never({ ...memory.handle, names: 'x' })), {
      message: /did you mean name\?$/,
    })
  })
})

test('what a caller sets on an object does not lead it elsewhere', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const other = Machine.create({ memory: '1MiB', cpus: 1 })
  const space = machine.createAddressSpace()
  const file = machine.createFile({ size: 2 * PAGE })
  const notifier = space.registerNotifier()
  const at = space.mmap(PAGE)
  const mine = (): never => assert.fail('a method of the caller was called')
  for (const object of [space, file, notifier]) Object.defineProperty(object, 'machine', { value: other })
  for (const method of ['call', 'assertOpen', 'writeAt', 'markClosed'])
    Object.defineProperty(file, method, { value: mine })
  for (const [name, value] of Object.entries({ size: 2 ** 40, writable: false, closed: true, pointer: 16 }))
    Object.defineProperty(file, name, { value })
  file.write(PAGE, new Uint8Array([7]))
  assert.deepEqual(file.read(PAGE, 9).length, 9)
  file.populate(0, 2)
  space.writeUint32(at, 3)
  assert.equal(notifier.readUint32(at), 3)
  notifier.unregister()
  file.close()
  for (const name of ['handle', 'task', 'spaces', 'files', 'enter', 'failed', 'assertAttached'])
    assert.throws(() => Object.defineProperty(machine, name, { value: mine }), TypeError, name)
  space.destroy()
  assert.equal(machine.usage().addressSpaces, 0)
  assert.equal(machine.usage().files, 0)
  machine.detach()
  other.detach()
})

test('a file that was opened for reading only stays so', () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-handles-'))
  const path = join(folder, 'file')
  writeFileSync(path, new Uint8Array(PAGE))
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const file = machine.openFile(path)
  Object.defineProperty(file, 'writable', { value: true })
  assert.throws(() => file.write(0, new Uint8Array(1)), { code: 'EBADF' })
  assert.throws(() => file.truncate(0), { code: 'EINVAL' })
  const space = machine.createAddressSpace()
  assert.throws(() => space.mmap(PAGE, { file, shared: true, protection: 'rw' }), { code: 'EACCES' })
  file.close()
  machine.detach()
  rmSync(folder, { recursive: true })
})

test('who opened a file for reading only cannot pass on more, whoever else may write to it', () => {
  withFile((machine, path) => {
    const writing = machine.openFile(path, { mode: 'r+' })
    const reading = machine.openFile(path)
    assert.throws(() => DiskFile.attach({ ...reading.handle, writable: true }), {
      name: 'RangeError',
      code: 'ERR_INVALID_ARG_VALUE',
      message: /^handle\.writable: true is not allowed/,
    })
    DiskFile.attach(writing.handle).write(0, new Uint8Array([1]))
    // Less than there is may be passed on.
    const less = DiskFile.attach({ ...writing.handle, writable: false })
    assert.throws(() => less.write(0, new Uint8Array([2])), { code: 'EBADF' })
    // Of the same open file, which may be written.
    DiskFile.attach({ ...less.handle, writable: true }).write(0, new Uint8Array([3]))
  })
})

test('a file is closed for all by who opened it, also where a mapping keeps it', () => {
  withFile((machine, path) => {
    const space = machine.createAddressSpace()
    const bytes = new Uint8Array(1)
    for (const file of [machine.openFile(path, { mode: 'r+' }), machine.createFile({ size: PAGE })]) {
      const kind: { attach(handle: unknown): typeof file } = never(
        file instanceof DiskFile ? DiskFile : MemoryFile,
      )
      const other = kind.attach(file.handle)
      const another = kind.attach(other.handle)
      const at = space.mmap(PAGE, { file: other, shared: true })
      other.write(0, bytes)
      another.close()
      assert.equal(other.read(0, 1).length, 1, 'closing what was attached closes nothing else')
      file.close()
      const uses: ((file: DiskFile | MemoryFile) => unknown)[] = [
        (closed) => closed.read(0, 1),
        (closed) => closed.size,
        (closed) => closed.write(0, bytes),
        (closed) => closed.populate(0, 1),
        (closed) => closed.truncate(0),
        (closed) => space.mmap(PAGE, { file: closed }),
        (closed) => kind.attach(closed.handle),
        (closed) => (closed instanceof DiskFile ? closed.sync() : closed.read(0, 1)),
      ]
      for (const use of uses) assert.throws(() => use(other), { code: 'EBADF' }, String(use))
      other.close()
      space.writeUint8(at, 9)
      assert.equal(space.readUint8(at), 9, 'the mapping stays')
      // Opened anew, it is another.
      if (file instanceof DiskFile) {
        const anew = machine.openFile(path)
        assert.equal(anew.read(0, 1)[0], 9)
        assert.throws(() => other.read(0, 1), { code: 'EBADF' })
      }
    }
  })
})

test('a closed file whose caller says that it is open is not mapped', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const space = machine.createAddressSpace()
  const file = machine.createFile({ size: PAGE })
  file.close()
  Object.defineProperties(file, { assertOpen: { value: () => {} }, closed: { value: false } })
  assert.throws(() => space.mmap(PAGE, { file }), { errno: 'EBADF' })
  machine.detach()
})

test('what all objects inherit is no option', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const space = machine.createAddressSpace()
  const all = Object.prototype as { shared?: boolean; anything?: number }
  try {
    all.shared = true
    all.anything = 1
    space.mmap(PAGE)
    space.mmap(PAGE, { protection: 'r' })
    assert.deepEqual(
      space.maps().map(({ shared }) => shared),
      [false, false],
    )
  } finally {
    delete all.shared
    delete all.anything
  }
  const inherited = Object.prototype as { path?: string; SMP?: boolean; MM_FORBIDS_ZEROPAGE?: boolean }
  try {
    inherited.path = '/nowhere'
    inherited.MM_FORBIDS_ZEROPAGE = true
    inherited.SMP = false
    const swap = never({ size: '1MiB' })
    assert.throws(() => Machine.create({ memory: '1MiB', cpus: 1, swap }), { message: /^path: undefined/ })
    const config = { SPECULATIVE_PAGE_FAULT: true }
    const made = Machine.create({ memory: '1MiB', cpus: 1, config })
    assert.equal(made.config.MM_FORBIDS_ZEROPAGE, false)
    made.detach()
  } finally {
    for (const name of ['path', 'SMP', 'MM_FORBIDS_ZEROPAGE'] as const) delete inherited[name]
  }
  for (const size of ['1constructor', '1toString', '1__proto__'])
    assert.throws(() => Machine.create({ memory: size, cpus: 1 }), {
      name: 'RangeError',
      code: 'ERR_OUT_OF_RANGE',
    })
  machine.detach()
})

test('a thread that cannot attach for what all objects inherit has taken no CPU', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  machine.detach()
  const all = Object.prototype as unknown as Record<string, unknown>
  for (const key of [
    'get',
    'set',
    'value',
    'writable',
    'enumerable',
    'configurable',
    'return',
    'next',
    '0',
  ]) {
    const mine = (): never => assert.fail('mine')
    for (const inherited of [{ value: mine }, { value: 7 }, { get: mine, set: mine }]) {
      Object.defineProperty(all, key, {
        __proto__: null,
        ...inherited,
        configurable: true,
      } as object)
      try {
        Machine.attach(machine.handle).detach()
      } catch {
        // Whatever it is: the next can.
      } finally {
        delete all[key]
      }
      Machine.attach(machine.handle).detach()
    }
  }
})

test('a descriptor is closed by the storage that has opened it, whatever storage it has set meanwhile', () => {
  withFile((machine, path) => {
    const open = [0, 0]
    const [first, second] = open.map((_, index): Storage => ({
      ...fileSystem,
      open(...given) {
        open[index]!++
        if (index === 0) machine.setStorage(second!)
        return fileSystem.open(...given)
      },
      close(descriptor) {
        open[index]!--
        fileSystem.close(descriptor)
      },
    }))
    machine.setStorage(first!)
    const file = machine.openFile(path, { mode: 'r+' })
    assert.deepEqual(open, [1, 0])
    file.write(0, new Uint8Array([1]))
    file.sync()
    assert.deepEqual(open, [0, 1])
    file.close()
    assert.deepEqual(open, [0, 0])
  })
})

test('a storage that does later what it is asked for has not done it; one that detaches its thread is refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-handles-'))
  const path = join(folder, 'file')
  writeFileSync(path, new Uint8Array(PAGE))
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const file = machine.openFile(path, { mode: 'r+' })
  file.write(0, new Uint8Array([1]))
  machine.setStorage({ ...fileSystem, sync: (() => Promise.resolve()) as Storage['sync'] })
  assert.throws(() => file.sync(), { errno: 'EIO' })
  let refused: unknown
  machine.setStorage({
    ...fileSystem,
    write(...given) {
      try {
        machine.detach({ discard: true })
      } catch (error) {
        refused = error
      }
      return fileSystem.write(...given)
    },
  })
  file.write(0, new Uint8Array([2]))
  file.sync()
  assert.ok(refused instanceof KernelReentryError)
  file.close()
  machine.detach()
  rmSync(folder, { recursive: true })
})

test('what a storage answers is what it was asked for, or an error of the call', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const count = (buffers: readonly Uint8Array[]) => buffers.reduce((sum, { length }) => sum + length, 0)
  const sound: Storage = {
    open: () => 77,
    close: () => {},
    identify: () => ({ device: BigInt(1), inode: BigInt(2), size: 2 * PAGE, isFile: true }),
    read: (_descriptor, buffers) => count(buffers),
    write: (_descriptor, buffers) => count(buffers),
    sync: () => {},
    truncate: () => {},
  }
  const use = (change: object): void => {
    machine.setStorage({ ...sound, ...change })
    try {
      const file = machine.openFile('/file', { mode: 'r+' })
      try {
        file.write(PAGE - 1, new Uint8Array(2))
        file.sync()
        file.truncate(PAGE)
      } finally {
        machine.setStorage(sound)
        file.close()
      }
    } finally {
      machine.setStorage(sound)
    }
  }
  use({})
  const nothings = [null, false, true, 0, -5, 'done', {}, Promise.resolve()]
  const wrong: Partial<Record<keyof Storage, readonly unknown[]>> = {
    open: [undefined, null, Number.NaN, -1, 0.5, '3', BigInt(3), Promise.resolve(5), 2 ** 60],
    identify: [undefined, {}, { ...sound.identify(0), size: Number.NaN }, Promise.resolve(sound.identify(0))],
    read: [undefined, -1, 0.5, Number.NaN, '4096', 2 ** 40, Promise.resolve(PAGE)],
    write: [undefined, 0, -1, 0.5, Number.NaN, '4096', 2 ** 40, Promise.resolve(PAGE)],
    sync: nothings,
    truncate: nothings,
  }
  for (const [operation, answers] of Object.entries(wrong))
    for (const answer of answers)
      assert.throws(
        () => use({ [operation]: () => answer }),
        { code: 'EIO' },
        `${operation}: ${String(answer)}`,
      )
  assert.throws(() => machine.setStorage({ ...sound, lockable: never(1) }), { code: 'ERR_INVALID_ARG_TYPE' })
  use({})
  machine.detach()
})

test('every error has a code', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const calls: readonly (() => unknown)[] = [
    () => Machine.create({ memory: '1MiB', cpus: 1.5 }),
    () => Machine.create({ memory: '1MiB', cpus: 1, design: 'none' }),
    () => Machine.create({ memory: 100, cpus: 1 }),
    () => Machine.attach({ ...machine.handle, heap: sharedMemory(0) }),
    () => machine.openFile('/file', { size: 4 }),
    () => machine.openFile('/file', { create: true }),
    () => machine.openFile('/file', { mode: 'r+', exclusive: true }),
    () => machine.swapOn('/file', { size: 1 }),
    () => machine.createFile({ size: 1, contents: new Uint8Array(2) }),
  ]
  for (const call of calls)
    assert.throws(call, (error: { code?: unknown }) => typeof error.code === 'string', String(call))
  machine.detach()
  assert.throws(() => machine.usage(), { code: 'ERR_FAULTLINE_CONFIGURATION' })
})
