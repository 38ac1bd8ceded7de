// The range tree of VMAs: order, fill, gaps and depth under any calls, the same answers as the red-black tree, and
// memory that runs out. Lookups beside a writer are explored in test/check/range-tree.test.ts.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  CACHE_RANGE_NODE,
  CACHE_VMA,
  Header,
  MAP_FIXED,
  Mm,
  type Task,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_READ,
  VM_WRITE,
  Vma,
  createMm,
  joinMm,
  kernelEnter,
  kernelExit,
  mmap,
  mprotect,
  mremap,
  MREMAP_MAYMOVE,
  munmap,
  rcuBarrier,
  slabInUse,
  storeUint8,
} from '../../src/kernel/index.ts'
import { Classic } from '../../src/kernel/designs/classic.ts'
import { RANGE_SLOTS_MIN, RangeNode } from '../../src/kernel/vma/range-tree.ts'
import { RANGE_SLOTS } from '../../src/kernel/mm/range-walk.ts'
import { slabAlloc, slabFree } from '../../src/kernel/memory/slab.ts'
import { findVma, findVmaRcu, vmStartGap } from '../../src/kernel/vma/vma-tree.ts'
import { VM_ACCESS_FLAGS } from '../../src/kernel/vma/vma.ts'
import { testMachine, testSpace } from './harness.ts'
import { extent } from '../extent.ts'

class RangeTreeDesign extends Classic {
  override readonly rangeTree = true
}

const design = new RangeTreeDesign()

interface Space {
  readonly task: Task
  readonly heap: Int32Array
  readonly mm: number
}

interface Subtree {
  readonly first: number
  readonly gap: number
  readonly level: number
  readonly vmas: readonly number[]
  readonly nodes: number
}

/** Checks a subtree. Where memory has run out, nodes may be less than half full. */
function checkSubtree(space: Space, node: number, isRoot: boolean, thin: boolean): Subtree {
  const { heap, task } = space
  const count = heap[node + RangeNode.shape]! & 255
  const level = heap[node + RangeNode.shape]! >> 8
  assert.ok(count <= RANGE_SLOTS)
  let key = -1
  let full = 0
  let first = -1
  let largest = 0
  let nodes = 1
  const vmas: number[] = []
  for (let slot = 0; slot < count; slot++) {
    assert.ok(heap[node + RangeNode.keys + slot]! >= key, 'keys are in order, also those of empty slots')
    key = heap[node + RangeNode.keys + slot]!
    const child = heap[node + RangeNode.children + slot]!
    const gap = heap[node + RangeNode.gaps + slot]
    if (child === 0) {
      assert.equal(gap, 0, 'an empty slot has no gap')
      continue
    }
    const below = level === 0 ? checkVma(space, child) : checkSubtree(space, child, false, thin)
    assert.equal(below.level, level - 1, 'all leaves are on one level')
    assert.equal(key, below.first, 'the key is the first page')
    assert.equal(gap, below.gap, 'the largest gap')
    if (full++ === 0) first = key
    largest = Math.max(largest, below.gap)
    nodes += below.nodes
    vmas.push(...below.vmas)
  }
  assert.equal(heap[node + RangeNode.full], full, 'the number of full slots')
  assert.ok(full >= (isRoot ? (level === 0 ? 1 : 2) : RANGE_SLOTS_MIN) || (thin && full > 0), `fill ${full}`)
  assert.equal(task.rangeWalk.spareCount, 0, 'no node is left over')
  return { first, gap: largest, level, vmas, nodes }
}

function checkVma({ heap, task }: Space, vma: number): Subtree {
  const previous = heap[vma + Vma.vmPrev]!
  const gap = Math.max(0, vmStartGap(task, vma) - (previous === 0 ? 0 : heap[previous + Vma.vmEnd]!))
  return { first: heap[vma + Vma.vmStart]!, gap, level: -1, vmas: [vma], nodes: 0 }
}

/** Checks the tree and returns the VMAs in order. */
function checkTree(space: Space, thin = false): readonly number[] {
  const { heap, mm } = space
  const root = heap[mm + Mm.rangeRoot]!
  const list: number[] = []
  let end = 0
  for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
    assert.ok(heap[vma + Vma.vmStart]! >= end)
    end = heap[vma + Vma.vmEnd]!
    list.push(vma)
  }
  assert.equal(heap[mm + Mm.mapCount], list.length)
  assert.equal(heap[mm + Mm.highestVmEnd], end)
  if (root === 0) {
    assert.deepEqual(list, [])
    assert.equal(slabInUse(heap, CACHE_RANGE_NODE), 0)
    return list
  }
  const { vmas, nodes, level } = checkSubtree(space, root, true, thin)
  assert.deepEqual(vmas, list, 'the tree in order is the list')
  assert.equal(slabInUse(heap, CACHE_RANGE_NODE), nodes, 'nodes that are not in the tree are free')
  if (!thin) {
    assert.ok(level <= Math.log(Math.max(1, list.length)) / Math.log(RANGE_SLOTS_MIN), `${level} levels`)
    assert.ok(nodes <= 1 + list.length / (RANGE_SLOTS_MIN - 1), `${nodes} nodes for ${list.length}`)
  }
  return list
}

/** The mappings, as text. */
function maps({ heap, mm }: Space): string[] {
  const found: string[] = []
  for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
    found.push(`${heap[vma + Vma.vmStart]}-${heap[vma + Vma.vmEnd]}:${heap[vma + Vma.vmFlags]}`)
  }
  return found
}

function checkLookups({ heap, task, mm }: Space, list: readonly number[], pages: Iterable<number>): void {
  const ends = list.map((vma) => heap[vma + Vma.vmEnd]!)
  for (const page of pages) {
    let low = 0
    for (let high = ends.length; low < high;) {
      const middle = (low + high) >> 1
      if (ends[middle]! > page) high = middle
      else low = middle + 1
    }
    const expected = list[low] ?? 0
    assert.equal(findVma(task, mm, page), expected)
    const contains = expected !== 0 && heap[expected + Vma.vmStart]! <= page
    assert.equal(findVmaRcu(task, mm, page), contains ? expected : 0)
  }
}

const protections = [VM_READ, VM_READ | VM_WRITE, VM_READ | VM_EXEC]
const BASE = 0x1000

function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return (state >> 8) % below
  }
}

/** One call of any kind that changes mappings; returns what it returned. */
function anyCall({ task, mm }: Space, random: (below: number) => number, area: number): number {
  const page = BASE + random(area)
  const pages = 1 + random(8)
  const protection = protections[random(3)]!
  switch (random(8)) {
    case 0:
    case 1:
    case 2:
      return mmap(task, mm, page, pages, protection, MAP_FIXED, 0, 0)
    case 3:
      return mmap(task, mm, 0, pages, protection, 0, 0, 0)
    case 4:
      return mmap(task, mm, page, 1 + random(2), protection | VM_GROWSDOWN, 0, 0, 0)
    case 5:
      return mprotect(task, mm, page, page + pages, protection)
    case 6:
      return mremap(task, mm, page, 1 + random(2), 1 + random(4), MREMAP_MAYMOVE, 0)
    default:
      return munmap(task, mm, page, page + pages)
  }
}

describe('the range tree of VMAs', () => {
  it('stays in order, full enough and with right gaps under any sequence of calls', () => {
    const step = fc.record({
      map: fc.boolean(),
      page: fc.integer({ min: 0, max: 120 }),
      pages: fc.integer({ min: 1, max: 8 }),
      protection: fc.integer({ min: 0, max: 2 }),
    })
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 200 }), (steps) => {
        const space = testSpace({ design })
        const { task, mm } = space
        const model = new Map<number, number>()
        for (const { map, page, pages, protection } of steps) {
          if (map) mmap(task, mm, BASE + page, pages, protections[protection]!, MAP_FIXED, 0, 0)
          else munmap(task, mm, BASE + page, BASE + page + pages)
          for (let each = page; each < page + pages; each++) {
            if (map) model.set(each, protections[protection]!)
            else model.delete(each)
          }
          const list = checkTree(space)
          checkLookups(
            space,
            list,
            Array.from({ length: 132 }, (_, index) => BASE - 2 + index),
          )
          for (let each = 0; each < 130; each++) {
            const vma = findVmaRcu(task, mm, BASE + each)
            const access = vma === 0 ? undefined : space.heap[vma + Vma.vmFlags]! & VM_ACCESS_FLAGS
            assert.equal(access, model.get(each))
          }
        }
      }),
      { numRuns: 30 },
    )
  })

  it('gives the places and mappings that the red-black tree gives, with thousands of VMAs', () => {
    const inRange = testSpace({ design })
    const inRb = testSpace()
    for (const area of [200, 4000, 20_000]) {
      const random = generator(area)
      const again = generator(area)
      for (let round = 0; round < 6000; round++) {
        const given = anyCall(inRange, random, area)
        assert.equal(given, anyCall(inRb, again, area), `round ${round} of ${area} pages`)
        if (round % 500 === 499) {
          assert.deepEqual(maps(inRange), maps(inRb))
          const list = checkTree(inRange)
          checkLookups(
            inRange,
            list,
            Array.from({ length: 2000 }, () => BASE + random(area)),
          )
          for (let index = 0; index < 2000; index++) again(area)
        }
      }
    }
    assert.ok(inRange.heap[inRange.mm + Mm.mapCount]! > 3000, String(inRange.heap[inRange.mm + Mm.mapCount]))
    for (const { task, mm } of [inRange, inRb]) munmap(task, mm, BASE, 0x7fff_ffff)
    checkTree(inRange)
    assert.deepEqual(maps(inRange), [])
  })

  it('grows and shrinks level by level, from either end', () => {
    const space = testSpace({ design })
    const { task, mm, heap } = space
    const map = (index: number): number => mmap(task, mm, BASE + 2 * index, 1, VM_READ, MAP_FIXED, 0, 0)
    const count = 3000
    for (let index = 0; index < count; index++) map(index)
    checkTree(space)
    for (let index = count - 1; index >= 0; index--) munmap(task, mm, BASE + 2 * index, BASE + 2 * index + 1)
    assert.equal(heap[mm + Mm.rangeRoot], 0)
    for (let index = count - 1; index >= 0; index--) {
      map(index)
      if (index % 100 === 0) checkTree(space)
    }
    assert.ok(heap[heap[mm + Mm.rangeRoot]! + RangeNode.shape]! >> 8 >= 2, 'three levels')
    for (let index = 0; index < count; index++) {
      munmap(task, mm, BASE + 2 * index, BASE + 2 * index + 1)
      if (index % 100 === 0) checkTree(space)
    }
    checkTree(space)
  })

  it('takes the start of a stack that grows', () => {
    const space = testSpace({ design })
    const { task, mm, heap } = space
    for (let index = 0; index < 40; index++) {
      const page = 0x10000 + 0x1000 * index
      mmap(task, mm, page, 1, VM_READ | VM_WRITE | VM_GROWSDOWN, MAP_FIXED, 0, 0)
    }
    for (let index = 39; index >= 0; index--) {
      kernelExit(task)
      storeUint8(task, mm, (0x10000 + 0x1000 * index - 3) * 4096, 1)
      kernelEnter(task)
      const list = checkTree(space)
      assert.equal(heap[list[index]! + Vma.vmStart], 0x10000 + 0x1000 * index - 3)
    }
  })

  it('frees its nodes after a grace period while others use the address space', () => {
    const { heap, tasks } = testMachine({ cpus: 2, design })
    const [first, second] = tasks as [Task, Task]
    kernelEnter(first)
    kernelEnter(second)
    const mm = createMm(first, 65530, 2048)
    joinMm(first, mm)
    joinMm(second, mm)
    for (let index = 0; index < 60; index++) mmap(first, mm, BASE + 2 * index, 1, VM_READ, MAP_FIXED, 0, 0)
    munmap(first, mm, BASE, BASE + 200)
    assert.ok(slabInUse(heap, CACHE_RANGE_NODE) > 4, 'the second CPU may be in any of them')
    kernelExit(second)
    rcuBarrier(first)
    assert.equal(slabInUse(heap, CACHE_RANGE_NODE), 0)
  })
})

describe('the range tree without memory', () => {
  /** Leaves `nodes` nodes that can be allocated; returns what gives the others back. */
  function leaveNodes({ heap, task }: Space, nodes: number): () => void {
    const next = heap[Header.heapNext]!
    heap[Header.heapNext] = heap[Header.heapEnd]!
    const taken: number[] = []
    for (let node = slabAlloc(task, CACHE_RANGE_NODE); node !== 0; node = slabAlloc(task, CACHE_RANGE_NODE)) {
      taken.push(node)
    }
    for (const node of taken.splice(0, nodes)) slabFree(task, CACHE_RANGE_NODE, node)
    return () => {
      heap[Header.heapNext] = next
      for (const node of taken) slabFree(task, CACHE_RANGE_NODE, node)
    }
  }

  /** Free objects for the time when nothing more can be cut from the heap. */
  function hoard({ task }: Space): void {
    for (const [cache, length] of [
      [CACHE_VMA, 4000],
      [CACHE_RANGE_NODE, 300],
    ] as const) {
      const objects = Array.from({ length }, () => slabAlloc(task, cache))
      for (const object of objects) slabFree(task, cache, object)
    }
  }

  it('refuses what needs a node at every allocation, and changes nothing', () => {
    const space = testSpace({ design })
    const { task, mm } = space
    hoard(space)
    const random = generator(7)
    const rounds = extent(500, 1200)
    const refused = [0, 0, 0, 0, 0, 0]
    let added = 0
    for (let round = 0; round < rounds; round++) {
      const page = BASE + 4 * random(2400)
      // Between two mappings, or a mapping in two.
      const split = findVmaRcu(task, mm, page) !== 0
      const call = (): number =>
        split
          ? mprotect(task, mm, page, page + 1, VM_READ | VM_WRITE)
          : mmap(task, mm, page, 3, VM_READ, MAP_FIXED, 0, 0)
      const before = maps(space)
      for (let nodes = 0; ; nodes++) {
        const giveBack = leaveNodes(space, nodes)
        const result = call()
        giveBack()
        if (result >= 0) break
        assert.ok(nodes < refused.length, `call ${added}: ${result} with ${nodes} nodes`)
        refused[nodes]!++
        assert.deepEqual(maps(space), before)
      }
      added++
      if (round % 100 === 0) checkTree(space)
    }
    checkTree(space)
    const [atFirst, later] = [refused[0]!, refused[2]!]
    assert.ok(
      atFirst > rounds / 12 && later > rounds / 30 && refused[4]! > 0,
      `${refused.join()} of ${added}`,
    )
  })

  it('takes out what is unmapped all the same, and fills up again afterwards', () => {
    const space = testSpace({ design })
    const { task, mm, heap } = space
    hoard(space)
    const map = (index: number): number => mmap(task, mm, BASE + 2 * index, 1, VM_READ, MAP_FIXED, 0, 0)
    const random = generator(11)
    for (const kept of [0, 1, 30, 700]) {
      for (let index = 0; index < 2000; index++) map(index)
      const giveBack = leaveNodes(space, 0)
      while (heap[mm + Mm.mapCount]! > kept) {
        const index = random(2000)
        assert.equal(munmap(task, mm, BASE + 2 * index, BASE + 2 * index + 1 + random(4)), 0)
        if (random(50) === 0) checkLookupsThin(space, random)
      }
      checkLookupsThin(space, random)
      giveBack()
      for (let index = 0; index < 2000; index++) map(index)
      checkTree(space, true)
      // With memory, whatever is too empty is put right as it is touched.
      for (let index = 0; index < 2000; index++) munmap(task, mm, BASE + 2 * index, BASE + 2 * index + 1)
      checkTree(space)
    }
  })

  function checkLookupsThin(space: Space, random: (below: number) => number): void {
    const list: number[] = []
    for (let vma = space.heap[space.mm + Mm.mmap]!; vma !== 0; vma = space.heap[vma + Vma.vmNext]!)
      list.push(vma)
    checkLookups(
      space,
      list,
      Array.from({ length: 300 }, () => BASE + random(4000)),
    )
  }
})
