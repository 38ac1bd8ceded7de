// `faultline campaign FILE`: many checks, simulations and replays, here or on a queue, which go on where they were
// stopped.
import { statSync } from 'node:fs'
import { Command } from 'commander'
import {
  type CampaignProgress,
  type Crew,
  type Executor,
  type JobResult,
  LocalExecutor,
  QueueExecutor,
  QueueWorker,
  type QueueWorkerOptions,
  Store,
  campaignPage,
  campaignText,
  hasFailed,
  readCampaign,
  runCampaign,
  withoutPassword,
} from '../campaign/index.ts'
import { formatCount, formatDuration, plural } from '../report/index.ts'
import { parseShard } from './check-options.ts'
import { UsageError } from './failure.ts'
import { parseCount } from './options.ts'
import { pageLine, usablePage, writeText } from './output-file.ts'
import { print, printLines } from './output.ts'
import { clearProgress, showProgress } from './progress.ts'

const WORKERS_MAX = 256

interface CampaignCommandOptions {
  readonly store?: string
  readonly workers?: string
  readonly queue?: string
  readonly work?: boolean
  readonly files?: string
  readonly untilOver?: boolean
  readonly shard?: string
  readonly merge?: readonly string[]
  readonly output?: string
  readonly json?: boolean
}

export function campaignCommand(): Command {
  return new Command('campaign')
    .description('run the checks, simulations and replays that a file lists over ranges')
    .argument('[file]', 'JSON, or a module whose default export is a campaign: see docs/campaigns.md')
    .option('--store <file>', 'keep results in this SQLite file; jobs with a result do not run again')
    .option('--workers <count>', 'worker threads (default: one for each processor)')
    .option('--queue <address>', 'give the jobs to a queue on Redis or Valkey, as redis://HOST:PORT')
    .option('--work', 'work on the jobs of the queue, of any campaign, until stopped')
    .option(
      '--files <folder>',
      'with --work: the folder of the files that the campaign checks (default: run none)',
    )
    .option('--until-over', 'with --work: exit when the campaign is over')
    .option('--shard <i/n>', 'run every n-th job, starting with the i-th: instead of a queue')
    .option('--merge <files...>', 'first add the results of these stores')
    .option('--output <file>', 'also write an HTML page: FILE.html')
    .option('--json', 'print JSON, one object per line')
    .addHelpText(
      'after',
      [
        '',
        'Exit code 1: a job fails, or could not be done. After Ctrl-C the same command continues from the store.',
        '',
        'Examples:',
        '  faultline campaign sweep.json --store sweep.sqlite',
        '  faultline campaign checks.json --store checks.sqlite --output checks.html',
        '  faultline campaign checks.json --store checks.sqlite --queue redis://queue-host',
        '  faultline campaign --work --queue redis://queue-host',
        '  faultline campaign --work --queue redis://queue-host --files ./checks --until-over',
      ].join('\n'),
    )
    .action(runCommand)
}

async function runCommand(file: string | undefined, options: CampaignCommandOptions): Promise<void> {
  const workers =
    options.workers === undefined ? undefined : parseCount(options.workers, '--workers', 1, WORKERS_MAX)
  refuseCombinations(file, options)
  if (options.work === true) {
    const files = options.files === undefined ? undefined : existingFolder(options.files)
    await workForQueue(options.queue!, { workers, files }, options.untilOver === true)
    return
  }
  await runFile(file!, workers, options)
}

function refuseCombinations(
  file: string | undefined,
  { work, queue, workers, untilOver, files, ...others }: CampaignCommandOptions,
): void {
  if (queue !== undefined && !/^rediss?:\/\/./.test(queue))
    throw new UsageError(`--queue ${queue} is not usable`, 'give it as redis://HOST:PORT')
  if (work === true) {
    if (queue === undefined) throw new UsageError('--work needs a queue', 'give --queue redis://HOST:PORT')
    if (file !== undefined) throw new UsageError('--work takes no campaign', 'leave the file out')
    const [wrong] = Object.keys(others)
    if (wrong !== undefined) throw new UsageError(`--${wrong} does not go with --work`, 'leave it out')
    return
  }
  if (file === undefined) throw new UsageError('there is no campaign', 'give its file')
  if (untilOver === true) throw new UsageError('--until-over is for --work', 'leave it out')
  if (files !== undefined)
    throw new UsageError('--files is for --work', 'leave it out: the folder is that of the campaign')
  if (queue !== undefined && workers !== undefined)
    throw new UsageError('--workers does not go with --queue', 'give it to the workers: --work --workers N')
}

function existingFolder(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return path
  throw new UsageError(`--files ${path} is not a folder`, 'name the folder with the files of the campaign')
}

async function workForQueue(
  queue: string,
  options: Pick<QueueWorkerOptions, 'workers' | 'files'>,
  untilOver: boolean,
): Promise<void> {
  const stop = new AbortController()
  const interrupted = interruptsTo(stop)
  try {
    const onTask = (done: number): void => showProgress(`${formatCount(done)} tasks done`)
    const worker = await QueueWorker.start(queue, { ...options, onTask })
    const stopped = new Promise((resolve) => stop.signal.addEventListener('abort', resolve))
    await (untilOver ? Promise.race([worker.campaignOver(stop.signal), stopped]) : stopped)
    await worker.close()
    clearProgress()
  } finally {
    interrupted.end()
  }
}

async function runFile(
  file: string,
  workers: number | undefined,
  options: CampaignCommandOptions,
): Promise<void> {
  const page = options.output === undefined ? null : usablePage(options.output)
  const { index, count } = options.shard === undefined ? { index: 1, count: 1 } : parseShard(options.shard)
  const { name, jobs: all, folder } = await readCampaign(file)
  const jobs = all.filter((_, number) => number % count === index - 1)
  const stop = new AbortController()
  const interrupted = interruptsTo(stop)
  const store = Store.open(options.store ?? null)
  const executor: Executor =
    options.queue === undefined ? new LocalExecutor(workers, folder) : await openQueue(options.queue)
  try {
    for (const other of options.merge ?? []) store.merge(other)
    const { signal } = stop
    const outcome = await runCampaign(jobs, {
      executor,
      store,
      signal,
      onProgress: (progress) => showProgress(progressText(name, progress)),
    })
    if (page !== null) await writeText(page, campaignPage(name, outcome))
    if (options.json === true) await printLines(jsonLines(outcome.results))
    else await print(campaignText(name, outcome) + (page === null ? '' : pageLine(page)))
    if (hasFailed(outcome)) process.exitCode = 1
  } catch (error) {
    if (error !== stop.signal.reason) throw error
    sayStopped(options.store)
  } finally {
    await executor.close()
    store.close()
    interrupted.end()
  }
}

function* jsonLines(results: readonly JobResult[]): Generator<string> {
  for (const result of results) yield `${JSON.stringify(result)}\n`
}

function openQueue(queue: string): Promise<QueueExecutor> {
  return QueueExecutor.open(queue, {
    onNobody(ofOtherCode) {
      clearProgress()
      const who = ofOtherCode ? 'only workers of another version are' : 'no worker is'
      process.stderr.write(
        `faultline: ${who} at the queue — start some: faultline campaign --work --queue ${withoutPassword(queue)}\n`,
      )
    },
  })
}

function progressText(
  name: string,
  { done, known, jobs, failed, secondsLeft, crew }: CampaignProgress,
): string {
  const parts = [
    `${formatCount(done)} of ${formatCount(jobs)} jobs`,
    ...(known > 0 ? [`${formatCount(known)} known before`] : []),
    ...(failed > 0 ? [`${formatCount(failed)} not done`] : []),
    ...(secondsLeft === null ? [] : [`about ${formatDuration(secondsLeft * 1e9)} left`]),
    ...(crew === null ? [] : [crewText(crew)]),
  ]
  return `campaign ${name}: ${parts.join(', ')}`
}

/** Who works: of one process, only how many threads. */
function crewText({ workers, threads, active, waiting }: Crew): string {
  const who = workers === 1 ? '' : `${plural(workers, 'worker')} with `
  return `${who}${plural(threads, 'thread')}: ${formatCount(active)} running tasks, ${formatCount(waiting)} waiting`
}

/** The first signal ends the campaign in order; its process then dies of the signal, as a shell expects. */
function interruptsTo(stop: AbortController): { end(): void } {
  let received: NodeJS.Signals | null = null
  const on = (signal: NodeJS.Signals): void => {
    received = signal
    forget()
    stop.abort(new Error(signal))
  }
  const forget = (): void => void process.off('SIGINT', on).off('SIGTERM', on)
  process.on('SIGINT', on).on('SIGTERM', on)
  return {
    end() {
      forget()
      if (received !== null) process.kill(process.pid, received)
    },
  }
}

function sayStopped(store: string | undefined): void {
  clearProgress()
  const kept =
    store === undefined
      ? 'nothing is kept, since there was no --store'
      : `the same command continues from ${store}`
  process.stderr.write(`faultline: stopped — ${kept}\n`)
}
