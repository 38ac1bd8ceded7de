// `faultline record`: records a program so that `replay` and `report` can read it.
//
// What it has to say goes to standard error, as standard output belongs to the command that is recorded; with --json
// it is the other way round.
import { lstatSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { Command } from 'commander'
import {
  findMeans,
  findProgram,
  type Host,
  type Overhead,
  type Recorded,
  Recorder,
  thisHost,
} from '../record/index.ts'
import type { Target } from '../record/index.ts'
import {
  formatBytes,
  formatCount,
  formatDuration,
  losesTooMuch,
  plural,
  printable,
  Redactor,
} from '../report/index.ts'
import { UsageError } from './failure.ts'
import { MAX_PROCESS, parseCount, parseCounts, parseNumber } from './options.ts'
import { print, toJson } from './output.ts'
import { usableOutput } from './output-file.ts'
import { clearProgress, showProgress } from './progress.ts'
import { cleanUpOnSignals } from './signals.ts'

interface RecordCommandOptions {
  readonly output?: string
  readonly seconds?: string
  readonly pid?: string
  readonly all?: boolean
  readonly stacks?: boolean
  readonly redact?: boolean
  readonly retries: string
  readonly json?: boolean
}

const DAY = 86_400

export function recordCommand(): Command {
  return new Command('record')
    .description('record a program with perf, for replay and report')
    .argument('[command...]', 'command to run and record, after --')
    .option('--output <file>', 'output file (default: NAME.perf.txt.zst); .gz: gzip, .txt: not compressed')
    .option('--seconds <count>', 'stop after this many seconds, and end the command')
    .option('-p, --pid <numbers>', 'record running processes, as 12,34')
    .option('-a, --all', 'record the whole machine, also processes that read /proc of a program')
    .option('--stacks', 'also record call stacks (frame pointers): writes more, loses more events')
    .option('--redact', 'replace names and paths by numbers, to share the recording')
    .option(
      '--retries <count>',
      'if events are lost, record again with larger buffers, at most this often',
      '2',
    )
    .option('--json', "print JSON, and the command's output on standard error")
    .addHelpText(
      'after',
      [
        '',
        'Needs perf, and root or CAP_PERFMON. Ctrl-C stops and writes the recording; a second Ctrl-C, or SIGTERM,',
        'discards it. If events were lost, the command runs again, unless it failed or its standard input is a',
        'file or a pipe; --retries 0 runs it once. What recording itself takes is measured then, and told.',
        '',
        'Exit code 1: the command failed, or perf lost more than 1 % of the events.',
        '',
        'Examples:',
        '  sudo faultline record -- ./my-program --its-option',
        '  sudo faultline record -p 4242 --seconds 10 --output server.perf.txt.zst',
        '  sudo faultline record -a --seconds 5 --stacks',
      ].join('\n'),
    )
    .action(runCommand)
}

async function runCommand(command: readonly string[], options: RecordCommandOptions): Promise<void> {
  const host = thisHost()
  const target = parseTarget(command, options)
  const retries = parseCount(options.retries, '--retries', 0, 10)
  const seconds =
    options.seconds === undefined ? undefined : parseNumber(options.seconds, '--seconds', 0.1, DAY)
  const output = usableOutput(options.output ?? defaultOutput(target), '--output')
  const means = findMeans(host)
  requireTarget(host, target)
  for (const warning of means.warnings) say(warning)
  const recorder = new Recorder(host, means, {
    target,
    output,
    ...(seconds !== undefined && { seconds }),
    hasStacks: options.stacks ?? false,
    ...(options.redact === true && { renamer: new Redactor() }),
    retries,
    commandOutput: options.json ? 2 : 1,
    onNotice: say,
    onProgress: (events) => showProgress(`${plural(events, 'event')} written`),
  })
  cleanUpOnSignals(() => recorder.stop())
  const recorded = await recorder.record()
  if (options.json) await print(toJson({ ...recorded, warnings: means.warnings }))
  else for (const line of textOf(recorded)) say(line)
  if (isBad(recorded)) process.exitCode = 1
}

function say(text: string): void {
  clearProgress()
  process.stderr.write(`faultline: ${printable(text)}\n`)
}

function parseTarget(command: readonly string[], options: RecordCommandOptions): Target {
  const given = [command.length > 0, options.pid !== undefined, options.all === true]
  if (given.filter(Boolean).length !== 1) {
    const what = given.some(Boolean) ? 'more than one thing to record' : 'nothing to record'
    throw new UsageError(what, 'give one of -p PID, -a, or -- COMMAND')
  }
  if (command.length > 0) return { kind: 'command', command }
  if (options.pid === undefined) return { kind: 'all' }
  return { kind: 'processes', pids: parseCounts(options.pid, '--pid', 1, MAX_PROCESS) }
}

/** The name of what is recorded, of letters that need no care in a shell. */
function defaultOutput(target: Target): string {
  const name =
    target.kind === 'command'
      ? basename(target.command[0]!)
          .replaceAll(/[^\w.-]/g, '_')
          .replace(/^[.-]+/, '')
      : target.kind === 'all'
        ? 'system'
        : `process-${target.pids[0]}`
  return `${name || 'command'}.perf.txt.zst`
}

function requireTarget(host: Host, target: Target): void {
  if (target.kind === 'command' && findProgram(host, target.command[0]!) === null) {
    const name = target.command[0]!
    const found = name.includes('/') ? statSync(name, { throwIfNoEntry: false }) : undefined
    if (found?.isDirectory() === true) throw new UsageError(`'${name}' is a folder`, 'name a program in it')
    if (found !== undefined)
      throw new UsageError(
        `'${name}' may not be executed`,
        'allow it: chmod +x, or name the program that runs it',
      )
    throw new UsageError(`there is no program '${name}'`, 'check its name, or give its path')
  }
  if (target.kind !== 'processes') return
  for (const pid of target.pids) {
    if (lstatSync(`/proc/${pid}`, { throwIfNoEntry: false }) === undefined)
      throw new UsageError(`there is no process ${pid}`, 'see the numbers with: ps -e')
  }
}

function textOf(recorded: Recorded): string[] {
  const { output, bytes, events, lost, bufferBytes, runs, command, leftRunning, overhead } = recorded
  const lines = [
    `${plural(events, 'event')} recorded, ${formatCount(lost)} lost: ${output} (${formatBytes(bytes)})`,
  ]
  if (overhead !== null) lines.push(overheadText(overhead))
  if (command !== null && command.code !== 0)
    lines.push(`the command ended with ${command.signal ?? `exit code ${command.code}`}`)
  if (command !== null && leftRunning > 0)
    lines.push(
      `${plural(leftRunning, 'thread')} that the command started ${leftRunning === 1 ? 'is' : 'are'} still running, and no longer recorded: ` +
        'record processes by number (-p), or all (-a)',
    )
  if (lost > 0) {
    const again = runs > 1 ? `, in ${runs} recordings` : ''
    lines.push(
      `events were lost with buffers of ${formatBytes(bufferBytes)} for each processor${again}: record for a shorter ` +
        'time, or one process (-p)',
    )
  }
  lines.push(`read it with: npx faultline report ${quoted(output)}`)
  return lines
}

/** What recording took of the threads' time. */
function overheadText({ ms, eventNs, taskNs }: Overhead): string {
  return (
    `recording itself took about ${formatDuration(ms * 1e6)} of CPU time: ${formatDuration(eventNs)} for each event, ` +
    `${formatDuration(taskNs)} for each new thread or process (measured afterwards)`
  )
}

/** A path as a shell takes it for one word. */
function quoted(path: string): string {
  return /^[\w./+-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`
}

function isBad({ events, lost, command }: Recorded): boolean {
  const hasFailed = command !== null && command.code !== 0
  return hasFailed || losesTooMuch(lost, events)
}
