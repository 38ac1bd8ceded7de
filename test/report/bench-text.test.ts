import assert from 'node:assert/strict'
import { test } from 'node:test'
import { benchCsv, benchText } from '../../src/report/bench-text.ts'
import { benchResult } from './bench-objects.ts'
import { assertFits, assertGolden } from './golden.ts'

const results = {
  'page_fault1-linux': benchResult('page_fault1', { peer: true }),
  mmap1: benchResult('mmap1', { peer: false }),
  'beside-writer-once': benchResult('fault-beside-writer', { peer: true, repetitions: 1 }),
  vma: benchResult('vma', { peer: true }),
}

test('many designs are compared in one sentence', () => {
  const result = benchResult('page_fault1', { peer: false })
  const also = (
    design: 'dufour-2018' | 'dufour-2019' | 'zijlstra-2014',
    factor: (turn: number) => number,
  ) => ({
    runs: result.runs
      .filter((run) => run.design === 'classic')
      .map((run) => ({ ...run, design, faultsPerSecond: run.faultsPerSecond * factor(run.repetition) })),
    summaries: result.summaries
      .filter((summary) => summary.design === 'classic')
      .map((summary) => ({ ...summary, design })),
  })
  const others = [
    also('dufour-2018', () => 1.5),
    also('dufour-2019', () => 0.5),
    also('zijlstra-2014', (turn) => (turn === 2 ? 2 : 0.9)),
  ]
  const text = benchText({
    ...result,
    runs: [...result.runs, ...others.flatMap(({ runs }) => runs)],
    summaries: [...result.summaries, ...others.flatMap(({ summaries }) => summaries)],
  }).replaceAll(/\s+/g, ' ')
  assert.match(
    text,
    /At 2 threads: In all 3 turns faster than classic\/xadd: lespinasse-2021 1\.6\d×, dufour-2018 1\.50×/,
  )
  assert.match(text, /In all 3 turns slower: dufour-2019 0\.50×\. 1 design cannot be told apart from it\./)
})

for (const [name, result] of Object.entries(results)) {
  test(`the text of a bench: ${name}`, () => {
    const text = benchText(result)
    assertFits(text, 100)
    assertGolden(`bench-${name}.txt`, text)
  })
}

test('a bench says how resident pages are counted where that is not the default', () => {
  const result = benchResult('mmap1', { peer: false })
  assert.doesNotMatch(benchText(result), /rss/)
  assert.match(benchText({ ...result, rss: 'shared' }), / · shared rss/)
})

test('the columns of will-it-scale', () => {
  assertGolden('bench-page_fault1.csv', benchCsv(results['page_fault1-linux']))
})

test('one design alone prints nothing but will-it-scale’s table', () => {
  const result = benchResult('page_fault1', { peer: false })
  const csv = benchCsv({
    ...result,
    summaries: result.summaries.filter(({ design }) => design === 'classic'),
  })
  const [heading, zero, one, two, ...rest] = csv.split('\n')
  assert.equal(heading, 'tasks,processes,processes_idle,threads,threads_idle,linear')
  assert.equal(zero, '0,0,100,0,100,0')
  assert.equal(one, '1,0,0.00,2300000,49.50,2300000')
  assert.match(two!, /^2,0,0\.00,\d+,0\.25,4600000$/)
  assert.deepEqual(rest, [''])
})

test('ratios are of medians, and their range is of the turns', () => {
  const { ratios } = results['page_fault1-linux']
  assert.equal(ratios.length, 4)
  const [first] = ratios
  assert.equal(first!.threads, 1)
  assert.ok(Math.abs(first!.ratio - 2.3e6 / 6.6e5) < 1e-3)
  assert.ok(first!.lowest < first!.ratio && first!.ratio < first!.highest)
})

test('a difference is claimed only where every turn shows it', () => {
  const result = benchResult('page_fault1', { peer: false })
  assert.match(benchText(result), /At 2 threads lespinasse-2021\/xadd does 1\.64× .* in all 3 turns/)
  const runs = result.runs.map((run) =>
    run.design === 'classic' && run.repetition === 2 ? { ...run, faultsPerSecond: 1e9 } : run,
  )
  assert.match(benchText({ ...result, runs }), /At 2 threads .* cannot be told apart: faster in 2 of 3 turns/)
  const twice = benchResult('page_fault1', { peer: false, repetitions: 2 })
  assert.match(benchText(twice), /At 2 threads .* 2 turns, too few to compare/)
})
