// Snapshots, and what ends by itself.

import assert from 'node:assert/strict'
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync, createWriteStream } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { Writable } from 'node:stream'
import { after, describe, it } from 'node:test'
import { inspect } from 'node:util'
import { AddressSpace, Machine, type Snapshot } from '../../src/memory.ts'
import { Random } from '../reference/random.ts'
import { PAGE, failsWith, inUse, withSpace } from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-snapshot-'))
after(() => rmSync(folder, { recursive: true }))

describe('a snapshot', () => {
  it('is what memory was, and keeps nothing when it is gone', () => {
    withSpace((space, machine) => {
      const base = space.mmap(8 * PAGE)
      space.fill(base, 8 * PAGE, 1)
      const before = inUse(machine)
      {
        using snapshot = space.snapshot()
        space.fill(base, 4 * PAGE, 2)
        space.withRange(base + 4 * PAGE, PAGE, 'rw', (bytes) => bytes.fill(3))
        assert.ok(snapshot.read(base, 8 * PAGE).every((byte) => byte === 1))
        const words = new Uint16Array(4)
        snapshot.readInto(base + PAGE, words)
        assert.deepEqual([...words], [257, 257, 257, 257])
        assert.deepEqual(snapshot.maps(), space.maps())
        assert.match(inspect(snapshot), /^Snapshot \(\d+\)$/)
      }
      assert.deepEqual(inUse(machine), before)
      const gone = space.snapshot()
      gone.destroy()
      failsWith('ESRCH', () => gone.read(base, 1))
    })
  })

  it('gives back what has changed since, and leaves the rest shared', () => {
    withSpace((space, machine) => {
      const base = space.mmap(64 * PAGE)
      for (let page = 0; page < 64; page++) space.writeUint32(base + page * PAGE, page)
      using snapshot = space.snapshot()
      space.fill(base + 3 * PAGE - 8, 16, 255)
      space.writeUint8(base + 50 * PAGE, 99)
      const used = inUse(machine)
      // From the middle of a page to the middle of another.
      assert.equal(snapshot.restore(space, base + 2 * PAGE + 100, 10 * PAGE), PAGE - 100 + PAGE)
      assert.equal(space.readUint32(base + 3 * PAGE), 3)
      assert.equal(space.readUint32(base + 2 * PAGE), 2)
      assert.deepEqual([...space.read(base + 3 * PAGE - 8, 8)], Array(8).fill(0))
      assert.equal(space.readUint8(base + 50 * PAGE), 99)
      assert.equal(snapshot.restore(space, base, 64 * PAGE), PAGE)
      assert.deepEqual(space.read(base, 64 * PAGE), snapshot.read(base, 64 * PAGE))
      assert.equal(snapshot.restore(space, base, 64 * PAGE), 0)
      assert.throws(() => snapshot.restore(null as never, base, 1), /^TypeError: space: null/)
      assert.throws(() => snapshot.restore({} as never, base, 1), /^TypeError: space.readInto: undefined/)
      assert.throws(() => snapshot.restore(space, 1n as never, 1), /^TypeError: address: 1n/)
      assert.deepEqual(inUse(machine), used)
    })
  })

  it('is written to a file and to a stream while memory is written', async () => {
    const machine = Machine.create({ memory: '16MiB', cpus: 1 })
    const space = machine.createAddressSpace()
    const length = 700_000
    const base = space.mmap(length)
    const bytes = Uint8Array.from({ length }, (_, index) => index * 11)
    space.write(base, bytes)
    const path = join(folder, 'memory')
    {
      using snapshot = space.snapshot()
      space.fill(base, length, 0)
      const file = openSync(path, 'w')
      assert.equal(snapshot.writeTo(file, base, length), length)
      closeSync(file)
      assert.equal(Buffer.compare(readFileSync(path), bytes), 0)
      const stream = createWriteStream(path)
      assert.equal(await snapshot.writeTo(stream, base + 1, length - 1), length - 1)
      stream.end()
      await finished(stream)
      assert.equal(Buffer.compare(readFileSync(path), bytes.subarray(1)), 0)
      const failing = new Writable({
        highWaterMark: 1,
        write: (_chunk, _encoding, done) => done(new Error('full')),
      })
      await assert.rejects(snapshot.writeTo(failing, base, length), /full/)
      const closing = new Writable({ highWaterMark: 1, write: () => closing.destroy() })
      await assert.rejects(snapshot.writeTo(closing, base, length), /closed before/)
      await assert.rejects(snapshot.writeTo(closing, base, length), /closed before/)
      await assert.rejects(snapshot.writeTo(failing, base, length), /full/)
      assert.throws(() => snapshot.writeTo(1, 1n as never, length), /^TypeError: address: 1n/)
      assert.throws(() => snapshot.writeTo(-1, base, length), {
        name: 'RangeError',
        code: 'ERR_OUT_OF_RANGE',
      })
      assert.throws(() => snapshot.writeTo('x' as never, base, length), { code: 'ERR_INVALID_ARG_TYPE' })
    }
    space.destroy()
    machine.detach()
  })
})

/** The same contents as `read` has them, from those of an earlier snapshot and the ranges that differ. */
function increment(later: Snapshot, base: Uint8Array, address: number, since: Snapshot): Uint8Array {
  const bytes = Uint8Array.from(base)
  for (const range of later.dirtyRanges(since))
    bytes.set(later.read(range.address, range.length), range.address - address)
  return bytes
}

describe('dirtyRanges', () => {
  it('tells pages that were written, given up or mapped anew, and no others', () => {
    withSpace((space) => {
      const base = space.mmap(2048 * PAGE)
      for (const page of [0, 1, 2, 3, 600, 700]) space.writeUint32(base + page * PAGE, page + 1)
      space.readUint8(base + 20 * PAGE)
      using first = space.snapshot()
      const pagesOf = (later: Snapshot, since: Snapshot) =>
        later.dirtyRanges(since).map(({ address, length }) => [(address - base) / PAGE, length / PAGE])
      {
        using same = space.snapshot()
        assert.deepEqual([same.dirtyRanges(first), same.dirtyRanges(same)], [[], []])
      }
      space.fill(base + PAGE, 2 * PAGE, 9)
      space.madvise(base + 600 * PAGE, PAGE, 'dontneed')
      space.munmap(base + 700 * PAGE, 2 * PAGE)
      space.mmap(2 * PAGE, { address: base + 700 * PAGE, fixed: true })
      space.readUint8(base + 1000 * PAGE)
      space.writeUint8(base + 2047 * PAGE, 1)
      using second = space.snapshot()
      assert.deepEqual(pagesOf(second, first), [
        [1, 2],
        [600, 1],
        [700, 1],
        [2047, 1],
      ])
      assert.deepEqual(pagesOf(first, second), pagesOf(second, first))
      // What is not mapped any more is no range, and what is shared is no part of a snapshot.
      space.munmap(base, PAGE)
      const shared = space.mmap(PAGE, { address: base + 5 * PAGE, fixed: true, shared: true })
      space.writeUint8(shared, 1)
      using third = space.snapshot()
      assert.deepEqual(pagesOf(third, second), [])
      assert.throws(() => third.dirtyRanges(space as never), { code: 'ERR_INVALID_ARG_TYPE' })
      const other = Machine.create({ memory: '1MiB', cpus: 1 })
      assert.throws(() => third.dirtyRanges(other.createAddressSpace().snapshot()), {
        code: 'ERR_INVALID_ARG_VALUE',
        message: /same machine/,
      })
      other.detach()
      const gone = space.snapshot()
      gone.destroy()
      failsWith('ESRCH', () => third.dirtyRanges(gone))
      failsWith('ESRCH', () => gone.dirtyRanges(third))
    })
  })

  it('knows a page of a file that is mapped privately from one that was written', () => {
    withSpace((space, machine) => {
      using file = machine.createFile({ size: 4 * PAGE })
      file.write(0, new Uint8Array(4 * PAGE).fill(7))
      const base = space.mmap(4 * PAGE, { file })
      using first = space.snapshot()
      space.readUint8(base)
      space.writeUint8(base + PAGE, 1)
      // Another part of the file in its place, and nothing in its place.
      space.mmap(PAGE, { address: base + 2 * PAGE, fixed: true, file })
      space.mmap(PAGE, { address: base + 3 * PAGE, fixed: true })
      using second = space.snapshot()
      assert.deepEqual(second.dirtyRanges(first), [{ address: base + PAGE, length: 3 * PAGE }])
    })
  })

  it('makes each of several snapshots from the one before, of pages in memory, in the swap area and in both', () => {
    const machine = Machine.create({ memory: '1MiB', cpus: 1 })
    machine.swapOn(join(folder, 'swap'), { size: '4MiB' })
    const space = machine.createAddressSpace()
    const length = 300 * PAGE
    const base = space.mmap(length)
    const random = new Random(1)
    let before = space.snapshot()
    let image = before.read(base, length)
    for (let round = 0; round < 6; round++) {
      for (let count = 0; count < 60; count++) space.writeUint32(base + 4 * random.below(length / 4), count)
      if (round % 2 === 0) space.madvise(base, length, 'pageout')
      for (let count = 0; count < 30; count++) space.readUint8(base + random.below(length))
      const later = space.snapshot()
      const dirty = later.dirtyRanges(before).reduce((sum, range) => sum + range.length / PAGE, 0)
      assert.ok(dirty > 40 && dirty <= 60, `${dirty} pages`)
      image = increment(later, image, base, before)
      assert.equal(Buffer.compare(image, later.read(base, length)), 0)
      before.destroy()
      before = later
    }
    assert.ok(machine.counters()['pswpout']! > 0)
    before.destroy()
    space.destroy()
    machine.detach()
  })
})

describe('using', () => {
  it('destroys an address space where it was made, and leaves it elsewhere', () => {
    let kept: AddressSpace
    {
      using machine = Machine.create({ memory: '1MiB', cpus: 1 })
      {
        using space = machine.createAddressSpace()
        const base = space.mmap(PAGE)
        using copy = space.fork()
        copy.writeUint8(base, 1)
        using file = machine.createFile({ size: PAGE })
        using notifier = space.registerNotifier()
        assert.equal(notifier.readUint32(base), 0)
        assert.equal(file.size, PAGE)
        assert.equal(AddressSpace.attach(space.handle), space)
      }
      const { addressSpaces, files, mmuNotifiers } = machine.usage()
      assert.deepEqual([addressSpaces, files, mmuNotifiers], [0, 0, 0])
      kept = machine.createAddressSpace()
    }
    // The thread is detached.
    assert.throws(() => kept.mmap(PAGE), { name: 'ConfigurationError' })
  })

  it('has nothing to do where the thread has detached before the block ends, or has given the thing back', () => {
    const path = join(folder, 'disposed')
    {
      using machine = Machine.create({ memory: '1MiB', cpus: 1 })
      using file = machine.openFile(path, { mode: 'w+', size: PAGE })
      using space = machine.createAddressSpace()
      using copy = space.fork()
      using snapshot = space.snapshot()
      using notifier = space.registerNotifier()
      file.write(0, Uint8Array.of(1))
      assert.deepEqual([snapshot.maps(), notifier.sequence], [[], 0])
      copy.destroy()
      machine.detach()
      // What asks for something is told.
      assert.throws(() => space.destroy(), { name: 'ConfigurationError' })
    }
    assert.equal(readFileSync(path)[0], 1)
  })
})

describe('console.log', () => {
  it('shows a machine and an address space in a line each', () => {
    withSpace((space, machine) => {
      assert.match(inspect(machine), /^Machine \([\w-]+, 16 MiB, CPU 0 of 2\)$/)
      assert.equal(JSON.stringify({ machine }), JSON.stringify({ machine: inspect(machine) }))
      assert.match(inspect(space), /^AddressSpace \(\d+\)$/)
    })
  })
})
