// What campaigns cost: checks, a thousand simulations, jobs of some five seconds, and tasks that do nothing, each on
// threads here and on a queue with worker processes. `npm run bench:campaign -- [--size SHARE] [--results FILE]`.
//
// Each row is written to the file of results when it is measured, and one that is there is not measured again: the
// same command goes on where it was stopped. Rows of another code or size are left out.
//
// Efficiency is what the tasks computed, in seconds of a processor, as a share of the time of the processors that were
// there: as many as there are workers, and no more than the machine has. What is left is what a campaign costs beside
// its tasks: the processes around them, the queue, and waiting for the last one.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { expandCampaign, readCampaign } from '../src/campaign/campaign.ts'
import { codeDigest } from '../src/campaign/code.ts'
import type { Executor } from '../src/campaign/executors/executor.ts'
import { LocalExecutor } from '../src/campaign/executors/local.ts'
import { QueueExecutor } from '../src/campaign/executors/queue.ts'
import { connect, queueName } from '../src/campaign/executors/redis.ts'
import type { Job } from '../src/campaign/job.ts'
import { runCampaign } from '../src/campaign/run.ts'
import { Store } from '../src/campaign/store.ts'

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: '1' },
    results: { type: 'string', default: '.build/bench-campaign.jsonl' },
  },
})
const size = Number(values.size)
if (!(size > 0 && size <= 1)) throw new RangeError('--size is a share, more than 0 and up to 1')
const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
const sweep = fileURLToPath(new URL('../examples/campaigns/sweep.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'faultline-bench-campaign-'))
const children = new Set<ChildProcess>()
const processors = availableParallelism()
const code = codeDigest().slice(0, 12)

// ---------------------------------------------------------------------------------------------------------------------
// What is measured

/** Every scenario of the kernel under two designs: of the whole campaign, so much as fits into a minute. */
const checks = {
  name: 'checks',
  jobs: [{ check: 'all', designs: ['classic', 'lespinasse-2021'], steps: 60_000 }],
}
/** Simulations that take about five seconds each. */
const long = {
  name: 'long',
  jobs: [
    {
      simulate: ['page_fault1'],
      machines: ['icelake-2s'],
      cpus: [16],
      designs: ['classic'],
      rwsems: ['spinning'],
      seeds: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
      effort: 12.5,
    },
  ],
}

/** So much of a list, from all over it. */
function some<T>(all: readonly T[]): readonly T[] {
  const step = 1 / size
  return all.filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step))
}

const workloads: readonly { readonly what: string; readonly jobs: readonly Job[] | number }[] = [
  { what: 'checks', jobs: some((await expandCampaign(checks, 'campaign.json')).jobs) },
  { what: 'simulations', jobs: some((await readCampaign(sweep)).jobs) },
  { what: 'jobs of some 5 s', jobs: some((await expandCampaign(long, 'campaign.json')).jobs) },
  { what: 'tasks that do nothing', jobs: Math.round(100_000 * size) },
]

const executors: readonly { readonly executor: 'threads' | 'queue'; readonly workers: number }[] = [
  { executor: 'threads', workers: 1 },
  { executor: 'threads', workers: 2 },
  { executor: 'queue', workers: 1 },
  { executor: 'queue', workers: 2 },
  { executor: 'queue', workers: 4 },
]

interface Row {
  readonly code: string
  readonly size: number
  readonly processors: number
  readonly what: string
  readonly executor: string
  readonly workers: number
  readonly jobs: number
  /** From the first job to the last, and what tasks computed. */
  readonly seconds: number
  readonly computed: number
}

/** Has so many tasks that do nothing done, never more of them asked for at once than the executor wants. */
async function runNothing(executor: Executor, count: number): Promise<void> {
  let next = 0
  const runSome = async (): Promise<void> => {
    while (next < count) await executor.run({ key: `nothing-${next++}`, work: { kind: 'nothing' } })
  }
  await Promise.all(Array.from({ length: executor.width }, runSome))
}

/** Seconds that it took, and that tasks computed. */
async function measure(
  executor: Executor,
  jobs: readonly Job[] | number,
): Promise<{ seconds: number; computed: number }> {
  // A worker thread is there.
  await executor.run({ key: 'warm', work: { kind: 'nothing' } })
  const begun = performance.now()
  const secondsSince = (): number => (performance.now() - begun) / 1000
  if (typeof jobs === 'number') {
    await runNothing(executor, jobs)
    return { seconds: secondsSince(), computed: 0 }
  }
  const path = join(folder, 'store.sqlite')
  const store = Store.open(path)
  const { results, failed } = await runCampaign(jobs, { executor, store })
  const seconds = secondsSince()
  store.close()
  for (const part of ['', '-wal', '-shm']) rmSync(path + part, { force: true })
  if (failed.length > 0) throw new Error(failed[0]!.problem)
  return { seconds, computed: results.reduce((sum, result) => sum + result.seconds, 0) }
}

// ---------------------------------------------------------------------------------------------------------------------
// Processes

function start(file: string, args: readonly string[], stdout: 'pipe' | 'inherit'): ChildProcess {
  const child = spawn(file, args, { stdio: ['ignore', stdout, 'inherit'] })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

async function startServer(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  const name = ['redis-server', 'valkey-server'].find((each) => spawnSync(each, ['--version']).status === 0)
  if (name === undefined) throw new Error('install redis-server or valkey-server')
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const child = start(name, options, 'pipe')
  for await (const text of child.stdout!.setEncoding('utf8') as AsyncIterable<string>)
    if (/ready to accept connections/i.test(text)) break
  return `redis://127.0.0.1:${port}`
}

/** Workers in processes of their own, one thread each, when all of them wait for tasks. */
async function startWorkers(url: string, count: number): Promise<ChildProcess[]> {
  const args = [main, 'campaign', '--work', '--workers', '1', '--queue', url]
  const started = Array.from({ length: count }, () => start(process.execPath, args, 'inherit'))
  const client = await connect(url)
  // A worker that waits is blocked on its queue.
  for (;;) {
    const list = String(await client.client('LIST'))
    if (list.split('\n').filter((line) => /cmd=bzpopmin/.test(line)).length >= count) break
  }
  client.disconnect()
  return started
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

/** What was answered is in the server's memory, and would be the answer again. */
async function forgetAnswers(url: string): Promise<void> {
  const client = await connect(url)
  await client.del(`bull:${queueName()}:events`)
  client.disconnect()
}

function cleanUp(): void {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}

// ---------------------------------------------------------------------------------------------------------------------
// The table

function knownRows(): Row[] {
  if (!existsSync(values.results)) return []
  const lines = readFileSync(values.results, 'utf8').split('\n').slice(0, -1)
  const rows = lines.map((line) => JSON.parse(line) as Row)
  return rows.filter((row) => row.code === code && row.size === size && row.processors === processors)
}

function print(rows: readonly Row[]): void {
  const found = (what: string, { executor, workers }: (typeof executors)[number]): Row | undefined =>
    rows.find((row) => row.what === what && row.executor === executor && row.workers === workers)
  console.log(`${processors} processors, code ${code}${size === 1 ? '' : `, size ${size}`}\n`)
  console.log(
    '| what | executor | workers | s | computed, s | efficiency | beside each job | jobs/s | speed |',
  )
  console.log('|---|---|---|---|---|---|---|---|---|')
  for (const { what } of workloads) {
    const one = found(what, executors[0]!)
    for (const each of executors) {
      const row = found(what, each)
      if (row === undefined) continue
      const { executor, workers, jobs, seconds, computed } = row
      const there = seconds * Math.min(workers, processors)
      const cells = [
        `${jobs.toLocaleString('en-US')} ${what}`,
        executor,
        workers,
        seconds.toFixed(1),
        computed === 0 ? '–' : computed.toFixed(1),
        computed === 0 ? '–' : `${((computed / there) * 100).toFixed(1)} %`,
        `${(((there - computed) / jobs) * 1000).toFixed(2)} ms`,
        (jobs / seconds).toFixed(1),
        one === undefined ? '' : `${(one.seconds / seconds).toFixed(2)}×`,
      ]
      console.log(`| ${cells.join(' | ')} |`)
    }
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    cleanUp()
    process.kill(process.pid, signal)
  })
}
mkdirSync(dirname(values.results), { recursive: true })
const rows = knownRows()
let url: string | null = null
try {
  for (const { executor, workers } of executors) {
    for (const { what, jobs } of workloads) {
      const isKnown = rows.some(
        (row) => row.what === what && row.executor === executor && row.workers === workers,
      )
      if (isKnown) continue
      process.stderr.write(`${what}, ${executor}, ${workers} …\n`)
      if (executor === 'queue') url ??= await startServer()
      const started = executor === 'queue' ? await startWorkers(url!, workers) : []
      const open = executor === 'queue' ? await QueueExecutor.open(url!) : new LocalExecutor(workers)
      const times = await measure(open, jobs)
      await open.close()
      await Promise.all(started.map(end))
      if (executor === 'queue') await forgetAnswers(url!)
      const count = typeof jobs === 'number' ? jobs : jobs.length
      const row: Row = { code, size, processors, what, executor, workers, jobs: count, ...times }
      appendFileSync(values.results, `${JSON.stringify(row)}\n`)
      rows.push(row)
    }
  }
  print(rows)
} finally {
  cleanUp()
}
