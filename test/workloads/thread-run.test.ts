import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  findWorkload,
  LATENCY_SAMPLE_INTERVAL,
  PAGE_SIZE,
  workloads,
  type Workload,
} from '../../src/workloads/catalogue.ts'
import { runOnThreads, type DesignRun, type ThreadRunOptions } from '../../src/workloads/thread-run.ts'

const bytesPerThread = 4 * 2 ** 20

function run(workload: Workload, changes: Partial<ThreadRunOptions> = {}): Promise<DesignRun> {
  return runOnThreads({
    workload,
    design: 'lespinasse-2021',
    rwsem: 'xadd',
    threads: 2,
    seconds: 0.1,
    warmupSeconds: 0.05,
    bytesPerThread,
    repetition: 1,
    config: {},
    ...changes,
  })
}

for (const workload of workloads) {
  test(`${workload.name} on two threads counts what it says it counts`, async () => {
    const result = await run(workload)
    assert.equal(result.threads, 2)
    assert.ok(result.seconds > 0.09)
    assert.ok(result.faults > bytesPerThread / PAGE_SIZE || workload.counts !== 'pages')
    assert.equal(result.faultsPerSecond, result.faults / result.seconds)
    assert.equal(result.writerCycles !== null, workload.writers > 0)
    if (workload.writers > 0) assert.ok(result.writerCycles! > 0, 'the writer works too')
    if (workload.counts !== 'pages') {
      if (workload.counts === 'accesses') assert.ok(result.faults > 0 && result.faultsTaken > 0)
      else assert.equal(result.faultsTaken, 0, 'nothing is touched')
      assert.equal(result.faultLatencyNs, null)
      return
    }
    const latency = result.faultLatencyNs!
    assert.ok(0 < latency.p50 && latency.p50 <= latency.p99 && latency.p99 <= latency.max)
    assert.ok(result.faultsTaken > result.faults * 0.9, 'every counted page was a fault')
    // Faults are timed from before the first reading of the counts until after the last: how long before and after is
    // the host's to say.
    const least = result.faults / LATENCY_SAMPLE_INTERVAL - 2 * result.threads
    assert.ok(latency.samples >= least, `${latency.samples} of ${result.faults} faults are timed`)
    assert.ok(latency.samples < result.faults / 6, 'most are not')
  })
}

test('one counted page is one fault', async () => {
  for (const workload of workloads.filter(({ counts, writers }) => counts === 'pages' && writers === 0)) {
    // Of one thread alone: a fault that is tried speculatively and then classically may count twice.
    const { faults, faultsTaken } = await run(workload, { threads: 1, design: 'classic' })
    // Counts and counters are read one after the other while the thread runs on.
    assert.ok(
      Math.abs(faultsTaken / faults - 1) < 0.1,
      `${workload.name}: ${faultsTaken} faults, ${faults} pages`,
    )
  }
})

test('only a design that speculates handles faults speculatively', async () => {
  const workload = findWorkload('read-fault')!
  const classic = await run(workload, { design: 'classic', rwsem: 'generic' })
  assert.deepEqual(classic.speculative, { attempted: 0, succeeded: 0, aborted: 0 })
  // Two threads: with one, there is nobody to wait for, and the design of 2021 does not try.
  const { speculative, faultsTaken } = await run(workload)
  assert.ok(speculative.succeeded > faultsTaken / 2)
  assert.ok(speculative.succeeded <= speculative.attempted)
})

test('a failure of a worker ends the run with its error and no worker left', async () => {
  // The mapping is larger than any address space: mmap fails in every worker.
  await assert.rejects(
    run(findWorkload('read-fault')!, { bytesPerThread: 2 ** 44 }),
    /ENOMEM|EINVAL|memory|range/i,
  )
})
