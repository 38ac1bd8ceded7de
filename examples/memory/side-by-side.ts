// Runs a program in several ways, each in a process of its own, in turn, and tells what each of them took.
//
// What they compute has to be the same. Told are the median and the range of: the time that the work took; the memory,
// which is the largest resident set of the process less that before the work; and the pause, the longest time in which
// the main thread came to none of its events.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/** Does the work of that size with files in `folder`, and returns what it has computed. */
export type Side = (size: number, folder: string) => Promise<unknown>

export interface Program {
  readonly title: string
  /** By their names; the first is Faultline's. */
  readonly sides: Readonly<Record<string, Side>>
  /** Of the work: what a test runs in a moment, and what is measured. */
  readonly small: number
  readonly full: number
  readonly unit: string
}

interface Figures {
  readonly ms: number
  readonly mebibytes: number
  readonly pauseMs: number
}

/** What a process prints. */
interface Run extends Figures {
  readonly result: unknown
}

const units = { ms: 'ms', mebibytes: 'MiB', pauseMs: 'ms' } as const
const titles = { ms: 'time', mebibytes: 'memory', pauseMs: 'pause' } as const
const names = Object.keys(units) as (keyof Figures)[]

/**
 * The program of the module `url`. It takes `--rounds N` (5) and `--size N`, or `--small`. Throws where two sides have
 * computed different things.
 */
export async function sideBySide(url: string, program: Program): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      size: { type: 'string' },
      small: { type: 'boolean', default: false },
      side: { type: 'string' },
    },
  })
  const size = Number(values.size ?? (values.small ? program.small : program.full))
  const rounds = values.small ? 1 : Number(values.rounds)
  if (!(Number.isInteger(size) && size > 0 && Number.isInteger(rounds) && rounds > 0))
    throw new RangeError('--size and --rounds are whole numbers from 1')
  if (values.side === undefined) compare(url, program, size, rounds)
  else console.log(JSON.stringify(await perform(program.sides[values.side]!, size)))
}

async function perform(side: Side, size: number): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-memory-'))
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const before = process.resourceUsage().maxRSS
  try {
    delay.enable()
    // So that it has seen the events come round.
    await new Promise((resolve) => setTimeout(resolve, 20))
    delay.reset()
    const begun = performance.now()
    const result = await side(size, folder)
    const ms = performance.now() - begun
    await new Promise((resolve) => setTimeout(resolve, 5))
    delay.disable()
    const mebibytes = (process.resourceUsage().maxRSS - before) / 1024
    return { result, ms, mebibytes, pauseMs: delay.max / 1e6 }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function compare(url: string, { title, sides, unit }: Program, size: number, rounds: number): void {
  const runs = new Map(Object.keys(sides).map((side) => [side, [] as Run[]]))
  let result: unknown
  for (let round = 0; round < rounds; round++) {
    for (const [side, list] of runs) {
      const args = [...process.execArgv, fileURLToPath(url), '--side', side, '--size', String(size)]
      const run = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Run
      result ??= run.result
      assert.deepEqual(run.result, result, `${side} has computed something else`)
      list.push(run)
    }
  }
  const width = Math.max(...Object.keys(sides).map((side) => side.length))
  console.log(`${title}: ${size.toLocaleString('en')} ${unit}; median (range) of ${rounds}`)
  for (const [side, list] of runs) {
    const figures = names.map((name) => {
      const sorted = list.map((run) => run[name]).toSorted((a, b) => a - b)
      const [least, median, most] = [0, sorted.length >> 1, sorted.length - 1].map((at) =>
        number(sorted[at]!),
      )
      return `${titles[name]} ${`${median} (${least}–${most}) ${units[name]}`.padEnd(26)}`
    })
    console.log(`  ${side.padEnd(width)}  ${figures.join(' ').trimEnd()}`)
  }
}

function number(value: number): string {
  return value.toFixed(value < 10 ? 1 : 0)
}
