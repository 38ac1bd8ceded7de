// MMU notifiers: what a secondary MMU reads and writes is what the program would, whatever happens to the translations.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import {
  type AddressSpace,
  Machine,
  MemoryError,
  type MmuNotifier,
  SegmentationFault,
} from '../../src/memory.ts'
import type { ChangeData } from './notifier-worker.ts'
import {
  PAGE,
  at,
  busError,
  configurations,
  failsWith,
  faults,
  inUse,
  mapAt,
  until,
  withSpace,
} from './support.ts'

for (const configuration of configurations) {
  describe(`observers: ${configuration.design}, ${configuration.rwsem}`, () => {
    const withNotifier = (body: (space: AddressSpace, notifier: MmuNotifier) => void): void => {
      withSpace((space) => {
        mapAt(space, 0, 4)
        const notifier = space.registerNotifier()
        body(space, notifier)
        notifier.unregister()
      }, configuration)
    }

    test('reads what the program writes, and is told when a page is copied', () => {
      withNotifier((space, notifier) => {
        assert.equal(space.readUint32(at(0)), 0)
        assert.equal(notifier.readUint32(at(0)), 0)
        const { sequence } = notifier
        space.writeUint32(at(0), 42)
        assert.equal(notifier.sequence, sequence + 1)
        assert.equal(notifier.readUint32(at(0)), 42)
        space.writeUint32(at(0), 43)
        assert.equal(notifier.readUint32(at(0)), 43)
        assert.equal(notifier.sequence, sequence + 1)
        assert.equal(notifier.invalidating(at(0)), false)
      })
    })

    test('writes what the program reads, also to pages that were not there', () => {
      withNotifier((space, notifier) => {
        notifier.writeUint32(at(1, 8), 0xffff_ffff)
        assert.equal(space.readUint32(at(1, 8)), 0xffff_ffff)
        assert.equal(space.readUint32(at(2)), 0)
        notifier.writeUint32(at(2), 5)
        assert.equal(space.readUint32(at(2)), 5)
      })
    })

    test('follows munmap, mprotect, madvise and mremap', () => {
      withNotifier((space, notifier) => {
        for (const page of [0, 1, 2, 3]) notifier.writeUint32(at(page), 10 + page)
        space.munmap(at(0), PAGE)
        faults('SEGV_MAPERR', at(0), 'r', () => notifier.readUint32(at(0)))
        space.mprotect(at(1), PAGE, 'r')
        assert.equal(notifier.readUint32(at(1)), 11)
        faults('SEGV_ACCERR', at(1), 'w', () => notifier.writeUint32(at(1), 1))
        space.mprotect(at(1), PAGE, 'none')
        faults('SEGV_ACCERR', at(1), 'r', () => notifier.readUint32(at(1)))
        space.madvise(at(2), PAGE, 'dontneed')
        assert.equal(notifier.readUint32(at(2)), 0)
        space.mremap(at(3), PAGE, PAGE, { mayMove: true, fixed: at(9) })
        assert.equal(notifier.readUint32(at(9)), 13)
        faults('SEGV_MAPERR', at(3), 'r', () => notifier.readUint32(at(3)))
      })
    })

    test('does not write to the pages of a child, which inherits no observer', () => {
      withNotifier((space, notifier) => {
        notifier.writeUint32(at(0), 1)
        const child = space.fork()
        notifier.writeUint32(at(0), 2)
        assert.deepEqual([space.readUint32(at(0)), child.readUint32(at(0))], [2, 1])
        const { sequence } = notifier
        child.munmap(at(0), PAGE)
        assert.equal(notifier.sequence, sequence)
        child.destroy()
      })
    })

    test('there may be several; what one is told, the other is', () => {
      withNotifier((space, first) => {
        const second = space.registerNotifier()
        first.writeUint32(at(0), 1)
        assert.equal(second.readUint32(at(0)), 1)
        first.unregister()
        space.munmap(at(0), PAGE)
        faults('SEGV_MAPERR', at(0), 'r', () => second.readUint32(at(0)))
        second.unregister()
      })
    })
  })
}

/** One of each kind of speculation: they differ in how they keep an observer from coming in the middle of a copy. */
const watched = [
  'classic',
  'kamezawa-2009-refcount',
  'dufour-2019',
  'lespinasse-2021',
  'lespinasse-2022',
  'per-vma-refcount-2025',
]

for (const design of watched) {
  test(`an observer never reads a stale page: ${design}`, async () => {
    const { kept, seen } = await watchChanges(design)
    assert.ok(kept > 0 && seen > 10, `${kept} values read, ${seen} of them different`)
  })
}

/** Three threads change translations, and this one reads through an observer that it registers again and again. */
async function watchChanges(design: string): Promise<{ kept: number; seen: number }> {
  const machine = Machine.create({ memory: '16MiB', cpus: 4, config: { SLUB_DEBUG: true }, design })
  const before = inUse(machine)
  const space = machine.createAddressSpace()
  mapAt(space, 0, 3)
  const control = new Int32Array(new SharedArrayBuffer(64))
  const rounds = 150
  const kinds = ['copy', 'unmap', 'discard'] as const
  const workers = kinds.map((kind, word) => {
    const tag = (word + 1) * 0x100_0000
    space.writeUint32(at(word), tag)
    const workerData: ChangeData = {
      handle: space.handle,
      kind,
      address: at(word),
      rounds,
      tag,
      word,
      control,
    }
    return new Worker(new URL('./notifier-worker.ts', import.meta.url), { workerData })
  })
  const exits = workers.map((worker) => once(worker, 'exit'))
  let kept = 0
  const values = new Set<number>()
  const underWay = (): boolean =>
    kinds.some((_, word) => (control[word]! >= 0 ? control[word]! < rounds : false))
  const watch = (): void => {
    const notifier = space.registerNotifier()
    for (let read = 0; read < 30; read++) {
      for (const [word, kind] of kinds.entries()) {
        const from = Atomics.load(control, word)
        const value = readOrNull(notifier, at(word))
        const to = Atomics.load(control, word)
        const tag = (word + 1) * 0x100_0000
        if (value === null || value === 0) {
          // A copy takes nothing away, not even for a moment.
          assert.notEqual(kind, 'copy')
          continue
        }
        const round = value - tag
        // What was written when the read began is gone when a later value was: the page is never an older one.
        assert.ok(
          round >= Math.max(from, 0) && (to < 0 || round <= to + 1),
          `${kind}: ${round}, ${from} to ${to}`,
        )
        values.add(value)
        kept++
      }
    }
    notifier.unregister()
  }
  await until(() => {
    if (!underWay()) return true
    watch()
    return false
  }, workers)
  await Promise.all(exits)
  watch()
  space.destroy()
  assert.deepEqual(inUse(machine), before)
  machine.detach()
  return { kept, seen: values.size }
}

function readOrNull(notifier: MmuNotifier, address: number): number | null {
  try {
    return notifier.readUint32(address)
  } catch (error) {
    if (error instanceof SegmentationFault) return null
    throw error
  }
}

describe('observers of pages that leave memory', () => {
  test('swap: more pages than there are frames, written and read through the observer', () => {
    const folder = mkdtempSync(join(tmpdir(), 'faultline-notifier-'))
    const machine = Machine.create({
      memory: '512KiB',
      cpus: 1,
      swap: { path: join(folder, 'swap'), size: '8MiB' },
      config: { SLUB_DEBUG: true },
    })
    const space = machine.createAddressSpace()
    const pages = 600
    mapAt(space, 0, pages)
    const notifier = space.registerNotifier()
    for (let page = 0; page < pages; page++) notifier.writeUint32(at(page), page + 1)
    for (let page = 0; page < pages; page++) {
      assert.equal(notifier.readUint32(at(page)), page + 1)
      // The program changes every third, and the observer every fifth.
      if (page % 3 === 0) space.writeUint32(at(page), page + 1000)
      if (page % 5 === 0) notifier.writeUint32(at(page), page + 2000)
    }
    for (let page = 0; page < pages; page++) {
      const expected = page % 5 === 0 ? page + 2000 : page % 3 === 0 ? page + 1000 : page + 1
      assert.deepEqual([space.readUint32(at(page)), notifier.readUint32(at(page))], [expected, expected])
    }
    // The program alone goes on, until what the observer has translated last is somebody else's frame.
    const last = pages - 1
    for (let round = 0; round < 3; round++) {
      notifier.writeUint32(at(last), round)
      for (let page = 0; page < last; page++) space.writeUint32(at(page), 0x5555)
      assert.equal(notifier.readUint32(at(last)), round)
    }
    assert.ok(notifier.sequence > 0)
    space.destroy()
    machine.detach()
    rmSync(folder, { recursive: true })
  })

  test('a file that is made shorter', () => {
    withSpace((space, machine) => {
      const file = machine.createFile({ size: 3 * PAGE, contents: Uint8Array.of(1, 2, 3) })
      const address = space.mmap(3 * PAGE, { file, shared: true })
      const notifier = space.registerNotifier()
      notifier.writeUint32(address + 2 * PAGE, 7)
      assert.equal(notifier.readUint32(address), 0x30201)
      file.truncate(PAGE)
      busError(address + 2 * PAGE, () => notifier.readUint32(address + 2 * PAGE))
      assert.equal(notifier.readUint32(address), 0x30201)
      notifier.unregister()
      file.close()
    })
  })
})

describe('observers', () => {
  test('an address that is none, and one that is not a multiple of four', () => {
    withSpace((space) => {
      const notifier = space.registerNotifier()
      assert.throws(() => notifier.readUint32(Number.NaN), TypeError)
      assert.throws(() => notifier.readUint32('0' as unknown as number), TypeError)
      assert.throws(() => notifier.readUint32(at(0, 2)), RangeError)
      assert.throws(() => notifier.writeUint32(at(0, 1), 1), RangeError)
      faults('SEGV_MAPERR', -4, 'r', () => notifier.readUint32(-4))
      faults('SEGV_MAPERR', 2 ** 43, 'w', () => notifier.writeUint32(2 ** 43, 1))
      assert.throws(() => notifier.invalidating(2 ** 50), SegmentationFault)
      notifier.unregister()
    })
  })

  test('one that is unregistered, and one whose address space is gone', () => {
    const machine = Machine.create({ memory: '16MiB', cpus: 1 })
    const space = machine.createAddressSpace()
    mapAt(space, 0, 1)
    const [first, second] = [space.registerNotifier(), space.registerNotifier()]
    assert.equal(machine.usage().mmuNotifiers, 2)
    first.unregister()
    first.unregister()
    failsWith('ESRCH', () => first.readUint32(at(0)))
    failsWith('ESRCH', () => first.sequence)
    failsWith('ESRCH', () => first.invalidating(at(0)))
    // At the same place of the heap, and still another one.
    const third = space.registerNotifier()
    failsWith('ESRCH', () => first.writeUint32(at(0), 1))
    assert.equal(third.readUint32(at(0)), 0)
    space.destroy()
    failsWith('ESRCH', () => second.readUint32(at(0)))
    second.unregister()
    assert.throws(() => space.registerNotifier(), MemoryError)
    assert.equal(machine.usage().mmuNotifiers, 0)
    machine.detach()
  })

  test('more than the kernel heap has room for', () => {
    const machine = Machine.create({ memory: '64KiB', cpus: 1, kernelHeap: '384KiB' })
    const space = machine.createAddressSpace()
    const all: MmuNotifier[] = []
    failsWith('ENOMEM', () => {
      for (;;) all.push(space.registerNotifier())
    })
    assert.ok(all.length > 10)
    for (const notifier of all) notifier.unregister()
    assert.equal(machine.usage().mmuNotifiers, 0)
    space.registerNotifier().unregister()
    machine.detach()
  })
})
