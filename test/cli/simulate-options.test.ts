// Options of the simulate command that do nothing: every pair of them, with whatever it is asked for.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UsageError } from '../../src/cli/failure.ts'
import { type SimulateMode, refuseIneffective, simulateOptionModes } from '../../src/cli/simulate-options.ts'
import { simulateCommand } from '../../src/cli/simulate.ts'

const options = Object.keys(simulateOptionModes)
const modes: readonly SimulateMode[] = ['machines', 'calibrate', 'workload', 'recording']
const exclusive = [new Set(['machines', 'calibrate']), new Set(['chart', 'csv', 'json'])]

/** The error for these options, or null. */
function refusalOf(mode: SimulateMode, given: readonly string[]): UsageError | null {
  try {
    refuseIneffective(mode, given)
    return null
  } catch (error) {
    assert.ok(error instanceof UsageError)
    return error
  }
}

describe('options of simulate', () => {
  it('are all known to be of something', () => {
    const known = simulateCommand().options.map((option) => option.attributeName())
    assert.deepEqual(options.toSorted(), known.toSorted())
  })

  for (const mode of modes)
    it(`in pairs, for ${mode}: what does nothing is refused by its name, and nothing else is`, () => {
      const isOf = (option: string): boolean => simulateOptionModes[option]!.includes(mode)
      for (const [index, first] of options.entries()) {
        for (const second of options.slice(index + 1)) {
          const refusal = refusalOf(mode, [first, second])
          const useless = [first, second].find((option) => !isOf(option))
          const twice = exclusive.some((group) => group.has(first) && group.has(second))
          const pair = `${mode} --${first} --${second}`
          if (twice) assert.match(refusal?.message ?? '', /exclude each other/, pair)
          else if (useless !== undefined) assert.ok(refusal?.message.startsWith(`--${useless} is of `), pair)
          else assert.equal(refusal, null, pair)
        }
      }
    })

  it('that choose what is done exclude each other', async () => {
    const call = simulateCommand().parseAsync(['--machines', '--calibrate'], { from: 'user' })
    await assert.rejects(call, /--machines and --calibrate exclude each other/)
  })
})
