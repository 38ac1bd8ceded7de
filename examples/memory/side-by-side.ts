// Runs a program in several ways, each in a process of its own, in turn, and tells what each of them took.
//
// What they compute has to be the same. Told are the median and the range of: the time that the work took; how long it
// kept processors busy, which says more where others use them too; the memory, which is the largest resident set of the
// process less that before the work; and the pause, the longest time in which the main thread came to none of its
// events.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/**
 * Does the work of that size and returns what it has computed; or returns a function that does so, where what comes
 * before is not to be measured. `folder` is empty; in `prepared` is what was prepared.
 */
export type Side = (size: number, folder: string, prepared: string) => Promise<unknown>

export interface Program {
  readonly title: string
  /** Writes what all sides read; not measured. */
  readonly prepare?: (size: number, folder: string) => Promise<void>
  /** By their names; the first is Faultline's. */
  readonly sides: Readonly<Record<string, Side>>
  /** Of the work: what a test runs in a moment, and what is measured. */
  readonly small: number
  readonly full: number
  readonly unit: string
}

interface Figures {
  readonly ms: number
  readonly cpuMs: number
  readonly mebibytes: number
  readonly pauseMs: number
}

/** What a process prints. */
interface Run extends Figures {
  readonly result: unknown
}

/** Of node:sqlite. */
const QUIET = '--disable-warning=ExperimentalWarning'

const units = { ms: 'ms', cpuMs: 'ms', mebibytes: 'MiB', pauseMs: 'ms' } as const
const titles = { ms: 'time', cpuMs: 'CPU', mebibytes: 'memory', pauseMs: 'pause' } as const
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
      prepared: { type: 'string', default: '' },
    },
  })
  const size = Number(values.size ?? (values.small ? program.small : program.full))
  const rounds = values.small ? 1 : Number(values.rounds)
  if (!(Number.isInteger(size) && size > 0 && Number.isInteger(rounds) && rounds > 0))
    throw new RangeError('--size and --rounds are whole numbers from 1')
  if (values.side === undefined) await compare(url, program, size, rounds, values.small)
  else console.log(JSON.stringify(await perform(program.sides[values.side]!, size, values.prepared)))
}

async function perform(side: Side, size: number, prepared: string): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-memory-'))
  const before = process.resourceUsage().maxRSS
  let last = performance.now()
  let pauseMs = 0
  const timer = setInterval(() => {
    const now = performance.now()
    pauseMs = Math.max(pauseMs, now - last)
    last = now
  }, 1)
  try {
    let begun = performance.now()
    let used = process.cpuUsage()
    let result = await side(size, folder, prepared)
    if (typeof result === 'function') {
      // What came before was no pause.
      await new Promise((resolve) => setTimeout(resolve, 2))
      pauseMs = 0
      begun = last = performance.now()
      used = process.cpuUsage()
      result = (await result()) as unknown
    }
    const ms = performance.now() - begun
    const { user, system } = process.cpuUsage(used)
    // The timer has its turn after all that was done.
    await new Promise((resolve) => setTimeout(resolve, 2))
    clearInterval(timer)
    const mebibytes = (process.resourceUsage().maxRSS - before) / 1024
    return { result, ms, cpuMs: (user + system) / 1000, mebibytes, pauseMs }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** @param together whether all sides run in this process, which takes less long and says nothing of memory */
async function compare(
  url: string,
  program: Program,
  size: number,
  rounds: number,
  together: boolean,
): Promise<void> {
  const prepared = mkdtempSync(join(tmpdir(), 'faultline-memory-'))
  const runs = new Map(Object.keys(program.sides).map((side) => [side, [] as Run[]]))
  try {
    await program.prepare?.(size, prepared)
    let result: unknown
    for (let round = 0; round < rounds; round++) {
      for (const [side, list] of runs) {
        const run = together
          ? await perform(program.sides[side]!, size, prepared)
          : performApart(url, side, size, prepared)
        result ??= run.result
        assert.deepEqual(run.result, result, `${side} has computed something else`)
        list.push(run)
      }
    }
  } finally {
    rmSync(prepared, { recursive: true })
  }
  console.log(`${program.title}: ${size.toLocaleString('en')} ${program.unit}; median (range) of ${rounds}`)
  tell(runs)
}

function performApart(url: string, side: string, size: number, prepared: string): Run {
  const options = ['--side', side, '--size', String(size), '--prepared', prepared]
  const args = [...process.execArgv, QUIET, fileURLToPath(url), ...options]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Run
}

function tell(runs: ReadonlyMap<string, readonly Run[]>): void {
  const width = Math.max(...[...runs.keys()].map((side) => side.length))
  for (const [side, list] of runs) {
    const figures = names.map((name) => {
      const sorted = list.map((run) => run[name]).toSorted((a, b) => a - b)
      const [least, median, most] = [0, sorted.length >> 1, sorted.length - 1].map((at) =>
        number(sorted[at]!),
      )
      return `${titles[name]} ${`${median} (${least}–${most}) ${units[name]}`.padEnd(24)}`
    })
    console.log(`  ${side.padEnd(width)}  ${figures.join(' ').trimEnd()}`)
  }
}

function number(value: number): string {
  return value.toFixed(value < 10 ? 1 : 0)
}
