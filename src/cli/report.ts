// `faultline report TRACE`: what a recording tells by itself, without replaying it: as text, JSON, or a page. Two
// recordings are compared; results of a replay join the page of their recording.
import { closeSync, openSync, writeSync } from 'node:fs'
import { Command } from 'commander'
import {
  comparisonOf,
  comparisonText,
  htmlPage,
  PerfettoRecording,
  Redactor,
  replayText,
  reportText,
  traceReport,
  verdictOf,
  verdictOfTrace,
  verdictReport,
  type Verdict,
  type ReplayReport,
  type TraceReport,
} from '../report/index.ts'
import type { WhatIf } from '../simulate/index.ts'
import {
  DetailCollector,
  type ImportObserver,
  type ImportedTrace,
  type RecordedDetail,
} from '../trace/index.ts'
import { UsageError } from './failure.ts'
import { DEFAULT_DESIGNS } from './options.ts'
import { pageLine, usableOutput, usablePage, writeText, writeWhole } from './output-file.ts'
import { print, textOptions, toJson } from './output.ts'
import { isResult, readResult, resultHead } from './result-file.ts'
import { parseProcess, readRecording } from './trace-report.ts'
import { type WhatIfCommandOptions, addWhatIfOptions, asksWhatIf, whatIfOf } from './what-if-options.ts'

/** As `replay` asks for unless told otherwise. */
const MINIMUM_FIDELITY = 0.98

interface ReportCommandOptions extends WhatIfCommandOptions {
  readonly process: string
  readonly compare?: boolean
  readonly output?: string
  readonly perfetto?: string
  readonly redact?: boolean
  readonly json?: boolean
}

/** What was read from one file. */
interface Input {
  readonly trace: TraceReport
  readonly detail: RecordedDetail | null
  readonly replay: ReplayReport | null
  readonly whatIf: WhatIf | null
}

export function reportCommand(): Command {
  const command = new Command('report')
    .description('who held the mmap lock of a recorded program, who waited, and what would help')
    .argument(
      '<inputs...>',
      "recordings, or output of `perf script`, plain or compressed ('-' reads standard input); results of --json",
    )
    .option('--process <which>', "processes: 'all', 'busiest' (most page faults) or a number", 'all')
    .option('--compare', 'compare two recordings, before and after a change')
    .option('--output <file>', 'also write an HTML page: FILE.html')
    .option('--perfetto <file>', 'also write a trace for ui.perfetto.dev')
    .option('--redact', 'replace names, paths and addresses by numbers, to share it')
    .option('--json', 'print JSON')
  return addWhatIfOptions(command)
    .option('--design <names>', `designs for --what-if (default: ${DEFAULT_DESIGNS})`)
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  faultline report server.perf.txt.gz',
        '  faultline report server.perf.txt.gz --output server.html',
        '  faultline report server.perf.txt.gz --cpus 8,64 --output server.html',
        '  faultline report --compare before.perf.txt.zst after.perf.txt.zst',
        '  faultline replay server.perf.txt.gz --json > result.json',
        '  faultline report server.perf.txt.gz result.json --output server.html',
      ].join('\n'),
    )
    .action(runCommand)
}

async function runCommand(paths: readonly string[], given: ReportCommandOptions): Promise<void> {
  // Nothing else here has designs.
  const options = given.design === undefined ? given : { ...given, whatIf: true }
  const page = options.output === undefined ? null : usablePage(options.output)
  const perfetto = options.perfetto === undefined ? null : usableOutput(options.perfetto, '--perfetto')
  const kinds = paths.map((path) => ({ path, isResult: isResult(path) }))
  requireCombination(kinds, options)
  const simulate = await whatIfOf(options)
  const redactor = options.redact === true ? new Redactor() : null
  const inputs: Input[] = []
  for (const { path, isResult: isJson } of kinds) {
    if (isJson) inputs.push(resultOf(path))
    else inputs.push(await recordingOf(path, options, page !== null, perfetto, redactor, simulate))
  }
  const shown = redactor === null ? inputs : inputs.map((input) => redacted(input, redactor))
  if (page !== null) await writeText(page, pageOf(shown, options.compare === true))
  const text = options.json === true ? toJson(jsonOf(shown, options)) : textOf(shown, options)
  await print(options.json === true || page === null ? text : text + pageLine(page))
  if (shown.some((input) => verdictFor(input).mood === 'bad')) process.exitCode = 1
}

function verdictFor({ trace, replay }: Input): Verdict {
  return replay === null ? verdictOfTrace(trace) : verdictOf(replay, MINIMUM_FIDELITY)
}

/** What can be told together: one recording and replays of it, or two recordings compared. */
function requireCombination(
  kinds: readonly { readonly path: string; readonly isResult: boolean }[],
  options: ReportCommandOptions,
): void {
  const { compare, output, perfetto } = options
  const recordings = kinds.filter(({ isResult: isJson }) => !isJson).length
  if (compare === true && kinds.length !== 2)
    throw new UsageError(
      `--compare has ${kinds.length === 1 ? 'one input' : `${kinds.length} inputs`}`,
      'give two: before and after',
    )
  if (compare !== true && recordings > 1)
    throw new UsageError(`there are ${recordings} recordings`, 'give one, or compare two with --compare')
  if (kinds.filter(({ path }) => path === '-').length > 1)
    throw new UsageError('standard input cannot be read twice', 'give a file')
  if (compare !== true && kinds.length > 1 && output === undefined)
    throw new UsageError('a recording and results together make a page', 'name it with --output')
  if (asksWhatIf(options) && (recordings !== 1 || compare === true))
    throw new UsageError(
      '--what-if is for one recording',
      'give that, with or without results, and no --compare',
    )
  if (perfetto !== undefined && (recordings !== 1 || compare === true))
    throw new UsageError('--perfetto is for one recording', 'give that alone, and no --compare')
}

async function recordingOf(
  path: string,
  options: ReportCommandOptions,
  hasPage: boolean,
  perfetto: string | null,
  redactor: Redactor | null,
  simulate: ((trace: ImportedTrace) => Promise<WhatIf>) | null,
): Promise<Input> {
  const detail = new DetailCollector()
  const observers: ImportObserver[] = hasPage ? [detail] : []
  const read = async (): Promise<Input> => {
    const trace = await readRecording(path, {
      process: parseProcess(options.process),
      isReplayed: simulate !== null,
      isTimed: simulate !== null,
      observers,
    })
    try {
      const simulated = simulate === null ? null : await simulate(trace)
      const shown = hasPage ? detail.result() : null
      return { trace: traceReport(trace), detail: shown, replay: null, whatIf: simulated }
    } finally {
      trace.close()
    }
  }
  if (perfetto === null) return read()
  return writeWhole(perfetto, async (temporary) => {
    const file = openSync(temporary, 'wx')
    try {
      const writer = new PerfettoRecording((text) => writeSync(file, text), redactor)
      observers.push(writer)
      const input = await read()
      writer.end()
      return input
    } finally {
      closeSync(file)
    }
  })
}

function resultOf(path: string): Input {
  const result = readResult(path)
  if (result.kind === 'recording')
    return { trace: result.trace, detail: null, replay: null, whatIf: result.whatIf }
  const { report, whatIf } = result
  return { trace: report.trace, detail: null, replay: report, whatIf }
}

function redacted({ trace, detail, replay, whatIf: simulated }: Input, redactor: Redactor): Input {
  return {
    whatIf: simulated,
    trace: redactor.trace(trace),
    detail: detail === null ? null : redactor.detail(detail),
    replay: replay === null ? null : redactor.replay(replay),
  }
}

function pageOf(inputs: readonly Input[], isComparison: boolean): string {
  // The recording tells more than what a result has of it.
  const main = isComparison ? inputs[1]! : (inputs.find(({ detail }) => detail !== null) ?? inputs[0]!)
  const replays = (isComparison ? [main] : inputs).flatMap(({ replay }) => replay ?? [])
  requireOneRecording(main.trace, replays)
  const before = isComparison ? inputs[0]!.trace : null
  return htmlPage({
    trace: main.trace,
    detail: main.detail,
    replays,
    minimumFidelity: MINIMUM_FIDELITY,
    whatIf: isComparison ? null : (inputs.find((input) => input.whatIf !== null)?.whatIf ?? null),
    before,
  })
}

/** A replay of something else beside a recording would be taken for one of it. */
function requireOneRecording(trace: TraceReport, replays: readonly ReplayReport[]): void {
  for (const replay of replays) {
    const { lines, events, program } = replay.trace
    if (lines === trace.lines && events === trace.events && program === trace.program) continue
    throw new UsageError(
      `the results are of different recordings: ${program} with ${events} events, ${trace.program} with ${trace.events}`,
      'give results of one recording, or compare two with --compare',
    )
  }
}

function jsonOf(inputs: readonly Input[], { compare }: ReportCommandOptions): unknown {
  const [first, second] = inputs
  if (compare !== true) return resultJson(first!)
  const { sentences, numbers, holders, advice } = comparisonOf(first!.trace, second!.trace)
  const plain = numbers.map(({ key, before, after }) => ({ key, before, after }))
  return {
    comparison: { summary: sentences.join(' '), numbers: plain, holders, advice },
    before: resultJson(first!),
    after: resultJson(second!),
  }
}

function resultJson(input: Input): unknown {
  const { trace, replay, whatIf: simulated } = input
  const verdict = verdictFor(input)
  const asked = simulated === null ? {} : { whatIf: simulated }
  return {
    ...resultHead(),
    ...(replay ?? { trace }),
    ...asked,
    verdict: verdictReport(verdict, trace, simulated),
  }
}

function textOf(inputs: readonly Input[], { compare }: ReportCommandOptions): string {
  const [first, second] = inputs
  if (compare === true) return comparisonText(first!.trace, second!.trace, textOptions())
  const { trace, replay, whatIf: simulated } = first!
  if (replay !== null) return replayText(replay, MINIMUM_FIDELITY, textOptions(), simulated)
  return reportText(trace, verdictOfTrace(trace), textOptions(), simulated)
}
