// An address space larger than memory: pages leave it for a swap file and come back.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { ConfigurationError, fileSystem, Machine, OutOfMemory } from '../../src/memory.ts'
import { configurations, designNames, failsWith, inUse, PAGE, withSpace } from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-swap-'))
after(() => rmSync(folder, { recursive: true }))

let count = 0

function swapFile(): string {
  return join(folder, `swap-${count++}`)
}

describe('swap', () => {
  for (const { design, rwsem } of configurations) {
    test(`memory several times as large as there is keeps what was written: ${design}, ${rwsem}`, () => {
      withSpace(
        (space, machine) => {
          const pages = 1024
          const base = space.mmap(pages * PAGE)
          for (let round = 1; round <= 2; round++) {
            for (let page = 0; page < pages; page++) {
              if (round > 1)
                assert.equal(space.readUint32(base + page * PAGE + 8), page + (round - 1) * 10_000)
              space.writeUint32(base + page * PAGE + 8, page + round * 10_000)
            }
          }
          for (let page = pages - 1; page >= 0; page--) {
            assert.equal(space.readUint32(base + page * PAGE + 8), page + 20_000)
            assert.equal(space.readUint32(base + page * PAGE + 4092), 0)
          }
          const counters = machine.counters()
          assert.ok(counters['pswpout']! >= 1024 - 256 && counters['pswpin']! > 0, JSON.stringify(counters))
        },
        { memory: '1MiB', design, rwsem, swap: { path: swapFile(), size: '8MiB' } },
      )
    })
  }

  for (const design of designNames) {
    test(`a page whose neighbours in the swap area cannot be read comes back: ${design}`, () => {
      withSpace(
        (space, machine) => {
          const pages = 8
          const base = space.mmap(pages * PAGE)
          for (let page = 0; page < pages; page++) space.writeUint32(base + page * PAGE, page + 1)
          space.madvise(base, pages * PAGE, 'pageout')
          let broken = 0
          let bad = Infinity
          machine.setStorage({
            ...fileSystem,
            read(descriptor, buffers, position) {
              const end = position + buffers.reduce((sum, { byteLength }) => sum + byteLength, 0)
              if (bad === Infinity) bad = end - PAGE
              if (position <= bad && bad < end) {
                broken++
                throw Object.assign(new Error('a bad block'), { code: 'EIO' })
              }
              return fileSystem.read(descriptor, buffers, position)
            },
          })
          const read = (page: number): number | string => {
            try {
              return space.readUint32(base + page * PAGE)
            } catch (error) {
              return (error as Error).name
            }
          }
          const found = Array.from({ length: pages }, (_, page) => read(page))
          assert.ok(broken >= 2, `${broken} reads failed`)
          assert.equal(found.filter((value) => value === 'BusError').length, 1, String(found))
          for (const [page, value] of found.entries()) assert.ok(value === page + 1 || value === 'BusError')
          machine.setStorage(fileSystem)
          for (let page = 0; page < pages; page++) assert.equal(read(page), page + 1)
        },
        { memory: '1MiB', design, swap: { path: swapFile(), size: '1MiB' } },
      )
    })
  }

  for (const design of designNames) {
    test(`a write to a page that a read has brought back copies it only if others have it too: ${design}`, () => {
      withSpace(
        (space, machine) => {
          const base = space.mmap(PAGE)
          const written = (value: number): number => {
            space.writeUint32(base, value)
            space.madvise(base, PAGE, 'pageout')
            assert.equal(space.readUint32(base), value)
            const child = value === 1 ? undefined : space.fork()
            const before = machine.counters()['pgalloc']!
            space.writeUint32(base, value + 1)
            const copies = machine.counters()['pgalloc']! - before
            if (child !== undefined) assert.equal(child.readUint32(base), value)
            child?.destroy()
            return copies
          }
          assert.deepEqual([written(1), written(2)], [0, 1])
        },
        { memory: '1MiB', design, swap: { path: swapFile(), size: '1MiB' } },
      )
    })
  }

  test('pages of a file in memory leave it too, and forks share what was swapped', () => {
    withSpace(
      (space, machine) => {
        const pages = 600
        const file = machine.createFile({ size: pages * PAGE })
        const shared = space.mmap(pages * PAGE, { file, shared: true })
        const own = space.mmap(pages * PAGE)
        for (let page = 0; page < pages; page++) {
          space.writeUint32(shared + page * PAGE, page + 1)
          space.writeUint32(own + page * PAGE, page + 2)
        }
        const child = space.fork()
        for (let page = 0; page < pages; page += 3) child.writeUint32(own + page * PAGE, 5)
        for (let page = 0; page < pages; page++) {
          assert.equal(child.readUint32(shared + page * PAGE), page + 1)
          assert.equal(child.readUint32(own + page * PAGE), page % 3 === 0 ? 5 : page + 2)
          assert.equal(space.readUint32(own + page * PAGE), page + 2)
        }
        child.destroy()
        file.close()
      },
      { memory: '1MiB', swap: { path: swapFile(), size: '16MiB' } },
    )
  })

  test('swapOff brings everything back where it fits, and is refused where it does not', () => {
    const path = swapFile()
    const machine = Machine.create({ memory: '2MiB', cpus: 1 })
    const before = inUse(machine)
    failsWith('EINVAL', () => machine.swapOff())
    machine.swapOn(path, { size: '4MiB' })
    assert.equal(statSync(path).size, 4 * 2 ** 20)
    failsWith('EBUSY', () => machine.swapOn(swapFile(), { size: '4MiB' }))
    const space = machine.createAddressSpace()
    const pages = 900
    const base = space.mmap(pages * PAGE)
    for (let page = 0; page < pages; page++) space.writeUint32(base + page * PAGE, page + 1)
    failsWith('ENOMEM', () => machine.swapOff())
    for (let page = 0; page < pages; page++) assert.equal(space.readUint32(base + page * PAGE), page + 1)
    space.munmap(base + 300 * PAGE, 600 * PAGE)
    machine.swapOff()
    for (let page = 0; page < 300; page++) assert.equal(space.readUint32(base + page * PAGE), page + 1)
    failsWith('EINVAL', () => machine.swapOff())
    // And once more with another file.
    machine.swapOn(swapFile(), { size: '8MiB' })
    for (let page = 0; page < 300; page++) assert.equal(space.readUint32(base + page * PAGE), page + 1)
    machine.swapOff()
    space.destroy()
    assert.deepEqual(inUse(machine), before)
    machine.detach()
  })

  test('swapOff brings pages of files in memory back too', () => {
    withSpace(
      (space, machine) => {
        machine.swapOn(swapFile(), { size: '4MiB' })
        const pages = 400
        const file = machine.createFile({ size: pages * PAGE })
        const base = space.mmap(pages * PAGE, { file, shared: true })
        for (let page = 0; page < pages; page++) space.writeUint32(base + page * PAGE, page + 1)
        failsWith('ENOMEM', () => machine.swapOff())
        file.truncate(150 * PAGE)
        machine.swapOff()
        for (let page = 0; page < 150; page++) assert.equal(space.readUint32(base + page * PAGE), page + 1)
        assert.deepEqual([...file.read(149 * PAGE, 4)], [150, 0, 0, 0])
        file.close()
      },
      { memory: '1MiB' },
    )
  })

  test('swapOff of what forks share is refused where it does not fit, and comes to an end', () => {
    withSpace(
      (space, machine) => {
        const pages = 600
        const base = space.mmap(pages * PAGE)
        for (let page = 0; page < pages; page++) space.writeUint32(base + page * PAGE, page + 1)
        const first = space.fork()
        for (let page = 0; page < pages; page++) space.writeUint32(base + page * PAGE, page + 2)
        const second = first.fork()
        failsWith('ENOMEM', () => machine.swapOff())
        for (let page = 0; page < pages; page++) {
          assert.equal(first.readUint32(base + page * PAGE), page + 1)
          assert.equal(second.readUint32(base + page * PAGE), page + 1)
          assert.equal(space.readUint32(base + page * PAGE), page + 2)
        }
        first.destroy()
        second.destroy()
      },
      { memory: '2MiB', swap: { path: swapFile(), size: '16MiB' } },
    )
  })

  test('when memory and swap are full, the access that asked is told, and what is there stays', () => {
    withSpace(
      (space) => {
        const pages = 1024
        // More than can be promised.
        const base = space.mmap(pages * PAGE, { noReserve: true })
        let reached = 0
        assert.throws(
          () => {
            for (; reached < pages; reached++) space.writeUint32(base + reached * PAGE, reached + 1)
          },
          (error) => error instanceof OutOfMemory,
        )
        assert.ok(reached > 400 && reached < 512, `${reached} pages in 256 frames and 256 slots`)
        // With room for a few pages, every other can come in.
        space.munmap(base + (reached - 20) * PAGE, 20 * PAGE)
        for (let page = 0; page < reached - 20; page++) {
          assert.equal(space.readUint32(base + page * PAGE), page + 1)
        }
      },
      { memory: '1MiB', overcommit: 'always', swap: { path: swapFile(), size: '1MiB' } },
    )
  })

  test("the swap file is nobody else's, and a file in use does not become one", () => {
    withSpace(
      (space, machine) => {
        const path = swapFile()
        const file = machine.openFile(path, { mode: 'w+', size: 4 * PAGE })
        const address = space.mmap(PAGE, { file, shared: true })
        space.writeUint8(address, 7)
        failsWith('EBUSY', () => machine.swapOn(path, { size: '1MiB' }))
        file.close()
        failsWith('EBUSY', () => machine.swapOn(path, { size: '1MiB' }))
        assert.deepEqual([statSync(path).size, space.readUint8(address)], [4 * PAGE, 7])
        space.munmap(address, PAGE)
        machine.swapOn(path, { size: '4MiB' })
        const other = swapFile()
        failsWith('EBUSY', () => machine.swapOn(other, { size: '4MiB' }))
        assert.ok(!existsSync(other))
        const pages = 512
        const base = space.mmap(pages * PAGE)
        for (let page = 0; page < pages; page++) space.writeUint32(base + page * PAGE, page + 1)
        failsWith('ETXTBSY', () => machine.openFile(path, { mode: 'w+' }))
        failsWith('ETXTBSY', () => machine.openFile(path, { mode: 'r+' }))
        machine.openFile(path).close()
        for (let page = 0; page < pages; page++) assert.equal(space.readUint32(base + page * PAGE), page + 1)
        space.munmap(base, pages * PAGE)
        machine.swapOff()
        machine.openFile(path, { mode: 'w+' }).close()
      },
      { memory: '1MiB' },
    )
  })

  test('a swap that makes no sense is refused', () => {
    withSpace((_, machine) => {
      assert.throws(() => machine.swapOn(swapFile(), { size: 100 }), ConfigurationError)
      assert.throws(() => machine.swapOn(swapFile(), { size: 0 }), ConfigurationError)
      assert.throws(() => machine.swapOn(swapFile(), { size: 'much' }), RangeError)
      failsWith('ENOENT', () => machine.swapOn(join(folder, 'none', 'swap'), { size: '1MiB' }))
      failsWith('EISDIR', () => machine.swapOn(folder, { size: '1MiB' }))
    })
    const bad = { memory: '1MiB', cpus: 1, swap: { path: folder, size: '1MiB' } }
    failsWith('EISDIR', () => Machine.create(bad))
  })
})
