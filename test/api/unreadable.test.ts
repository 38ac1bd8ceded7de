// A page that the disk cannot read is an error for who wants it, not the end of the file, and costs no page beside it.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type DiskFile, Machine, type Storage, fileSystem } from '../../src/memory.ts'

const PAGE = 4096
const PAGES = 64
const BAD = 40
const folder = mkdtempSync(join(tmpdir(), 'faultline-unreadable-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'file')
writeFileSync(
  path,
  Uint8Array.from({ length: PAGES * PAGE }, (_, at) => 1 + (Math.floor(at / PAGE) % 250)),
)

/** As the operating system reads: what comes before the first byte that cannot be read, then EIO. */
const withHole = (from: number, to: number): Storage => ({
  ...fileSystem,
  read(descriptor, buffers, position) {
    if (position >= from && position < to) throw Object.assign(new Error('bad sector'), { code: 'EIO' })
    let room = position < from ? from - position : Infinity
    const parts = buffers.map((buffer) => {
      const part = buffer.subarray(0, Math.min(buffer.length, room))
      room -= part.length
      return part
    })
    return fileSystem.read(
      descriptor,
      parts.filter(({ length }) => length > 0),
      position,
    )
  },
})

function withFile(storage: Storage, use: (file: DiskFile, machine: Machine) => void): void {
  const machine = Machine.create({ memory: '8MiB', cpus: 1 })
  machine.setStorage(storage)
  try {
    use(machine.openFile(path), machine)
  } finally {
    machine.detach()
  }
}

const isBad = { name: 'MemoryError', errno: 'EIO' }

test('a call that comes to the page fails, and reads all before it', () => {
  withFile(withHole(BAD * PAGE, (BAD + 1) * PAGE), (file) => {
    const bytes = new Uint8Array(PAGES * PAGE)
    assert.throws(() => file.readInto(0, bytes), isBad)
    assert.equal(bytes[BAD * PAGE - 1], BAD)
    assert.throws(() => file.read(0, PAGES * PAGE), isBad)
    assert.equal(file.readInto(0, bytes.subarray(0, BAD * PAGE)), BAD * PAGE)
    const rest = (PAGES - BAD - 1) * PAGE
    assert.equal(file.readInto((BAD + 1) * PAGE, bytes), rest)
    assert.equal(bytes[rest - 1], PAGES)
  })
})

test('each page beside it can be read first, by a call and by a mapping', () => {
  for (let page = BAD - 17; page < BAD + 17; page++) {
    withFile(withHole(BAD * PAGE, (BAD + 1) * PAGE), (file, machine) => {
      const space = machine.createAddressSpace()
      const at = space.mmap(PAGES * PAGE, { file, shared: true, protection: 'r' }) + page * PAGE
      if (page === BAD) assert.throws(() => space.readUint8(at), { name: 'BusError', errno: 'EIO' })
      else assert.equal(space.readUint8(at), page + 1)
    })
    withFile(withHole(BAD * PAGE, (BAD + 1) * PAGE), (file) => {
      if (page === BAD) assert.throws(() => file.read(page * PAGE, PAGE), isBad)
      else assert.equal(file.read(page * PAGE, 2)[0], page + 1)
    })
  }
})

test('a page that can be read in part only is no page', () => {
  withFile(withHole(BAD * PAGE + 1000, (BAD + 1) * PAGE), (file) => {
    assert.throws(() => file.read((BAD - 1) * PAGE, 3 * PAGE), isBad)
    assert.throws(() => file.read(BAD * PAGE, 10), isBad)
    assert.equal(file.read((BAD - 1) * PAGE, PAGE)[0], BAD)
  })
})
