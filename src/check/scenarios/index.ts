// The shipped kernel scenarios: tables by subject. A scenario is called as its key is.

import append from './append.ts'
import accounting from './accounting.ts'
import burials from './burials.ts'
import copies from './copies.ts'
import discards from './discards.ts'
import faults from './faults.ts'
import ofFiles from './files.ts'
import frames from './frames.ts'
import futexes from './futex.ts'
import interrupts from './interrupts.ts'
import layout from './layout.ts'
import locks from './locks.ts'
import flusher from './flusher.ts'
import mlock from './mlock.ts'
import moves from './moves.ts'
import observers from './observers.ts'
import osq from './osq.ts'
import pins from './pins.ts'
import prices from './prices.ts'
import rcu from './rcu.ts'
import readAhead from './read-ahead.ts'
import reclaim from './reclaim.ts'
import semaphores from './semaphores.ts'
import slots from './slots.ts'
import spinlocks from './spinlocks.ts'
import swap from './swap.ts'
import wraps from './wraps.ts'
import writeBack from './write-back.ts'

type Tables = Readonly<Record<string, Readonly<Record<string, unknown>>>>

const explored: Tables = {
  faults,
  copies,
  layout,
  slots,
  interrupts,
  discards,
  moves,
  files: ofFiles,
  'write-back': writeBack,
  append,
  'read-ahead': readAhead,
  flusher,
  mlock,
  observers,
  locks,
  spinlocks,
  osq,
  semaphores,
  futex: futexes,
  rcu,
  frames,
  swap,
  reclaim,
  pins,
  accounting,
  wraps,
  burials,
}

/** What a design costs, and no error of it: these fail where the literature says that the price is paid. */
export const priceNames: readonly string[] = Object.keys(prices)
export const scenarioNames: readonly string[] = Object.values(explored).flatMap((table) => Object.keys(table))

const fileOf: ReadonlyMap<string, string> = new Map(
  Object.entries({ ...explored, prices }).flatMap(([file, table]) =>
    Object.keys(table).map((name) => [name, file] as const),
  ),
)

/** The files of all tables, without their ending. */
export const tables: readonly string[] = [...new Set(fileOf.values())]

/** That of the table that a scenario is in. Throws RangeError for a name that there is not. */
export function tableOf(scenario: string): string {
  const file = fileOf.get(scenario)
  if (file === undefined) throw new RangeError(`there is no scenario ${scenario}`)
  return file
}
