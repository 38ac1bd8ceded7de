// Memory as arrays: withRange and withPages.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { type AddressSpace, Machine, RangeMisuse } from '../../src/memory.ts'
import { PAGE, configurations, failsWith, faults, inUse, withSpace } from './support.ts'

/** An error with that class and code, which names the argument. */
function refuses(
  kind: typeof TypeError | typeof RangeError,
  code: string,
  message: RegExp,
  call: () => unknown,
): void {
  assert.throws(call, (error: unknown) => {
    assert.ok(error instanceof kind)
    assert.equal((error as { code?: unknown }).code, code)
    assert.match(error.message, message)
    return true
  })
}

/**
 * (module
 *   (import "machine" "memory" (memory 0 65536 shared))
 *   (func (export "sumAndSet") (param i32 i32) (result i32) (local i32)
 *     (loop
 *       (local.set 2 (i32.add (local.get 2) (i32.load8_u (local.get 0))))
 *       (i32.store8 (local.get 0) (i32.const 7))
 *       (local.set 0 (i32.add (local.get 0) (i32.const 1)))
 *       (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
 *     (local.get 2)))
 */
const sumAndSet = Buffer.from(
  '0061736d0100000001070160027f7f017f021601076d616368696e65066d656d6f727902030080800403020100070d010973756d416e6453657400000a2c012a01017f0340200220002d00006a2102200041073a0000200041016a2100200141016b22010d000b20020b',
  'hex',
)

/** Every page of the range, as the program reads it. */
function textOf(space: AddressSpace, address: number, length: number): string {
  return Buffer.from(space.read(address, length)).toString('latin1')
}

describe('withRange', () => {
  for (const configuration of configurations) {
    it(`hands out the memory itself: ${configuration.design}, ${configuration.rwsem}`, () => {
      withSpace((space) => {
        const base = space.mmap(4 * PAGE)
        space.writeUint32(base + 100, 7)
        const sum = space.withRange(base + 96, 32, 'rw', (bytes, view) => {
          assert.equal(bytes.length, 32)
          assert.equal(view.getUint32(4, true), 7)
          view.setUint32(8, 9, true)
          // The program sees it at once, and the range what the program writes.
          assert.equal(space.readUint32(base + 104), 9)
          space.writeUint8(base + 127, 5)
          return bytes[31]! + Atomics.add(new Int32Array(bytes.buffer, bytes.byteOffset, 8), 2, 1)
        })
        assert.equal(sum, 14)
        assert.equal(space.readUint32(base + 104), 10)
        assert.equal(
          space.withRange(base + PAGE, 4, 'r', (bytes) => bytes[0]),
          0,
        )
        // It was the page that is written now, and no page of zeros.
        assert.deepEqual(space.rss, { anonymous: 2, file: 0 })
      }, configuration)
    })
  }

  it('is where a module of WebAssembly works that imports the memory of the machine', () => {
    const machine = Machine.create({ memory: '1MiB', cpus: 1 })
    const space = machine.createAddressSpace()
    const base = space.mmap(4 * PAGE, { contiguous: true })
    space.fill(base, 4 * PAGE, 3)
    using before = space.snapshot()
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(sumAndSet), {
      machine: { memory: machine.handle.memory },
    })
    const sum = exports['sumAndSet'] as (address: number, length: number) => number
    assert.equal(
      space.withRange(base + 1, 3 * PAGE, 'rw', ({ byteOffset, length }) => sum(byteOffset, length)),
      9 * PAGE,
    )
    const contents = (bytes: Uint8Array): string => bytes.join('')
    assert.equal(contents(space.read(base, 4 * PAGE)), `3${'7'.repeat(3 * PAGE)}${'3'.repeat(PAGE - 1)}`)
    assert.equal(contents(before.read(base, 4 * PAGE)), '3'.repeat(4 * PAGE))
    space.destroy()
    machine.detach()
  })

  it('reads what is mapped for reading, and is refused what is not', () => {
    withSpace((space) => {
      const base = space.mmap(PAGE, { protection: 'r' })
      assert.equal(
        space.withRange(base, PAGE, 'r', (bytes) => bytes.every((byte) => byte === 0)),
        true,
      )
      faults('SEGV_ACCERR', base, 'w', () => space.withRange(base + 8, 8, 'rw', () => 1))
      faults('SEGV_MAPERR', base + PAGE, 'r', () => space.withPages(base + PAGE, 8, 'r', () => {}))
      faults('SEGV_MAPERR', -1, 'r', () => space.withRange(-1, 8, 'r', () => 1))
    })
  })

  it('has each side of a fork see its own', () => {
    withSpace((space, machine) => {
      const before = inUse(machine)
      const base = space.mmap(PAGE)
      space.write(base, Buffer.from('before'))
      const child = space.fork()
      space.withRange(base, 6, 'rw', (bytes) => bytes.set(Buffer.from('parent')))
      child.withRange(base, 6, 'r', (bytes) => {
        // A page that was only read is not shared any more.
        child.write(base, Buffer.from('child!'))
        assert.equal(Buffer.from(bytes).toString(), 'child!')
      })
      assert.deepEqual([textOf(space, base, 6), textOf(child, base, 6)], ['parent', 'child!'])
      child.destroy()
      space.munmap(base, PAGE)
      assert.deepEqual(inUse(machine), before)
    })
  })

  it('keeps its page through a fork in the middle, which gets a copy', () => {
    withSpace((space) => {
      const base = space.mmap(2 * PAGE)
      space.write(base, Buffer.from('before'))
      const child = space.withRange(base, 6, 'rw', (bytes) => {
        const copy = space.fork()
        bytes.set(Buffer.from('after!'))
        return copy
      })
      assert.deepEqual([textOf(space, base, 6), textOf(child, base, 6)], ['after!', 'before'])
      child.destroy()
    })
  })

  it('lets go what its function unmaps, discards, or leaves by an error', () => {
    withSpace((space, machine) => {
      const before = inUse(machine)
      const base = space.mmap(2 * PAGE)
      space.writeUint8(base, 3)
      space.withRange(base, PAGE, 'rw', (bytes) => {
        space.madvise(base, PAGE, 'dontneed')
        assert.equal(space.readUint8(base), 0)
        assert.equal(bytes[0], 3)
        bytes[0] = 4
        assert.equal(space.readUint8(base), 0)
        space.munmap(base, 2 * PAGE)
        assert.equal(bytes[0], 4)
      })
      const again = space.mmap(PAGE)
      const failure = new Error('of the function')
      assert.throws(
        () =>
          space.withRange(again, 1, 'rw', () => {
            throw failure
          }),
        failure,
      )
      space.munmap(again, PAGE)
      assert.deepEqual(inUse(machine), before)
    })
  })

  it('may be called within itself, 64 deep', () => {
    withSpace((space, machine) => {
      const base = space.mmap(PAGE)
      let deepest = 0
      const descend = (depth: number): void => {
        deepest = Math.max(deepest, depth)
        space.withRange(base, 4, 'rw', () => descend(depth + 1))
      }
      failsWith('EAGAIN', () => descend(0))
      assert.equal(deepest, 64)
      space.munmap(base, PAGE)
      assert.equal(machine.usage().framesFree, machine.usage().framesTotal)
    })
  })

  it('leaves nothing behind where its function detaches the thread', () => {
    const machine = Machine.create({ memory: '1MiB', cpus: 2 })
    const space = machine.createAddressSpace()
    const base = space.mmap(PAGE)
    const { handle } = machine
    space.withRange(base, 4, 'rw', () => machine.detach())
    const again = Machine.attach(handle)
    assert.equal(again.usage().framesFree, again.usage().framesTotal - 1)
    again.detach()
  })

  it('is no reason for truncation to wait, and makes pages of files dirty', () => {
    withSpace((space, machine) => {
      const file = machine.createFile({ size: 2 * PAGE })
      const base = space.mmap(2 * PAGE, { file, shared: true })
      space.withRange(base + PAGE, 8, 'rw', (bytes) => {
        bytes[0] = 1
        file.truncate(PAGE)
        bytes[0] = 2
      })
      file.truncate(2 * PAGE)
      assert.equal(space.readUint8(base + PAGE), 0)
      space.withRange(base, 8, 'rw', (bytes) => (bytes[0] = 9))
      assert.equal(file.read(0, 1)[0], 9)
      space.munmap(base, 2 * PAGE)
      file.close()
    })
  })

  for (const design of ['classic', 'kamezawa-2009-version', 'per-vma-refcount-2025']) {
    it(`moves pages whose frames lie apart: ${design}`, () => {
      withSpace(
        (space, machine) => {
          const before = inUse(machine)
          const pages = 20
          const base = space.mmap(pages * PAGE)
          for (let page = pages - 1; page > 0; page--) space.writeUint32(base + page * PAGE, page)
          const child = space.fork()
          const contents = (view: DataView): number[] =>
            Array.from({ length: pages }, (_, page) => view.getUint32(page * PAGE, true))
          const expected = Array.from({ length: pages }, (_, page) => page)
          space.withRange(base, pages * PAGE, 'rw', (bytes, view) => {
            assert.deepEqual(contents(view), expected)
            bytes.fill(1)
            assert.equal(space.readUint32(base + 5 * PAGE), 0x01010101)
          })
          child.withRange(base, pages * PAGE, 'r', (_, view) => assert.deepEqual(contents(view), expected))
          assert.equal(space.readUint32(base + 6 * PAGE), 0x01010101)
          child.destroy()
          space.munmap(base, pages * PAGE)
          assert.deepEqual(inUse(machine), before)
        },
        { design },
      )
    })
  }

  it('finds a run among frames that were used before', () => {
    withSpace(
      (space, machine) => {
        const { framesTotal } = machine.usage()
        // Every frame has been used, and every other one is free again.
        const base = space.mmap(framesTotal * PAGE, { populate: true })
        for (let page = 0; page < framesTotal; page += 2) space.madvise(base + page * PAGE, PAGE, 'dontneed')
        failsWith('ENOMEM', () => space.mmap(8 * PAGE, { contiguous: true }))
        space.madvise(base, framesTotal * PAGE, 'dontneed')
        const run = space.mmap(100 * PAGE, { contiguous: true })
        assert.equal(space.rss.anonymous, 100)
        space.withRange(run, 100 * PAGE, 'rw', (bytes) => bytes.fill(3))
        assert.equal(space.readUint8(run + 100 * PAGE - 1), 3)
      },
      { memory: '1MiB' },
    )
  })

  it('moves no page that is not of private anonymous memory, nor one that is pinned', () => {
    withSpace((space, machine) => {
      const file = machine.createFile({ size: 4 * PAGE })
      const base = space.mmap(4 * PAGE, { file, shared: true })
      for (const page of [0, 2, 1, 3]) space.writeUint8(base + page * PAGE, page)
      failsWith('EINVAL', () => space.withRange(base, 4 * PAGE, 'r', () => 1))
      failsWith('EINVAL', () => space.mmap(4 * PAGE, { shared: true, contiguous: true }))
      file.close()
      const own = space.mmap(4 * PAGE)
      for (const page of [0, 2, 1, 3]) space.writeUint8(own + page * PAGE, page)
      space.withRange(own + PAGE, 1, 'r', () =>
        failsWith('EBUSY', () => space.withRange(own, 4 * PAGE, 'r', () => 1)),
      )
      assert.equal(
        space.withRange(own, 4 * PAGE, 'r', (bytes) => bytes[3 * PAGE]),
        3,
      )
    })
  })

  it('checks what it is given', () => {
    withSpace((space) => {
      const base = space.mmap(PAGE)
      const use = (): number => 1
      const bad = (...given: unknown[]) =>
        (space.withRange as (...args: unknown[]) => unknown).apply(space, given)
      refuses(TypeError, 'ERR_INVALID_ARG_TYPE', /^address: '1' /, () => bad('1', 1, 'r', use))
      refuses(RangeError, 'ERR_OUT_OF_RANGE', /^length: 0 is not a whole number/, () =>
        bad(base, 0, 'r', use),
      )
      refuses(RangeError, 'ERR_INVALID_ARG_VALUE', /^access: 'w' is not one of 'r', 'rw'/, () =>
        bad(base, 1, 'w', use),
      )
      refuses(TypeError, 'ERR_INVALID_ARG_TYPE', /^use: undefined is not a function/, () => bad(base, 1, 'r'))
    })
  })
})

describe('withPages', () => {
  it('hands out all of a range, in order, of frames that lie anywhere', () => {
    withSpace((space, machine) => {
      const pages = 12
      const base = space.mmap(pages * PAGE)
      // From the last to the first, so that no two frames follow each other.
      for (let page = pages - 1; page >= 0; page--) space.writeUint8(base + page * PAGE, page)
      const seen: number[] = []
      let next = 0
      space.withPages(base + 10, (pages - 1) * PAGE, 'rw', (bytes, view, offset) => {
        assert.equal(offset, next)
        assert.equal(view.byteLength, bytes.length)
        next += bytes.length
        bytes.fill(offset / 16)
        seen.push(bytes.length)
      })
      assert.equal(next, (pages - 1) * PAGE)
      assert.ok(seen.length > 1)
      assert.equal(space.readUint8(base + 9), 0)
      assert.equal(space.readUint8(base + 10), 0)
      assert.equal(space.readUint8(base + PAGE), ((PAGE - 10) / 16) & 0xff)
      assert.ok(machine.usage().framesFree > 0)
    })
  })
})

describe('a machine with checkRanges', () => {
  it('takes back what it has handed out', () => {
    withSpace(
      (space) => {
        const base = space.mmap(PAGE)
        let kept: Uint8Array | undefined
        let view: DataView | undefined
        space.withRange(base, 4, 'rw', (bytes, given) => {
          kept = bytes
          view = given
          bytes[1] = 5
        })
        assert.deepEqual([...space.read(base, 4)], [0, 5, 0, 0])
        assert.equal(kept!.length, 0)
        assert.throws(() => view!.getUint8(0), TypeError)
        assert.throws(() => space.withRange(base, 4, 'r', (bytes) => (bytes[2] = 1)), RangeMisuse)
        assert.deepEqual([...space.read(base, 4)], [0, 5, 0, 0])
        assert.throws(() => space.withRange(base, 4, 'r', async () => 1), RangeMisuse)
        const ofAnother = runInNewContext('async () => 1') as () => Promise<number>
        assert.throws(() => space.withRange(base, 4, 'r', ofAnother), RangeMisuse)
      },
      { checkRanges: true },
    )
  })
})

describe('a thread that is terminated in a range', () => {
  it('gives back what it had pinned', async () => {
    const machine = Machine.create({ memory: '1MiB', cpus: 2 })
    const space = machine.createAddressSpace()
    const base = space.mmap(PAGE)
    const code = `
      const { parentPort, workerData } = require('node:worker_threads')
      import(workerData.library).then(({ AddressSpace }) => {
        AddressSpace.attach(workerData.handle).withRange(workerData.base, 4, 'rw', (bytes) => {
          bytes[0] = 6
          parentPort.postMessage('pinned')
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
        })
      })`
    const library = new URL('../../src/memory.ts', import.meta.url).href
    const worker = new Worker(code, { eval: true, workerData: { library, handle: space.handle, base } })
    await once(worker, 'message')
    space.munmap(base, PAGE)
    assert.equal(machine.usage().framesFree, machine.usage().framesTotal - 1)
    await worker.terminate()
    assert.equal(machine.usage().framesFree, machine.usage().framesTotal)
    space.destroy()
    machine.detach()
  })
})

describe('a range beside reclaim', () => {
  it('keeps its frame, and all others may leave', async (context) => {
    const { mkdtempSync, rmSync } = await import('node:fs')
    const { tmpdir } = await import('node:os')
    const { join } = await import('node:path')
    const folder = mkdtempSync(join(tmpdir(), 'faultline-ranges-'))
    context.after(() => rmSync(folder, { recursive: true }))
    const swap = { path: join(folder, 'swap'), size: '4MiB' }
    withSpace(
      (space) => {
        const pages = 400
        const base = space.mmap(pages * PAGE)
        space.withRange(base, 8, 'rw', (_, view) => {
          for (let page = 1; page < pages; page++) space.writeUint32(base + page * PAGE, page)
          view.setUint32(0, 77, true)
          assert.equal(space.readUint32(base), 77)
        })
        for (let page = 1; page < pages; page++) assert.equal(space.readUint32(base + page * PAGE), page)
        assert.equal(space.readUint32(base), 77)
      },
      { memory: '1MiB', swap },
    )
  })
})
