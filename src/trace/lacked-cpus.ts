/**
 * When recorded threads could run and a CPU had none of them: then another program had it. Where it is recorded when
 * threads are switched, that is known of each CPU.
 *
 * Principle: only what is seen. While no thread lacks a CPU, nobody knows what one does that has none of them; what
 * was seen on both sides of that time is kept beside each stretch, so that who needs it can infer it.
 */

/** Numbers of a stretch, all times in nanoseconds: see {@link LackedStretch}. */
const STRETCH_NUMBERS = 5
const NOTHING = -1

/** A stretch of time in which a CPU was lacked. */
export interface LackedStretch {
  readonly from: number
  readonly to: number
  /** It began when a thread was woken, which takes time also where the CPU is idle. */
  readonly isOfWakeUp: boolean
  /**
   * Since the stretch before it a recorded thread had the CPU from the first of these times on, and one had it until
   * the second; -1 where none had.
   */
  readonly ranFrom: number
  readonly ranUntil: number
}

/** By CPU: the numbers of its stretches, and behind them when recorded threads had it since the last. */
export type LackedCpus = readonly Float64Array[]

class Cpu {
  tid = NOTHING
  lackedFrom = NOTHING
  isOfWakeUp = false
  ranFrom = NOTHING
  ranUntil = NOTHING
  readonly stretches: number[] = []

  end(now: number): void {
    const { lackedFrom, isOfWakeUp, ranFrom, ranUntil, stretches } = this
    if (lackedFrom !== NOTHING && now > lackedFrom) {
      stretches.push(lackedFrom, now, isOfWakeUp ? 1 : 0, ranFrom, ranUntil)
      this.ranFrom = NOTHING
      this.ranUntil = NOTHING
    }
    this.lackedFrom = NOTHING
  }
}

export class LackObserver {
  readonly #cpus: Cpu[] = []
  readonly #cpuOf = new Map<number, Cpu>()
  #lacking = 0

  /** A thread runs on a CPU. */
  runs(tid: number, cpu: number, now: number): void {
    const its = this.#at(cpu, now)
    // Who was there before has left it unseen.
    if (its.tid !== NOTHING) this.leaves(its.tid, now)
    its.end(now)
    its.tid = tid
    this.#cpuOf.set(tid, its)
    if (its.ranFrom === NOTHING) its.ranFrom = now
  }

  leaves(tid: number, now: number): void {
    const its = this.#cpuOf.get(tid)
    if (its === undefined) return
    this.#cpuOf.delete(tid)
    its.tid = NOTHING
    its.ranUntil = now
    if (this.#lacking > 0) this.#begin(its, false, now)
  }

  /**
   * A thread can run and has no CPU: it was woken, or has lost the one that it had.
   * @param cpus how many there are, of which some may not be seen
   */
  lacks(isWoken: boolean, cpus: number, now: number): void {
    if (cpus > this.#cpus.length) this.#at(cpus - 1, now)
    if (this.#lacking++ > 0) return
    for (const cpu of this.#cpus) if (cpu.tid === NOTHING) this.#begin(cpu, isWoken, now)
  }

  lacksNoMore(now: number): void {
    if (--this.#lacking > 0) return
    for (const cpu of this.#cpus) cpu.end(now)
  }

  /** @param beginNs times are counted from then */
  stretches(cpus: number, beginNs: number): LackedCpus {
    return Array.from({ length: cpus }, (_, cpu) => {
      const { stretches, ranFrom, ranUntil } = this.#at(cpu, beginNs)
      const relative = (time: number): number => (time === NOTHING ? NOTHING : Math.max(0, time - beginNs))
      return Float64Array.from([...stretches, ranFrom, ranUntil], (value, at) =>
        at < stretches.length && at % STRETCH_NUMBERS === 2 ? value : relative(value),
      )
    })
  }

  #at(cpu: number, now: number): Cpu {
    while (this.#cpus.length <= cpu) {
      const added = new Cpu()
      this.#cpus.push(added)
      if (this.#lacking > 0) this.#begin(added, false, now)
    }
    return this.#cpus[cpu]!
  }

  #begin(cpu: Cpu, isOfWakeUp: boolean, now: number): void {
    cpu.lackedFrom = now
    cpu.isOfWakeUp = isOfWakeUp
  }
}

export function stretchesOf(numbers: Float64Array): {
  readonly stretches: readonly LackedStretch[]
  /** After the last stretch. */
  readonly ranFrom: number
} {
  const stretches: LackedStretch[] = []
  let at = 0
  for (; at + STRETCH_NUMBERS <= numbers.length; at += STRETCH_NUMBERS) {
    const [from, to, isOfWakeUp, ranFrom, ranUntil] = numbers.subarray(at, at + STRETCH_NUMBERS)
    stretches.push({
      from: from!,
      to: to!,
      isOfWakeUp: isOfWakeUp === 1,
      ranFrom: ranFrom!,
      ranUntil: ranUntil!,
    })
  }
  return { stretches, ranFrom: numbers[at] ?? NOTHING }
}
