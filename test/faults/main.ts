// `npm run faults -- --scale N`: injects errors of the disk, ends and kills of processes, and deaths of threads into
// the files of machines, and prints what was injected and what was seen. Exit code 0: all as expected; 1: not; 2: a
// wrong call.

import { parseArgs } from 'node:util'
import { faultCases, runFaultCase } from './faults.ts'

function readScale(): number {
  try {
    const { scale } = parseArgs({ options: { scale: { type: 'string', default: '1' } } }).values
    const value = Number(scale)
    if (Number.isInteger(value) && value >= 1 && value <= 1000) return value
    throw new Error(`--scale must be a whole number from 1 to 1000, not ${scale}`)
  } catch (error) {
    console.error(`faults: ${(error as Error).message}`)
    process.exit(2)
  }
}

let wrong = 0
const cases = faultCases(readScale())
const width = Math.max(...cases.map(({ injected }) => injected.length))
console.log(`${'injected'.padEnd(width)}  seen`)
for (const each of cases) {
  const { injected, expected, seen } = await runFaultCase(each)
  console.log(`${injected.padEnd(width)}  ${seen}`)
  if (seen === expected) continue
  wrong++
  console.log(`${' '.repeat(width)}  expected: ${expected}`)
}
console.log(
  wrong === 0
    ? `${cases.length} cases, all as expected`
    : `${wrong} of ${cases.length} cases not as expected`,
)
process.exitCode = wrong === 0 ? 0 : 1
