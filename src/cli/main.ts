#!/usr/bin/env node
// The `faultline` command.
//
// Principles: exit code 0 means yes, 1 means no, 2 means a wrong call or bad input, and then one line on
// standard error says what is wrong and what helps, and standard output stays empty. A reader that goes
// away (head) is no error; Ctrl-C ends everything at once: the process dies of it, and a shell reports 130.
// First, as it refuses a Node that is too old.
// oxlint-disable-next-line import/no-unassigned-import -- for what it throws
import '../backends/threads/node-version.ts'
import { Command, CommanderError } from 'commander'
import { describeFailure } from './failure.ts'
import { packageVersion } from './package-version.ts'
import { clearProgress } from './progress.ts'
import { cleanUpOnSignals } from './signals.ts'

const EXAMPLES = `
Examples:
  faultline replay trace.perf.txt.gz              how a recorded program would have run under each design
  faultline report trace.perf.txt.gz              who held its mmap lock, who waited, what would help
  sudo faultline record -- ./my-program           make a recording for both, with perf
  faultline bench page_fault1 --against linux     faults per second, compared with the real kernel
  faultline check my-queue.check.ts               every interleaving of a small concurrent program
  faultline simulate pft --machine skylake-2s     how it scales on another machine
  faultline campaign sweep.json --store s.sqlite  many checks, simulations and replays
  faultline serve                                 the workbench in the browser, on this machine only
  faultline designs                               the designs and their sources

Exit codes: 0 yes, 1 no, 2 a wrong call or bad input.`

/** In the order of the help. What a command is made of is loaded when it is called, or its help is wanted. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  record: async () => (await import('./record.ts')).recordCommand(),
  replay: async () => (await import('./replay.ts')).replayCommand(),
  report: async () => (await import('./report.ts')).reportCommand(),
  bench: async () => (await import('./bench.ts')).benchCommand(),
  check: async () => (await import('./check.ts')).checkCommand(),
  simulate: async () => (await import('./simulate.ts')).simulateCommand(),
  campaign: async () => (await import('./campaign.ts')).campaignCommand(),
  serve: async () => (await import('./serve.ts')).serveCommand(),
  designs: async () => (await import('./designs.ts')).designsCommand(),
}

/** With all commands, or only the one that `called` names. */
async function buildProgram(called: string | undefined): Promise<Command> {
  const program = new Command('faultline')
    .description(
      'Speculative page faults: replay recorded programs, run and simulate benchmarks, check interleavings.',
    )
    .version(packageVersion(), '-V, --version', 'print the version')
    .addHelpText('after', EXAMPLES)
  for (const name of namesNeeded(called)) program.addCommand(await commands[name]!())
  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .helpOption('-h, --help', 'print this help')
      .configureOutput({
        writeErr: () => {
          // Whatever commander has to say arrives as a CommanderError and is said in our own form.
        },
      })
  }
  program.helpCommand(false)
  program.hook('preAction', (_, command) => {
    if (!['campaign', 'check', 'record'].includes(command.name())) cleanUpOnSignals()
  })
  return program
}

function namesNeeded(called: string | undefined): string[] {
  if (called === '--version' || called === '-V') return []
  const names = Object.keys(commands)
  return called !== undefined && names.includes(called) ? [called] : names
}

async function main(): Promise<void> {
  const program = await buildProgram(process.argv[2])
  try {
    await program.parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) {
      endOf(error, program)
      return
    }
    clearProgress()
    process.stderr.write(`${describeFailure(error)}\n`)
    process.exitCode = 2
  }
}

function endOf(error: CommanderError, program: Command): void {
  if (error.exitCode === 0) return
  process.exitCode = 2
  if (error.code === 'commander.help') {
    process.stderr.write(`faultline: no command given — choose one\n\n${program.helpInformation()}`)
    return
  }
  const [what, hint] = error.message.replace(/^error: /, '').split('\n')
  const remedy = hint
    ? hint.replace(/^\(Did you mean (.*)\?\)$/, "did you mean '$1'?")
    : `see ${['faultline', ...program.commands.map((each) => each.name()).filter((name) => name === process.argv[2])].join(' ')} --help`
  process.stderr.write(`faultline: ${what} — ${remedy}\n`)
}

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit()
    clearProgress()
    try {
      process.stderr.write(
        `faultline: cannot write the result: ${error.message} — make room, or write elsewhere\n`,
      )
    } finally {
      process.exit(2)
    }
  })
}
await main()
// What a file that was checked has started, a worker or a timer, would keep the process for ever.
if (process.argv[2] === 'check') process.exit()
