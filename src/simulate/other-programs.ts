// When other programs had the CPUs of a recording. On as many CPUs, or fewer, they have them at the same times here,
// whichever thread of the recorded program runs or waits then.
//
// Principle: what was seen is kept, what nobody saw is inferred from what was seen last before it and first after it.
// A CPU that another program had on both sides of such a time, it had in between; where it was the recorded program's
// on one side, the middle is taken.

import { type LackedCpus, stretchesOf } from '../trace/index.ts'

const NEVER = -1

export class OtherPrograms {
  /** By CPU: from when until when others have it, in order. */
  readonly #taken: readonly Float64Array[]

  /** @param wakeLatencyNs what it takes until a thread that is woken runs where nobody else does */
  constructor(lacked: LackedCpus, wakeLatencyNs: number) {
    this.#taken = lacked.map((numbers) => takenOf(numbers, wakeLatencyNs))
  }

  /** Until when others have a CPU that they have at `now`; else `now`. */
  until(cpu: number, now: number): number {
    const taken = this.#taken[cpu]
    if (taken === undefined) return now
    const at = behind(taken, now)
    // Within a stretch, its end comes next.
    return at % 2 === 1 ? taken[at]! : now
  }

  /** From when others have a CPU that they do not have at `now`. */
  next(cpu: number, now: number): number {
    const taken = this.#taken[cpu]
    if (taken === undefined) return Infinity
    const at = behind(taken, now)
    return at % 2 === 1 ? now : (taken[at] ?? Infinity)
  }
}

/** How many of the ascending times are not later. */
function behind(times: Float64Array, now: number): number {
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (times[middle]! <= now) low = middle + 1
    else high = middle
  }
  return low
}

function takenOf(numbers: Float64Array, wakeLatencyNs: number): Float64Array {
  const { stretches, ranFrom: ranLastFrom } = stretchesOf(numbers)
  const taken: number[] = []
  // When the recorded program had it, since what is last in `taken`.
  let [ranFrom, ranUntil] = [NEVER, NEVER]
  const note = (from: number, until: number): void => {
    if (ranFrom === NEVER) ranFrom = from
    if (until !== NEVER) ranUntil = until
  }
  for (const { from, to, isOfWakeUp, ranFrom: first, ranUntil: last } of stretches) {
    note(first, last)
    const since = isOfWakeUp ? from + wakeLatencyNs : from
    // Within that time an idle CPU takes a thread.
    if (to - from <= wakeLatencyNs) continue
    const end = taken.length - 1
    if (ranFrom === NEVER && end >= 0) taken[end] = to
    else {
      if (end >= 0) taken[end] = (taken[end]! + ranFrom) / 2
      taken.push(ranUntil === NEVER ? since : (ranUntil + since) / 2, to)
    }
    ranFrom = NEVER
    ranUntil = NEVER
  }
  note(ranLastFrom, NEVER)
  const end = taken.length - 1
  if (ranFrom !== NEVER && end >= 0) taken[end] = (taken[end]! + ranFrom) / 2
  return Float64Array.from(taken)
}
