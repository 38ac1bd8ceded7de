// Lookups in the range tree beside a writer: every interleaving of each kind of change, and what the guards are for.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { alone, loadStepped, memory, setSites } from '../../src/backends/stepped/index.ts'
import { exploreNothing } from '../../src/backends/stepped/runtime.ts'
import { explore } from '../../src/check/explore.ts'
import type { RawFailure } from '../../src/check/run-once.ts'
import { withPatches } from '../../src/check/mutants/apply.ts'
import { type SourcePatch, at as inside } from '../../src/check/mutants/patch.ts'
import type { Scenario } from '../../src/check/scenario.ts'
import { userSubject } from '../../src/check/user-scenario.ts'
import type { Call } from './programs/range-tree.ts'

type Program = typeof import('./programs/range-tree.ts')
type Beside = Scenario & { stays(ranges: readonly (readonly [number, number])[]): boolean }

async function load(patches: readonly SourcePatch[] = []): Promise<Program> {
  memory.clear()
  const { exports, sites } = await loadStepped(new URL('programs/range-tree.ts', import.meta.url), {
    ...withPatches(patches),
  })
  setSites(sites)
  return exports as Program
}

const program = await load()

interface Change {
  readonly name: string
  readonly prepare: readonly Call[]
  readonly calls: readonly Call[]
  /** VMAs, by the page that the reader looks for. */
  readonly pages: readonly number[]
}

const fromTo = (first: number, end: number): number[] =>
  Array.from({ length: end - first }, (_, index) => first + index)

/** A leaf holds 20 VMAs; the 21st makes two leaves, of 10 and 11. */
function changes({ at, extend, map, mapOther, split, unmap }: Program): Change[] {
  const some = [0, 2, 4, 6].map((index) => map(index))
  const twoLeaves = fromTo(0, 21).map((index) => map(index))
  const thin = [...twoLeaves, unmap(0), unmap(1)]
  const uneven = [...fromTo(0, 30).map((index) => map(index)), unmap(0), unmap(1)]
  // VMA 0 reaches over the slot of VMA 1, which is empty.
  const overSlot = [...fromTo(0, 4).map((index) => map(index)), unmap(1), extend(0, 5)]
  return [
    { name: 'the first VMA', prepare: [], calls: [map(0)], pages: [at(0)] },
    { name: 'the last VMA', prepare: [map(0)], calls: [unmap(0)], pages: [at(0)] },
    { name: 'one more at the end', prepare: some, calls: [map(9)], pages: [at(6), at(9)] },
    { name: 'one more in between', prepare: some, calls: [map(3)], pages: [at(2), at(3), at(4)] },
    { name: 'one more in front', prepare: some.slice(1), calls: [map(0)], pages: [at(0), at(2), at(6)] },
    {
      name: 'one too many for the root',
      prepare: fromTo(0, 20).map((index) => map(index)),
      calls: [map(20)],
      pages: [0, 9, 10, 19, 20].map(at),
    },
    {
      name: 'one too many for a leaf',
      prepare: fromTo(0, 30).map((index) => map(index)),
      calls: [map(30)],
      pages: [0, 10, 20, 29, 30].map(at),
    },
    { name: 'one less', prepare: some, calls: [unmap(4)], pages: [2, 4, 6].map(at) },
    { name: 'one less and another', prepare: some, calls: [unmap(4), map(5)], pages: [2, 6].map(at) },
    {
      name: 'a slot that another VMA reached over',
      prepare: overSlot,
      calls: [unmap(2), mapOther(2)],
      pages: [at(0), at(0) + 5, at(3)],
    },
    {
      name: 'a start beyond an empty slot',
      prepare: overSlot,
      calls: [unmap(0, 5)],
      pages: [at(0) + 6, at(2)],
    },
    { name: 'a split', prepare: some, calls: [split(4)], pages: [at(2), at(4) + 1, at(6)] },
    { name: 'a merge', prepare: some, calls: [extend(2, 6)], pages: [at(2), at(6)] },
    {
      name: 'the first of a leaf less, and its predecessor longer',
      prepare: twoLeaves,
      calls: [unmap(10), extend(9, 5)],
      pages: [at(9), at(11)],
    },
    {
      name: 'the same twice',
      prepare: [...twoLeaves, unmap(10), extend(9, 5)],
      calls: [unmap(11), extend(9, 4, 7)],
      pages: [at(9), at(10), at(12)],
    },
    { name: 'two leaves become one', prepare: thin, calls: [unmap(2)], pages: [3, 9, 10, 20].map(at) },
    {
      name: 'two leaves even out',
      prepare: uneven,
      calls: [unmap(2)],
      pages: [3, 9, 10, 13, 14, 19, 20, 29].map(at),
    },
  ]
}

function exploreChange(make: Program['make'], change: Change, page: number): RawFailure | null {
  memory.clear()
  const beside = alone(make(change.prepare, change.calls, page)) as Beside
  memory.takeSnapshot()
  const result = explore(userSubject(beside), { maxExecutions: 20_000, maxSteps: 5000, maxMs: 30_000 })
  assert.ok(result.failure !== null || result.complete, 'everything was explored')
  assert.ok(result.failure !== null || result.executions > 1, 'the two have to do with each other')
  return result.failure
}

// No frame is touched here.
exploreNothing()

describe('a lookup in the range tree beside', () => {
  for (const change of changes(program)) {
    it(change.name, async () => {
      const { make } = await load()
      for (const page of change.pages) {
        const failure = exploreChange(make, change, page)
        assert.equal(failure, null, `page ${page - program.at(0)}`)
      }
    })
  }

  it('random changes', async () => {
    const { at, extend, make, map, mapOther, split, unmap } = await load()
    let seed = 20_230_301
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff
      return (seed >> 8) % below
    }
    // A call, and the pages that it is about.
    const anyCall = (indices: number): readonly [call: Call, start: number, end: number] => {
      const index = random(indices)
      const start = at(index)
      const kind = random(5)
      if (kind === 0) return [map(index), start, start + 2]
      if (kind === 1) return [mapOther(index), start, start + 2]
      if (kind === 2) return [split(index), start + 1, start + 2]
      if (kind === 3) return [unmap(index), start, start + 2]
      const pages = 1 + random(8)
      return [extend(index, pages), start + 2, start + 2 + pages]
    }
    let explored = 0
    for (let round = 0; round < 150; round++) {
      const indices = 4 + random(40)
      const first = fromTo(0, indices).map((index) => map(index))
      const prepare = [...first, ...fromTo(0, random(30)).map(() => anyCall(indices)[0])]
      const calls = fromTo(0, 1 + random(2)).map(() => anyCall(indices))
      const page = at(random(indices)) + random(4)
      const ranges = calls.map(([, start, end]) => [start, end] as const)
      memory.clear()
      const only = calls.map(([call]) => call)
      const beside = alone(make(prepare, only, page)) as Beside
      memory.takeSnapshot()
      if (!(alone(beside.stays(ranges)) as boolean)) continue
      const { failure } = explore(userSubject(beside), { maxExecutions: 300, maxSteps: 5000, maxMs: 10_000 })
      assert.equal(failure, null, `round ${round}`)
      explored++
    }
    assert.ok(explored > 40, String(explored))
  })
})

describe('in the range tree', () => {
  const file = 'vma/range-tree.ts'
  const mutants: Readonly<Record<string, SourcePatch>> = {
    'the key of a slot is compared again after the VMA was read': inside(file, 'findInLeafRcu').drop(
      'Atomics.load(heap, leaf + RangeNode.keys + slot) > page',
    ),
    'a slot gets its key before its VMA': inside(file, 'linkInPlace').swap(
      'setKey(heap, leaf, slot, start)',
      'Atomics.store(heap, leaf + RangeNode.children + slot, vma)',
    ),
    'a slot counts after it is filled in': inside(file, 'linkInPlace').swap(
      'heap[leaf + RangeNode.children + slot] = vma',
      'Atomics.store(heap, leaf + RangeNode.shape, count + 1)',
    ),
    'nodes are freed after a grace period': inside(file, 'freeNode').replace(
      'Atomics.load(cpu.heap, mm + Mm.users) <= 1',
      'Atomics.load(cpu.heap, mm + Mm.users) <= 2',
    ),
    'a joined node is in its place before the other goes': inside(file, 'joinNeighbour').swap(
      'Atomics.store(heap, parent + RangeNode.children + leftSlot, joined)',
      'emptySlot(heap, parent, rightSlot)',
    ),
    'a copy becomes visible when it is complete': inside(file, 'publish').replace(
      'Atomics.store(heap, place, node)',
      'heap[place] = node',
    ),
  }
  for (const [name, patch] of Object.entries(mutants)) {
    it(`${name}; else a lookup can fail`, async () => {
      const mutated = await load([patch])
      const found = changes(mutated).some((change) =>
        change.pages.some((page) => exploreChange(mutated.make, change, page) !== null),
      )
      assert.ok(found)
    })
  }
})
