// A storage is code of the user that runs in the middle of a call, and may take away the array that the call was given:
// the call says so, and the machine goes on.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type AddressSpace, type DiskFile, Machine, type Storage, fileSystem } from '../../src/memory.ts'

const PAGE = 4096
const PAGES = 8
const folder = mkdtempSync(join(tmpdir(), 'faultline-buffers-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'file')

/** An array of the caller, and how it is taken away. */
interface Theirs {
  readonly bytes: Uint8Array
  readonly spoil: () => unknown
}

const ways: Readonly<Record<string, (length: number) => Theirs>> = {
  'sent away'(length) {
    const buffer = new ArrayBuffer(length)
    return { bytes: new Uint8Array(buffer), spoil: () => structuredClone(buffer, { transfer: [buffer] }) }
  },
  'made shorter'(length) {
    const buffer = new ArrayBuffer(length, { maxByteLength: 2 * length })
    return { bytes: new Uint8Array(buffer), spoil: () => buffer.resize(length - 1) }
  },
  'in a memory of WebAssembly that grows'(length) {
    const memory = new WebAssembly.Memory({ initial: 32 }) as WebAssembly.Memory & {
      grow(pages: number): void
    }
    return { bytes: new Uint8Array(memory.buffer, 0, length), spoil: () => memory.grow(1) }
  },
}

/** The storage of a machine, which runs `next` once, when it is asked for the first of these. */
class Spoiler {
  next: (() => unknown) | null = null
  readonly storage: Storage = {
    ...fileSystem,
    read: (...given) => (this.#run(), fileSystem.read(...given)),
    write: (...given) => (this.#run(), fileSystem.write(...given)),
    truncate: (...given) => (this.#run(), fileSystem.truncate(...given)),
  }

  #run(): void {
    const { next } = this
    this.next = null
    next?.()
  }
}

const isGone = (name: string) => ({
  name: 'TypeError',
  code: 'ERR_INVALID_ARG_VALUE',
  message: `${name}: its buffer was detached or made shorter in the middle of the call`,
})

interface World {
  readonly space: AddressSpace
  readonly at: number
  readonly file: DiskFile
}

const calls: Readonly<Record<string, (world: World, bytes: Uint8Array) => void>> = {
  'target of readInto': ({ space, at }, bytes) => space.readInto(at + 100, bytes),
  "target of a file's readInto": ({ file }, bytes) => void file.readInto(100, bytes),
  'bytes of write': ({ space, at }, bytes) => space.write(at + 100, bytes),
  'bytes written to a file': ({ file }, bytes) => file.write(100, bytes),
  'bytes that make a file longer': ({ file }, bytes) => file.write(PAGES * PAGE, bytes),
}

for (const [call, run] of Object.entries(calls)) {
  test(`${call}, taken away in the middle`, () => {
    for (const [way, make] of Object.entries(ways)) {
      for (const length of [10, PAGE, 4 * PAGE + 10]) {
        writeFileSync(path, new Uint8Array(PAGES * PAGE).fill(7))
        const machine = Machine.create({ memory: '1MiB', cpus: 1, config: { SLUB_DEBUG: true } })
        const spoiler = new Spoiler()
        machine.setStorage(spoiler.storage)
        const file = machine.openFile(path, { mode: 'r+' })
        const space = machine.createAddressSpace()
        const at = space.mmap(PAGES * PAGE, { file, shared: true })
        const { bytes, spoil } = make(length)
        spoiler.next = spoil
        const message = `${way}, ${length} bytes`
        assert.throws(() => run({ space, at, file }, bytes), isGone(call.split(' ')[0]!), message)
        assert.equal(spoiler.next, null, 'it was asked')
        // The rest of the page is what it was, and nothing is held.
        assert.deepEqual(space.read(at, 100), new Uint8Array(100).fill(7), message)
        space.write(at, new Uint8Array(PAGES * PAGE))
        file.truncate(0)
        file.close()
        space.destroy()
        const { framesTotal, framesFree, files } = machine.usage()
        assert.deepEqual([framesFree, files], [framesTotal, 0], message)
        machine.detach()
      }
    }
  })
}

test('contents of a file in memory, taken away while others are written to the swap file', () => {
  for (const [way, make] of Object.entries(ways)) {
    const swap = { path: join(folder, 'swap'), size: '2MiB' }
    const machine = Machine.create({ memory: '1MiB', cpus: 1, swap })
    const spoiler = new Spoiler()
    machine.setStorage(spoiler.storage)
    const { bytes, spoil } = make(1.5 * 2 ** 20)
    bytes.fill(1)
    spoiler.next = spoil
    const size = bytes.length
    assert.throws(() => machine.createFile({ size, contents: bytes }), isGone('contents'), way)
    assert.equal(spoiler.next, null, 'it was asked')
    assert.equal(machine.usage().files, 1, 'that of the swap area')
    machine.detach()
  }
})

test('one array for many moves is asked each time what it has', () => {
  using machine = Machine.create({ memory: '1MiB', cpus: 1 })
  using space = machine.createAddressSpace()
  const at = space.mmap(PAGE)
  space.write(at, new Uint8Array(PAGE).fill(7))
  const buffer = new ArrayBuffer(8, { maxByteLength: 32 })
  const rest = new Uint8Array(buffer)
  const four = new Uint16Array(buffer, 0, 4)
  const other = new Uint8Array(4)
  for (const length of [8, 16, 4, 32, 0, 8]) {
    buffer.resize(length)
    for (let time = 0; time < 2; time++) {
      rest.fill(1)
      space.readInto(at, rest)
      assert.deepEqual(rest, new Uint8Array(length).fill(7))
      if (length >= 8) {
        four.fill(0)
        space.readInto(at, four)
        assert.deepEqual([...new Uint8Array(buffer, 0, 8)], Array(8).fill(7))
      } else assert.throws(() => space.readInto(at, four), { code: 'ERR_INVALID_ARG_VALUE' })
      space.readInto(at, other)
    }
    // The last one before its buffer changes.
    space.readInto(at, rest)
  }
  structuredClone(buffer, { transfer: [buffer] })
  for (const gone of [rest, four])
    assert.throws(() => space.readInto(at, gone), { code: 'ERR_INVALID_ARG_VALUE' }, 'sent away')
})

test('what a buffer has under the names of its getters is not asked', () => {
  using machine = Machine.create({ memory: '1MiB', cpus: 1 })
  using space = machine.createAddressSpace()
  const at = space.mmap(PAGE)
  const asked: string[] = []
  for (const buffer of [new ArrayBuffer(8), new SharedArrayBuffer(8)]) {
    for (const name of ['byteLength', 'maxByteLength', 'constructor'])
      Object.defineProperty(buffer, name, { get: () => asked.push(name) })
    const bytes = new Uint8Array(buffer)
    for (const kind of [ArrayBuffer, SharedArrayBuffer]) {
      Object.setPrototypeOf(buffer, kind.prototype)
      bytes.fill(3)
      space.write(at, bytes)
      bytes.fill(0)
      space.readInto(at, bytes)
      assert.deepEqual([...bytes], Array(8).fill(3))
    }
  }
  assert.deepEqual(asked, [])
})
