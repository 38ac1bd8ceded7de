// The tree of VMAs: order, colours, gaps, and walks that meet a writer at every one of its stores.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  MAP_FIXED,
  Mm,
  type Task,
  VM_EXEC,
  VM_READ,
  VM_WRITE,
  Vma,
  mmap,
  munmap,
} from '../../src/kernel/index.ts'
import { findVma, findVmaRcu, vmStartGap } from '../../src/kernel/vma/vma-tree.ts'
import { testSpace } from './harness.ts'

const BLACK = 1

/** Checks the subtree and returns its black height. */
function checkSubtree(
  heap: Int32Array,
  task: Task,
  node: number,
  parent: number,
): { black: number; gap: number } {
  if (node === 0) return { black: 1, gap: 0 }
  const parentColor = heap[node + Vma.rbParentColor]!
  assert.equal(parentColor & ~BLACK, parent, 'the parent is the parent')
  const red = (parentColor & BLACK) === 0
  if (red && parent !== 0) assert.equal(heap[parent + Vma.rbParentColor]! & BLACK, BLACK, 'no red below red')
  const left = checkSubtree(heap, task, heap[node + Vma.rbLeft]!, node)
  const right = checkSubtree(heap, task, heap[node + Vma.rbRight]!, node)
  assert.equal(left.black, right.black, 'equal black height')
  const previous = heap[node + Vma.vmPrev]!
  const own = Math.max(0, vmStartGap(task, node) - (previous === 0 ? 0 : heap[previous + Vma.vmEnd]!))
  const gap = Math.max(own, left.gap, right.gap)
  assert.equal(heap[node + Vma.rbSubtreeGap], gap, 'the largest gap of the subtree')
  return { black: left.black + (red ? 0 : 1), gap }
}

function checkTree(heap: Int32Array, task: Task, mm: number): number[] {
  const root = heap[mm + Mm.rbRoot]!
  if (root !== 0) assert.equal(heap[root + Vma.rbParentColor], BLACK, 'the root is black')
  checkSubtree(heap, task, root, 0)
  const inOrder: number[] = []
  const visit = (node: number): void => {
    if (node === 0) return
    visit(heap[node + Vma.rbLeft]!)
    inOrder.push(node)
    visit(heap[node + Vma.rbRight]!)
  }
  visit(root)
  const list: number[] = []
  let previous = 0
  for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
    assert.equal(heap[vma + Vma.vmPrev], previous)
    assert.ok(previous === 0 || heap[previous + Vma.vmEnd]! <= heap[vma + Vma.vmStart]!)
    list.push(vma)
    previous = vma
  }
  assert.deepEqual(inOrder, list, 'the tree in order is the list')
  assert.equal(heap[mm + Mm.mapCount], list.length)
  assert.equal(heap[mm + Mm.highestVmEnd], previous === 0 ? 0 : heap[previous + Vma.vmEnd])
  return list
}

const protections = [VM_READ, VM_READ | VM_WRITE, VM_READ | VM_EXEC]
const BASE = 0x1000

describe('the tree of VMAs', () => {
  it('stays a red-black tree with right gaps under any sequence of calls', () => {
    const step = fc.record({
      map: fc.boolean(),
      page: fc.integer({ min: 0, max: 60 }),
      pages: fc.integer({ min: 1, max: 8 }),
      protection: fc.integer({ min: 0, max: 2 }),
    })
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        const { task, heap, mm } = testSpace()
        for (const { map, page, pages, protection } of steps) {
          if (map) mmap(task, mm, BASE + page, pages, protections[protection]!, MAP_FIXED, 0, 0)
          else munmap(task, mm, BASE + page, BASE + page + pages)
          checkTree(heap, task, mm)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('finds what a search of the list finds', () => {
    const { task, heap, mm } = testSpace()
    for (let index = 0; index < 64; index++) {
      mmap(task, mm, BASE + index * 3, 1 + (index % 2), VM_READ, MAP_FIXED, 0, 0)
    }
    const list = checkTree(heap, task, mm)
    for (let page = BASE - 2; page < BASE + 200; page++) {
      const expected = list.find((vma) => heap[vma + Vma.vmEnd]! > page) ?? 0
      assert.equal(findVma(task, mm, page), expected)
      assert.equal(findVmaRcu(task, mm, page), expected)
    }
  })

  it('never leads a reader astray, whichever store of a writer it meets', (context) => {
    // Every store to a child pointer is followed by walks to every page: they must end, and what they find must be a
    // VMA that contains the page or begins behind it, in the tree before or after.
    const { task, heap, mm } = testSpace()
    const store = Atomics.store
    let walks = 0
    const walkAll = (): void => {
      for (let page = BASE; page < BASE + 130; page += 3) {
        let steps = 0
        for (let node = heap[mm + Mm.rbRoot]!; node !== 0;) {
          assert.ok(++steps < 100, 'a reader went round in a circle')
          node = heap[node + Vma.vmEnd]! > page ? heap[node + Vma.rbLeft]! : heap[node + Vma.rbRight]!
        }
        walks++
      }
    }
    context.mock.method(Atomics, 'store', (array: Int32Array, index: number, value: number) => {
      const result = store(array, index, value)
      if (array === heap) walkAll()
      return result
    })
    let seed = 12345
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff
      return (seed >> 8) % below
    }
    for (let index = 0; index < 200; index++) {
      const page = BASE + random(40) * 3
      if (random(3) > 0) mmap(task, mm, page, 2, protections[random(3)]!, MAP_FIXED, 0, 0)
      else munmap(task, mm, page, page + 2)
    }
    assert.ok(walks > 10_000)
  })
})
