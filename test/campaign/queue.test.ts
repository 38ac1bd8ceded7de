// Campaigns on a queue: on a Redis of this test's own, whose server and workers are killed. Skipped where no server is
// installed.

import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Redis } from 'ioredis'
import { LocalExecutor } from '../../src/campaign/executors/local.ts'
import { QueueExecutor } from '../../src/campaign/executors/queue.ts'
import { QueueWorker } from '../../src/campaign/executors/queue-worker.ts'
import { announce, connect, presentOn, queueName } from '../../src/campaign/executors/redis.ts'
import type { Task } from '../../src/campaign/task.ts'
import { freePort, kill, server, startServer } from './server.ts'
import { checks, jobsOf, kinds, runWith, simulations, small, temporaryFolder, textOf } from './support.ts'

const folder = temporaryFolder()
const jobs = await jobsOf(small)
const recording = fileURLToPath(
  new URL('../fixtures/traces/small/attach-then-fork.perf.txt', import.meta.url),
)

/** The digest of other code. */
const other = '0'.repeat(64)

function nothing(key: string): Task {
  return { key, work: { kind: 'nothing' } }
}

describe(
  'a campaign on a queue',
  { skip: server === undefined && 'no redis-server or valkey-server' },
  () => {
    let port = 0
    let url = ''
    let running: ChildProcess
    let client: Redis
    const workers: ChildProcess[] = []

    /** A worker in a process of its own; resolves when it is there. */
    const startWorker = async (...files: string[]): Promise<ChildProcess> => {
      const child = fork(fileURLToPath(new URL('worker-child.ts', import.meta.url)), [url, ...files])
      workers.push(child)
      await once(child, 'message')
      return child
    }

    before(async () => {
      port = await freePort()
      url = `redis://127.0.0.1:${port}`
      running = await startServer(port, folder)
      client = await connect(url)
    })

    after(async () => {
      client?.disconnect()
      await Promise.all([...workers, running].map(kill))
    })

    it('has the same results, though a worker and then the server are killed', async () => {
      const expected = await runWith(new LocalExecutor(1), jobs)
      const executor = await QueueExecutor.open(url)
      const [one, two] = [await startWorker(), await startWorker()]
      const results = runWith(executor, jobs)
      await once(one, 'message')
      await kill(one)
      await once(two, 'message')
      // All that was on the queue, and every answer that was not read, is gone with it.
      await kill(running)
      running = await startServer(port, folder)
      assert.equal(textOf((await results).results), textOf(expected.results))
      await kill(two)
    })

    it('answers all who ask for one task', async () => {
      const [one, two] = [await QueueExecutor.open(url), await QueueExecutor.open(url)]
      const worker = await QueueWorker.start(url, { workers: 1 })
      const outcomes = await Promise.all([one, one, two].map((each) => each.run(nothing('twice'))))
      assert.deepEqual(
        outcomes.map(({ value }) => value),
        [null, null, null],
      )
      await Promise.all([one.close(), two.close(), worker.close()])
    })

    it('finds the answers to what a process had asked for that is gone', async () => {
      const one = await QueueExecutor.open(url)
      const worker = await QueueWorker.start(url, { workers: 1 })
      const outcome = await one.run(nothing('early'))
      await Promise.all([one.close(), worker.close()])
      const next = await QueueExecutor.open(url)
      assert.deepEqual(await next.run(nothing('early')), outcome)
      await next.close()
    })

    it('leaves nothing to do behind when it is stopped', async () => {
      const executor = await QueueExecutor.open(url)
      void executor.run(nothing('left'))
      const { promise: added, resolve } = Promise.withResolvers<void>()
      const watch = async (): Promise<void> => {
        const keys = await client.keys('bull:*:left')
        if (keys.length > 0) resolve()
        else setImmediate(() => void watch())
      }
      await watch()
      await added
      await executor.close()
      assert.deepEqual(await client.keys('bull:*:left'), [])
      assert.equal((await presentOn(client, 'campaign')).size, 0)
    })

    it('tells once that nobody works, until somebody has', async () => {
      const told: boolean[] = []
      const waiting = Promise.withResolvers<void>()
      const onNobody = (ofOtherCode: boolean): void => {
        told.push(ofOtherCode)
        waiting.resolve()
      }
      // Of the workers that were killed; else they are forgotten after a minute.
      await client.del('faultline:workers')
      const gone = await announce(client, 'worker', 1, other)
      const executor = await QueueExecutor.open(url, { onNobody })
      const outcome = executor.run(nothing('waits'))
      await waiting.promise
      const worker = await QueueWorker.start(url, { workers: 1 })
      assert.equal((await outcome).value, null)
      await Promise.all([executor.close(), worker.close(), gone()])
      assert.deepEqual(told, [true])
      assert.equal((await presentOn(client, 'worker')).size, 0)
    })

    it('tells of a task that cannot be done', async () => {
      const executor = await QueueExecutor.open(url)
      const worker = await QueueWorker.start(url, { workers: 1 })
      const [job] = await jobsOf({
        name: 'a',
        jobs: [{ replay: [fileURLToPath(import.meta.url)], designs: ['classic'] }],
      })
      assert.equal(job!.kind, 'replay')
      const work = { kind: 'replay', job: { ...job!, content: '0'.repeat(64) } } as never
      await assert.rejects(executor.run({ key: 'bad', work }), {
        name: 'TaskFailed',
        message: /the recording .* is not on the queue/,
      })
      await Promise.all([executor.close(), worker.close()])
    })

    it('runs files where the worker has them, and sends recordings', async () => {
      const own = await jobsOf({ name: 'own', jobs: [...kinds.jobs.slice(0, 4), kinds.jobs.at(-1)!] }, checks)
      const replays = await jobsOf({
        name: 'a',
        jobs: [{ replay: [recording], designs: ['classic'], threads: 1, repeat: 1 }],
      })
      const expected = await runWith(new LocalExecutor(1, checks), own)
      const without = await QueueWorker.start(url, { workers: 1 })
      const [refused] = (await runWith(await QueueExecutor.open(url), [own[0]!])).failed
      assert.match(
        refused!.problem,
        /^FileRefused: lost-update\.ts is not run here: give the worker the folder/,
      )
      await without.close()
      const two = [await startWorker(checks), await startWorker(checks)]
      const outcome = await runWith(await QueueExecutor.open(url), [...own, ...replays])
      assert.deepEqual(outcome.failed, [])
      const replayed = outcome.results.at(-1)!
      assert.ok(replayed.job.kind === 'replay' && 'fidelity' in replayed.result)
      assert.equal(replayed.result.fidelity.failed, 0)
      assert.equal(textOf(outcome.results.slice(0, -1)), textOf(expected.results))
      await Promise.all(two.map(kill))
    })

    it('ends where the server takes no more, and says what helps', async () => {
      const executor = await QueueExecutor.open(url)
      await client.config('SET', 'maxmemory', '1')
      await assert.rejects(executor.run(nothing('too much')), {
        name: 'QueueRefused',
        message: /the queue takes no task: .*OOM/,
        remedy: /give it more memory/,
      })
      await client.config('SET', 'maxmemory', '0')
      await executor.close()
    })

    it('believes no answer that makes no sense', async () => {
      const executor = await QueueExecutor.open(url)
      const [job] = await jobsOf(simulations)
      const answer = executor.run({ key: 'forged', work: { kind: 'simulate', job: job as never } })
      const stream = `bull:${queueName()}:events`
      await client.xadd(stream, '*', 'event', 'completed', 'jobId', 'forged', 'returnvalue', '{"seconds":1}')
      await assert.rejects(answer, {
        name: 'TaskFailed',
        message: /the answer makes no sense: .* value is no object/,
      })
      await executor.close()
    })

    it('refuses a worker of other code, and one that has the wrong address', async () => {
      const goOfOther = await announce(client, 'campaign', 0, other)
      const refusal = { name: 'QueueRefused', message: /has other code \(000000000000\) than this worker/ }
      await assert.rejects(QueueWorker.start(url), refusal)
      // Beside one of its own, it works for that.
      const go = await announce(client, 'campaign', 0)
      const worker = await QueueWorker.start(url, { workers: 1 })
      const isOver = worker.campaignOver(new AbortController().signal)
      // Asked for after it has seen the campaign.
      const executor = await QueueExecutor.open(url)
      await executor.run(nothing('seen'))
      await Promise.all([go(), goOfOther()])
      await executor.close()
      await isOver
      await worker.close()
      const wrong = `redis://user:secret@127.0.0.1:${await freePort()}`
      await assert.rejects(QueueWorker.start(wrong), (error: Error) => {
        assert.match(error.message, /the queue at redis:\/\/…@127\.0\.0\.1:\d+ does not answer/)
        return true
      })
    })
  },
)
