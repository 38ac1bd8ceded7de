import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AddressSpace, Machine, OutOfMemory, SegmentationFault } from '../../src/memory.ts'
import { PAGE, configurations } from './support.ts'

for (const configuration of configurations) {
  describe(`fork: ${configuration.design}, ${configuration.rwsem}`, () => {
    const withSpaces = (body: (space: AddressSpace, machine: Machine) => AddressSpace[]): void => {
      const machine = Machine.create({
        memory: '16MiB',
        cpus: 2,
        config: { SLUB_DEBUG: true },
        ...configuration,
      })
      const { heapWordsUsed: _, ...before } = machine.usage()
      const space = machine.createAddressSpace()
      for (const each of [...body(space, machine), space]) each.destroy()
      const { heapWordsUsed: __, ...after } = machine.usage()
      assert.deepEqual(after, before)
    }

    test('private pages are shared until one side writes, shared ones stay shared', () => {
      withSpaces((space, machine) => {
        const own = space.mmap(64 * PAGE)
        const shared = space.mmap(PAGE, { shared: true })
        for (let page = 0; page < 64; page++) space.writeUint32(own + page * PAGE, page)
        space.writeUint32(shared, 1)
        const free = machine.usage().framesFree
        const child = space.fork()
        assert.equal(machine.usage().framesFree, free)
        assert.equal(child.rss.anonymous, 64)
        space.writeUint32(own, 100)
        child.writeUint32(own + PAGE, 200)
        child.writeUint32(shared, 2)
        assert.deepEqual([space.readUint32(own), child.readUint32(own)], [100, 0])
        assert.deepEqual([space.readUint32(own + PAGE), child.readUint32(own + PAGE)], [1, 200])
        assert.equal(space.readUint32(shared), 2)
        assert.equal(machine.usage().framesFree, free - 2)
        // The last one that has a page writes to it as it is.
        const left = machine.usage().framesFree
        child.writeUint32(own, 300)
        space.writeUint32(own + PAGE, 400)
        assert.equal(machine.usage().framesFree, left)
        assert.deepEqual([space.readUint32(own), child.readUint32(own)], [100, 300])
        return [child]
      })
    })

    test('advice decides what the child gets', () => {
      withSpaces((space) => {
        const [kept, missing, empty] = [space.mmap(PAGE), space.mmap(PAGE), space.mmap(PAGE)]
        for (const address of [kept, missing, empty]) space.writeUint32(address, 7)
        space.madvise(missing, PAGE, 'dontfork')
        space.madvise(empty, PAGE, 'wipeonfork')
        const child = space.fork()
        assert.equal(child.readUint32(kept), 7)
        assert.throws(() => child.readUint32(missing), SegmentationFault)
        assert.equal(child.readUint32(empty), 0)
        assert.equal(space.readUint32(empty), 7)
        return [child]
      })
    })

    test('a child of a child, outliving both', () => {
      withSpaces((space) => {
        const address = space.mmap(4 * PAGE)
        for (let page = 0; page < 4; page++) space.writeUint32(address + page * PAGE, page + 1)
        const child = space.fork()
        const grandchild = child.fork()
        child.writeUint32(address, 50)
        child.munmap(address + PAGE, PAGE)
        child.destroy()
        space.writeUint32(address + 2 * PAGE, 60)
        const seen = [0, 1, 2, 3].map((page) => grandchild.readUint32(address + page * PAGE))
        assert.deepEqual(seen, [1, 2, 3, 4])
        return [grandchild]
      })
    })

    test('the layout is copied: protection, heap, stacks, and changes stay apart', () => {
      withSpaces((space) => {
        const start = space.brk()
        space.brk(start + 3 * PAGE)
        const address = space.mmap(8 * PAGE)
        space.mprotect(address + 2 * PAGE, 2 * PAGE, 'r')
        const maps = space.maps()
        const child = space.fork()
        assert.deepEqual(child.maps(), maps)
        child.brk(start + PAGE)
        child.mprotect(address, 8 * PAGE, 'rw')
        assert.deepEqual(space.maps(), maps)
        assert.equal(space.brk(), start + 3 * PAGE)
        return [child]
      })
    })
  })
}

test('without memory for it there is no child, and the parent goes on', () => {
  const machine = Machine.create({ memory: '4MiB', kernelHeap: '2MiB', cpus: 1 })
  const space = machine.createAddressSpace()
  const addresses: number[] = []
  // A page table each.
  for (let table = 0; table < 100; table++) {
    const address = 0x1000_0000_0000 / 8 + table * 4 * 2 ** 20
    space.mmap(PAGE, { address, fixed: true })
    space.writeUint32(address, table)
    addresses.push(address)
  }
  const children: AddressSpace[] = []
  assert.throws(() => {
    for (;;) children.push(space.fork())
  }, OutOfMemory)
  for (const [table, address] of addresses.entries()) {
    assert.equal(space.readUint32(address), table)
    space.writeUint32(address, table + 1)
  }
  for (const child of children) {
    assert.equal(child.readUint32(addresses[5]!), 5)
    child.destroy()
  }
  space.fork().destroy()
  space.destroy()
  assert.equal(machine.usage().framesFree, machine.usage().framesTotal)
})
