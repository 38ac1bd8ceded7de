// Three mutexes that sleep: Ulrich Drepper, "Futexes Are Tricky" (2004, revised until 2011), his classes mutex, mutex2
// and mutex3.
//
// The first counts everybody who comes, and whoever is counted sleeps until the count changes. Drepper names its
// errors himself: two who come again and again keep each other awake, and the count comes round to 0 while the mutex
// is held. The others tell in the word only whether somebody may be asleep: 0 free, 1 held, 2 held and perhaps waited
// for.

import { it } from 'node:test'
import { check } from 'faultline/check'
import { type Lock, criticalSection } from './critical-section.ts'
import { breaks, holds, isLarge } from './verdicts.ts'

const WORD = 0

abstract class Mutex implements Lock {
  protected readonly cells = new Int32Array(new SharedArrayBuffer(4))

  abstract enter(): void

  leave(): void {
    if (Atomics.sub(this.cells, WORD, 1) === 1) return
    Atomics.store(this.cells, WORD, 0)
    Atomics.notify(this.cells, WORD, 1)
  }
}

class Mutex1 extends Mutex {
  constructor(count = 0) {
    super()
    this.cells[WORD] = count
  }

  enter(): void {
    for (;;) {
      const count = Atomics.add(this.cells, WORD, 1)
      if (count === 0) return
      Atomics.wait(this.cells, WORD, (count + 1) | 0)
    }
  }

  override leave(): void {
    Atomics.store(this.cells, WORD, 0)
    Atomics.notify(this.cells, WORD, 1)
  }
}

class Mutex2 extends Mutex {
  enter(): void {
    let seen = Atomics.compareExchange(this.cells, WORD, 0, 1)
    while (seen !== 0) {
      if (seen === 2 || Atomics.compareExchange(this.cells, WORD, 1, 2) !== 0)
        Atomics.wait(this.cells, WORD, 2)
      seen = Atomics.compareExchange(this.cells, WORD, 0, this.heldBySleeper)
    }
  }

  /** Who has slept does not know whether others sleep still. */
  protected get heldBySleeper(): number {
    return 2
  }
}

class Mutex3 extends Mutex {
  enter(): void {
    let seen = Atomics.compareExchange(this.cells, WORD, 0, 1)
    if (seen === 0) return
    if (seen !== 2) seen = Atomics.exchange(this.cells, WORD, 2)
    while (seen !== 0) {
      Atomics.wait(this.cells, WORD, 2)
      seen = Atomics.exchange(this.cells, WORD, 2)
    }
  }
}

/** The error that the 2 of the paper is there to avoid. */
class ForgetfulMutex extends Mutex2 {
  protected override get heldBySleeper(): number {
    return 1
  }
}

it('mutex: two that come again and again keep each other awake', (test) => {
  const checking = check({
    ...criticalSection(() => new Mutex1(), { threads: 3 }),
    maxSteps: 100,
    minimiseSeconds: 0.2,
  })
  return breaks(test, checking, 'livelock', 'add cells[WORD] 1 → 2', 'add cells[WORD] 2 → 3')
})

it('mutex: its count comes round to 0 while it is held', (test) => {
  // As if 2^32 - 1 had come while thread 0 holds it.
  const checking = check({
    setup: () => ({ mutex: new Mutex1(-1), count: new Int32Array(new SharedArrayBuffer(4)) }),
    threads: [
      ({ mutex, count }) => {
        count[0]!++
        mutex.leave()
      },
      ({ mutex, count }) => {
        mutex.enter()
        count[0]!++
        mutex.leave()
      },
      ({ mutex, count }) => {
        mutex.enter()
        count[0]!++
        mutex.leave()
      },
    ],
    maxSteps: 100,
  })
  return breaks(test, checking, 'race', '1: add cells[WORD] -1 → 0', '2: add cells[WORD] 0 → 1')
})

it('mutex2: who has slept takes it as if nobody else slept', (test) => {
  const checking = check(criticalSection(() => new ForgetfulMutex(), { threads: 3 }))
  const steps = ['1: wait cells[WORD] = 2', '2: wait cells[WORD] = 2', '1: cas cells[WORD] 0 → 1']
  return breaks(test, checking, 'deadlock', ...steps, 'lost wake-up: thread 2 sleeps')
})

it('mutex2, two threads', (test) =>
  holds(test, check(criticalSection(() => new Mutex2(), { threads: 2, turns: 2 }))))

it('mutex2', { skip: !isLarge }, (test) =>
  holds(test, check(criticalSection(() => new Mutex2(), { threads: 3 }))),
)

it('mutex3, two threads', (test) =>
  holds(test, check(criticalSection(() => new Mutex3(), { threads: 2, turns: 2 }))))

it('mutex3', { skip: !isLarge }, (test) =>
  holds(test, check(criticalSection(() => new Mutex3(), { threads: 3 }))),
)

it('mutex3, three threads, one of them twice', { skip: !isLarge }, (test) => {
  const { setup, threads } = criticalSection(() => new Mutex3(), { threads: 2 })
  const [twice] = criticalSection(() => new Mutex3(), { threads: 1, turns: 2 }).threads
  return holds(test, check({ setup, threads: [...threads, twice!], seconds: 1800, maxExecutions: 1e8 }))
})
