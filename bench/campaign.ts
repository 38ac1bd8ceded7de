// What campaigns cost: a thousand simulations on threads here and on a queue, and tasks that do nothing.
//
// `node bench/campaign.ts [--empty COUNT] [--sweep FILE]`. The queue is a Redis or Valkey that it starts.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readCampaign } from '../src/campaign/campaign.ts'
import type { Executor } from '../src/campaign/executors/executor.ts'
import { LocalExecutor } from '../src/campaign/executors/local.ts'
import { QueueExecutor } from '../src/campaign/executors/queue.ts'
import { connect, queueName } from '../src/campaign/executors/redis.ts'
import { runCampaign } from '../src/campaign/run.ts'
import { Store } from '../src/campaign/store.ts'

const { values } = parseArgs({ options: { empty: { type: 'string' }, sweep: { type: 'string' } } })
const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'faultline-bench-campaign-'))
const children: ChildProcess[] = []

/** Has so many tasks that do nothing done, never more of them asked for at once than the executor wants. */
async function runNothing(executor: Executor, count: number): Promise<void> {
  let next = 0
  const runSome = async (): Promise<void> => {
    while (next < count) await executor.run({ key: `nothing-${next++}`, work: { kind: 'nothing' } })
  }
  await Promise.all(Array.from({ length: executor.width }, runSome))
}

async function startServer(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  const name = ['redis-server', 'valkey-server'].find((each) => spawnSync(each, ['--version']).status === 0)
  if (name === undefined) throw new Error('install redis-server or valkey-server')
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--appendonly', 'yes']
  const child = spawn(name, options, { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  for await (const text of child.stdout.setEncoding('utf8') as AsyncIterable<string>)
    if (/ready to accept connections/i.test(text)) break
  return `redis://127.0.0.1:${port}`
}

/** Workers in processes of their own, one thread each, when all of them wait for tasks. */
async function startWorkers(url: string, count: number): Promise<ChildProcess[]> {
  const started = Array.from({ length: count }, () =>
    spawn(process.execPath, [main, 'campaign', '--work', '--workers', '1', '--queue', url], {
      stdio: 'inherit',
    }),
  )
  children.push(...started)
  const client = await connect(url)
  // A worker that waits is blocked on its queue.
  for (;;) {
    const list = String(await client.client('LIST'))
    if (list.split('\n').filter((line) => /cmd=bzpopmin/.test(line)).length >= count) break
  }
  client.disconnect()
  return started
}

async function endWorkers(started: readonly ChildProcess[]): Promise<void> {
  for (const child of started) child.kill('SIGKILL')
  await Promise.all(started.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')))
}

const { name, jobs } = await readCampaign(values.sweep ?? 'examples/campaigns/sweep.ts')
const empty = Number(values.empty ?? 10_000)
const url = await startServer()

/** Rows of the table: wall time, computing in tasks, and what is left of the workers' time for each task. */
async function measure(what: string, executor: Executor, workers: number): Promise<void> {
  const tell = (of: string, tasks: number, seconds: number, busy: number): void => {
    const rest = ((seconds * workers - busy) / tasks) * 1000
    const cells = [
      what,
      workers,
      of,
      seconds.toFixed(1),
      busy.toFixed(1),
      (busy / seconds / workers).toFixed(3),
    ]
    console.log(`| ${[...cells, rest.toFixed(2), (tasks / seconds).toFixed(0)].join(' | ')} |`)
  }
  // Threads load what they need.
  await executor.run({ key: 'warm', work: { kind: 'nothing' } })
  let begun = performance.now()
  await runNothing(executor, empty)
  tell(`${empty} empty`, empty, (performance.now() - begun) / 1000, 0)
  const store = Store.open(join(folder, `${what}-${workers}.sqlite`))
  begun = performance.now()
  const { results, failed } = await runCampaign(jobs, { executor, store })
  const busy = results.reduce((sum, { seconds }) => sum + seconds, 0)
  tell(name, jobs.length, (performance.now() - begun) / 1000, busy)
  if (failed.length > 0) throw new Error(failed[0]!.problem)
  await executor.close()
  store.close()
}

try {
  console.log('| executor | workers | what | s | s in tasks | efficiency | ms beside each task | tasks/s |')
  console.log('|---|---|---|---|---|---|---|---|')
  for (const workers of [1, 2]) await measure('local', new LocalExecutor(workers), workers)
  for (const workers of [1, 2, 4]) {
    const started = await startWorkers(url, workers)
    await measure('queue', await QueueExecutor.open(url), workers)
    await endWorkers(started)
    const client = await connect(url)
    await client.del(`bull:${queueName()}:events`)
    client.disconnect()
  }
} finally {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}
