// What `faultline simulate --calibrate` prints: what was measured, and what the machine that it makes of it simulates.
import type { Calibration } from '../simulate/calibrate/calibrate.ts'
import type { Measurement } from '../simulate/calibrate/describe.ts'
import { plainStyle, type TextOptions } from './style.ts'
import { type Column, formatTable, wrap } from './table.ts'

/** By workload and threads: nanoseconds an operation that the machine simulates. */
export type SimulatedWords = Readonly<Record<string, number>>

export function calibrateText(
  calibration: Calibration,
  simulated: SimulatedWords,
  options: TextOptions = {},
): string {
  const { style = plainStyle, width = 100 } = options
  const { machine, measurements, contended, origins, remarks } = calibration
  const taken = Object.entries(origins).filter(([, origin]) => origin.startsWith('not measured'))
  return `${[
    style.heading(machine.title),
    '',
    ...formatTable(columnsOf(measurements), { styleHeading: style.faint }),
    '',
    ...formatTable(
      [
        ...columnsOf(contended, 'one word, ns an operation'),
        {
          heading: ['simulated'],
          align: 'right',
          cells: contended.map(({ what }) =>
            simulated[what] === undefined ? '' : simulated[what].toFixed(1),
          ),
        },
      ],
      { styleHeading: style.faint },
    ),
    '',
    ...remarks.flatMap((remark) => wrap(remark, width, 2)),
    ...wrap(`Not measured: ${taken.map(([path]) => path).join(', ')}.`, width, 2),
  ].join('\n')}\n`
}

function columnsOf(measurements: readonly Measurement[], heading = 'measured'): Column[] {
  const digits = (value: number): string => value.toFixed(value >= 100 ? 0 : 1)
  return [
    { heading: [heading], align: 'left', cells: measurements.map(({ what }) => what) },
    { heading: ['median'], align: 'right', cells: measurements.map(({ median }) => digits(median)) },
    { heading: ['unit'], align: 'left', cells: measurements.map(({ unit }) => unit) },
    {
      heading: ['range'],
      align: 'right',
      cells: measurements.map(({ min, max }) => `${digits(min)}–${digits(max)}`),
    },
    { heading: ['samples'], align: 'right', cells: measurements.map(({ samples }) => String(samples)) },
  ]
}
