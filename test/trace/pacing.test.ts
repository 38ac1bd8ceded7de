import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { Pacing } from '../../src/trace/pacing.ts'

const module = new URL('../../src/trace/pacing.ts', import.meta.url).href

/** Runs one worker for each piece of code; resolves with what each posts. */
function runWorkers(
  pacing: Pacing,
  bodies: readonly string[],
): { results: Promise<unknown[]>; workers: Worker[] } {
  const workers = bodies.map(
    (body, worker) =>
      new Worker(
        `
        const { parentPort, workerData } = require('node:worker_threads')
        import(workerData.module).then(({ Pacing }) => {
          const pacing = new Pacing(workerData.shared)
          const worker = workerData.worker
          pacing.awaitStart()
          ${body}
        }).catch((error) => parentPort.postMessage(error.name))
        `,
        { eval: true, workerData: { module, shared: pacing.shared, worker } },
      ),
  )
  const results = Promise.all(
    workers.map(
      (worker) =>
        new Promise<unknown>((resolve, reject) => worker.on('message', resolve).on('error', reject)),
    ),
  )
  return { results, workers }
}

describe('pacing', () => {
  test('two workers in strict turn never miss each other', { timeout: 60_000 }, async () => {
    const pacing = Pacing.create(2)
    pacing.reset()
    const turns = 20_000
    // Worker 0 does its n-th operation after worker 1 has done n - 1, and the other way round.
    const { results } = runWorkers(pacing, [
      `for (let n = 1; n <= ${turns}; n++) { if (n > 1) pacing.await(1, n - 1); pacing.publish(0, n) } parentPort.postMessage(pacing.done(1))`,
      `for (let n = 1; n <= ${turns}; n++) { pacing.await(0, n); pacing.publish(1, n) } parentPort.postMessage(pacing.done(0))`,
    ])
    pacing.start()
    const [seenOther, seenFirst] = (await results) as [number, number]
    assert.ok(seenOther >= turns - 1)
    assert.equal(seenFirst, turns)
  })

  test('several waiters with different wishes on one worker', { timeout: 60_000 }, async () => {
    const pacing = Pacing.create(4)
    pacing.reset()
    const count = 30_000
    const waiter = (stride: number): string =>
      `for (let n = ${stride}; n <= ${count}; n += ${stride}) { pacing.await(0, n); if (pacing.done(0) < n) throw new Error('too early') } parentPort.postMessage('done')`
    const { results } = runWorkers(pacing, [
      `for (let n = 1; n <= ${count}; n++) { pacing.publish(0, n); if (n % 97 === 0) { const until = performance.now() + 0.02; while (performance.now() < until); } } parentPort.postMessage('done')`,
      waiter(1),
      waiter(3),
      waiter(250),
    ])
    pacing.start()
    assert.deepEqual(await results, ['done', 'done', 'done', 'done'])
  })

  test('abort wakes those that sleep, and those that have not begun', { timeout: 60_000 }, async () => {
    const pacing = Pacing.create(3)
    pacing.reset()
    const { results } = runWorkers(pacing, ['pacing.await(2, 1)', 'pacing.await(0, 5)'])
    pacing.start()
    await new Promise((resolve) => setTimeout(resolve, 100))
    pacing.abort()
    assert.deepEqual(await results, ['ReplayAborted', 'ReplayAborted'])
    const late = runWorkers(pacing, ['pacing.await(2, 1)'])
    assert.deepEqual(await late.results, ['ReplayAborted'])
  })
})
