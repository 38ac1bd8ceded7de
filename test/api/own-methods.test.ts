// A program may replace the methods and getters of arrays and of the engine's other objects: none of that runs inside
// the kernel. What it breaks of the library outside the kernel is an error of that call; the machine goes on.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type AddressSpace, type DiskFile, Machine, type MemoryFile } from '../../src/memory.ts'

const PAGE = 4096
const { defineProperty } = Object
const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object
const folder = mkdtempSync(join(tmpdir(), 'faultline-own-'))
after(() => rmSync(folder, { recursive: true }))
writeFileSync(join(folder, 'file'), new Uint8Array(2 * PAGE))

/** Every function and getter of the prototype by its key, but the constructor. */
function replaceable(prototype: object): PropertyKey[] {
  return Reflect.ownKeys(prototype).filter((key) => {
    const { value, get, configurable } = Object.getOwnPropertyDescriptor(prototype, key)!
    return (
      key !== 'constructor' && configurable === true && (typeof value === 'function' || get !== undefined)
    )
  })
}

/** Runs `body` while the property throws when it is called or read. */
function replaced(prototype: object, key: PropertyKey, body: () => void): void {
  const before = Object.getOwnPropertyDescriptor(prototype, key)!
  const mine = (): never => {
    throw new Error('mine')
  }
  const other = before.get === undefined ? { value: mine } : { get: mine }
  defineProperty(prototype, key, { ...other, configurable: true })
  try {
    body()
  } catch {
    // What is outside the kernel may call it.
  } finally {
    defineProperty(prototype, key, before)
  }
}

interface World {
  readonly machine: Machine
  readonly space: AddressSpace
  readonly at: number
  readonly memory: MemoryFile
  readonly disk: DiskFile
}

const bytes = new Uint8Array(2 * PAGE).fill(7)

/** Each of these enters the kernel, and most of them move or clear words there. */
const calls: readonly ((world: World) => unknown)[] = [
  ({ space, at }) => space.write(at + 100, bytes.subarray(0, PAGE)),
  ({ space, at }) => space.write(at + 5, bytes.subarray(0, 40)),
  ({ space, at }) => space.read(at, 2 * PAGE),
  ({ space, at }) => space.readInto(at, new Uint8Array(40)),
  ({ space, at }) => space.fill(at + 1, PAGE, 9),
  ({ space, at }) => space.writeFloat64(at + PAGE - 3, 1.5),
  ({ space }) => space.munmap(space.mmap(64 * PAGE, { populate: true }), 64 * PAGE),
  // More than there is memory: some of it goes to the swap file.
  ({ space }) => space.munmap(space.mmap(140 * PAGE, { populate: true }), 140 * PAGE),
  ({ space, at }) => space.mprotect(at + PAGE, PAGE, 'r'),
  ({ space, at }) => space.mprotect(at, 4 * PAGE, 'rw'),
  ({ space, at }) => space.madvise(at + 2 * PAGE, PAGE, 'dontneed'),
  ({ space }) => space.maps(),
  ({ space, at }) => space.residentPages(at, 4 * PAGE),
  ({ space }) => space.fork().destroy(),
  ({ machine }) => machine.createAddressSpace({ asLimit: 2 ** 30, memlockLimit: 0 }).destroy(),
  ({ machine }) => machine.usage(),
  ({ machine }) => machine.createFile({ size: 3 * PAGE }).close(),
  ({ memory }) => memory.write(10, bytes.subarray(0, PAGE)),
  ({ memory }) => memory.read(0, 4 * PAGE),
  ({ disk }) => disk.write(10, bytes.subarray(0, PAGE)),
  ({ disk }) => disk.read(0, 2 * PAGE),
  ({ disk }) => disk.sync(),
  ({ disk }) => disk.truncate(PAGE + 5),
  ({ disk }) => disk.truncate(2 * PAGE),
]

function inWorld(body: (world: World) => void): void {
  const swap = { path: join(folder, 'swap'), size: '1MiB', lock: false }
  const machine = Machine.create({ memory: '512KiB', cpus: 2, config: { SLUB_DEBUG: true }, swap })
  const space = machine.createAddressSpace()
  const at = space.mmap(4 * PAGE, { populate: true })
  const memory = machine.createFile({ size: 4 * PAGE })
  const disk = machine.openFile(join(folder, 'file'), { mode: 'r+', lock: false })
  body({ machine, space, at, memory, disk })
  disk.close()
  machine.detach()
}

const prototypes: readonly (readonly [name: string, prototype: object])[] = [
  ['%TypedArray%.prototype', typedArray],
  ['Array.prototype', Array.prototype],
  ['Map.prototype', Map.prototype],
  ['Object', Object],
  ['Reflect', Reflect],
  ['Function.prototype', Function.prototype],
  ['performance', Object.getPrototypeOf(performance) as object],
]

for (const [name, prototype] of prototypes) {
  test(`what replaces a function of ${name} does not run inside the kernel`, () => {
    inWorld((world) => {
      for (const key of replaceable(prototype)) {
        for (const call of calls) replaced(prototype, key, () => call(world))
        world.space.writeUint32(world.at, 5)
        assert.equal(world.space.readUint32(world.at), 5, `${name}.${String(key)}`)
        assert.equal(world.machine.usage().addressSpaces >= 1, true)
      }
    })
  })
}

test('bytes move as they should while the methods of arrays are replaced', () => {
  inWorld(({ space, at, memory }) => {
    const seen: Uint8Array[] = []
    for (const key of ['set', 'fill', 'copyWithin', 'subarray'] as const) {
      replaced(typedArray, key, () => {
        space.write(at, bytes)
        memory.write(0, bytes)
        seen.push(space.read(at, 2 * PAGE), memory.read(0, 2 * PAGE))
      })
    }
    assert.equal(seen.length, 8, 'nothing of it is called outside the kernel either')
    for (const each of seen) assert.deepEqual(each, bytes)
  })
})
