// A lock for many readers or one writer, in one word: the problem is that of Courtois, Heymans and Parnas, "Concurrent
// Control with 'Readers' and 'Writers'", Communications of the ACM 14(10), 1971.
//
// Well-known errors: a reader who looks whether there is a writer and then counts itself; a last reader who wakes
// nobody; and two readers who both wait to become the writer, each until the other has left.

import { it } from 'node:test'
import { check } from 'faultline/check'
import { breaks, holds, isLarge } from './verdicts.ts'

const WORD = 0
const WRITER = -1

class ReaderWriterLock {
  /** How many read; -1: somebody writes. */
  protected readonly cells = new Int32Array(new SharedArrayBuffer(4))

  lockToRead(): void {
    for (;;) {
      const seen = Atomics.load(this.cells, WORD)
      if (seen === WRITER) Atomics.wait(this.cells, WORD, WRITER)
      else if (this.countReader(seen)) return
    }
  }

  unlockFromReading(): void {
    if (Atomics.sub(this.cells, WORD, 1) === 1) Atomics.notify(this.cells, WORD)
  }

  lockToWrite(): void {
    for (;;) {
      const seen = Atomics.compareExchange(this.cells, WORD, 0, WRITER)
      if (seen === 0) return
      Atomics.wait(this.cells, WORD, seen)
    }
  }

  unlockFromWriting(): void {
    Atomics.store(this.cells, WORD, 0)
    Atomics.notify(this.cells, WORD)
  }

  /** Who reads writes from now on, if nobody else reads. */
  upgrade(): boolean {
    return Atomics.compareExchange(this.cells, WORD, 1, WRITER) === 1
  }

  protected countReader(seen: number): boolean {
    return Atomics.compareExchange(this.cells, WORD, seen, seen + 1) === seen
  }
}

class CountsAfterwards extends ReaderWriterLock {
  protected override countReader(): boolean {
    Atomics.add(this.cells, WORD, 1)
    return true
  }
}

class WakesNobody extends ReaderWriterLock {
  override unlockFromReading(): void {
    Atomics.sub(this.cells, WORD, 1)
  }
}

class InsistsOnUpgrade extends ReaderWriterLock {
  override upgrade(): boolean {
    for (;;) {
      const seen = Atomics.compareExchange(this.cells, WORD, 1, WRITER)
      if (seen === 1) return true
      Atomics.wait(this.cells, WORD, seen)
    }
  }
}

interface Shared {
  readonly lock: ReaderWriterLock
  readonly data: Int32Array
}

function shared(lock: ReaderWriterLock): Shared {
  return { lock, data: new Int32Array(new SharedArrayBuffer(4)) }
}

function read({ lock, data }: Shared): void {
  lock.lockToRead()
  void data[0]
  lock.unlockFromReading()
}

function write({ lock, data }: Shared): void {
  lock.lockToWrite()
  data[0]!++
  lock.unlockFromWriting()
}

function readAndWrite({ lock, data }: Shared): void {
  lock.lockToRead()
  void data[0]
  if (!lock.upgrade()) {
    lock.unlockFromReading()
    return
  }
  data[0]!++
  lock.unlockFromWriting()
}

it('a reader who looks, and then counts itself', (test) => {
  const checking = check({ setup: () => shared(new CountsAfterwards()), threads: [read, write] })
  return breaks(
    test,
    checking,
    'race',
    '0: load cells[WORD] = 0',
    '1: cas cells[WORD] 0 → -1',
    '0: add cells[WORD]',
  )
})

it('a last reader who wakes nobody', (test) => {
  const checking = check({ setup: () => shared(new WakesNobody()), threads: [read, write] })
  const steps = ['1: wait cells[WORD] = 1', '0: sub cells[WORD] 1 → 0']
  return breaks(test, checking, 'deadlock', ...steps, 'lost wake-up: thread 1 sleeps')
})

it('two readers who insist on becoming the writer', (test) => {
  const checking = check({
    setup: () => shared(new InsistsOnUpgrade()),
    threads: [readAndWrite, readAndWrite],
  })
  const steps = ['1: cas cells[WORD] 1 → 2', '1: wait cells[WORD] = 2', '0: wait cells[WORD] = 2']
  return breaks(test, checking, 'deadlock', ...steps, 'every thread that is left waits for another')
})

it('two readers and a writer', (test) =>
  holds(
    test,
    check({
      setup: () => shared(new ReaderWriterLock()),
      threads: [read, read, write],
      invariant: ({ data }) => data[0] === 1,
    }),
  ))

it('a reader and two writers', (test) =>
  holds(
    test,
    check({
      setup: () => shared(new ReaderWriterLock()),
      threads: [read, write, write],
      invariant: ({ data }) => data[0] === 2,
    }),
  ))

it('readers who would become the writer, and a writer', (test) =>
  holds(
    test,
    check({ setup: () => shared(new ReaderWriterLock()), threads: [readAndWrite, readAndWrite, write] }),
  ))

it('two readers and two writers', { skip: !isLarge }, (test) =>
  holds(
    test,
    check({
      setup: () => shared(new ReaderWriterLock()),
      threads: [read, read, write, write],
      invariant: ({ data }) => data[0] === 2,
      seconds: 600,
    }),
  ),
)
