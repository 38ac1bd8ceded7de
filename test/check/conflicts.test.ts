// The conflict matrix: what is observed of designs whose sharing is known, and what each design declares.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type PairConflicts, findConflicts, observeSharedWrites } from '../../src/check/index.ts'
import { designs } from '../../src/kernel/index.ts'

/** Names of the lines that a pair of operations shares: each time, and now and then. */
function shared(found: readonly PairConflicts[], first: string, second: string): [string[], string[]] {
  const pair = found.find((each) => each.first === first && each.second === second)
  assert.ok(pair, `${first} × ${second}`)
  const names = (always: boolean): string[] =>
    pair.lines.filter((line) => line.always === always).map(({ name }) => name)
  return [names(true), names(false)]
}

describe('the conflict matrix', () => {
  it('of faults apart from each other: the lock, nothing at all, or the VMA', async () => {
    const pairs = ['read fault, other VMA', 'read fault, same page table'] as const
    const each = async (design: string): Promise<string[][]> => {
      const found = await findConflicts({ design, rwsem: 'xadd', rss: 'batched' })
      return pairs.map((pair) => shared(found, 'read fault', pair)[0])
    }
    assert.deepEqual(await each('classic'), [['mm.mmapLock'], ['mm.mmapLock', 'table.ptl']])
    assert.deepEqual(await each('lespinasse-2022'), [[], ['table.ptl']])
    assert.deepEqual(await each('dufour-2018'), [
      ['mm.mmRbLock'],
      ['mm.mmRbLock', 'table.ptl', 'vma.refCount'],
    ])
    assert.deepEqual(await each('per-vma-lock-2023'), [[], ['table.ptl', 'vma.vmLock']])
  })

  it('tells what is due each time from what is due now and then', async () => {
    const machine = { design: 'lespinasse-2021', rwsem: 'xadd' } as const
    const batched = await findConflicts({ ...machine, rss: 'batched' })
    const atOnce = await findConflicts({ ...machine, rss: 'shared' })
    const pair = ['write fault', 'write fault, other VMA'] as const
    assert.deepEqual(shared(batched, ...pair), [[], ['mm.rss', 'writtenSectors', 'zone.lock']])
    assert.deepEqual(shared(atOnce, ...pair), [['mm.rss'], ['writtenSectors', 'zone.lock']])
  })

  it('tells who writes, and the same word from another word of the line', async () => {
    const found = await findConflicts({ design: 'lespinasse-2021', rwsem: 'generic', rss: 'batched' })
    const lineOf = (second: string, name: string): unknown =>
      found
        .find((pair) => pair.first === 'write fault' && pair.second === second)!
        .lines.find((line) => line.name === name)
    // The count of the mm is read by every fault and written by every writer; the lock of the writers is not touched.
    assert.deepEqual(lineOf('munmap elsewhere', 'mm.mmapSeq'), {
      name: 'mm.mmapSeq',
      firstWrites: false,
      secondWrites: true,
      sameWord: true,
      always: true,
    })
    assert.equal(lineOf('munmap elsewhere', 'mm.mmapLock'), undefined)
    assert.equal(lineOf('MADV_DONTNEED elsewhere', 'mm.mmapSeq'), undefined)
    // The number of mappings lies beside the root of the tree.
    assert.deepEqual(lineOf('mmap elsewhere', 'mm.mapCount'), {
      name: 'mm.mapCount',
      firstWrites: false,
      secondWrites: true,
      sameWord: false,
      always: true,
    })
  })

  it('is the same each time', async () => {
    const choice = { design: 'kamezawa-2009-version', rwsem: 'xadd', rss: 'batched' } as const
    assert.deepEqual(await findConflicts(choice), await findConflicts(choice))
  })
})

describe('what a fault writes to shared memory', () => {
  for (const { description } of designs) {
    it(`is what ${description.name} declares`, async () => {
      const { name: design, sharedWrites } = description
      for (const rwsem of ['xadd', 'generic'] as const) {
        assert.deepEqual(await observeSharedWrites({ design, rwsem, rss: 'batched' }), sharedWrites)
      }
      const withCounts = [...sharedWrites, 'mm.rss'].toSorted()
      assert.deepEqual(await observeSharedWrites({ design, rwsem: 'xadd', rss: 'shared' }), withCounts)
    })
  }
})
