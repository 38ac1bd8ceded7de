// What memory holds: zeros, copies made at the first write, files private and shared, and accesses of every width.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TOUCH_LOCKED_MM, TOUCH_SPECULATIVE } from '../../src/backends/threads/index.ts'
import { at, busError, configurations, failsWith, faults, mapAt, PAGE, withSpace } from './support.ts'

function fileContents(pages: number): Uint8Array {
  const contents = new Uint8Array(pages * PAGE)
  for (let index = 0; index < contents.length; index++) contents[index] = (index * 7 + (index >> 12)) & 0xff
  return contents
}

for (const configuration of configurations) {
  const { design, rwsem } = configuration
  describe(`contents: ${design}, ${rwsem}`, () => {
    test('untouched memory reads as zero without taking a frame, and the first write makes a page of its own', () => {
      withSpace((space, machine) => {
        mapAt(space, 0, 8)
        space.writeUint8(at(7), 1) // page tables
        const before = machine.usage().framesFree
        for (let page = 0; page < 7; page++) assert.equal(space.readUint32(at(page, 400)), 0)
        assert.equal(machine.usage().framesFree, before)
        assert.equal(space.rss.anonymous, 1)
        space.writeUint32(at(3, 400), 5)
        assert.equal(machine.usage().framesFree, before - 1)
        assert.equal(space.rss.anonymous, 2)
        assert.deepEqual(
          [0, 1, 2, 3, 4].map((page) => space.readUint32(at(page, 400))),
          [0, 0, 0, 5, 0],
        )
      }, configuration)
    })

    test('touch says which fault an access takes: none present, write protected, none at all', () => {
      withSpace((space) => {
        mapAt(space, 0, 2)
        const errorCode = (result: number) => result & ~(TOUCH_SPECULATIVE | TOUCH_LOCKED_MM)
        assert.equal(errorCode(space.touch(at(0), 'r')), 4)
        assert.equal(space.touch(at(0), 'r'), 0)
        assert.equal(errorCode(space.touch(at(0), 'w')), 7)
        assert.equal(space.touch(at(0), 'w'), 0)
        assert.equal(errorCode(space.touch(at(1), 'w')), 6)
        assert.equal(space.touch(at(1), 'r'), 0)
      }, configuration)
    })

    test('a fault of the kernel takes the mmap lock but where the design has it, and what it cannot access is EFAULT without a signal', () => {
      withSpace((space, machine) => {
        mapAt(space, 0, 3)
        mapAt(space, 4, 1, { protection: 'r' })
        const file = machine.createFile({ size: PAGE })
        mapAt(space, 6, 2, { file })
        // Page tables, an anon_vma and what a design remembers of a first fault are there from now on.
        space.touch(at(2), 'w')
        const before = machine.counters()['page_fault_kernel']!
        const taken = design === 'leaf-slots' ? TOUCH_SPECULATIVE : TOUCH_LOCKED_MM
        assert.equal(space.touch(at(0), 'r', 'kernel'), taken)
        assert.equal(space.touch(at(0), 'w', 'kernel'), 3 | taken)
        assert.equal(space.touch(at(0), 'w', 'kernel'), 0)
        assert.equal(space.touch(at(1), 'w', 'kernel'), 2 | taken)
        for (const [page, kind] of [
          [3, 'r'],
          [4, 'w'],
          [7, 'r'],
        ] as const)
          failsWith('EFAULT', () => space.touch(at(page), kind, 'kernel'))
        assert.equal(machine.counters()['page_fault_kernel']! - before, 6)
        file.close()
      }, configuration)
    })

    if (design === 'per-vma-refcount-2025')
      test('a file that cannot map around a fault is served under the mmap lock', () => {
        withSpace((space, machine) => {
          // The first fault makes page tables.
          mapAt(space, 0, 1)
          space.touch(at(0), 'w')
          for (const [index, faultAround] of [true, false].entries()) {
            const file = machine.createFile({ size: 2 * PAGE, faultAround, dirtyTracking: true })
            mapAt(space, 4 + index * 2, 2, { file, shared: true })
            const locked = (['r', 'w'] as const).map(
              (kind, page) => (space.touch(at(4 + index * 2 + page), kind) & TOUCH_LOCKED_MM) !== 0,
            )
            assert.deepEqual(locked, [!faultAround, !faultAround])
            file.close()
          }
        }, configuration)
      })

    test('a private file mapping sees the file until it writes, and the file never sees the write', () => {
      withSpace((space, machine) => {
        const contents = fileContents(4)
        const file = machine.createFile({ size: 4 * PAGE, contents })
        mapAt(space, 0, 4, { file })
        mapAt(space, 8, 4, { file })
        assert.deepEqual(space.read(at(0), 4 * PAGE), contents)
        space.writeUint32(at(1, 8), 0x01020304)
        assert.equal(space.readUint32(at(1, 8)), 0x01020304)
        assert.deepEqual(file.read(0, 4 * PAGE), contents)
        assert.deepEqual(space.read(at(8), 4 * PAGE), contents)
        // A page that is still the file's follows the file; one that has been copied does not.
        file.write(100, Uint8Array.of(201))
        file.write(PAGE + 100, Uint8Array.of(202))
        assert.equal(space.readUint8(at(0, 100)), 201)
        assert.equal(space.readUint8(at(1, 100)), contents[PAGE + 100])
        assert.equal(space.rss.anonymous, 1)
        space.munmap(at(0), 16 * PAGE)
        file.close()
      }, configuration)
    })

    test('the first access to a private file page may be the write: the copy holds the rest of the page', () => {
      withSpace((space, machine) => {
        const contents = fileContents(2)
        const file = machine.createFile({ size: 2 * PAGE, contents })
        mapAt(space, 0, 2, { file })
        space.writeUint8(at(1, 2000), 3)
        const expected = contents.slice(PAGE)
        expected[2000] = 3
        assert.deepEqual(space.read(at(1), PAGE), expected)
        space.munmap(at(0), 2 * PAGE)
        file.close()
      }, configuration)
    })

    test('shared file mappings, the file and another address space all see each write', () => {
      withSpace((space, machine) => {
        const file = machine.createFile({ size: 2 * PAGE })
        const other = machine.createAddressSpace()
        mapAt(space, 0, 2, { file, shared: true })
        mapAt(space, 4, 1, { file, shared: true, offset: PAGE })
        mapAt(other, 0, 2, { file, shared: true, protection: 'r' })
        space.writeUint32(at(1, 12), 99)
        assert.equal(space.readUint32(at(4, 12)), 99)
        assert.equal(other.readUint32(at(1, 12)), 99)
        assert.equal(new DataView(file.read(PAGE + 12, 4).slice().buffer).getUint32(0, true), 99)
        file.write(0, Uint8Array.of(42))
        assert.equal(other.readUint8(at(0)), 42)
        faults('SEGV_ACCERR', at(0), 'w', () => other.writeUint8(at(0), 1))
        assert.equal(space.rss.anonymous, 0)
        other.destroy()
        space.munmap(at(0), 8 * PAGE)
        file.close()
      }, configuration)
    })

    test('beyond the last page of a file there is a bus error, within it zeros', () => {
      withSpace((space, machine) => {
        const file = machine.createFile({
          size: PAGE + 100,
          contents: fileContents(2).subarray(0, PAGE + 100),
        })
        for (const [base, shared] of [
          [0, false],
          [8, true],
        ] as const) {
          mapAt(space, base, 4, { file, shared })
          assert.equal(space.readUint8(at(base + 1, 100)), 0)
          assert.equal(space.readUint8(at(base + 1, PAGE - 1)), 0)
          busError(at(base + 2, 5), () => space.readUint8(at(base + 2, 5)))
          busError(at(base + 3), () => space.writeUint8(at(base + 3), 1))
          // What the protection forbids is refused before the file is asked.
          space.mprotect(at(base + 3), PAGE, 'r')
          faults('SEGV_ACCERR', at(base + 3), 'w', () => space.writeUint8(at(base + 3), 1))
        }
        space.munmap(at(0), 16 * PAGE)
        file.close()
      }, configuration)
    })

    // What one loop of will-it-scale's tlb_flush1, 2 and 3 does.
    test('giving a page up: private memory is zero or the file again, shared memory keeps what was written', () => {
      withSpace((space, machine) => {
        const file = machine.createFile({ size: 4 * PAGE })
        mapAt(space, 0, 4, { file })
        mapAt(space, 4, 4)
        mapAt(space, 8, 4, { file, shared: true })
        for (let round = 0; round < 20; round++) {
          for (const page of [0, 4, 8]) {
            const address = at(page + (round % 4))
            space.writeUint8(address, 1)
            space.madvise(address, PAGE, 'dontneed')
            // The shared mapping writes last, so the private one sees zero in the first four rounds only.
            assert.equal(space.readUint8(address), page === 8 || (page === 0 && round >= 4) ? 1 : 0)
          }
        }
        space.munmap(at(0), 12 * PAGE)
        file.close()
      }, configuration)
    })

    test('protection taken away and given back keeps contents; without it each access is refused as such', () => {
      withSpace((space) => {
        mapAt(space, 0, 3)
        for (let page = 0; page < 3; page++) space.writeUint32(at(page, 4), page + 1)
        space.mprotect(at(0), 3 * PAGE, 'none')
        faults('SEGV_ACCERR', at(1, 4), 'r', () => space.readUint32(at(1, 4)))
        faults('SEGV_ACCERR', at(1, 4), 'w', () => space.writeUint32(at(1, 4), 0))
        faults('SEGV_ACCERR', at(1), 'x', () => space.touch(at(1), 'x'))
        space.mprotect(at(0), 3 * PAGE, 'r')
        assert.equal(space.readUint32(at(2, 4)), 3)
        faults('SEGV_ACCERR', at(2, 4), 'w', () => space.writeUint32(at(2, 4), 0))
        faults('SEGV_ACCERR', at(2), 'x', () => space.touch(at(2), 'x'))
        space.mprotect(at(0), 3 * PAGE, 'rw')
        space.writeUint32(at(2, 4), 30)
        assert.equal(space.readUint32(at(2, 4)), 30)
        assert.equal(space.readUint32(at(0, 4)), 1)
        space.mprotect(at(0), PAGE, 'rx')
        space.touch(at(0), 'x')
      }, configuration)
    })

    test('the translation of a page that was written must not survive its write protection', () => {
      withSpace((space) => {
        mapAt(space, 0, 1)
        for (let round = 0; round < 50; round++) {
          space.writeUint32(at(0), round)
          space.mprotect(at(0), PAGE, 'r')
          faults('SEGV_ACCERR', at(0), 'w', () => space.writeUint32(at(0), 1000))
          assert.equal(space.readUint32(at(0)), round)
          space.mprotect(at(0), PAGE, 'rw')
        }
      }, configuration)
    })
  })
}

describe('accesses', () => {
  test('every width reads back what it wrote, little-endian, aligned or not, within a page or across two', () => {
    withSpace((space) => {
      mapAt(space, 0, 2)
      const bytes = (address: number, length: number) => [...space.read(address, length)]
      for (const offset of [0, 1, 2, 3, 5, 8, PAGE - 1, PAGE - 2, PAGE - 3, PAGE - 5, PAGE - 7, PAGE - 8]) {
        const address = at(0, offset)
        space.fill(at(0), 2 * PAGE, 0xee)
        space.writeUint8(address, 0x12)
        assert.equal(space.readUint8(address), 0x12)
        assert.deepEqual(bytes(address, 2), [0x12, 0xee])
        space.writeUint16(address, 0x3456)
        assert.equal(space.readUint16(address), 0x3456)
        assert.deepEqual(bytes(address, 3), [0x56, 0x34, 0xee])
        space.writeUint32(address, 0x89abcdef)
        assert.equal(space.readUint32(address), 0x89abcdef)
        assert.deepEqual(bytes(address, 5), [0xef, 0xcd, 0xab, 0x89, 0xee])
        const big = BigInt('0xfedcba9876543210')
        space.writeBigUint64(address, big)
        assert.equal(space.readBigUint64(address), big)
        assert.deepEqual(bytes(address, 9), [0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe, 0xee])
        space.writeFloat64(address, Math.PI)
        assert.equal(space.readFloat64(address), Math.PI)
        assert.equal(space.readUint8(address + 8), 0xee)
      }
    })
  })

  test('a store across two pages of which the second refuses it writes nothing', () => {
    withSpace((space) => {
      mapAt(space, 0, 1)
      mapAt(space, 1, 1, { protection: 'r' })
      space.fill(at(0), PAGE, 0x11)
      faults('SEGV_ACCERR', at(1), 'w', () => space.writeUint32(at(0, PAGE - 2), 0xffffffff))
      assert.equal(space.readUint8(at(0, PAGE - 1)), 0x11)
      assert.equal(space.readUint8(at(0, PAGE - 2)), 0x11)
      space.munmap(at(1), PAGE)
      faults('SEGV_MAPERR', at(1), 'r', () => space.readBigUint64(at(0, PAGE - 3)))
    })
  })

  test('an access across two mappings works where both allow it', () => {
    withSpace((space, machine) => {
      const file = machine.createFile({ size: PAGE, contents: new Uint8Array(PAGE).fill(0x44) })
      mapAt(space, 0, 1, { file, shared: true })
      mapAt(space, 1, 1)
      space.writeUint32(at(0, PAGE - 2), 0x04030201)
      assert.deepEqual([...file.read(PAGE - 3, 3)], [0x44, 1, 2])
      assert.equal(space.readUint16(at(1)), 0x0403)
      assert.equal(space.readUint32(at(0, PAGE - 2)), 0x04030201)
      space.munmap(at(0), 2 * PAGE)
      file.close()
    })
  })

  test('a file is read into an array of any kind, as far as it goes', () => {
    withSpace((_, machine) => {
      const contents = Uint8Array.from({ length: 2 * PAGE + 10 }, (_byte, index) => index * 7)
      const file = machine.createFile({ size: contents.length, contents })
      const shared = new Uint8Array(new SharedArrayBuffer(PAGE + 10))
      assert.equal(file.readInto(PAGE - 5, shared), PAGE + 10)
      assert.deepEqual([...shared], [...contents.subarray(PAGE - 5, 2 * PAGE + 5)])
      const numbers = new Float64Array(4).fill(Number.NaN)
      assert.equal(file.readInto(2 * PAGE, numbers.subarray(1)), 10)
      const seen = new Uint8Array(numbers.buffer)
      assert.deepEqual([...seen.subarray(8, 18)], [...contents.subarray(2 * PAGE)])
      assert.deepEqual(
        [...seen.subarray(18)],
        [...new Uint8Array(new Float64Array(4).fill(Number.NaN).buffer, 18)],
      )
      assert.equal(file.readInto(2 * PAGE + 10, new DataView(new ArrayBuffer(3))), 0)
      assert.equal(file.readInto(2 ** 40, new Uint8Array(3)), 0)
      assert.equal(file.readInto(0, new Uint8Array(0)), 0)
      file.write(8, Float64Array.of(0.5, -2))
      const view = new DataView(file.read(8, 16).slice().buffer)
      assert.deepEqual([view.getFloat64(0, true), view.getFloat64(8, true)], [0.5, -2])
      const copy = machine.createFile({ size: 16, contents: Uint32Array.of(1, 2, 3, 4).subarray(1) })
      assert.deepEqual([...new Uint32Array(copy.read(0, 16).slice().buffer)], [2, 3, 4, 0])
      copy.close()
      file.close()
      assert.throws(() => file.readInto(0, shared), { errno: 'EBADF' })
    })
  })

  test('ranges: written, read, read into, filled, over pages and mappings; what precedes the fault is written', () => {
    withSpace((space) => {
      mapAt(space, 0, 4)
      const bytes = Uint8Array.from({ length: 2 * PAGE + 100 }, (_, index) => (index * 13) & 0xff)
      space.write(at(0, 50), bytes)
      assert.deepEqual(space.read(at(0, 50), bytes.length), bytes)
      const target = new Uint8Array(500)
      space.readInto(at(0, 1000), target)
      assert.deepEqual(target, bytes.subarray(950, 1450))
      space.fill(at(1, 10), PAGE, 0x5c)
      assert.equal(space.readUint8(at(1, 9)), bytes[PAGE + 9 - 50])
      assert.equal(space.readUint8(at(1, 10)), 0x5c)
      assert.equal(space.readUint8(at(2, 9)), 0x5c)
      assert.equal(space.readUint8(at(2, 10)), bytes[2 * PAGE + 10 - 50])
      assert.deepEqual(space.read(at(0), 0), new Uint8Array(0))
      space.munmap(at(3), PAGE)
      faults('SEGV_MAPERR', at(3), 'w', () => space.fill(at(2, 100), PAGE, 0x77))
      assert.equal(space.readUint8(at(2, PAGE - 1)), 0x77)
      faults('SEGV_MAPERR', at(3), 'r', () => space.read(at(2), 2 * PAGE))
    })
  })

  test('atomic words: fetch-and-add wraps, compare-exchange tells what it found, both need write permission', () => {
    withSpace((space) => {
      mapAt(space, 0, 2)
      assert.equal(space.addUint32(at(0, 8), 5), 0)
      assert.equal(space.addUint32(at(0, 8), 0xffffffff), 5)
      assert.equal(space.readUint32(at(0, 8)), 4)
      assert.equal(space.compareExchangeUint32(at(0, 8), 4, 0x80000000), 4)
      assert.equal(space.compareExchangeUint32(at(0, 8), 4, 1), 0x80000000)
      assert.equal(space.readUint32(at(0, 8)), 0x80000000)
      space.mprotect(at(1), PAGE, 'r')
      faults('SEGV_ACCERR', at(1), 'w', () => space.addUint32(at(1), 1))
      faults('SEGV_ACCERR', at(1), 'w', () => space.compareExchangeUint32(at(1), 0, 0))
    })
  })

  test('memory that may only be written or executed can be read, as on x86', () => {
    withSpace((space) => {
      mapAt(space, 0, 1, { protection: 'w' })
      mapAt(space, 1, 1, { protection: 'x' })
      space.writeUint8(at(0), 3)
      assert.equal(space.readUint8(at(0)), 3)
      assert.equal(space.readUint8(at(1)), 0)
      space.touch(at(1), 'x')
      faults('SEGV_ACCERR', at(1), 'w', () => space.writeUint8(at(1), 3))
      faults('SEGV_ACCERR', at(0), 'x', () => space.touch(at(0), 'x'))
    })
  })

  test('an address that no user memory can have is a segmentation fault, not a wrong answer', () => {
    withSpace((space) => {
      mapAt(space, 0, 1)
      faults('SEGV_MAPERR', 0, 'r', () => space.readUint8(0))
      faults('SEGV_MAPERR', 8, 'w', () => space.writeUint32(8, 1))
      faults('SEGV_MAPERR', 2 ** 43 + at(0), 'r', () => space.readUint8(2 ** 43 + at(0)))
    })
  })

  test('two machines in one thread keep apart what is at the same address', () => {
    withSpace((one) => {
      withSpace((two) => {
        mapAt(one, 0, 2)
        mapAt(two, 0, 2)
        for (let round = 0; round < 30; round++) {
          one.writeUint32(at(round % 2), round)
          two.writeUint32(at(round % 2), 1000 + round)
          assert.equal(one.readUint32(at(round % 2)), round)
          assert.equal(two.readUint32(at(round % 2)), 1000 + round)
        }
        two.munmap(at(0), 2 * PAGE)
        faults('SEGV_MAPERR', at(0), 'r', () => two.readUint32(at(0)))
        assert.equal(one.readUint32(at(0)), 28)
      })
    })
  })

  test('two spaces of one machine keep apart what is at the same address', () => {
    withSpace((one, machine) => {
      const two = machine.createAddressSpace()
      mapAt(one, 0, 1)
      mapAt(two, 0, 1)
      for (let round = 0; round < 30; round++) {
        one.writeUint32(at(0), round)
        two.writeUint32(at(0), 1000 + round)
        assert.equal(one.readUint32(at(0)), round)
        assert.equal(two.readUint32(at(0)), 1000 + round)
      }
      two.destroy()
      assert.equal(one.readUint32(at(0)), 29)
    })
  })
})
