// Lamport's bakery: "A New Solution of Dijkstra's Concurrent Programming Problem", Communications of the ACM 17(8),
// 1974.
//
// Everybody takes a number larger than all that it sees, and waits for smaller ones. While it looks for one, others
// wait for it to have it: without that, somebody turns up later with a number that goes first.

import { it } from 'node:test'
import { check } from 'faultline/check'
import { type Lock, criticalSection } from './critical-section.ts'
import { breaks, holds, isLarge } from './verdicts.ts'

class Bakery implements Lock {
  readonly #threads: number
  /** Not 0: takes a number. */
  readonly #choosing: Int32Array
  /** The number of each; 0: it does not want to enter. */
  readonly #numbers: Int32Array

  constructor(threads: number) {
    this.#threads = threads
    this.#choosing = new Int32Array(new SharedArrayBuffer(threads * 4))
    this.#numbers = new Int32Array(new SharedArrayBuffer(threads * 4))
  }

  enter(me: number): void {
    Atomics.store(this.#choosing, me, 1)
    let largest = 0
    for (let other = 0; other < this.#threads; other++)
      largest = Math.max(largest, Atomics.load(this.#numbers, other))
    Atomics.store(this.#numbers, me, largest + 1)
    Atomics.store(this.#choosing, me, 0)
    for (let other = 0; other < this.#threads; other++) {
      if (other === me) continue
      this.awaitChoice(this.#choosing, other)
      while (this.#goesFirst(other, me)) Atomics.pause()
    }
  }

  leave(me: number): void {
    Atomics.store(this.#numbers, me, 0)
  }

  protected awaitChoice(choosing: Int32Array, other: number): void {
    while (Atomics.load(choosing, other) === 1) Atomics.pause()
  }

  /** Of equal numbers, that of the smaller thread. */
  #goesFirst(other: number, me: number): boolean {
    const its = Atomics.load(this.#numbers, other)
    const mine = Atomics.load(this.#numbers, me)
    return its !== 0 && (its < mine || (its === mine && other < me))
  }
}

class ImpatientBakery extends Bakery {
  protected override awaitChoice(): void {
    // Whoever takes a number is not waited for.
  }
}

it('nobody waits for those who take a number', (test) => {
  const checking = check(criticalSection(() => new ImpatientBakery(2)))
  const steps = ['0: load #numbers[1] = 0', '1: store #numbers[1] 0 → 1', '0: store #numbers[0] 0 → 1']
  return breaks(test, checking, 'race', ...steps)
})

it('two threads, once each', (test) => holds(test, check(criticalSection(() => new Bakery(2)))))

it('two threads, twice each', (test) =>
  holds(test, check(criticalSection(() => new Bakery(2), { turns: 2 }))))

it('three threads, once each', { skip: !isLarge }, (test) =>
  holds(test, check(criticalSection(() => new Bakery(3), { threads: 3 }))),
)
