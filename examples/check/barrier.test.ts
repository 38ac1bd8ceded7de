// The sense-reversing barrier: Mellor-Crummey and Scott, "Algorithms for Scalable Synchronization on Shared-Memory
// Multiprocessors", ACM TOCS 9(1), 1991, algorithm 7.
//
// The error is as old as barriers are: one that is a count only is used a second time by a fast thread before a slow
// one has seen that all had come, and both wait for ever. So the last to come changes a flag, and everybody waits for
// the value that the flag has not had since the last time.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { check } from 'faultline/check'
import { breaks, holds, isLarge } from './verdicts.ts'

const COUNT = 0
const SENSE = 1

class Barrier {
  protected readonly cells = new Int32Array(new SharedArrayBuffer(2 * 4))
  protected readonly threads: number
  /** The sense of each thread, its own. */
  readonly #senses: number[]

  constructor(threads: number) {
    this.threads = threads
    this.cells[COUNT] = threads
    this.#senses = Array.from({ length: threads }, () => 0)
  }

  arrive(me: number): void {
    const sense = 1 - this.#senses[me]!
    this.#senses[me] = sense
    if (Atomics.sub(this.cells, COUNT, 1) === 1) {
      Atomics.store(this.cells, COUNT, this.threads)
      Atomics.store(this.cells, SENSE, sense)
    } else {
      while (Atomics.load(this.cells, SENSE) !== sense) Atomics.pause()
    }
  }
}

class CountOnly extends Barrier {
  override arrive(): void {
    if (Atomics.sub(this.cells, COUNT, 1) === 1) Atomics.store(this.cells, COUNT, this.threads)
    else while (Atomics.load(this.cells, COUNT) !== this.threads) Atomics.pause()
  }
}

interface Shared {
  readonly barrier: Barrier
  readonly threads: number
  /** What each thread has written in each turn, in ordinary memory. */
  readonly written: Int32Array
}

function shared(barrier: Barrier, threads: number, turns: number): Shared {
  return { barrier, threads, written: new Int32Array(new SharedArrayBuffer(threads * turns * 4)) }
}

/** In each turn, writes what is its own, and then reads what all others have written. */
function turnsOf(me: number, turns: number): (shared: Shared) => void {
  return ({ barrier, threads, written }) => {
    for (let turn = 0; turn < turns; turn++) {
      written[turn * threads + me] = turn + 1
      barrier.arrive(me)
      for (let other = 0; other < threads; other++) assert.equal(written[turn * threads + other], turn + 1)
    }
  }
}

it('a barrier that is a count only, twice', (test) => {
  const checking = check({
    setup: () => shared(new CountOnly(2), 2, 2),
    threads: [turnsOf(0, 2), turnsOf(1, 2)],
  })
  const steps = ['store cells[COUNT] 0 → 2', 'sub cells[COUNT] 2 → 1', 'thread 0 spins', 'thread 1 spins']
  return breaks(test, checking, 'deadlock', ...steps)
})

it('two threads, three times', (test) =>
  holds(test, check({ setup: () => shared(new Barrier(2), 2, 3), threads: [turnsOf(0, 3), turnsOf(1, 3)] })))

it('three threads, twice', (test) =>
  holds(
    test,
    check({
      setup: () => shared(new Barrier(3), 3, 2),
      threads: [turnsOf(0, 2), turnsOf(1, 2), turnsOf(2, 2)],
    }),
  ))

it('four threads, twice', { skip: !isLarge }, (test) =>
  holds(
    test,
    check({
      setup: () => shared(new Barrier(4), 4, 2),
      threads: [turnsOf(0, 2), turnsOf(1, 2), turnsOf(2, 2), turnsOf(3, 2)],
      seconds: 600,
    }),
  ),
)
