// Functions that the engine calls in its own methods, and that come to shared accesses: `sort`, `replace`, `groupBy`.
// In a thread they must be called as often, with the same, in the same order, as without the checker.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import * as fc from 'fast-check'
import { mergeSort, timsort } from '../../src/backends/stepped/library-sort.ts'
import { extent } from '../extent.ts'
import { allDoAsEngine } from './as-engine.ts'

const prelude = `
const step = (cells) => Atomics.load(cells, 0) * 0
const told = (error) => error instanceof TypeError ? 'TypeError' : error.message
`

/** Comparison functions, some of which contradict themselves, or throw. */
const comparisons: Readonly<Record<string, (a: number, b: number) => unknown>> = {
  ascending: (a, b) => a - b,
  descending: (a, b) => b - a,
  byTens: (a, b) => Math.floor(a / 10) - Math.floor(b / 10),
  boolean: (a, b) => a > b,
  nothing: () => undefined,
  contradicting: (a, b) => ((a * 7 + b * 13) % 5) - 2,
  text: (a, b) => String(a - b),
}

/** Runs, some of them upwards or downwards, so that merges gallop. */
const numbers = fc
  .array(
    fc.tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 1, max: 60 }), fc.constantFrom(-1, 0, 1, 2)),
    { maxLength: 14 },
  )
  .chain((runs) =>
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 300 })), { maxLength: 6 }).map((changes) => {
      const all = runs.flatMap(([from, count, by]) => Array.from({ length: count }, (_, n) => from + n * by))
      for (const [at, value] of changes) if (all.length > 0) all[at % all.length] = value
      return all
    }),
  )

interface Sorted {
  readonly result: readonly unknown[]
  readonly calls: readonly unknown[]
}

/** Sorts with a function that notes its calls. */
function noting(name: string, sort: (compare: (a: unknown, b: unknown) => unknown) => unknown): Sorted {
  const calls: unknown[] = []
  const result = sort((a, b) => {
    calls.push([a, b])
    return comparisons[name]!(a as number, b as number)
  })
  return { result: [...(result as Iterable<unknown>)], calls }
}

const element = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 40 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom('undefined', '') },
)
const list = fc.array(element, { maxLength: 12 }).map((all) => `[${all.join()},]`)
const compared = fc.constantFrom(...Object.keys(comparisons)).map((name) => {
  return `(a, b) => { step(cells); log.push([a, b]); return (${String(comparisons[name])})(a, b) }`
})

const expression = fc.oneof(
  fc.tuple(list, compared).map(([of, by]) => `${of}.sort(${by})`),
  fc.tuple(list, compared).map(([of, by]) => `${of}.toSorted(${by})`),
  fc.tuple(list, compared).map(([of, by]) => `new Float64Array(${of}).sort(${by})`),
  fc.tuple(list, compared).map(([of, by]) => `[...Int16Array.from(${of}).toSorted(${by})]`),
  fc.tuple(list, compared).map(
    ([of, by]) => `(() => { const memory = new Int32Array(new SharedArrayBuffer(64))
memory.set(Int32Array.from(${of})); memory.sort(${by}); return Array.from(memory) })()`,
  ),
  list.map(
    (of) => `${of}.sort((a, b) => { step(cells); if (a === 3) throw new Error('three'); return a - b })`,
  ),
  fc
    .tuple(
      fc.constantFrom("'l'", '/l/g', '/(l)(o)?/g', '/(?<name>[a-e])./g', '/z/', "''", '/(?:)/g', '/o w/y'),
      fc.constantFrom('replace', 'replaceAll'),
    )
    .map(
      ([pattern, name]) =>
        `'hello world'.${name}(${pattern}, (...match) => {
          step(cells); log.push(match); return '<$&' + match[0] + '>' })`,
    ),
  list.map((of) => `Object.groupBy(${of}, (each, n) => { step(cells); log.push([each, n]); return n % 3 })`),
  list.map(
    (of) => `[...Map.groupBy(new Set(${of}), (each) => { step(cells); log.push(each); return each % 2 })]`,
  ),
  list.map((of) => `Array.from(${of}, (each, n) => { step(cells); log.push([each, n]); return n })`),
)

const program = expression.map(
  (each) => `async (log, cells) => {
try { const result = ${each}; log.push(result, Object.keys(result ?? {}).length) }
catch (error) { log.push(told(error)) }
}`,
)

describe('functions that the engine calls', () => {
  const folder = mkdtempSync(join(tmpdir(), 'callbacks-'))
  after(() => rmSync(folder, { recursive: true }))

  it('compares the elements of an array in the order of V8', () => {
    let galloped = 0
    fc.assert(
      fc.property(numbers, fc.constantFrom(...Object.keys(comparisons)), (all, name) => {
        const wanted = noting(name, (compare) => [...all].sort(compare as never))
        const found = noting(name, (compare) => {
          const work: unknown[] = [...all]
          timsort(work, compare)
          return work
        })
        assert.deepEqual(found, wanted)
        if (all.length > 150 && wanted.calls.length < all.length * 4) galloped++
      }),
      { numRuns: extent(1_000, 100_000), seed: 5 },
    )
    assert.ok(galloped > 0, 'runs were merged that are longer than a few elements')
  })

  it('compares the elements of a typed array in the order of V8', () => {
    fc.assert(
      fc.property(numbers, fc.constantFrom(...Object.keys(comparisons)), (all, name) => {
        const wanted = noting(name, (compare) => Float64Array.from(all).sort(compare as never))
        const found = noting(name, (compare) => {
          const work: unknown[] = [...all]
          mergeSort(work, compare)
          return work
        })
        assert.deepEqual(found, wanted)
      }),
      { numRuns: extent(300, 30_000), seed: 5 },
    )
  })

  it('are called in threads as by the engine', async () => {
    await allDoAsEngine(folder, prelude, program, { perFile: 10, numRuns: extent(4, 200), seed: 7 })
  })
})
