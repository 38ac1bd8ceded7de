// A bounded channel as a monitor, on Atomics.wait and Atomics.notify: the producers and consumers of Arpaci-Dusseau
// and Arpaci-Dusseau, "Operating Systems: Three Easy Pieces", chapter 30, with its figures of what is wrong.
//
// A condition is a count of signals: who waits for it notes the count, gives the lock back, and sleeps until the count
// is another. The errors of the book: who is woken does not look again (its `if` instead of `while`); and one
// condition for both sides, of which a consumer may wake another consumer, so that all sleep. And the one of those who
// build conditions themselves: the lock is given back before the count is noted.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { check } from 'faultline/check'
import { breaks, holds, isLarge } from './verdicts.ts'

const LOCK = 0
const NOT_FULL = 1
const NOT_EMPTY = 2
const SIZE = 1

class Channel {
  protected readonly cells = new Int32Array(new SharedArrayBuffer(3 * 4))
  /** How many values there are, and these: ordinary memory, under the lock. */
  readonly #values = new Int32Array(new SharedArrayBuffer((1 + SIZE) * 4))

  send(value: number): void {
    this.lock()
    this.awaitThat(() => this.#values[0]! < SIZE, NOT_FULL)
    this.#values[0]!++
    this.#values[this.#values[0]!] = value
    this.signal(NOT_EMPTY)
    this.unlock()
  }

  receive(): number {
    this.lock()
    this.awaitThat(() => this.#values[0]! > 0, NOT_EMPTY)
    const value = this.#values[this.#values[0]!]!
    this.#values[0]!--
    this.signal(NOT_FULL)
    this.unlock()
    return value
  }

  protected awaitThat(isTrue: () => boolean, condition: number): void {
    while (!isTrue()) this.sleep(condition)
  }

  protected sleep(condition: number): void {
    const signals = Atomics.load(this.cells, condition)
    this.unlock()
    Atomics.wait(this.cells, condition, signals)
    this.lock()
  }

  protected signal(condition: number): void {
    Atomics.add(this.cells, condition, 1)
    Atomics.notify(this.cells, condition, 1)
  }

  /** Spins: it is held for a moment only. */
  protected lock(): void {
    while (Atomics.compareExchange(this.cells, LOCK, 0, 1) !== 0) Atomics.pause()
  }

  protected unlock(): void {
    Atomics.store(this.cells, LOCK, 0)
  }
}

class LooksOnce extends Channel {
  protected override awaitThat(isTrue: () => boolean, condition: number): void {
    if (!isTrue()) this.sleep(condition)
  }
}

class OneCondition extends Channel {
  protected override awaitThat(isTrue: () => boolean): void {
    while (!isTrue()) this.sleep(NOT_FULL)
  }

  protected override signal(): void {
    super.signal(NOT_FULL)
  }
}

class NotesLate extends Channel {
  protected override sleep(condition: number): void {
    this.unlock()
    Atomics.wait(this.cells, condition, Atomics.load(this.cells, condition))
    this.lock()
  }
}

interface Shared {
  readonly channel: Channel
  readonly received: number[]
}

const shared = (channel: Channel): Shared => ({ channel, received: [] })

function sendTwo({ channel }: Shared): void {
  channel.send(1)
  channel.send(2)
}

function receiveOne({ channel, received }: Shared): void {
  received.push(channel.receive())
}

function receiveTwo({ channel, received }: Shared): void {
  received.push(channel.receive(), channel.receive())
}

const bothReceived = ({ received }: Shared): void => assert.deepEqual(received.toSorted(), [1, 2])

it('who is woken does not look again', (test) => {
  const checking = check({
    setup: () => shared(new LooksOnce()),
    threads: [sendTwo, receiveOne, receiveOne],
    invariant: bothReceived,
  })
  const steps = ['2: write #values[0] ← 0', '1: write #values[0] ← -1']
  return breaks(test, checking, 'error', '1: wait cells[2] = 0', '0: notify cells[2], wakes 1', ...steps)
})

it('one condition for both sides', (test) => {
  const checking = check({
    setup: () => shared(new OneCondition()),
    threads: [sendTwo, receiveOne, receiveOne],
    invariant: bothReceived,
  })
  const steps = ['1: wait cells[1] = 0', '2: wait cells[1] = 0', '0: wait cells[1] = 1']
  return breaks(
    test,
    checking,
    'deadlock',
    ...steps,
    '1: notify cells[1], wakes 1',
    '2: wait',
    'lost wake-up',
  )
})

it('the lock is given back before the count is noted', (test) => {
  const checking = check({ setup: () => shared(new NotesLate()), threads: [sendTwo, receiveTwo] })
  return breaks(test, checking, 'deadlock', '0: notify cells[2], wakes 0', '1: wait cells[2] = 2')
})

it('a producer and a consumer', (test) =>
  holds(
    test,
    check({
      setup: () => shared(new Channel()),
      threads: [sendTwo, receiveTwo],
      invariant: ({ received }) => assert.deepEqual(received, [1, 2]),
    }),
  ))

it('a producer and two consumers', { skip: !isLarge }, (test) =>
  holds(
    test,
    check({
      setup: () => shared(new Channel()),
      threads: [sendTwo, receiveOne, receiveOne],
      invariant: bothReceived,
      seconds: 600,
    }),
  ),
)
