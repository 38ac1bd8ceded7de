// What may only be executed, on a machine with protection keys: it is not data for the program, whoever asks.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Machine } from '../../src/memory.ts'
import { PAGE, at, designNames, failsWith, faults, mapAt, shape, withSpace } from './support.ts'

const config = { X86_INTEL_MEMORY_PROTECTION_KEYS: true }
const BASE = at(0)

describe('memory that may only be executed', () => {
  test('can be read unless the machine was made with protection keys', () => {
    const machine = Machine.create({ memory: '16MiB', cpus: 1 })
    assert.equal(machine.config.X86_INTEL_MEMORY_PROTECTION_KEYS, false)
    machine.detach()
    withSpace((space) => {
      mapAt(space, 0, 1, { protection: 'x' })
      assert.equal(space.readUint8(at(0)), 0)
    })
  })

  for (const design of designNames) {
    test(`is no data: ${design}`, () => {
      withSpace(
        (space) => {
          mapAt(space, 0, 4)
          space.fill(at(0), 4 * PAGE, 7)
          space.mprotect(at(1), 2 * PAGE, 'x')
          assert.deepEqual(shape(space, BASE), ['0-1 rw', '1-3 x', '3-4 rw'])
          faults('SEGV_PKUERR', at(1), 'r', () => space.readUint8(at(1)))
          faults('SEGV_PKUERR', at(1), 'w', () => space.writeUint8(at(1), 1))
          faults('SEGV_PKUERR', at(1), 'w', () => space.addUint32(at(1), 1))
          faults('SEGV_PKUERR', at(1), 'r', () => space.read(at(0), 4 * PAGE))
          faults('SEGV_PKUERR', at(1), 'r', () => space.readUint32(at(0, PAGE - 2)))
          faults('SEGV_PKUERR', at(1), 'r', () => space.withRange(at(0), 2 * PAGE, 'r', () => assert.fail()))
          faults('SEGV_PKUERR', at(2), 'w', () => space.withRange(at(2), 1, 'rw', () => assert.fail()))
          space.touch(at(1), 'x')
          const child = space.fork()
          for (const each of [child, space]) {
            faults('SEGV_PKUERR', at(2), 'r', () => each.readUint8(at(2)))
            each.mprotect(at(2), PAGE, 'r')
            assert.equal(each.readUint8(at(2)), 7)
          }
          child.destroy()
        },
        { design, config },
      )
    })
  }

  test('is not brought in as data: populate, mlock and advice', () => {
    withSpace(
      (space) => {
        mapAt(space, 0, 1, { protection: 'x', populate: true })
        mapAt(space, 2, 1, { protection: 'x', locked: true })
        mapAt(space, 4, 1, { protection: 'x' })
        mapAt(space, 6, 1)
        failsWith('ENOMEM', () => space.mlock(at(4), PAGE))
        space.mlockall({ current: true })
        failsWith('EINVAL', () => space.madvise(at(4), PAGE, 'populate-read'))
        failsWith('EINVAL', () => space.madvise(at(4), PAGE, 'populate-write'))
        const resident = [0, 2, 4, 6].map((page) => space.residentPages(at(page), PAGE)[0])
        assert.deepEqual(resident, [false, false, false, true])
        assert.equal(space.mapped.locked, 4 * PAGE)
        // Locked all the same: what an instruction fetch brings in, stays.
        space.touch(at(4), 'x')
        failsWith('ENOMEM', () => space.mlock(at(4), PAGE))
        failsWith('EINVAL', () => space.madvise(at(4), PAGE, 'dontneed'))
      },
      { config },
    )
  })

  test('can be read by a device, which has no protection keys', () => {
    for (const design of designNames) {
      withSpace(
        (space) => {
          mapAt(space, 0, 2)
          space.writeUint32(at(0), 42)
          space.mprotect(at(0), 2 * PAGE, 'x')
          const notifier = space.registerNotifier()
          assert.equal(notifier.readUint32(at(0)), 42)
          assert.equal(notifier.readUint32(at(1)), 0)
          faults('SEGV_ACCERR', at(0), 'w', () => notifier.writeUint32(at(0), 1))
          faults('SEGV_PKUERR', at(1), 'r', () => space.readUint8(at(1)))
          notifier.unregister()
        },
        { design, config },
      )
    }
  })
})
