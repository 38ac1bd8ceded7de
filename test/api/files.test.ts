// Files on disk: one page cache for the machine, what is written when, and what happens to a mapping when its file
// changes in size.

import assert from 'node:assert/strict'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  linkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import {
  type AddressSpace,
  type DiskFile,
  fileSystem,
  type Machine,
  type MachineOptions,
  MachineFile,
  type Storage,
} from '../../src/memory.ts'
import { busError, configurations, failsWith, PAGE, withSpace } from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-files-'))
after(() => rmSync(folder, { recursive: true }))

let count = 0

/** The path of a new file with that content. */
function fileOf(content: Uint8Array | string): string {
  const path = join(folder, `file-${count++}`)
  writeFileSync(path, content)
  return path
}

/** Bytes that differ from page to page and within a page. */
function pattern(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, index) => (index * 31 + (index >> 12) * 7) & 0xff)
}

interface Counted extends Storage {
  /** Pages, or parts of one, as [position, bytes]. */
  readonly reads: [number, number][]
  readonly writes: [number, number][]
  syncs: number
}

/** The file system, and what was asked of it. */
function counted(): Counted {
  const length = (buffers: readonly Uint8Array[]) => buffers.reduce((sum, each) => sum + each.length, 0)
  const storage: Counted = {
    ...fileSystem,
    reads: [],
    writes: [],
    syncs: 0,
    read(descriptor, buffers, position) {
      storage.reads.push([position, length(buffers)])
      return fileSystem.read(descriptor, buffers, position)
    },
    write(descriptor, buffers, position) {
      storage.writes.push([position, length(buffers)])
      return fileSystem.write(descriptor, buffers, position)
    },
    sync(descriptor) {
      storage.syncs++
      fileSystem.sync(descriptor)
    },
  }
  return storage
}

function everywhere(
  name: string,
  body: (space: AddressSpace, machine: Machine) => void,
  options: Partial<MachineOptions> = {},
): void {
  test(name, () => {
    for (const configuration of configurations) withSpace(body, { ...configuration, ...options })
  })
}

function mapShared(space: AddressSpace, file: DiskFile, pages = Math.ceil(file.size / PAGE)): number {
  return space.mmap(pages * PAGE, { file, shared: true })
}

describe('opening', () => {
  test('the modes mean what they mean to fopen', () => {
    withSpace((_, machine) => {
      const path = fileOf('hello')
      const reading = machine.openFile(path)
      assert.equal(reading.size, 5)
      assert.equal(Buffer.from(reading.read(0, 100)).toString(), 'hello')
      assert.equal(reading.writable, false)
      failsWith('EBADF', () => reading.write(0, Buffer.from('x')))
      failsWith('EINVAL', () => reading.truncate(0))
      reading.close()
      const updating = machine.openFile(path, { mode: 'r+' })
      updating.write(1, Buffer.from('u'))
      updating.close()
      assert.equal(readFileSync(path, 'utf8'), 'hullo')
      const emptied = machine.openFile(path, { mode: 'w+' })
      assert.equal(emptied.size, 0)
      assert.equal(statSync(path).size, 0)
      emptied.close()
    })
  })

  test('a file is made where that is asked for, with the size that is asked for', () => {
    withSpace((_, machine) => {
      const path = join(folder, 'made')
      failsWith('ENOENT', () => machine.openFile(path))
      failsWith('ENOENT', () => machine.openFile(path, { mode: 'r+' }))
      const file = machine.openFile(path, {
        mode: 'r+',
        create: true,
        exclusive: true,
        size: 10_000,
        permissions: 0o600,
      })
      assert.equal(file.size, 10_000)
      assert.equal(statSync(path).size, 10_000)
      assert.equal(statSync(path).mode & 0o777, 0o600)
      failsWith('EEXIST', () => machine.openFile(path, { mode: 'w+', exclusive: true }))
      file.close()
      const cut = machine.openFile(path, { mode: 'r+', size: 100 })
      assert.equal(statSync(path).size, 100)
      cut.close()
    })
  })

  test('what the file system refuses is told by its name', () => {
    withSpace((_, machine) => {
      failsWith('EISDIR', () => machine.openFile(folder, { mode: 'r+' }))
      failsWith('ENODEV', () => machine.openFile(folder))
      failsWith('ENODEV', () => machine.openFile('/dev/null'))
      failsWith('ENOTDIR', () => machine.openFile(join(fileOf(''), 'below')))
      failsWith('ENAMETOOLONG', () => machine.openFile(join(folder, 'n'.repeat(300))))
      failsWith('ENAMETOOLONG', () => machine.openFile('/n'.repeat(3000)))
      symlinkSync(join(folder, 'loop'), join(folder, 'loop'))
      failsWith('ELOOP', () => machine.openFile(join(folder, 'loop')))
    })
  })

  test('what makes no sense is refused before anything is touched', () => {
    withSpace((_, machine) => {
      const path = join(folder, 'never')
      for (const options of [
        { mode: 'rw' as 'r' },
        { mode: 'r' as const, create: true },
        { mode: 'r' as const, size: 1 },
        { mode: 'r+' as const, exclusive: true },
        { mode: 'w+' as const, size: -1 },
        { mode: 'w+' as const, size: 0.5 },
        { mode: 'w+' as const, size: 2 ** 44 },
      ]) {
        assert.throws(() => machine.openFile(path, options), RangeError)
      }
      failsWith('ENOENT', () => machine.openFile(path))
      const file = machine.openFile(fileOf(''), { mode: 'r+' })
      assert.throws(() => file.truncate(-1), RangeError)
      failsWith('EFBIG', () => file.truncate(2 ** 44))
      failsWith('EFBIG', () => file.write(2 ** 43, new Uint8Array(1)))
      assert.throws(() => file.write(0, 'text' as unknown as Uint8Array), TypeError)
      assert.throws(() => file.write(-1, new Uint8Array(1)), RangeError)
      assert.throws(() => file.read(0, -1), RangeError)
      file.close()
      file.close()
      failsWith('EBADF', () => file.read(0, 1))
      failsWith('EBADF', () => file.sync())
    })
  })

  test('a synchronisation finds each dirty page among clean ones and holes', () => {
    withSpace(
      (space, machine) => {
        const path = fileOf(new Uint8Array(200 * PAGE))
        const file = machine.openFile(path, { mode: 'r+', size: 300_000 * PAGE })
        const descriptor = openSync(path, 'r')
        const shared = mapShared(space, file)
        for (const [first, pages] of [
          [0, 200],
          [4060, 80],
          [262_100, 80],
        ] as const)
          file.populate(first, pages)
        const written = [
          0, 62, 63, 64, 65, 127, 128, 199, 4031, 4095, 4096, 4097, 9000, 262_143, 262_144, 299_999,
        ]
        const expected = written.map((_, n) => n + 1)
        for (const each of [1, 2]) {
          written.forEach((page, n) => {
            if (n % 2 === each % 2) space.writeUint8(shared + page * PAGE, each * (n + 1))
            else file.write(page * PAGE, new Uint8Array([each * (n + 1)]))
          })
          file.sync()
          const onDisk = written.map((page) => {
            const bytes = new Uint8Array(1)
            readSync(descriptor, bytes, 0, 1, page * PAGE)
            return bytes[0]
          })
          assert.deepEqual(
            onDisk,
            expected.map((value) => each * value),
          )
        }
        closeSync(descriptor)
        file.close()
      },
      { memory: '4MiB' },
    )
  })

  test('an inode has one page cache, by whichever name it is opened', () => {
    withSpace((space, machine) => {
      const path = fileOf(pattern(PAGE))
      const other = `${path}-link`
      linkSync(path, other)
      const first = machine.openFile(path, { mode: 'r+' })
      const second = machine.openFile(other)
      assert.equal(first.pointer, second.pointer)
      assert.equal(machine.usage().files, 1)
      const shared = mapShared(space, first)
      space.writeUint8(shared, 200)
      assert.equal(second.read(0, 1)[0], 200)
      first.close()
      assert.equal(second.read(0, 1)[0], 200)
      assert.equal(readFileSync(path)[0], 200)
      space.munmap(shared, PAGE)
      second.close()
    })
  })

  test('a file that was renamed, or replaced by another, is still the one that was opened', () => {
    withSpace((_, machine) => {
      const path = fileOf(pattern(3 * PAGE))
      const file = machine.openFile(path, { mode: 'r+' })
      renameSync(path, `${path}-old`)
      writeFileSync(path, 'another')
      assert.deepEqual(file.read(0, 3 * PAGE), pattern(3 * PAGE))
      file.write(PAGE, Buffer.from('mark'))
      const another = machine.openFile(path)
      assert.notEqual(another.pointer, file.pointer)
      assert.equal(Buffer.from(another.read(0, 7)).toString(), 'another')
      another.close()
      file.close()
      assert.equal(
        readFileSync(`${path}-old`)
          .subarray(PAGE, PAGE + 4)
          .toString(),
        'mark',
      )
      assert.equal(readFileSync(path, 'utf8'), 'another')
    })
  })
})

describe('the page cache', () => {
  everywhere('shared mappings, private ones, reading and writing all see one content', (space, machine) => {
    const path = fileOf(pattern(4 * PAGE))
    const file = machine.openFile(path, { mode: 'r+' })
    const other = machine.createAddressSpace()
    const here = mapShared(space, file)
    const there = mapShared(other, file)
    const own = other.mmap(4 * PAGE, { file })
    assert.deepEqual(other.read(own, 4 * PAGE), pattern(4 * PAGE))
    space.writeUint32(here + PAGE, 0xdead_beef)
    assert.equal(other.readUint32(there + PAGE), 0xdead_beef)
    assert.equal(other.readUint32(own + PAGE), 0xdead_beef)
    assert.deepEqual([...file.read(PAGE, 4)], [0xef, 0xbe, 0xad, 0xde])
    // A private copy goes its own way from its first write on.
    other.writeUint8(own + PAGE, 1)
    space.writeUint8(here + PAGE, 2)
    assert.equal(other.readUint8(own + PAGE), 1)
    assert.equal(other.readUint8(there + PAGE), 2)
    file.write(2 * PAGE, Buffer.from('written'))
    assert.equal(Buffer.from(space.read(here + 2 * PAGE, 7)).toString(), 'written')
    file.sync()
    const expected = Buffer.from(pattern(4 * PAGE))
    expected.set([2, 0xbe, 0xad, 0xde], PAGE)
    expected.write('written', 2 * PAGE)
    assert.deepEqual(readFileSync(path), expected)
    other.destroy()
    file.close()
  })

  test('a miss reads what lies around it in one piece, and nothing is read twice', () => {
    withSpace((space, machine) => {
      const storage = counted()
      machine.setStorage(storage)
      const file = machine.openFile(fileOf(pattern(200 * PAGE)))
      const address = space.mmap(200 * PAGE, { file })
      space.readUint8(address)
      assert.deepEqual(storage.reads, [[0, 32 * PAGE]])
      for (let page = 0; page < 200; page++)
        assert.equal(space.readUint8(address + page * PAGE), (page * 7) & 0xff)
      const bytes = storage.reads.reduce((sum, [, length]) => sum + length, 0)
      assert.equal(bytes, 200 * PAGE)
      assert.ok(storage.reads.length <= 14, `${storage.reads.length} reads for 200 pages`)
      file.close()
    })
  })

  everywhere(
    'writes all over a file read around a miss 100 times, and then the page alone',
    (space, machine) => {
      const storage = counted()
      machine.setStorage(storage)
      const path = fileOf('')
      truncateSync(path, 150 * 40 * PAGE)
      const file = machine.openFile(path, { mode: 'r+' })
      const address = mapShared(space, file)
      for (let n = 0; n < 150; n++) space.writeUint8(address + (n * 40 + 20) * PAGE, 1)
      const pages = storage.reads.map(([, length]) => length / PAGE)
      assert.deepEqual(pages, [...Array<number>(100).fill(32), ...Array<number>(50).fill(1)])
      file.close()
    },
  )

  test('a page that could not be read is whole when all of it is overwritten, by a program and by write', () => {
    withSpace((space, machine) => {
      const path = fileOf(pattern(4 * PAGE))
      let fails = true
      machine.setStorage({
        ...fileSystem,
        read(descriptor, buffers, position) {
          if (fails) throw Object.assign(new Error('broken'), { code: 'EIO' })
          return fileSystem.read(descriptor, buffers, position)
        },
      })
      const file = machine.openFile(path, { mode: 'r+' })
      const address = mapShared(space, file)
      for (const page of [0, 1, 2]) {
        assert.throws(() => space.readUint8(address + page * PAGE), { name: 'BusError', errno: 'EIO' })
      }
      space.write(address, new Uint8Array(PAGE).fill(50))
      file.write(PAGE, new Uint8Array(PAGE).fill(51))
      assert.deepEqual([space.readUint8(address + PAGE - 1), space.readUint8(address + PAGE)], [50, 51])
      // Of one that is written in part the rest is wanted.
      assert.throws(() => space.writeUint8(address + 2 * PAGE, 52), { name: 'BusError', errno: 'EIO' })
      file.sync()
      fails = false
      space.writeUint8(address + 2 * PAGE, 52)
      file.close()
      const expected = pattern(4 * PAGE)
      expected.fill(50, 0, PAGE).fill(51, PAGE, 2 * PAGE)
      assert.deepEqual(
        new Uint8Array(readFileSync(path)).subarray(0, 2 * PAGE),
        expected.subarray(0, 2 * PAGE),
      )
    })
  })

  test('advised random, a miss reads one page', () => {
    withSpace((space, machine) => {
      const storage = counted()
      machine.setStorage(storage)
      const file = machine.openFile(fileOf(pattern(100 * PAGE)))
      const address = space.mmap(100 * PAGE, { file })
      space.madvise(address, 100 * PAGE, 'random')
      for (const page of [70, 3, 40]) space.readUint8(address + page * PAGE)
      assert.deepEqual(
        storage.reads,
        [70, 3, 40].map((page) => [page * PAGE, PAGE]),
      )
      file.close()
    })
  })

  describe('calls read ahead as page_cache_sync_ra and page_cache_async_ra of Linux 6.12', () => {
    /** Each call is a page and a number of pages; each window the same. */
    const cases: readonly (readonly [what: string, calls: number[][], windows: number[][]])[] = [
      [
        'in order: the window doubles up to 32 pages',
        Array.from({ length: 60 }, (_, page) => [page, 1]),
        [
          [0, 4],
          [4, 8],
          [12, 16],
          [28, 32],
          [60, 32],
        ],
      ],
      [
        'apart: what is wanted',
        [
          [50, 1],
          [9, 2],
        ],
        [
          [50, 1],
          [9, 2],
        ],
      ],
      [
        'more than a window: as in order',
        [[50, 40]],
        [
          [50, 32],
          [82, 32],
          [114, 32],
        ],
      ],
      [
        'behind pages that are there from the beginning of the file: twice as many',
        [
          [0, 3],
          [8, 1],
        ],
        [
          [0, 8],
          [8, 17],
        ],
      ],
      [
        'at a marker of a window that is elsewhere by now: from the first page that is missing',
        [
          [0, 1],
          [100, 33],
          [1, 1],
        ],
        [
          [0, 4],
          [100, 32],
          [132, 32],
          [164, 32],
          [4, 8],
        ],
      ],
    ]
    for (const [what, calls, windows] of cases) {
      test(what, () => {
        withSpace((_, machine) => {
          const storage = counted()
          machine.setStorage(storage)
          const file = machine.openFile(fileOf(pattern(200 * PAGE)))
          for (const [page, pages] of calls) file.read(page! * PAGE, pages! * PAGE)
          assert.deepEqual(
            storage.reads.map(([at, length]) => [at / PAGE, length / PAGE]),
            windows,
          )
          file.close()
        })
      })
    }
  })

  everywhere('only what was written is written back, once', (space, machine) => {
    const storage = counted()
    machine.setStorage(storage)
    const file = machine.openFile(fileOf(pattern(40 * PAGE)), { mode: 'r+' })
    const address = mapShared(space, file)
    for (let page = 0; page < 40; page++) space.readUint8(address + page * PAGE)
    space.msync(address, 40 * PAGE)
    assert.deepEqual(storage.writes, [])
    for (const page of [3, 4, 5, 20]) space.writeUint8(address + page * PAGE + 9, 1)
    space.msync(address, 40 * PAGE)
    assert.deepEqual(storage.writes, [
      [3 * PAGE, 3 * PAGE],
      [20 * PAGE, PAGE],
    ])
    space.msync(address, 40 * PAGE)
    assert.equal(storage.writes.length, 2)
    // The first write after that makes it dirty again.
    space.writeUint8(address + 4 * PAGE, 2)
    space.msync(address, 40 * PAGE)
    assert.deepEqual(storage.writes.slice(2), [[4 * PAGE, PAGE]])
    file.close()
    assert.equal(storage.writes.length, 3)
  })

  test('a page that is written whole is not read, one that is written in part is', () => {
    withSpace((_, machine) => {
      const storage = counted()
      machine.setStorage(storage)
      const file = machine.openFile(fileOf(pattern(8 * PAGE)), { mode: 'r+' })
      file.write(2 * PAGE, new Uint8Array(2 * PAGE).fill(1))
      assert.deepEqual(storage.reads, [])
      file.write(6 * PAGE + 10, new Uint8Array(10).fill(2))
      assert.ok(storage.reads.length > 0)
      const expected = pattern(8 * PAGE)
        .fill(1, 2 * PAGE, 4 * PAGE)
        .fill(2, 6 * PAGE + 10, 6 * PAGE + 20)
      assert.deepEqual(file.read(0, 8 * PAGE), expected)
      const { path } = file
      file.close()
      assert.deepEqual(readFileSync(path), Buffer.from(expected))
    })
  })

  test('a file larger than physical memory is read and written whole', () => {
    withSpace(
      (space, machine) => {
        const pages = 1024
        const path = fileOf(pattern(pages * PAGE))
        const file = machine.openFile(path, { mode: 'r+' })
        const address = mapShared(space, file)
        const expected = pattern(pages * PAGE)
        for (let page = 0; page < pages; page++) {
          const at = page * PAGE
          assert.deepEqual(space.read(address + at, PAGE), expected.subarray(at, at + PAGE))
          space.writeUint32(address + at + 100, page)
          new DataView(expected.buffer).setUint32(at + 100, page, true)
        }
        file.close()
        assert.deepEqual(readFileSync(path), Buffer.from(expected))
        assert.deepEqual(space.read(address, pages * PAGE), expected)
      },
      { memory: '1MiB' },
    )
  })

  test('a file opened by whoever, and a mapping of it, are of one machine', () => {
    withSpace((space, machine) => {
      const file = machine.openFile(fileOf('x'))
      assert.ok(file instanceof MachineFile)
      withSpace((other) => {
        assert.throws(() => other.mmap(PAGE, { file }), /belongs to another machine/)
      })
      assert.throws(
        () => space.mmap(PAGE, { file: {} as MachineFile }),
        /^TypeError: file: an object is not a file/,
      )
      file.close()
      failsWith('EBADF', () => space.mmap(PAGE, { file }))
    })
  })
})

describe('changing the size', () => {
  everywhere(
    'a shorter file: a bus error beyond the end, zeros behind it in its last page',
    (space, machine) => {
      const path = fileOf(pattern(4 * PAGE))
      const file = machine.openFile(path, { mode: 'r+' })
      const shared = mapShared(space, file)
      const own = space.mmap(4 * PAGE, { file })
      for (let page = 0; page < 4; page++) {
        space.writeUint8(shared + page * PAGE, 1)
        space.writeUint8(own + page * PAGE + 1, 1)
      }
      file.truncate(PAGE + 100)
      assert.equal(statSync(path).size, PAGE + 100)
      for (const base of [shared, own]) {
        busError(base + 2 * PAGE, () => space.readUint8(base + 2 * PAGE))
        busError(base + 3 * PAGE, () => space.writeUint8(base + 3 * PAGE, 1))
      }
      assert.equal(space.readUint8(shared + PAGE + 99), pattern(4 * PAGE)[PAGE + 99])
      assert.deepEqual([...space.read(shared + PAGE + 100, 8)], Array(8).fill(0))
      // What is written behind the end is not part of the file, and is gone when it grows again.
      space.writeUint8(shared + PAGE + 200, 77)
      file.sync()
      assert.equal(statSync(path).size, PAGE + 100)
      file.truncate(4 * PAGE)
      assert.equal(space.readUint8(shared + PAGE + 200), 0)
      assert.deepEqual(space.read(shared + 2 * PAGE, 2 * PAGE), new Uint8Array(2 * PAGE))
      file.close()
      const expected = Buffer.alloc(4 * PAGE)
      expected.set(pattern(PAGE + 100))
      expected[0] = 1
      expected[PAGE] = 1
      assert.deepEqual(readFileSync(path), expected)
    },
  )

  everywhere('a write beyond the end makes the file longer, with zeros between', (space, machine) => {
    const path = fileOf('begin')
    const file = machine.openFile(path, { mode: 'r+' })
    const address = space.mmap(3 * PAGE, { file, shared: true })
    busError(address + 2 * PAGE, () => space.readUint8(address + 2 * PAGE))
    file.write(2 * PAGE + 5, Buffer.from('end'))
    assert.equal(file.size, 2 * PAGE + 8)
    assert.equal(Buffer.from(space.read(address + 2 * PAGE, 9)).toString(), '\0\0\0\0\0end\0')
    file.close()
    const expected = Buffer.alloc(2 * PAGE + 8)
    expected.write('begin')
    expected.write('end', 2 * PAGE + 5)
    assert.deepEqual(readFileSync(path), expected)
  })

  everywhere('files in memory change in size the same way', (space, machine) => {
    const file = machine.createFile({ size: 3 * PAGE, contents: pattern(3 * PAGE) })
    const address = space.mmap(3 * PAGE, { file, shared: true })
    assert.equal(space.readUint8(address + 2 * PAGE), pattern(3 * PAGE)[2 * PAGE])
    file.truncate(10)
    busError(address + PAGE, () => space.readUint8(address + PAGE))
    assert.deepEqual([...file.read(0, 100)], [...pattern(10)])
    file.truncate(3 * PAGE)
    assert.deepEqual([...space.read(address + 8, 4)], [...pattern(10).subarray(8), 0, 0])
    assert.equal(space.readUint8(address + 2 * PAGE), 0)
    file.close()
  })
})

describe('msync', () => {
  everywhere('sync writes what a shared mapping has written [msync01]', (space, machine) => {
    const path = fileOf(pattern(4 * PAGE))
    const file = machine.openFile(path, { mode: 'r+' })
    const address = mapShared(space, file)
    space.fill(address + PAGE, PAGE, 5)
    space.msync(address, 4 * PAGE, 'sync')
    assert.deepEqual(readFileSync(path), Buffer.from(pattern(4 * PAGE).fill(5, PAGE, 2 * PAGE)))
    file.close()
  })

  everywhere('async and invalidate succeed and lose nothing [msync02]', (space, machine) => {
    const path = fileOf(pattern(2 * PAGE))
    const file = machine.openFile(path, { mode: 'r+' })
    const address = mapShared(space, file)
    space.writeUint8(address, 99)
    space.msync(address, 2 * PAGE, 'async')
    space.msync(address, 2 * PAGE, 'invalidate')
    assert.equal(space.readUint8(address), 99)
    file.close()
    assert.equal(readFileSync(path)[0], 99)
  })

  everywhere(
    'what is misaligned, unknown, or not mapped is refused; the mapped part is written [msync03]',
    (space, machine) => {
      const path = fileOf(pattern(4 * PAGE))
      const file = machine.openFile(path, { mode: 'r+' })
      const address = mapShared(space, file)
      failsWith('EINVAL', () => space.msync(address + 1, PAGE))
      for (const mode of ['at once', 'toString'])
        assert.throws(() => space.msync(address, PAGE, mode as 'sync'), RangeError)
      space.msync(address, 0)
      space.munmap(address + PAGE, PAGE)
      space.writeUint8(address, 7)
      space.writeUint8(address + 2 * PAGE, 8)
      failsWith('ENOMEM', () => space.msync(address, 4 * PAGE))
      const disk = readFileSync(path)
      assert.deepEqual([disk[0], disk[2 * PAGE]], [7, 8])
      failsWith('ENOMEM', () => space.msync(address + PAGE, PAGE))
      failsWith('ENOMEM', () => space.msync(2 ** 43 - PAGE, 2 * PAGE))
      file.close()
    },
  )

  everywhere('a dirty page is clean once it is on disk, not before [msync04]', (space, machine) => {
    const storage = counted()
    machine.setStorage(storage)
    const file = machine.openFile(fileOf(pattern(PAGE)), { mode: 'r+' })
    const address = mapShared(space, file)
    space.writeUint8(address, 1)
    space.msync(address, PAGE, 'async')
    assert.equal(storage.writes.length, 0)
    space.msync(address, PAGE, 'sync')
    assert.equal(storage.writes.length, 1)
    assert.equal(storage.syncs, 1)
    file.close()
  })

  everywhere('what the disk took, but could not make safe, is written again', (space, machine) => {
    const path = fileOf(pattern(3 * PAGE))
    // A disk that fails to synchronise, and has forgotten by then what it had taken.
    let failures = 1
    machine.setStorage({
      ...fileSystem,
      sync(descriptor) {
        if (failures-- <= 0) return fileSystem.sync(descriptor)
        writeFileSync(path, pattern(3 * PAGE))
        throw Object.assign(new Error('input/output error'), { code: 'EIO' })
      },
    })
    const file = machine.openFile(path, { mode: 'r+' })
    const address = mapShared(space, file)
    space.writeUint8(address, 100)
    file.write(2 * PAGE, Uint8Array.of(101))
    failsWith('EIO', () => space.msync(address, PAGE))
    space.msync(address, PAGE)
    assert.equal(readFileSync(path)[0], 100)
    file.sync()
    assert.equal(readFileSync(path)[2 * PAGE], 101)
    file.close()
  })

  everywhere('private mappings have nothing to write', (space, machine) => {
    const path = fileOf(pattern(PAGE))
    const file = machine.openFile(path, { mode: 'r+' })
    const address = space.mmap(PAGE, { file })
    space.writeUint8(address, 200)
    space.msync(address, PAGE)
    file.close()
    space.munmap(address, PAGE)
    assert.deepEqual(readFileSync(path), Buffer.from(pattern(PAGE)))
  })
})

describe('a file that was opened for reading', () => {
  everywhere('has no shared mapping that can be written, also not through mprotect', (space, machine) => {
    const path = fileOf(pattern(2 * PAGE))
    const reading = machine.openFile(path)
    // The same kernel file, opened for writing by somebody else: it is the handle that counts.
    const writing = machine.openFile(path, { mode: 'r+' })
    const readOnly = /the file is open for reading only, so what is shared of it is as well/
    assert.throws(() => space.mmap(PAGE, { file: reading, shared: true }), {
      code: 'EACCES',
      message: readOnly,
    })
    failsWith('EACCES', () => space.mmap(PAGE, { file: reading, shared: true, protection: 'wx' }))
    const address = space.mmap(2 * PAGE, { file: reading, shared: true, protection: 'r' })
    failsWith('EACCES', () => space.mprotect(address, PAGE, 'rw'))
    space.mprotect(address, PAGE, 'rx')
    const own = space.mmap(2 * PAGE, { file: reading })
    space.writeUint8(own, 1)
    const shared = space.mmap(2 * PAGE, { file: writing, shared: true, protection: 'r' })
    space.mprotect(shared, PAGE, 'rw')
    space.writeUint8(shared, 2)
    assert.equal(space.readUint8(address), 2)
    // Neighbours of both kinds are not one mapping, though nothing else tells them apart.
    const base = space.mmap(2 * PAGE, { file: reading, shared: true, protection: 'r' })
    space.mmap(PAGE, {
      file: writing,
      shared: true,
      protection: 'r',
      address: base + PAGE,
      fixed: true,
      offset: PAGE,
    })
    space.mprotect(base + PAGE, PAGE, 'rw')
    failsWith('EACCES', () => space.mprotect(base, 2 * PAGE, 'rw'))
    reading.close()
    writing.close()
  })

  test('is not even opened for writing on the host, until somebody asks for that', () => {
    withSpace((_, machine) => {
      const path = fileOf(pattern(PAGE))
      const flags: number[] = []
      machine.setStorage({
        ...fileSystem,
        open(where, how, permissions) {
          flags.push(how & 3)
          return fileSystem.open(where, how, permissions)
        },
      })
      const reading = machine.openFile(path)
      reading.read(0, 10)
      const writing = machine.openFile(path, { mode: 'r+' })
      writing.write(0, new Uint8Array([1]))
      writing.close()
      reading.close()
      assert.deepEqual(flags, [0, 2])
      assert.equal(readFileSync(path)[0], 1)
    })
  })
})

test('the size of a file may be written as a text, as those of a machine', () => {
  withSpace((_, machine) => {
    const path = fileOf('')
    const file = machine.openFile(path, { mode: 'r+', size: '12KiB' })
    assert.equal(file.size, 3 * PAGE)
    file.close()
    const inMemory = machine.createFile({ size: '1MiB' })
    assert.equal(inMemory.size, 256 * PAGE)
    inMemory.close()
    for (const size of ['12 pages', '', NaN, -1, '9000GiB'])
      assert.throws(() => machine.openFile(path, { mode: 'r+', size }), RangeError, String(size))
  })
})
