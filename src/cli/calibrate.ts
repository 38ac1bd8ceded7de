// `faultline simulate --calibrate`: measures this machine, and writes a file that describes it to the simulator.
import path from 'node:path'
import { calibrateText } from '../report/index.ts'
import { findSimulatedWorkload, simulate } from '../simulate/index.ts'
import { type Calibration, calibrate } from '../simulate/calibrate/calibrate.ts'
import { machineFile } from '../simulate/calibrate/machine-file.ts'
import { parseMachine } from './machine-option.ts'
import { parseNumber } from './options.ts'
import { usableOutput, writeText } from './output-file.ts'
import { print, textOptions, toJson } from './output.ts'
import { showProgress } from './progress.ts'

export interface CalibrateCommandOptions {
  readonly machine: string | undefined
  readonly output: string | undefined
  readonly seconds: string
  readonly json: boolean
}

/** Numbers that are not measured are taken from here, unless another machine is named. */
const BASE = 'here'

export async function calibrateCommand(options: CalibrateCommandOptions): Promise<void> {
  const base = await parseMachine(options.machine ?? BASE)
  const seconds = parseNumber(options.seconds, '--seconds', 1, 3600)
  const output = options.output === undefined ? undefined : usableOutput(options.output, '--output')
  const name = output === undefined ? 'calibrated' : path.basename(output).replace(/\.m?js$/, '')
  const calibration = await calibrate({
    base,
    name,
    seconds,
    onProgress: (step, steps, what) => showProgress(`calibrate ${step}/${steps}: ${what}`),
  })
  if (output !== undefined) await writeText(output, machineFile(calibration))
  const simulated = await simulatedWords(calibration)
  const written = output === undefined ? '' : `\nTo simulate it: --machine ${options.output!}\n`
  await print(
    options.json
      ? toJson({ ...calibration, simulated })
      : calibrateText(calibration, simulated, textOptions()) + written,
  )
}

/** What the machine simulates of what was measured of one word, by what it is called. */
async function simulatedWords({ machine, contended }: Calibration): Promise<Record<string, number>> {
  const words: Record<string, number> = {}
  for (const { what, workload, threads } of contended) {
    const { runs } = await simulate({
      workload: findSimulatedWorkload(workload)!,
      machine,
      designs: ['classic'],
      rwsems: ['xadd'],
      cpus: [threads],
      seed: 1,
      config: {},
      rss: 'batched',
    })
    words[what] = 1e9 / runs[0]!.faultsPerSecond
  }
  return words
}
