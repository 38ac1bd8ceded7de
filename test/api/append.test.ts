// Files that grow at their end, and holes, which are not read.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { BusError, Machine, OutOfMemory, fileSystem } from '../../src/memory.ts'

const PAGE = 4096
/** What threads append at once, in bytes, where pages end within some; and how often. */
const PIECE = 170
const PIECES = 5000
const folder = mkdtempSync(join(tmpdir(), 'faultline-append-'))
after(() => rmSync(folder, { recursive: true }))

test('append puts bytes at the end, where a longer mapping finds them', () => {
  const path = join(folder, 'log')
  const machine = Machine.create({ memory: '256KiB', cpus: 1 })
  const file = machine.openFile(path, { mode: 'w+' })
  const space = machine.createAddressSpace()
  const base = space.mmap(256 * PAGE, { file, shared: true })
  assert.throws(() => space.readUint8(base), BusError)
  const expected: number[] = []
  // Longer than memory, in pieces that do not fit pages.
  for (let n = 0; n < 300; n++) {
    const record = new Uint8Array(1 + ((n * 37) % 3000)).fill(n)
    assert.equal(file.append(record), expected.length)
    assert.equal(space.readUint8(base + expected.length), n & 0xff)
    expected.push(...record)
  }
  assert.equal(file.size, expected.length)
  assert.equal(Buffer.compare(space.read(base, expected.length), Uint8Array.from(expected)), 0)
  file.sync()
  assert.equal(Buffer.compare(readFileSync(path), Uint8Array.from(expected)), 0)
  assert.equal(file.append(new Uint8Array(0)), expected.length)
  file.close()
  assert.throws(() => file.append(Uint8Array.of(1)), { code: 'EBADF' })
  const reader = machine.openFile(path)
  assert.throws(() => reader.append(Uint8Array.of(1)), { code: 'EBADF' })
  reader.close()
  machine.detach()
})

test('threads that append at once do not write over each other, and another reads what is there', async () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 3 })
  const path = join(folder, 'threads')
  const file = machine.openFile(path, { mode: 'w+' })
  const library = new URL('../../src/memory.ts', import.meta.url).href
  const code = `const { workerData } = require('node:worker_threads')
    import(workerData.library).then(({ DiskFile }) => {
      const file = DiskFile.attach(workerData.file)
      for (let n = 0; n < ${PIECES}; n++) file.append(new Uint8Array(${PIECE}).fill(workerData.number))
    })`
  const workers = [1, 2].map(
    (number) => new Worker(code, { eval: true, workerData: { library, file: file.handle, number } }),
  )
  const ended = Promise.all(workers.map((worker) => once(worker, 'exit')))
  // What the size tells of is whole, and there.
  for (let at = 0; at < 2 * PIECES * PIECE;) {
    const { size } = file
    assert.equal(size % PIECE, 0)
    if (size === at) await setImmediate()
    else assert.ok(file.read(at, size - at).every((byte) => byte === 1 || byte === 2))
    at = size
  }
  await ended
  file.close()
  const bytes = readFileSync(path)
  assert.equal(bytes.length, 2 * PIECES * PIECE)
  const counts = [0, 0, 0]
  for (let at = 0; at < bytes.length; at += PIECE) {
    assert.ok(bytes.subarray(at, at + PIECE).every((byte) => byte === bytes[at]))
    counts[bytes[at]!]!++
  }
  assert.deepEqual(counts, [0, PIECES, PIECES])
  machine.detach()
})

test('append says why it could not put all of it there, and has put nothing there', () => {
  const machine = Machine.create({ memory: '64KiB', cpus: 1 })
  const file = machine.openFile(join(folder, 'full'), { mode: 'w+' })
  let isFull = true
  machine.setStorage({
    ...fileSystem,
    write(...given) {
      if (isFull) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
      return fileSystem.write(...given)
    },
  })
  // What cannot be written cannot leave memory.
  let appended = 0
  assert.throws(() => {
    for (;;) {
      file.append(new Uint8Array(3 * PAGE).fill(7))
      appended += 3 * PAGE
    }
  }, OutOfMemory)
  assert.equal(file.size, appended)
  isFull = false
  // The error of writing it back is told, and then all is well.
  assert.throws(() => file.sync(), { code: 'ENOSPC' })
  assert.equal(file.append(Uint8Array.of(8)), appended)
  file.close()
  const bytes = readFileSync(join(folder, 'full'))
  assert.equal(bytes.length, appended + 1)
  assert.ok(bytes.every((byte, at) => byte === (at < appended ? 7 : 8)))
  machine.detach()
})

test('a hole is not read from disk, and reading it takes no memory and no disk', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  let reads = 0
  machine.setStorage({ ...fileSystem, read: (...args) => (reads++, fileSystem.read(...args)) })
  const path = join(folder, 'holes')
  const file = machine.openFile(path, { mode: 'w+', size: 1024 * PAGE })
  const before = machine.usage().framesFree
  assert.ok(file.read(0, 1024 * PAGE).every((byte) => byte === 0))
  assert.equal(machine.usage().framesFree, before)
  const space = machine.createAddressSpace()
  const base = space.mmap(file.size, { file, shared: true })
  assert.equal(space.readUint32(base + 700 * PAGE), 0)
  space.writeUint32(base + 800 * PAGE, 7)
  assert.equal(reads, 0)
  file.sync()
  assert.ok(statSync(path).blocks * 512 < 64 * PAGE)
  // Behind what was written, all are holes still; before it, the host is asked.
  assert.equal(space.readUint32(base + 900 * PAGE), 0)
  assert.equal(reads, 0)
  assert.equal(space.readUint32(base + 100 * PAGE), 0)
  assert.ok(reads > 0)
  // What was cut off is a hole when the file grows again.
  file.truncate(PAGE)
  file.truncate(1024 * PAGE)
  reads = 0
  assert.equal(space.readUint32(base + 800 * PAGE), 0)
  assert.equal(reads, 0)
  machine.detach()
})
