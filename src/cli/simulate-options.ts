// Which options of `faultline simulate` do something, by what it is asked for. Any other is a wrong call: who gave it
// expects an effect.
import { UsageError } from './failure.ts'

/** What simulate does: list the machines, measure this one, simulate a workload, or a recording. */
export type SimulateMode = 'machines' | 'calibrate' | 'workload' | 'recording'

const modeNames: Readonly<Record<SimulateMode, string>> = {
  machines: '--machines',
  calibrate: '--calibrate',
  workload: 'a workload',
  recording: 'a recording',
}

const SIMULATED: readonly SimulateMode[] = ['workload', 'recording']

/** Options by name, with what they are of. */
export const simulateOptionModes: Readonly<Record<string, readonly SimulateMode[]>> = {
  machines: ['machines'],
  calibrate: ['calibrate'],
  machine: ['calibrate', ...SIMULATED],
  seconds: ['calibrate'],
  output: ['calibrate', 'workload'],
  cpus: SIMULATED,
  pages: ['workload'],
  design: SIMULATED,
  rwsem: SIMULATED,
  rss: SIMULATED,
  accounting: SIMULATED,
  spinlock: SIMULATED,
  config: SIMULATED,
  process: ['recording'],
  seed: SIMULATED,
  chart: ['workload'],
  csv: ['workload'],
  json: ['machines', 'calibrate', ...SIMULATED],
}

/** Of these there can be one: what is done, and how it is printed. */
const exclusive = [
  ['machines', 'calibrate'],
  ['chart', 'csv', 'json'],
]

/**
 * Throws UsageError where an option that was given does nothing.
 *
 * @param given names of options
 */
export function refuseIneffective(mode: SimulateMode, given: readonly string[]): void {
  for (const group of exclusive) {
    const [first, second] = group.filter((name) => given.includes(name))
    if (second !== undefined)
      throw new UsageError(`--${first} and --${second} exclude each other`, 'give one of them')
  }
  for (const name of given) {
    const modes = simulateOptionModes[name]!
    if (modes.includes(mode)) continue
    const of = modes.map((each) => modeNames[each]).join(' and ')
    throw new UsageError(`--${name} is of ${of}, and does nothing for ${modeNames[mode]}`, 'leave it out')
  }
}
