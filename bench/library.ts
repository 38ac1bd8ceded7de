// What the library costs beside what a program would use otherwise: typed arrays over shared memory, Atomics, Buffer
// and node:fs. `npm run bench:library`, with
//
//   --rounds 9 --design NAME --only TEXT    the cases whose name contains it
//   --package-folder FOLDER                 where koffi is installed, to be beside the system's own mmap
//
// Principles: both sides do the same, and what they compute is compared: another result is an error and not a number.
// They are run in turn within each round; what is told is the median of the rounds with their range, and the median of
// the ratios of each round. One thread; memory is resident, files are in the page cache. Exit code 0: all results were
// right; 1: not; 2: a wrong call.

import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fileCases } from './library-files.ts'
import type { AddressSpace } from '../src/memory.ts'
import { type Case, MIB, PAGE, RECORD, RECORDS, type World, scattered } from './library-world.ts'
import { mapByFfi } from './peers/ffi-map.ts'

// What is measured is what users run: the built form, whose kernel is one file.
const built = (module: string): string => new URL(`../dist/${module}`, import.meta.url).href
const { Machine, defineRecord, designs } = (await import(
  built('memory.js')
)) as typeof import('../src/memory.ts')
const { spread } = (await import(built('workloads/index.js'))) as typeof import('../src/workloads/index.ts')

const bytesOf = (array: ArrayBufferView<ArrayBufferLike>): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

function singleAccesses({ space, base, words }: World): Case[] {
  const operations = 200_000
  return [
    {
      name: 'readUint32, any of 1 MiB',
      peer: 'Uint32Array',
      operations,
      ours() {
        let sum = 0
        for (let n = 0; n < operations; n++)
          sum = (sum + space.readUint32(base + 4 * scattered(n, MIB / 4))) | 0
        return sum
      },
      theirs() {
        let sum = 0
        for (let n = 0; n < operations; n++) sum = (sum + words[scattered(n, MIB / 4)]!) | 0
        return sum
      },
    },
    {
      name: 'writeUint32, any of 1 MiB',
      peer: 'Uint32Array',
      operations,
      ours() {
        for (let n = 0; n < operations; n++) space.writeUint32(base + 4 * scattered(n, MIB / 4), n)
        return space.readUint32(base)
      },
      theirs() {
        for (let n = 0; n < operations; n++) words[scattered(n, MIB / 4)] = n
        return words[0]!
      },
    },
  ]
}

function sumOf(array: Uint32Array): number {
  let sum = 0
  for (let index = 0; index < array.length; index++) sum = (sum + array[index]!) | 0
  return sum
}

function sumOfView(view: DataView): number {
  let sum = 0
  for (let offset = 0; offset < view.byteLength; offset += 4) sum = (sum + view.getUint32(offset, true)) | 0
  return sum
}

/** Insertions into a table with open addressing, then as many look-ups. */
function useTable(table: Uint32Array): number {
  const mask = table.length - 1
  let found = 0
  for (let n = 1; n <= 40_000; n++) {
    let slot = Math.imul(n, 0x9e37_79b1) & mask
    while (table[slot] !== 0 && table[slot] !== n) slot = (slot + 1) & mask
    table[slot] = n
  }
  for (let n = 1; n <= 40_000; n++) {
    let slot = Math.imul(n, 0x9e37_79b1) & mask
    while (table[slot] !== n) slot = (slot + 1) & mask
    found = (found + slot) | 0
  }
  table.fill(0)
  return found
}

function ranges({ space, base, words }: World): Case[] {
  const operations = 20_000
  const wordsIn = (bytes: Uint8Array): Uint32Array =>
    new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
  const table = new Uint32Array(words.buffer, 0, 131_072)
  const view = new DataView(words.buffer)
  return [
    {
      name: 'withRange, a loop over the words of 1 MiB',
      peer: 'Uint32Array',
      operations: MIB / 4,
      ours: () => space.withRange(base, MIB, 'r', (bytes) => sumOf(wordsIn(bytes))),
      theirs: () => sumOf(words),
    },
    {
      name: 'withRange, a loop over a view of 1 MiB',
      peer: 'DataView',
      operations: MIB / 4,
      ours: () => space.withRange(base, MIB, 'r', (_, given) => sumOfView(given)),
      theirs: () => sumOfView(view),
    },
    {
      name: 'withRange, a hash table in 512 KiB',
      peer: 'Uint32Array',
      operations: 80_000,
      ours: () => space.withRange(base, 4 * table.length, 'rw', (bytes) => useTable(wordsIn(bytes))),
      theirs: () => useTable(table),
    },
    {
      name: 'withRange, a record of 64 bytes each',
      peer: 'subarray and DataView',
      operations,
      ours() {
        let sum = 0
        for (let n = 0; n < operations; n++) {
          const at = RECORD * scattered(n, MIB / RECORD)
          sum += space.withRange(base + at, RECORD, 'rw', (bytes, given) => {
            bytes[3] = n
            given.setUint32(8, n, true)
            return bytes[3]! + given.getUint32(8, true)
          })
        }
        return sum
      },
      theirs() {
        const bytes = bytesOf(words)
        let sum = 0
        for (let n = 0; n < operations; n++) {
          const at = RECORD * scattered(n, MIB / RECORD)
          const part = bytes.subarray(at, at + RECORD)
          const given = new DataView(words.buffer, at, RECORD)
          part[3] = n
          given.setUint32(8, n, true)
          sum += part[3] + given.getUint32(8, true)
        }
        return sum
      },
    },
  ]
}

function bulk({ space, base, words }: World): Case[] {
  const operations = 200
  const part = 65_536
  const source = Uint8Array.from({ length: part }, (_, index) => index * 31)
  const target = new Uint8Array(part)
  const bytes = bytesOf(words)
  const repeated = (work: (n: number) => number) => (): number => {
    let last = 0
    for (let n = 0; n < operations; n++) last = work(n)
    return last
  }
  return [
    {
      name: 'write, 64 KiB',
      peer: 'set',
      operations,
      ours: repeated(() => {
        space.write(base, source)
        return space.readUint8(base + part - 1)
      }),
      theirs: repeated(() => {
        bytes.set(source)
        return bytes[part - 1]!
      }),
    },
    {
      name: 'readInto, 64 KiB',
      peer: 'set',
      operations,
      ours: repeated(() => {
        space.readInto(base, target)
        return target[part - 1]!
      }),
      theirs: repeated(() => {
        target.set(bytes.subarray(0, part))
        return target[part - 1]!
      }),
    },
    {
      name: 'fill, 64 KiB',
      peer: 'fill',
      operations,
      ours: repeated((n) => {
        space.fill(base, part, n & 0xff)
        return space.readUint8(base + part - 1)
      }),
      theirs: repeated((n) => {
        bytes.fill(n, 0, part)
        return bytes[part - 1]!
      }),
    },
    {
      name: 'copyWithin, 64 KiB',
      peer: 'copyWithin',
      operations,
      ours: repeated((n) => {
        space.copyWithin(base + part + (n & 63), base, part)
        return space.readUint8(base + part + 1)
      }),
      theirs: repeated((n) => {
        bytes.copyWithin(part + (n & 63), 0, part)
        return bytes[part + 1]!
      }),
    },
    {
      name: 'indexOf, not in 64 KiB',
      peer: 'Buffer',
      operations,
      ours: repeated(() => space.indexOf(base, part, Uint8Array.of(1, 1))),
      theirs: repeated(() => Buffer.from(words.buffer, 0, part).indexOf(Uint8Array.of(1, 1))),
    },
  ]
}

function atomics({ space, base, words }: World): Case[] {
  const operations = 100_000
  const longs = new BigUint64Array(words.buffer)
  const repeated = (work: () => number) => (): number => {
    let last = 0
    for (let n = 0; n < operations; n++) last = work()
    return last
  }
  return [
    {
      name: 'addUint32',
      peer: 'Atomics.add',
      operations,
      ours: repeated(() => space.addUint32(base, 1)),
      theirs: repeated(() => Atomics.add(words, 0, 1)),
    },
    {
      name: 'loadUint32',
      peer: 'Atomics.load',
      operations,
      ours: repeated(() => space.loadUint32(base)),
      theirs: repeated(() => Atomics.load(words, 0)),
    },
    {
      name: 'addBigUint64',
      peer: 'Atomics.add',
      operations,
      ours: repeated(() => Number(space.addBigUint64(base + 64, 1n))),
      theirs: repeated(() => Number(Atomics.add(longs, 8, 1n))),
    },
  ]
}

function snapshots({ space }: World): Case[] {
  const pages = 2048
  const length = pages * PAGE
  const base = space.mmap(length)
  const array = new Uint8Array(new SharedArrayBuffer(length))
  // Another space, since its snapshot stays.
  const kept = space.fork()
  kept.snapshot()
  const writeAll = (target: AddressSpace): number => {
    for (let n = 0; n < pages; n++) target.writeUint8(base + n * PAGE, n & 0xff)
    return target.readUint8(base + length - PAGE)
  }
  const writeArray = (): number => {
    for (let n = 0; n < pages; n++) array[n * PAGE] = n
    return array[length - PAGE]!
  }
  return [
    {
      name: 'a snapshot of 8 MiB, each page written',
      peer: 'slice, then written',
      operations: pages,
      ours() {
        using _ = space.snapshot()
        return writeAll(space)
      },
      theirs() {
        array.slice()
        return writeArray()
      },
    },
    {
      name: 'each page of 8 MiB written again',
      peer: 'Uint8Array',
      operations: pages,
      ours: () => writeAll(kept),
      theirs: writeArray,
    },
  ]
}

function blocks({ space }: World): Case[] {
  const operations = 10_000
  const heap = space.createHeap({ maximum: '16MiB' })
  const Counter = defineRecord({ count: 'uint32', next: 'reference' })
  const counter = Counter.create(heap)
  const object = { count: 0, next: null }
  const addresses = new Float64Array(operations)
  const buffers: (Uint8Array | null)[] = Array.from({ length: operations }, () => null)
  /** Blocks that live as long as all of them do, and are freed in another order. */
  const work = (allocate: (n: number) => number, free: (n: number) => void) => (): number => {
    let bytes = 0
    for (let n = 0; n < operations; n++) bytes += allocate(n)
    for (let n = 0; n < operations; n++) free((n * 7919) % operations)
    return bytes
  }
  return [
    {
      name: 'allocate and free a block of 64 bytes',
      peer: 'Buffer.allocUnsafe',
      operations,
      ours: work(
        (n) => ((addresses[n] = heap.allocate(RECORD)), RECORD),
        (n) => heap.free(addresses[n]!),
      ),
      theirs: work(
        (n) => (buffers[n] = Buffer.allocUnsafe(RECORD)).length,
        (n) => (buffers[n] = null),
      ),
    },
    {
      name: 'a field of a record, read and written',
      peer: 'a property',
      operations,
      ours() {
        counter.count = 0
        for (let n = 0; n < operations; n++) counter.count += n & 7
        return counter.count
      },
      theirs() {
        object.count = 0
        for (let n = 0; n < operations; n++) object.count += n & 7
        return object.count
      },
    },
  ]
}

interface Settings {
  readonly rounds: number
  readonly design: string
  readonly only: string
  readonly packageFolder: string
}

function settings(): Settings {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '9' },
      design: { type: 'string', default: 'lespinasse-2021' },
      only: { type: 'string', default: '' },
      'package-folder': { type: 'string', default: import.meta.dirname },
    },
  })
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new RangeError(`--rounds ${values.rounds}: a whole number from 1`)
  if (!designs.some(({ name }) => name === values.design))
    throw new RangeError(`--design ${values.design}: there is none`)
  return { rounds, design: values.design, only: values.only, packageFolder: values['package-folder'] }
}

/** Nanoseconds of an operation. */
function timed({ operations }: Case, work: () => number, expected: number | null): [number, number] {
  const begun = performance.now()
  const result = work()
  const elapsed = performance.now() - begun
  if (expected !== null && result !== expected) throw new Error(`${result} and ${expected} are not the same`)
  return [(elapsed * 1e6) / operations, result]
}

function measure(each: Case, rounds: number): string {
  const times: Record<'ours' | 'theirs' | 'ratio', number[]> = { ours: [], theirs: [], ratio: [] }
  // The first three are for the compiler.
  for (let round = -3; round < rounds; round++) {
    const [ours, result] = timed(each, each.ours, null)
    const [theirs] = timed(each, each.theirs, result)
    if (round < 0) continue
    times.ours.push(ours)
    times.theirs.push(theirs)
    times.ratio.push(ours / theirs)
  }
  const text = (samples: number[], digits: number): string => {
    const { median, min, max } = spread(samples)
    return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`
  }
  const digits = spread(times.ours).median < 100 ? 2 : 0
  return `  ${each.name.padEnd(44)} ${text(times.ours, digits).padEnd(26)} ${each.peer.padEnd(22)} ${text(times.theirs, digits).padEnd(26)} ${text(times.ratio, 2)}`
}

function main(): number {
  let chosen: Settings
  try {
    chosen = settings()
  } catch (error) {
    console.error(`bench:library: ${String(error)}`)
    return 2
  }
  const folder = mkdtempSync(join(os.tmpdir(), 'faultline-library-'))
  const machine = Machine.create({ memory: '64MiB', cpus: 1, design: chosen.design })
  try {
    const space = machine.createAddressSpace()
    const base = space.mmap(MIB, { contiguous: true })
    const words = new Uint32Array(new SharedArrayBuffer(MIB))
    for (const name of ['ours', 'theirs', 'mapped'])
      writeFileSync(join(folder, name), new Uint8Array(RECORD * RECORDS))
    const disk = machine.openFile(join(folder, 'ours'), { mode: 'r+' })
    const file = space.mmap(RECORD * RECORDS, { file: disk, shared: true })
    const descriptor = openSync(join(folder, 'theirs'), 'r+')
    const log = machine.openFile(join(folder, 'log'), { mode: 'w+' })
    const logDescriptor = openSync(join(folder, 'their log'), 'a')
    const ffi = mapByFfi(chosen.packageFolder, join(folder, 'mapped'), RECORD * RECORDS)
    const world: World = { space, base, words, file, descriptor, log, logDescriptor, ffi }
    console.log(
      `ns an operation, median (range) of ${chosen.rounds} rounds, ${chosen.design}, ${os.cpus()[0]?.model}`,
    )
    console.log(
      `  ${''.padEnd(44)} ${'faultline'.padEnd(26)} ${''.padEnd(22)} ${'peer'.padEnd(26)} faultline / peer`,
    )
    for (const each of [singleAccesses, ranges, bulk, atomics, snapshots, blocks, fileCases].flatMap((make) =>
      make(world),
    )) {
      if (each.name.includes(chosen.only)) console.log(measure(each, chosen.rounds))
    }
    ffi?.close()
    for (const each of [descriptor, logDescriptor]) closeSync(each)
    log.close()
    disk.close()
    space.destroy()
  } catch (error) {
    console.error(error)
    return 1
  } finally {
    machine.detach()
    rmSync(folder, { recursive: true })
  }
  return 0
}

process.exitCode = main()
