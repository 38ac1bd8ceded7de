// `faultline report TRACE`: what a recording tells by itself, without replaying it.
import { Command } from 'commander'
import { formatCount, reportText, verdictOfTrace, verdictReport } from '../report/index.ts'
import { importTrace } from '../trace/index.ts'
import { UsageError } from './failure.ts'
import { print, textOptions, toJson } from './output.ts'
import { showProgress } from './progress.ts'
import { parseProcess, traceReport } from './trace-report.ts'

interface ReportCommandOptions {
  readonly process: string
  readonly output?: string
  readonly json?: boolean
}

export function reportCommand(): Command {
  return new Command('report')
    .description('who held the mmap lock of a recorded program, who waited, and what would help')
    .argument('<trace>', "what `perf script` printed, plain or compressed; '-' reads standard input")
    .option('--process <which>', "processes: 'all', 'busiest' (most page faults) or a number", 'all')
    .option('--output <file>', 'not there yet: a page for a browser')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  faultline report server.perf.txt.gz',
        '  faultline report server.perf.txt.gz --json',
      ].join('\n'),
    )
    .action(runCommand)
}

async function runCommand(path: string, options: ReportCommandOptions): Promise<void> {
  if (options.output !== undefined) {
    throw new UsageError('--output is not there yet', 'leave it out for text, or give --json')
  }
  const trace = await importTrace(path, {
    process: parseProcess(options.process),
    isReplayed: false,
    onProgress: ({ lines }) => showProgress(`reading ${path}: ${formatCount(lines)} lines`),
  })
  try {
    const report = traceReport(trace)
    const verdict = verdictOfTrace(report)
    const json = { trace: report, verdict: verdictReport(verdict, report) }
    await print(options.json ? toJson(json) : reportText(report, verdict, textOptions()))
  } finally {
    trace.close()
  }
}
