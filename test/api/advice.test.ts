// What mlock and madvise say about pages, where memory is scarce: what is locked stays, what was given up goes first,
// and nothing that was written since is lost.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { AddressSpace, Machine, MachineOptions } from '../../src/memory.ts'
import { Header } from '../../src/kernel/index.ts'
import { at, configurations, mapAt, PAGE, withSpace } from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-advice-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const FRAMES = 256
const designs = configurations.filter(({ rwsem }) => rwsem === 'xadd')

/** In 256 frames, with four times as much of swap or without any. */
function everywhere(
  name: string,
  swap: boolean,
  body: (space: AddressSpace, machine: Machine) => void,
): void {
  test(name, () => {
    for (const configuration of designs) {
      const options: Partial<MachineOptions> = {
        ...configuration,
        memory: FRAMES * PAGE,
        overcommit: 'always',
      }
      const area = { path: join(folder, `swap-${configuration.design}`), size: 4 * FRAMES * PAGE }
      withSpace(body, swap ? { ...options, swap: area } : options)
    }
  })
}

/** Writes to so many pages from `page` on, each its own value. */
function writeAll(space: AddressSpace, page: number, pages: number): void {
  for (let index = page; index < page + pages; index++) space.writeUint32(at(index, 8), index + 1)
}

function readAll(space: AddressSpace, page: number, pages: number): void {
  for (let index = page; index < page + pages; index++)
    assert.equal(space.readUint32(at(index, 8)), index + 1)
}

function slotsInUse(machine: Machine): number {
  const { heap } = machine.task
  return heap[Header.swapSlots]! - heap[Header.swapFree]!
}

const isResident = (space: AddressSpace, page: number, pages: number): boolean =>
  space.residentPages(at(page), pages * PAGE).every(Boolean)

describe('locked pages', () => {
  everywhere(
    'stay in memory while others leave it, and leave when they are unlocked',
    true,
    (space, machine) => {
      mapAt(space, 0, 40)
      mapAt(space, 100, 3 * FRAMES)
      writeAll(space, 0, 40)
      space.mlock(at(0), 40 * PAGE)
      for (let round = 0; round < 2; round++) {
        writeAll(space, 100, 3 * FRAMES)
        assert.ok(isResident(space, 0, 40))
        const before = machine.counters()['pgfault']
        readAll(space, 0, 40)
        assert.equal(machine.counters()['pgfault'], before)
      }
      space.munlock(at(0), 40 * PAGE)
      for (let round = 0; round < 3; round++) writeAll(space, 100, 3 * FRAMES)
      assert.ok(!isResident(space, 0, 40))
      readAll(space, 0, 40)
      readAll(space, 100, 3 * FRAMES)
    },
  )

  everywhere('are brought back from the swap area when they are locked', true, (space) => {
    mapAt(space, 0, 40)
    mapAt(space, 100, 3 * FRAMES)
    writeAll(space, 0, 40)
    for (let round = 0; round < 3; round++) writeAll(space, 100, 3 * FRAMES)
    assert.ok(!isResident(space, 0, 40))
    space.mlock(at(0), 40 * PAGE)
    assert.ok(isResident(space, 0, 40))
    readAll(space, 0, 40)
  })

  everywhere('of a parent are not locked for its child', true, (space) => {
    mapAt(space, 0, 40)
    writeAll(space, 0, 40)
    space.mlock(at(0), 40 * PAGE)
    const child = space.fork()
    space.munmap(at(0), 40 * PAGE)
    mapAt(space, 100, 3 * FRAMES)
    for (let round = 0; round < 3; round++) writeAll(space, 100, 3 * FRAMES)
    assert.ok(!isResident(child, 0, 40))
    readAll(child, 0, 40)
    child.destroy()
  })

  everywhere('that are more than memory say so', true, (space) => {
    mapAt(space, 0, 2 * FRAMES)
    assert.throws(() => space.mlock(at(0), 2 * FRAMES * PAGE), { errno: 'EAGAIN' })
    space.munlock(at(0), 2 * FRAMES * PAGE)
    writeAll(space, 0, 2 * FRAMES)
    readAll(space, 0, 2 * FRAMES)
  })
})

describe('pages given up by MADV_FREE', () => {
  everywhere('go when memory is needed, also without a swap area', false, (space) => {
    mapAt(space, 0, 150)
    mapAt(space, 200, 200)
    writeAll(space, 0, 150)
    space.madvise(at(0), 150 * PAGE, 'free')
    writeAll(space, 0, 20)
    writeAll(space, 200, 200)
    readAll(space, 0, 20)
    readAll(space, 200, 200)
    for (let page = 20; page < 150; page++) assert.ok([0, page + 1].includes(space.readUint32(at(page, 8))))
  })

  everywhere('are like any others once they are written again', true, (space) => {
    mapAt(space, 0, 40)
    mapAt(space, 100, 3 * FRAMES)
    writeAll(space, 0, 40)
    space.madvise(at(0), 40 * PAGE, 'free')
    writeAll(space, 0, 40)
    for (let round = 0; round < 3; round++) {
      writeAll(space, 100, 3 * FRAMES)
      readAll(space, 0, 40)
    }
  })

  everywhere(
    'give up what they have in the swap area, whether they are in memory or not',
    true,
    (space, machine) => {
      mapAt(space, 0, 100)
      mapAt(space, 200, 2 * FRAMES)
      writeAll(space, 0, 100)
      for (let round = 0; round < 3; round++) writeAll(space, 200, 2 * FRAMES)
      // Some come back, to read only: they have both a frame and a slot.
      readAll(space, 0, 20)
      space.munmap(at(200), 2 * FRAMES * PAGE)
      assert.ok(slotsInUse(machine) > 0)
      space.madvise(at(0), 100 * PAGE, 'free')
      assert.equal(slotsInUse(machine), 0)
      for (let page = 0; page < 100; page++) assert.ok([0, page + 1].includes(space.readUint32(at(page, 8))))
    },
  )

  everywhere('are still there for a child that has them', true, (space) => {
    mapAt(space, 0, 40)
    writeAll(space, 0, 40)
    const child = space.fork()
    space.madvise(at(0), 40 * PAGE, 'free')
    mapAt(space, 100, 3 * FRAMES)
    for (let round = 0; round < 3; round++) {
      writeAll(space, 100, 3 * FRAMES)
      readAll(child, 0, 40)
    }
    child.destroy()
  })
})
