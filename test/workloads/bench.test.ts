import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeFailure } from '../../src/cli/failure.ts'
import { runBench, type BenchOptions } from '../../src/workloads/bench.ts'
import { findWorkload } from '../../src/workloads/catalogue.ts'

const options: BenchOptions = {
  workload: findWorkload('page_fault1')!,
  designs: ['classic', 'lespinasse-2021'],
  rwsems: ['xadd'],
  threads: [1, 2],
  seconds: 0.05,
  warmupSeconds: 0,
  repetitions: 2,
  config: {},
  bytesPerThread: 2 ** 20,
  against: null,
}

test('runs are taken in turn, and every combination has as many as asked for', async () => {
  const steps: string[] = []
  const result = await runBench({
    ...options,
    onProgress: (step, all, what) => steps.push(`${step}/${all} ${what}`),
  })
  const order = result.runs.map(({ design, threads, repetition }) => `${repetition} ${threads} ${design}`)
  const turn = ['1 classic', '1 lespinasse-2021', '2 classic', '2 lespinasse-2021']
  assert.deepEqual(order, [...turn.map((run) => `1 ${run}`), ...turn.map((run) => `2 ${run}`)])
  assert.equal(steps.length, 8)
  assert.equal(steps[0], '1/8 classic/xadd, threads: 1')
  assert.deepEqual(
    result.summaries.map(({ repetitions }) => repetitions),
    [2, 2, 2, 2],
  )
  for (const { faultsPerSecond: rate } of result.summaries) {
    assert.ok(0 < rate.min && rate.min <= rate.median && rate.median <= rate.max)
  }
  assert.equal(result.peer, null)
})

test('what a run throws reaches the caller with its name and message', async () => {
  const failing = runBench({ ...options, designs: ['no-such-design'] })
  await assert.rejects(failing, (error: unknown) => {
    assert.match(describeFailure(error), /^faultline: .*no-such-design[^\n]*$/)
    return true
  })
})
