// `faultline bench WORKLOAD`: faults per second and fault latency on real threads.
import os from 'node:os'
import { Command } from 'commander'
import { benchCsv, benchText, formatBytes } from '../report/index.ts'
import {
  DEFAULT_BYTES_PER_THREAD,
  findWorkload,
  machineMemory,
  runBench,
  workloads,
  type Workload,
} from '../workloads/index.ts'
import { UsageError } from './failure.ts'
import {
  DEFAULT_DESIGNS,
  RWSEM_OPTION,
  parseConfig,
  parseCount,
  parseCounts,
  parseDesigns,
  parseNumber,
  parseRss,
  parseRwsemChoice,
  parseSize,
  unknownName,
} from './options.ts'
import { print, textOptions, toJson } from './output.ts'
import { showProgress } from './progress.ts'

/** A machine has at most 256 CPUs: one is the main thread's, and at least one is kept for a writer. */
const MAX_THREADS = 254
const MAX_MEMORY = 2 ** 32 - 4096

interface BenchCommandOptions {
  readonly design: string
  readonly rwsem: string
  readonly rss: string
  readonly threads: string
  readonly seconds: string
  readonly warmup: string
  readonly repeat: string
  readonly size: string
  readonly config?: string
  readonly against?: string
  readonly csv?: boolean
  readonly json?: boolean
}

export function benchCommand(): Command {
  const listed = workloads.map(({ name, description }) => `  ${name.padEnd(20)}  ${description}`)
  return new Command('bench')
    .description('measure faults per second and fault latency on real threads')
    .argument('<workload>', workloads.map(({ name }) => name).join(', '))
    .option('--design <names>', "designs, as a,b or 'all'", DEFAULT_DESIGNS)
    .option('--rwsem <names>', RWSEM_OPTION, 'year')
    .option(
      '--rss <way>',
      'count resident pages batched by each thread, or shared in the address space',
      'batched',
    )
    .option('--threads <counts>', 'numbers of measured threads, as 1,2,4', defaultThreads().join(','))
    .option('--seconds <number>', 'length of the measured window', '2')
    .option('--warmup <number>', 'seconds before it; always at least one whole iteration', '1')
    .option('--repeat <count>', 'runs of each, interleaved', '3')
    .option(
      '--size <bytes>',
      'mapping of each thread',
      formatBytes(DEFAULT_BYTES_PER_THREAD).replace(' ', ''),
    )
    .option('--config <options>', 'kernel options, as ZERO_WRITTEN_SECTORS=off')
    .option('--against <peer>', 'also run it on a peer: linux (needs a C compiler)')
    .option('--csv', "print will-it-scale's columns")
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      [
        '',
        'Workloads:',
        ...listed,
        '',
        'Examples:',
        '  faultline bench page_fault1 --threads 1,2 --against linux',
        '  faultline bench read-fault --rwsem all --seconds 5',
        '  faultline bench page_fault1 --design lespinasse-2021 --csv > page_fault1.csv',
      ].join('\n'),
    )
    .action(runCommand)
}

async function runCommand(name: string, options: BenchCommandOptions, command: Command): Promise<void> {
  const workload = findWorkload(name)
  if (workload === undefined) {
    throw unknownName(
      name,
      workloads.map((known) => known.name),
      'workload',
      'bench',
    )
  }
  if (options.csv && options.json)
    throw new UsageError('--csv and --json exclude each other', 'give one of them')
  if (options.against !== undefined && options.against !== 'linux') {
    throw unknownName(options.against, ['linux'], 'peer', '--against')
  }
  const threads = parseCounts(options.threads, '--threads', 1, Math.min(MAX_THREADS, 255 - workload.writers))
  const bytesPerThread = parseSize(options.size, '--size')
  if (workload.sharedPages > 0 && command.getOptionValueSource('size') === 'cli') {
    throw new UsageError(
      `--size does not go with ${name}: its threads share ${workload.sharedPages} pages`,
      'leave it out',
    )
  }
  checkMemory(workload, threads, bytesPerThread)
  const result = await runBench({
    workload,
    designs: parseDesigns(options.design),
    rwsems: parseRwsemChoice(options.rwsem),
    threads,
    seconds: parseNumber(options.seconds, '--seconds', 0.01, 3600),
    warmupSeconds: parseNumber(options.warmup, '--warmup', 0, 3600),
    repetitions: parseCount(options.repeat, '--repeat', 1, 1000),
    bytesPerThread,
    rss: parseRss(options.rss),
    config: options.config === undefined ? {} : parseConfig(options.config),
    against: options.against ? 'linux' : null,
    onProgress: (step, steps, what) => showProgress(`${name} ${step}/${steps}: ${what}`),
  })
  await print(
    options.json ? toJson(result) : options.csv ? benchCsv(result) : benchText(result, textOptions()),
  )
}

function checkMemory(workload: Workload, threads: readonly number[], bytesPerThread: number): void {
  const most = Math.max(...threads)
  const memory = machineMemory(workload, most, bytesPerThread)
  if (memory > MAX_MEMORY) {
    throw new UsageError(
      `${workload.name} with --threads ${most} needs ${formatBytes(memory)} of memory, more than the 4 GiB of a machine`,
      'use fewer threads or a smaller --size',
    )
  }
}

/** 1, 2, 4 … up to what this machine runs at once, and that number itself. */
function defaultThreads(): number[] {
  const most = Math.min(os.availableParallelism(), 16)
  const counts = []
  for (let count = 1; count < most; count *= 2) counts.push(count)
  return [...counts, most]
}
