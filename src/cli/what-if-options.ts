// What if: the options by which a recording is simulated under other designs and on more CPUs.
import type { Command } from 'commander'
import { simulateOnWorkers, Topology, type WhatIf, whatIf } from '../simulate/index.ts'
import type { ImportedTrace } from '../trace/index.ts'
import { parseMachine } from './machine-option.ts'
import { DEFAULT_DESIGNS, parseCount, parseCounts, parseDesigns } from './options.ts'
import { showProgress } from './progress.ts'

/** What is asked besides the CPUs of the recording. */
const WHAT_IF_CPUS = '8,64'
/** Two sockets of a server whose kernel was measured with per-VMA locks. */
const WHAT_IF_MACHINE = 'icelake-2s'
/** Some minutes. */
const MOST_EVENTS = '2000000'

export interface WhatIfCommandOptions {
  readonly whatIf?: boolean
  readonly cpus?: string
  readonly design?: string
  readonly machine?: string
  readonly mostEvents?: string
}

/** Adds the options to a command; its own --design, if it has one, says which designs. */
export function addWhatIfOptions(command: Command): Command {
  return command
    .option('--what-if', 'simulate the recording under other designs and on more CPUs')
    .option(
      '--cpus <counts>',
      `numbers of CPUs for --what-if, besides that of the recording (default: ${WHAT_IF_CPUS})`,
    )
    .option('--machine <name>', `machine for --what-if, as in simulate (default: ${WHAT_IF_MACHINE})`)
    .option(
      '--most-events <count>',
      `limit of events for --what-if, in all simulations together (default: ${MOST_EVENTS})`,
    )
}

/** Whether it is asked for, by one of its own options. */
export function asksWhatIf({ whatIf: asked, cpus, machine, mostEvents }: WhatIfCommandOptions): boolean {
  return asked === true || [cpus, machine, mostEvents].some((option) => option !== undefined)
}

/** What simulates a recording; null where that is not asked for. */
export async function whatIfOf(
  options: WhatIfCommandOptions,
): Promise<((trace: ImportedTrace) => Promise<WhatIf>) | null> {
  if (!asksWhatIf(options)) return null
  const machine = await parseMachine(options.machine ?? WHAT_IF_MACHINE)
  const designs = parseDesigns(options.design ?? DEFAULT_DESIGNS)
  const { cpus: most } = new Topology(machine.topology)
  // What is asked for is refused where the machine has fewer; what is only usual is left away.
  const cpus =
    options.cpus === undefined
      ? WHAT_IF_CPUS.split(',')
          .map(Number)
          .filter((count) => count <= most)
      : parseCounts(options.cpus, '--cpus', 1, most)
  const mostEvents = parseCount(options.mostEvents ?? MOST_EVENTS, '--most-events', 1, 1e12)
  const onProgress = (run: number, runs: number, what: string, done: number): void =>
    showProgress(`what if ${run}/${runs}: ${what}, ${Math.floor(done * 100)} %`)
  return (trace) =>
    whatIf({ trace, machine, designs, cpus, seed: 1, mostEvents, onProgress, simulateAll: simulateOnWorkers })
}
