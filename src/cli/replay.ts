// `faultline replay TRACE`: how a recorded program would have run under each design.
import os from 'node:os'
import { Command } from 'commander'
import {
  htmlPage,
  mergeRepetitions,
  replayText,
  traceReport,
  verdictOf,
  verdictReport,
  type DesignReplay,
  type ReplayReport,
} from '../report/index.ts'
import type { WhatIf } from '../simulate/index.ts'
import { DetailCollector, type ImportedTrace, replayTrace } from '../trace/index.ts'
import { combine } from '../workloads/index.ts'
import { UsageError } from './failure.ts'
import {
  DEFAULT_DESIGNS,
  RWSEM_OPTION,
  parseCount,
  parseDesigns,
  parseNumber,
  parseRss,
  parseRwsemChoice,
  parseSize,
} from './options.ts'
import { pageLine, usablePage, writeText } from './output-file.ts'
import { print, textOptions, toJson } from './output.ts'
import { showProgress } from './progress.ts'
import { resultHead } from './result-file.ts'
import { parseProcess, readRecording } from './trace-report.ts'
import { type WhatIfCommandOptions, addWhatIfOptions, whatIfOf } from './what-if-options.ts'

/** A machine has at most 256 CPUs, one of them the main thread's. */
const MAX_THREADS = 255

interface ReplayCommandOptions extends WhatIfCommandOptions {
  readonly design: string
  readonly rwsem: string
  readonly rss: string
  readonly threads?: string
  readonly process: string
  readonly memory?: string
  readonly repeat: string
  readonly minFidelity: string
  readonly output?: string
  readonly json?: boolean
}

export function replayCommand(): Command {
  const command = new Command('replay')
    .description('replay a recorded program, with its threads, under each design')
    .argument(
      '<trace>',
      "a recording, or the output of `perf script`, plain or compressed; '-' reads standard input",
    )
    .option('--design <names>', "designs, as a,b or 'all'", DEFAULT_DESIGNS)
    .option('--rwsem <names>', RWSEM_OPTION, 'year')
    .option(
      '--rss <way>',
      'count resident pages batched by each thread, or shared in the address space',
      'batched',
    )
    .option('--threads <count>', 'maximum number of worker threads (default: one for each processor)')
    .option(
      '--process <which>',
      "processes to replay: 'all', 'busiest' (most page faults) or a number",
      'all',
    )
    .option('--memory <size>', 'memory of the machine, such as 512MiB (default: what the program needs)')
    .option('--repeat <count>', 'runs of each design, interleaved', '3')
    .option('--min-fidelity <share>', 'minimum share of recorded faults to reproduce, 0 to 1', '0.98')
    .option('--output <file>', 'also write an HTML page: FILE.html')
    .option('--json', 'print JSON')
  return addWhatIfOptions(command)
    .addHelpText(
      'after',
      [
        '',
        'Exit code 1: an access failed that Linux allowed, or --min-fidelity was not reached.',
        '',
        'Examples:',
        '  faultline replay service.perf.txt.gz --rwsem all',
        '  faultline replay service.perf.txt.gz --process 4242 --threads 4 --json',
        '  faultline replay build.perf.txt.gz --design per-vma-refcount-2025',
        '  perf script --show-mmap-events -F comm,pid,tid,cpu,time,event,trace | faultline replay -',
      ].join('\n'),
    )
    .action(runCommand)
}

async function runCommand(path: string, options: ReplayCommandOptions): Promise<void> {
  const designs = parseDesigns(options.design)
  const rwsems = parseRwsemChoice(options.rwsem)
  const rss = parseRss(options.rss)
  const repetitions = parseCount(options.repeat, '--repeat', 1, 1000)
  const minimumFidelity = parseNumber(options.minFidelity, '--min-fidelity', 0, 1)
  const threads =
    options.threads === undefined ? undefined : parseCount(options.threads, '--threads', 1, MAX_THREADS)
  const memory = options.memory === undefined ? undefined : parseSize(options.memory, '--memory')
  const which = parseProcess(options.process)

  const simulate = await whatIfOf(options)
  if (simulate !== null && path === '-')
    throw new UsageError('standard input cannot be read twice, as --what-if does', 'give a file')

  const page = options.output === undefined ? null : usablePage(options.output)
  const detail = new DetailCollector()

  const trace = await readRecording(path, { process: which, observers: page === null ? [] : [detail] })
  try {
    const combinations = combine(designs, rwsems)
    const results = combinations.map((): DesignReplay[] => [])
    let replayThreads = 0
    for (let repetition = 0; repetition < repetitions; repetition++) {
      for (const [number, combination] of combinations.entries()) {
        const step = repetition * combinations.length + number + 1
        showProgress(
          `replay ${step}/${repetitions * combinations.length}: ${combination.design}/${combination.rwsem}`,
        )
        const result = await replayTrace(trace, {
          ...combination,
          rss,
          ...(threads !== undefined && { threads }),
          ...(memory !== undefined && { memory }),
        })
        replayThreads = result.threads
        results[number]!.push(result)
      }
    }
    const report: ReplayReport = {
      trace: traceReport(trace),
      replayThreads,
      rss,
      processors: os.availableParallelism(),
      designs: results.map((runs) => mergeRepetitions(runs, replayThreads)),
    }
    const simulated = simulate === null ? null : await simulateAgain(path, which, simulate)
    if (page !== null) {
      const content = {
        trace: report.trace,
        detail: detail.result(),
        replays: [report],
        whatIf: simulated,
        before: null,
      }
      await writeText(page, htmlPage({ ...content, minimumFidelity }))
    }
    await print(
      options.json
        ? jsonOf(report, minimumFidelity, simulated)
        : replayText(report, minimumFidelity, textOptions(), simulated) +
            (page === null ? '' : pageLine(page)),
    )
    if (verdictOf(report, minimumFidelity).mood === 'bad') process.exitCode = 1
  } finally {
    trace.close()
  }
}

/** Simulates the recording, which is read again with its times: a replay goes without them. */
async function simulateAgain(
  path: string,
  which: ReturnType<typeof parseProcess>,
  simulate: (trace: ImportedTrace) => Promise<WhatIf>,
): Promise<WhatIf> {
  const trace = await readRecording(path, { process: which, isTimed: true })
  try {
    return await simulate(trace)
  } finally {
    trace.close()
  }
}

function jsonOf(report: ReplayReport, minimumFidelity: number, simulated: WhatIf | null): string {
  const verdict = verdictReport(verdictOf(report, minimumFidelity), report.trace, simulated)
  return toJson({ ...resultHead(), ...report, ...(simulated !== null && { whatIf: simulated }), verdict })
}
