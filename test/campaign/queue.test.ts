// Campaigns on a queue: on a Redis of this test's own, whose server and workers are killed. Skipped where no server is
// installed.

import assert from 'node:assert/strict'
import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Redis } from 'ioredis'
import { codeDigest } from '../../src/campaign/code.ts'
import { LocalExecutor } from '../../src/campaign/executors/local.ts'
import { QueueExecutor } from '../../src/campaign/executors/queue.ts'
import { QueueWorker } from '../../src/campaign/executors/queue-worker.ts'
import { connect } from '../../src/campaign/executors/redis.ts'
import type { Task } from '../../src/campaign/task.ts'
import { jobsOf, runWith, small, temporaryFolder, textOf } from './support.ts'

const server = ['redis-server', 'valkey-server'].find((name) => spawnSync(name, ['--version']).status === 0)
const folder = temporaryFolder()
const jobs = jobsOf(small)

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  await once(probe, 'close')
  return port
}

/** Starts a server that keeps nothing, and waits until it answers. */
async function startServer(port: number): Promise<ChildProcess> {
  const values = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const child = spawn(server!, values, { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const text of child.stdout.setEncoding('utf8') as AsyncIterable<string>)
    if (/ready to accept connections/i.test(text)) break
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

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
    const startWorker = async (): Promise<ChildProcess> => {
      const child = fork(fileURLToPath(new URL('worker-child.ts', import.meta.url)), [url])
      workers.push(child)
      await once(child, 'message')
      return child
    }

    before(async () => {
      port = await freePort()
      url = `redis://127.0.0.1:${port}`
      running = await startServer(port)
      client = await connect(url)
    })

    after(async () => {
      client?.disconnect()
      await Promise.all([...workers, running].map(kill))
    })

    it('has the same results, though a worker and then the server are killed', async () => {
      const expected = await runWith(new LocalExecutor(1), jobs)
      const executor = await QueueExecutor.open(url)
      const [one, other] = [await startWorker(), await startWorker()]
      const results = runWith(executor, jobs)
      await once(one, 'message')
      await kill(one)
      await once(other, 'message')
      // All that was on the queue, and every answer that was not read, is gone with it.
      await kill(running)
      running = await startServer(port)
      assert.equal(textOf((await results).results), textOf(expected.results))
      await kill(other)
    })

    it('answers all who ask for one task', async () => {
      const [one, other] = [await QueueExecutor.open(url), await QueueExecutor.open(url)]
      const worker = await QueueWorker.start(url, { workers: 1 })
      const outcomes = await Promise.all([one, one, other].map((each) => each.run(nothing('twice'))))
      assert.deepEqual(
        outcomes.map(({ value }) => value),
        [null, null, null],
      )
      await Promise.all([one.close(), other.close(), worker.close()])
    })

    it('finds the answers to what a process had asked for that is gone', async () => {
      const one = await QueueExecutor.open(url)
      const worker = await QueueWorker.start(url, { workers: 1 })
      const outcome = await one.run(nothing('early'))
      await Promise.all([one.close(), worker.close()])
      const other = await QueueExecutor.open(url)
      assert.deepEqual(await other.run(nothing('early')), outcome)
      await other.close()
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
      assert.deepEqual(await client.keys('faultline:campaign:*'), [])
    })

    it('tells once that nobody works, until somebody has', async () => {
      const told: boolean[] = []
      const waiting = Promise.withResolvers<void>()
      const onNobody = (ofOtherCode: boolean): void => {
        told.push(ofOtherCode)
        waiting.resolve()
      }
      // Of the workers that were killed; else they are forgotten after a minute.
      for (const gone of await client.keys('faultline:worker:*')) await client.del(gone)
      const key = `faultline:worker:${'0'.repeat(64)}:1`
      await client.set(key, '1')
      const executor = await QueueExecutor.open(url, { onNobody })
      const outcome = executor.run(nothing('waits'))
      await waiting.promise
      const worker = await QueueWorker.start(url, { workers: 1 })
      assert.equal((await outcome).value, null)
      await Promise.all([executor.close(), worker.close(), client.del(key)])
      assert.deepEqual(told, [true])
      assert.deepEqual(await client.keys('faultline:worker:*'), [])
    })

    it('tells of a task that cannot be done', async () => {
      const executor = await QueueExecutor.open(url)
      const worker = await QueueWorker.start(url, { workers: 1 })
      const [job] = jobsOf({
        name: 'a',
        jobs: [{ replay: [fileURLToPath(import.meta.url)], designs: ['classic'] }],
      })
      assert.equal(job!.kind, 'replay')
      const work = { kind: 'replay', job: { ...job!, content: 'another' } } as never
      await assert.rejects(executor.run({ key: 'bad', work }), {
        name: 'TaskFailed',
        message: /RecordingDiffers/,
      })
      await Promise.all([executor.close(), worker.close()])
    })

    it('refuses a worker of other code, and one that has the wrong address', async () => {
      const key = `faultline:campaign:${'0'.repeat(64)}:1`
      await client.set(key, '1')
      const refusal = { name: 'QueueRefused', message: /is of other code \(000000000000\) than this worker/ }
      await assert.rejects(QueueWorker.start(url), refusal)
      // Beside one of its own, it works for that.
      await client.set(`faultline:campaign:${codeDigest()}:1`, '1')
      const worker = await QueueWorker.start(url, { workers: 1 })
      const isOver = worker.campaignOver(new AbortController().signal)
      // Asked for after it has seen the campaign.
      const executor = await QueueExecutor.open(url)
      await executor.run(nothing('seen'))
      await client.del(key, `faultline:campaign:${codeDigest()}:1`)
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
