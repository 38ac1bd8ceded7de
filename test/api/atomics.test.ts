// Atomic operations on memory of an address space, waiting and waking, and what else is done with words and bytes.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { Worker } from 'node:worker_threads'
import { type AddressSpace, Machine } from '../../src/memory.ts'
import { PAGE, faults, until, withSpace } from './support.ts'

function codeOf(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return `${(error as Error).name} ${String((error as { code?: unknown }).code)}`
  }
  return 'nothing'
}

/** A thread that attaches to an address space and does `body` with it, of which it posts the result. */
function inThread(space: AddressSpace, base: number, body: string): Worker {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.library).then(({ AddressSpace }) => {
      const space = AddressSpace.attach(workerData.handle)
      const { base } = workerData
      parentPort.postMessage((() => { ${body} })())
    })`
  const library = new URL('../../src/memory.ts', import.meta.url).href
  return new Worker(code, { eval: true, workerData: { library, handle: space.handle, base } })
}

describe('atomic operations', () => {
  it('do with a word what Atomics does', () => {
    withSpace((space) => {
      const at = space.mmap(PAGE) + 8
      const like = new Uint32Array(1)
      for (const value of [0, 1, 7, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
        for (const [own, theirs] of [
          ['add', Atomics.add],
          ['sub', Atomics.sub],
          ['and', Atomics.and],
          ['or', Atomics.or],
          ['xor', Atomics.xor],
          ['exchange', Atomics.exchange],
        ] as const) {
          like[0] = 0x9234_5678
          space.storeUint32(at, 0x9234_5678)
          assert.equal(space[`${own}Uint32`](at, value), theirs(like, 0, value))
          assert.equal(space.loadUint32(at), like[0], own)
        }
      }
      assert.equal(space.subUint32(at, -1), 0xffff_ffff)
      assert.equal(space.loadUint32(at), 0)
    })
  })

  it('do with a double word what Atomics does', () => {
    withSpace((space) => {
      const at = space.mmap(PAGE) + 8
      const like = new BigUint64Array(1)
      for (const value of [0n, 1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n]) {
        for (const [own, theirs] of [
          ['add', Atomics.add],
          ['sub', Atomics.sub],
          ['and', Atomics.and],
          ['or', Atomics.or],
          ['xor', Atomics.xor],
          ['exchange', Atomics.exchange],
        ] as const) {
          like[0] = 0x9234_5678_9abc_def0n
          space.storeBigUint64(at, 0x9234_5678_9abc_def0n)
          assert.equal(space[`${own}BigUint64`](at, value), theirs(like, 0, value))
          assert.equal(space.loadBigUint64(at), like[0], own)
        }
      }
      space.storeBigUint64(at, 2n ** 63n)
      assert.equal(space.compareExchangeBigUint64(at, 1n, 5n), 2n ** 63n)
      assert.equal(space.compareExchangeBigUint64(at, 2n ** 63n, 5n), 2n ** 63n)
      assert.equal(space.loadBigUint64(at), 5n)
    })
  })

  it('refuse what they cannot do, and fault as an access does', () => {
    withSpace((space) => {
      const at = space.mmap(PAGE, { protection: 'r' })
      assert.equal(space.loadUint32(at), 0)
      assert.equal(space.loadBigUint64(at), 0n)
      faults('SEGV_ACCERR', at, 'w', () => space.orUint32(at, 0))
      faults('SEGV_MAPERR', at + PAGE, 'r', () => space.loadBigUint64(at + PAGE))
      faults('SEGV_MAPERR', at + PAGE, 'r', () => space.waitUint32(at + PAGE, 0, 0))
      const refused: [call: () => unknown, as: string][] = [
        [() => space.loadBigUint64(at + 4), 'RangeError ERR_OUT_OF_RANGE'],
        [() => space.xorUint32(at, -1), 'RangeError ERR_OUT_OF_RANGE'],
        [() => space.addBigUint64(at, 2n ** 64n), 'RangeError ERR_OUT_OF_RANGE'],
        [() => space.addBigUint64(at, 1 as never), 'TypeError ERR_INVALID_ARG_TYPE'],
        [() => space.waitUint32(at, 0, NaN), 'RangeError ERR_OUT_OF_RANGE'],
        [() => space.waitBigUint64(at, 0 as never), 'TypeError ERR_INVALID_ARG_TYPE'],
        [() => space.notify(at, -1), 'RangeError ERR_OUT_OF_RANGE'],
      ]
      for (const [call, as] of refused) assert.equal(codeOf(call), as)
    })
  })

  it('lose nothing between threads', async () => {
    const machine = Machine.create({ memory: '1MiB', cpus: 2 })
    const space = machine.createAddressSpace()
    const base = space.mmap(PAGE)
    const count = 20_000
    const worker = inThread(
      space,
      base,
      `space.addUint32(base + 16, 1)
      for (let n = 0; n < ${count}; n++) {
        space.addBigUint64(base, 0x1_0000_0001n)
        space.subUint32(base + 8, 1)
      }`,
    )
    const ended = once(worker, 'exit')
    await until(() => space.loadUint32(base + 16) !== 0, [worker])
    for (let n = 0; n < count; n++) {
      space.addBigUint64(base, 0x1_0000_0001n)
      space.subUint32(base + 8, 1)
    }
    await ended
    assert.equal(space.loadBigUint64(base), BigInt(2 * count) * 0x1_0000_0001n)
    assert.equal(space.loadUint32(base + 8), 2 ** 32 - 2 * count)
    space.destroy()
    machine.detach()
  })
})

describe('waiting', () => {
  it('ends at once where the value is another, and after its time', () => {
    withSpace((space) => {
      const at = space.mmap(PAGE)
      space.storeUint32(at, 2 ** 32 - 1)
      assert.equal(space.waitUint32(at, 0), 'not-equal')
      assert.equal(space.waitUint32(at, 2 ** 32 - 1, 0), 'timed-out')
      assert.equal(space.waitBigUint64(at, 2n ** 32n - 1n, 1), 'timed-out')
      assert.equal(space.notify(at), 0)
    })
  })

  it('ends by a thread in another address space that has the same page of a file', async () => {
    const machine = Machine.create({ memory: '1MiB', cpus: 2 })
    const file = machine.createFile({ size: PAGE })
    const [one, two] = [machine.createAddressSpace(), machine.createAddressSpace()]
    const base = one.mmap(PAGE, { file, shared: true })
    // Elsewhere, so that nothing but the page is the same.
    const other = two.mmap(PAGE, { file, shared: true, address: base + 64 * PAGE, fixed: true })
    const sleeper = inThread(
      one,
      base,
      `space.addUint32(base + 8, 1)
      const first = space.waitUint32(base, 0)
      space.addUint32(base + 8, 1)
      return [first, space.waitBigUint64(base, 0n)]`,
    )
    // Its end may come with what it has said.
    const [message, ended] = [once(sleeper, 'message'), once(sleeper, 'exit')]
    // It announces itself before it sleeps, so that to wake it may come too early.
    for (let woken = 0; woken < 2; woken += two.notify(other, 1)) {
      await until(() => two.loadUint32(other + 8) > woken, [sleeper])
    }
    assert.deepEqual(await message, [['ok', 'ok']])
    await ended
    one.destroy()
    two.destroy()
    file.close()
    assert.equal(machine.usage().framesFree, machine.usage().framesTotal)
    machine.detach()
  })
})

describe('words and bytes', () => {
  it('of every kind are read as they were written', () => {
    withSpace((space) => {
      const base = space.mmap(2 * PAGE)
      // Also across the end of a page.
      for (const at of [base + 1, base + PAGE - 3]) {
        space.writeInt8(at, -128)
        assert.equal(space.readInt8(at), -128)
        space.writeInt16(at, -2)
        assert.deepEqual([space.readInt16(at), space.readUint16(at)], [-2, 0xfffe])
        space.writeInt32(at, -(2 ** 31))
        assert.deepEqual([space.readInt32(at), space.readUint32(at)], [-(2 ** 31), 2 ** 31])
        space.writeBigInt64(at, -1n)
        assert.deepEqual([space.readBigInt64(at), space.readBigUint64(at)], [-1n, 2n ** 64n - 1n])
        space.writeFloat32(at, 1.1)
        assert.equal(space.readFloat32(at), Math.fround(1.1))
        space.writeFloat32(at, NaN)
        assert.ok(Number.isNaN(space.readFloat32(at)))
      }
      for (const [call, as] of [
        [() => space.writeInt8(base, 128), 'RangeError ERR_OUT_OF_RANGE'],
        [() => space.writeInt32(base, 2 ** 31), 'RangeError ERR_OUT_OF_RANGE'],
        [() => space.writeBigInt64(base, 2n ** 63n), 'RangeError ERR_OUT_OF_RANGE'],
        [() => space.writeFloat32(base, '1' as never), 'TypeError ERR_INVALID_ARG_TYPE'],
      ] as [() => unknown, string][])
        assert.equal(codeOf(call), as)
    })
  })

  it('are written from views of any kind, and read into them', () => {
    withSpace((space) => {
      const base = space.mmap(2 * PAGE) + PAGE - 12
      const views = [
        new Float64Array([1.5, -2]),
        new BigInt64Array([-5n, 6n]),
        new Int16Array([1, -2, 3]),
        Uint8ClampedArray.of(1, 2, 3),
      ]
      for (const view of views) {
        space.write(base, view)
        const back = new (view.constructor as new (length: number) => typeof view)(view.length)
        space.readInto(base, back)
        assert.deepEqual(back, view)
      }
      const buffer = new ArrayBuffer(16)
      new DataView(buffer).setUint32(8, 0x01020304)
      space.write(base, new DataView(buffer, 8, 4))
      assert.deepEqual([...space.read(base, 5)], [1, 2, 3, 4, 3])
      space.readInto(base + 1, new DataView(buffer, 4, 2))
      assert.deepEqual([...new Uint8Array(buffer, 3, 4)], [0, 2, 3, 0])
      for (const fake of [buffer, [1], 'text', Object.create(DataView.prototype)])
        assert.equal(
          codeOf(() => space.write(base, fake as never)),
          'TypeError ERR_INVALID_ARG_TYPE',
        )
    })
  })

  it('are compared, searched and moved, across the parts in which that is done', () => {
    withSpace((space) => {
      const length = 200_000
      const base = space.mmap(256 * PAGE)
      const bytes = Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 0x7f)
      const like = new Uint8Array(256 * PAGE)
      const load = (): void => {
        like.fill(0)
        like.set(bytes)
        space.write(base, like)
      }
      load()
      for (const [target, source] of [
        [base + 100, base],
        [base, base + 100],
        [base + 70_000, base + 1],
        [base + 3, base + 3],
      ] as const) {
        space.copyWithin(target, source, length)
        like.copyWithin(target - base, source - base, source - base + length)
        assert.equal(Buffer.compare(space.read(base, like.length), like), 0)
      }
      load()
      const needle = Uint8Array.of(200, 201, 202)
      assert.equal(space.indexOf(base, length, needle), -1)
      for (const at of [0, 65_534, 65_536, length - 3]) {
        load()
        space.write(base + at, needle)
        assert.equal(space.indexOf(base, length, needle), base + at)
        assert.equal(space.indexOf(base, length, 200), base + at)
        assert.equal(space.indexOf(base, at + 2, needle), -1)
        assert.equal(space.indexOf(base, at, 200), -1)
      }
      assert.equal(space.indexOf(base, 10, new Uint8Array(0)), base)
      load()
      space.copyWithin(base + length, base, length)
      assert.equal(space.compare(base, base + length, length), 0)
      space.writeUint8(base + length + 65_537, 255)
      assert.equal(space.compare(base, base + length, length), -1)
      assert.equal(space.compare(base + length, base, length), 1)
      assert.equal(space.compare(base + length, base, 65_537), 0)
    })
  })
})
