// Snapshots, and what ends by itself.

import assert from 'node:assert/strict'
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync, createWriteStream } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { Writable } from 'node:stream'
import { after, describe, it } from 'node:test'
import { inspect } from 'node:util'
import { AddressSpace, Machine } from '../../src/memory.ts'
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
