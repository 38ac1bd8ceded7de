// What the OOM reaper takes, what it leaves, and what an access finds then.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PAGE, at, busError, configurations, faults, mapAt, withSpace } from './support.ts'

for (const configuration of configurations) {
  describe(`reaping: ${configuration.design}, ${configuration.rwsem}`, () => {
    test('takes private pages and their frames; an access there is a bus error, and never reads zeros', () => {
      withSpace((space, machine) => {
        mapAt(space, 0, 8)
        for (let page = 0; page < 4; page++) space.writeUint32(at(page), page + 1)
        assert.equal(space.readUint32(at(4)), 0)
        const free = machine.usage().framesFree
        assert.equal(space.reap(), true)
        assert.equal(machine.usage().framesFree, free + 4)
        assert.equal(space.rss.anonymous, 0)
        for (let page = 0; page < 8; page++) busError(at(page), () => space.readUint32(at(page)))
        busError(at(0), () => space.writeUint32(at(0), 1))
        faults('SEGV_MAPERR', at(9), 'r', () => space.readUint32(at(9)))
        assert.equal(space.reap(), true)
      }, configuration)
    })

    test('takes pages that are locked in memory', () => {
      withSpace((space) => {
        mapAt(space, 0, 1)
        space.writeUint32(at(0), 7)
        space.mlock(at(0), PAGE)
        space.reap()
        busError(at(0), () => space.readUint32(at(0)))
      }, configuration)
    })

    test('leaves shared memory, and what a child has', () => {
      withSpace((space) => {
        mapAt(space, 0, 1)
        mapAt(space, 2, 1, { shared: true })
        space.writeUint32(at(0), 7)
        space.writeUint32(at(2), 8)
        const child = space.fork()
        space.reap()
        assert.equal(space.readUint32(at(2)), 8)
        busError(at(0), () => space.readUint32(at(0)))
        assert.deepEqual([child.readUint32(at(0)), child.readUint32(at(2))], [7, 8])
        child.writeUint32(at(0), 9)
        assert.equal(child.readUint32(at(0)), 9)
        child.destroy()
      }, configuration)
    })

    test('takes private copies of a file, and leaves the file', () => {
      withSpace((space, machine) => {
        const file = machine.createFile({ size: PAGE, contents: Uint8Array.of(5) })
        const address = space.mmap(PAGE, { file })
        space.writeUint8(address, 6)
        space.reap()
        busError(address, () => space.readUint8(address))
        busError(address, () => space.writeUint8(address, 7))
        assert.deepEqual(file.read(0, 1), Uint8Array.of(5))
        file.close()
      }, configuration)
    })
  })
}
