// An execution that was written down, as it is told: rows for people, events for tools.

import type { Site } from '../backends/stepped/index.ts'
import type { CounterexampleCall, CounterexampleEvent, CounterexampleRow } from './counterexample-data.ts'
import type { RaceReport } from './data-races.ts'
import type { FailureKind } from './run-once.ts'
import type { Names } from './names.ts'
import {
  type Frame,
  type Recorded,
  commonCells,
  recordOf,
  repetition,
  shortPlace,
} from './recorded-events.ts'

export interface FailedExecution {
  readonly noun: 'CPU' | 'thread'
  readonly schedule: readonly number[]
  readonly kind: FailureKind
  readonly message: string
  /** Of a data race. */
  readonly race: RaceReport | null
  /** The places of its accesses. */
  readonly racePlaces: readonly (Site | undefined)[]
}

/** Executions with more operations and accesses than this are shortened. */
const WHOLE_MAX = 60
export class ToldExecution {
  readonly #recorded: readonly Recorded[]
  readonly #names: Names
  readonly #failed: FailedExecution

  constructor(recorded: readonly Recorded[], names: Names, failed: FailedExecution) {
    this.#recorded = recorded
    this.#names = names
    this.#failed = failed
  }

  /** The two accesses with their calls, and why nothing orders them. */
  racing(race: RaceReport): string[] {
    const { noun } = this.#failed
    const lines: string[] = []
    const sides = [race.first, race.second].map((access, side) => {
      const { thread, write, atomic } = access
      const recorded = recordOf(this.#recorded, race, access)
      const place = this.#failed.racePlaces[side]
      const text = recorded === undefined ? (place?.source ?? '') : this.#textOf(recorded)
      const what = `the ${write ? 'write' : 'read'} of ${noun} ${thread}`
      return { what, thread, recorded, atomic, text: `${text} at ${shortPlace(place)}` }
    })
    for (const { what, recorded, atomic, text } of sides) {
      lines.push(`${what}${atomic ? ', an operation of Atomics' : ''}: ${text}`)
      for (const frame of recorded === undefined ? [] : this.#framesOf(recorded).toReversed())
        lines.push(`    in ${frame.function} (${frame.place})`)
    }
    const [first, second] = sides
    const [earlier, later] = [race.first, race.second].map(({ write }) => (write ? 'write' : 'read'))
    const [one, other] = [`${noun} ${first!.thread}`, `${noun} ${second!.thread}`]
    lines.push(
      'In a real run they may come in the other order, or at the same time: there is no happens-before between them.',
      `After its ${earlier}, ${one} wrote nothing with Atomics that reached ${other} before its ${later}.`,
    )
    // The kernel has rules of its own.
    if (noun === 'thread')
      lines.push(
        `To order them: hold a lock around both; or let ${one} store a flag with Atomics after its ${earlier}, and ${other}`,
        `look for it with Atomics before its ${later}; or do both with Atomics. If the race is meant, say so with racy().`,
      )
    return lines
  }

  rows(): { rows: CounterexampleRow[]; leftOut: number } {
    const recorded = this.#recorded.filter(({ isTold }) => isTold)
    const common = commonCells(recorded)
    const whole = recorded.length <= WHOLE_MAX
    const racy = this.#failed.race?.cell
    const telling = recorded.filter(
      ({ cell, step }) => whole || (step !== null && common.has(cell)) || cell === racy,
    )
    // One thread at work for ever concerns no other: how it ends tells what it repeats.
    const kept = telling.length > 0 ? telling : recorded.slice(-WHOLE_MAX)
    const shown: { readonly at: number; readonly operations: number; readonly turns: number }[] = []
    for (let at = 0; at < kept.length;) {
      const { operations, turns } = repetition(kept, at)
      shown.push({ at, operations, turns })
      for (const each of kept.slice(at, at + operations)) this.#noteChildren(each)
      at += operations * turns
    }
    const rows: CounterexampleRow[] = []
    let last = -1
    for (const { at, operations, turns } of shown) {
      for (const each of kept.slice(at, at + operations)) {
        const { thread, reason } = each
        if (last >= 0 && last !== thread && reason !== '') rows.push({ kind: 'switch', thread, reason })
        last = thread
        this.#addRows(rows, each)
      }
      if (turns > 1) rows.push({ kind: 'repeat', thread: last, operations, times: turns - 1 })
    }
    return { rows, leftOut: recorded.length - kept.length }
  }

  #framesOf({ frames }: Recorded): Frame[] {
    return frames.filter((frame) => this.#failed.noun === 'thread' || isKernels(frame))
  }

  /** What happens in a call, so that one in which more than one thing does gets a row of its own. */
  #noteChildren(recorded: Recorded): void {
    let child: object = recorded
    for (const frame of this.#framesOf(recorded).toReversed()) {
      frame.children.add(child)
      child = frame
    }
  }

  /** The operation, and before it the calls that are new. */
  #addRows(rows: CounterexampleRow[], recorded: Recorded): void {
    const { at, thread, step, operation, cell, index, place, from, isNews } = recorded
    const frames = this.#framesOf(recorded)
    let depth = -1
    let functions: string[] = []
    for (const frame of frames) {
      if (frame.depth >= 0) {
        depth = frame.depth
        continue
      }
      functions.push(frame.function)
      frame.depth = depth + 1
      if (frame.children.size === 1 && frame !== frames.at(-1)) continue
      depth++
      rows.push({ kind: 'call', thread, depth, functions, place: frame.place, call: frame.number })
      functions = []
    }
    const name = cell < 0 ? '' : this.#names.nameOf(cell, index)
    const text = this.#textOf(recorded)
    const read = isNews && from!.isTold ? from!.step : null
    depth++
    rows.push({ kind: 'operation', thread, depth, step, operation, name, text, from: read, place, event: at })
  }

  #textOf({ cell, index, say }: Recorded): string {
    const name = cell < 0 ? '' : this.#names.nameOf(cell, index)
    return say(name, (value) => this.#names.valueOf(cell, value))
  }

  /** Every operation and access, with the calls in which they are. */
  everything(): { calls: CounterexampleCall[]; events: CounterexampleEvent[] } {
    const calls: CounterexampleCall[] = []
    const events = this.#recorded.map((recorded, at): CounterexampleEvent => {
      const { thread, step, operation, cell, index, before, after, from, place, file, reason } = recorded
      let call: number | null = null
      for (const frame of recorded.frames) {
        if (frame.number < 0) {
          frame.number = calls.length
          const { function: name, place: begin, file: where } = frame
          calls.push({ thread, function: name, place: begin, file: where, caller: call })
        }
        call = frame.number
      }
      const isSwitch = at > 0 && this.#recorded[at - 1]!.thread !== thread && reason !== ''
      return {
        thread,
        step,
        operation,
        name: cell < 0 ? '' : this.#names.nameOf(cell, index),
        text: this.#textOf(recorded),
        before,
        after,
        from: from?.at ?? null,
        wokenBy: recorded.wokenBy?.at ?? null,
        place,
        file,
        call,
        switch: isSwitch ? reason : null,
      }
    })
    return { calls, events }
  }
}

/** What the scenario itself is made of says nothing. */
function isKernels(frame: Frame): boolean {
  return frame.function !== '(anonymous)' && frame.function !== 'perform'
}
