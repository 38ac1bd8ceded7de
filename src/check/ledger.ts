// A file from which a stopped exploration continues.
//
// One JSON object per line: first what is explored, then every result that the coordinator received, in that order.
// They determine what is left to do. Lines are only ever appended, each in one write; a line that was incomplete
// when the process was killed is cut off. A ledger of other code, another scenario or other options is refused.

import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { WorkUnit } from './explorer.ts'
import type { Coordinator, UnitResult } from './work.ts'

/** Changes when what the lines mean does. */
const LEDGER_VERSION = 1

/** The ledger is not one of this exploration. */
export class LedgerRefused extends Error {
  override readonly name = 'LedgerRefused'
  readonly remedy = 'give another file, or delete this one to begin again'

  constructor(file: string, problem: string) {
    super(`the ledger ${file} ${problem}`)
  }
}

/** What an exploration is of. Two that are alike in this give the same units for the same results. */
export interface LedgerKey {
  /** Of the code, patches included. */
  readonly digest: string
  readonly scenario: string
  /** Everything else that decides what there is to explore. */
  readonly options: Readonly<Record<string, unknown>>
}

/** Threads of one function turned out not to be alike: see symmetry.ts. */
interface Head extends LedgerKey {
  readonly distinct: boolean
}

type Numbers = readonly [number, number, number, number, number, number, number, number]

interface Line {
  /**
   * [unit, executions, redundant, steps, executions that seem to be left, and 1 if: what is left was split, threads
   * wait with a time-out, loops were left to wait]
   */
  readonly result: Numbers
  /** [event, set of threads, preferred thread's bit] */
  readonly demands: readonly (readonly [number, number, number])[]
  readonly left: PackedUnit | null
  readonly failed: string | null
}

interface PackedUnit {
  /** A digit of base 16 for each event. */
  readonly path: string
  readonly floor: number
  /** [event, threads to be tried, threads tried], where that is not just the one in the path. */
  readonly choices: readonly (readonly [number, number, number])[]
}

export class Ledger {
  readonly #descriptor: number
  #position = 0

  private constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  /** Whether the file, if it is there, was begun anew because threads turned out not to be alike. */
  static isDistinct(file: string): boolean {
    if (!existsSync(file)) return false
    try {
      const [head] = readFileSync(file, 'utf8').split('\n')
      return (JSON.parse(head!) as Partial<Head>).distinct === true
    } catch {
      // It is refused when it is opened.
      return false
    }
  }

  /** Opens or makes the file, and tells the coordinator what it has. Throws LedgerRefused. */
  static open(file: string, key: Head, coordinator: Coordinator): Ledger {
    const head = `${JSON.stringify({ faultlineLedger: LEDGER_VERSION, ...key })}\n`
    const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0)
    const whole = bytes.subarray(0, bytes.lastIndexOf('\n') + 1)
    const [first, ...lines] = whole.toString('utf8').split('\n').slice(0, -1)
    if (first === undefined) {
      if (bytes.length > 0 && !head.startsWith(bytes.toString('utf8')))
        throw new LedgerRefused(file, 'is not a ledger')
    } else compareHeads(file, first, key)
    lines.forEach((line, number) => replay(file, line, number + 2, coordinator))
    const descriptor = openSync(file, existsSync(file) ? 'r+' : 'w')
    ftruncateSync(descriptor, whole.length)
    const ledger = new Ledger(descriptor)
    if (first === undefined) ledger.#append(head, 0)
    else ledger.#position = whole.length
    return ledger
  }

  #append(line: string, at: number): void {
    this.#position = at + writeSync(this.#descriptor, line, at)
  }

  /** Notes a result before the coordinator is told of it. */
  add(unit: number, result: UnitResult, split: boolean): void {
    const { executions, redundant, steps, demands, remainder, estimatedLeft, failed } = result
    const [timed, loops] = [result.hasLeftTimeouts ? 1 : 0, result.hasLeftLoops ? 1 : 0]
    const line: Line = {
      result: [unit, executions, redundant, steps, Math.round(estimatedLeft), split ? 1 : 0, timed, loops],
      demands: demands.map(({ event, threads, preferred }) => [event, threads, preferred]),
      left: remainder && packUnit(remainder),
      failed: failed === null ? null : packPath(failed),
    }
    this.#append(`${JSON.stringify(line)}\n`, this.#position)
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

function compareHeads(file: string, head: string, key: Head): void {
  let found: Partial<Head> & { faultlineLedger?: unknown }
  try {
    found = JSON.parse(head) as typeof found
  } catch {
    throw new LedgerRefused(file, 'is not a ledger')
  }
  if (typeof found !== 'object' || found?.faultlineLedger === undefined)
    throw new LedgerRefused(file, 'is not a ledger')
  if (found.faultlineLedger !== LEDGER_VERSION)
    throw new LedgerRefused(file, 'was written by another version')
  if (found.scenario !== key.scenario)
    throw new LedgerRefused(file, `is for ${String(found.scenario)}, and this is ${key.scenario}`)
  if (found.digest !== key.digest) throw new LedgerRefused(file, 'was written for other code')
  if (found.distinct !== key.distinct || JSON.stringify(found.options) !== JSON.stringify(key.options))
    throw new LedgerRefused(file, 'was written with other options')
}

function replay(file: string, text: string, number: number, coordinator: Coordinator): void {
  try {
    const { result, demands, left, failed } = JSON.parse(text) as Line
    const [unit, executions, redundant, steps, estimatedLeft, split, timed, loops] = result as Numbers
    coordinator.apply(
      unit,
      {
        executions,
        redundant,
        steps,
        demands: demands.map(([event, threads, preferred]) => ({ event, threads, preferred })),
        remainder: left && unpackUnit(left),
        estimatedLeft,
        failed: failed === null ? null : unpackPath(failed),
        hasLeftTimeouts: timed === 1,
        hasLeftLoops: loops === 1,
      },
      split === 1,
    )
  } catch {
    throw new LedgerRefused(file, `is damaged in line ${number}`)
  }
}

function packPath(schedule: readonly number[]): string {
  return schedule.map((thread) => thread.toString(36)).join('')
}

function unpackPath(path: string): number[] {
  return Array.from(path, (digit) => Number.parseInt(digit, 36))
}

function packUnit({ schedule, backtrack, done, floor }: WorkUnit): PackedUnit {
  const choices: [number, number, number][] = []
  schedule.forEach((thread, event) => {
    if (backtrack[event] !== 1 << thread || done[event] !== 0)
      choices.push([event, backtrack[event]!, done[event]!])
  })
  return { path: packPath(schedule), floor, choices }
}

function unpackUnit({ path, floor, choices }: PackedUnit): WorkUnit {
  const schedule = unpackPath(path)
  const backtrack = schedule.map((thread) => 1 << thread)
  const done = schedule.map(() => 0)
  for (const [event, threads, tried] of choices) {
    backtrack[event] = threads
    done[event] = tried
  }
  return { schedule, backtrack, done, floor }
}
