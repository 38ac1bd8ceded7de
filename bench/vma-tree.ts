// The two trees of VMAs beside each other: lookups under the mmap lock and under RCU, and a mapping made and taken
// away. `node bench/vma-tree.ts`. Runs the source, where every atomic operation is a call of V8; the built form is
// faster under RCU. Median of rounds that take turns.

import { MAP_FIXED, type Task, VM_READ, mmap, munmap } from '../src/kernel/index.ts'
import { Classic } from '../src/kernel/designs/classic.ts'
import { findVma, findVmaRcu } from '../src/kernel/vma/vma-tree.ts'
import { testSpace } from '../test/kernel/harness.ts'

class RangeTreeDesign extends Classic {
  override readonly rangeTree = true
}

const ROUNDS = 15
const CALLS = 100_000
const BASE = 0x1000

function nanoseconds(calls: number, run: () => void): number {
  const begin = performance.now()
  run()
  return ((performance.now() - begin) * 1e6) / calls
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}

type Operation = (task: Task, mm: number, pages: Int32Array) => number

/** Nanoseconds of one call. */
const operations: Record<string, Operation> = {
  'find_vma, locked': (task, mm, pages) =>
    nanoseconds(CALLS, () => {
      for (let call = 0; call < CALLS; call++) findVma(task, mm, pages[call]!)
    }),
  'find_vma, RCU': (task, mm, pages) =>
    nanoseconds(CALLS, () => {
      for (let call = 0; call < CALLS; call++) findVmaRcu(task, mm, pages[call]!)
    }),
  'munmap and mmap': (task, mm, pages) =>
    nanoseconds(CALLS / 10, () => {
      for (let call = 0; call < CALLS / 10; call++) {
        const page = BASE + ((pages[call]! - BASE) & ~3)
        munmap(task, mm, page, page + 2)
        mmap(task, mm, page, 2, VM_READ, MAP_FIXED, 0, 0)
      }
    }),
}

for (const vmas of [10, 100, 1000, 30_000]) {
  const spaces = [new Classic(), new RangeTreeDesign()].map((design) => {
    const space = testSpace({ design, config: { SLUB_DEBUG: false } })
    const order = Array.from({ length: vmas }, (_, index) => index).toSorted(() => Math.random() - 0.5)
    for (const index of order) mmap(space.task, space.mm, BASE + 4 * index, 2, VM_READ, MAP_FIXED, 0, 0)
    return space
  })
  const pages = Int32Array.from({ length: CALLS }, () => {
    return BASE + 4 * Math.floor(Math.random() * vmas) + Math.floor(Math.random() * 2)
  })
  for (const [name, operation] of Object.entries(operations)) {
    const times: [number[], number[]] = [[], []]
    for (let round = 0; round < ROUNDS; round++) {
      spaces.forEach(({ task, mm }, tree) => times[tree]!.push(operation(task, mm, pages)))
    }
    const [rb, range] = times.map(median) as [number, number]
    console.log(`${vmas} VMAs, ${name}: red-black ${rb.toFixed(0)} ns, range tree ${range.toFixed(0)} ns`)
  }
}
