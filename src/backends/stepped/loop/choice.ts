// What may happen next, of several things of which nothing says which is first.
//
// The explorer decides who goes on, and nothing else. So a choice is made by that: another thread, of ours, counts in a
// cell from 0 on, and who chooses reads what is there. It is asked for only where there is more than one thing.

import { host } from './host.ts'

/** One of 0 to `count` − 1. */
export function choose(count: number): number {
  if (count === 1 || host.isSole()) return 0
  const { asked, requests } = host.choices(true)
  const cell = new Int32Array(new SharedArrayBuffer(4))
  // What was there before is of interest to the explorer: two requests have an order.
  const before = Atomics.add(asked, 0, 1)
  requests[before] = { cell, count }
  return Atomics.load(cell, 0)
}

/** Called before each execution. Where nobody is there to count, the first choice says that somebody is needed. */
export function beginChoices(isServed: boolean): void {
  host.setChoices({ asked: new Int32Array(new SharedArrayBuffer(4)), requests: [], isServed })
}

/** What the thread does that counts. */
export function serveChoices(): void {
  host.needsNoScope()
  const { asked, requests } = host.choices(false)
  host.watch(asked)
  Atomics.idle(false, true)
  for (let served = 0; ;) {
    host.beginLooking()
    if (Atomics.load(asked, 0) > served) {
      const { cell, count } = requests[served]!
      served++
      for (let each = 1; each < count; each++) Atomics.store(cell, 0, each)
    } else Atomics.idle(false, true)
  }
}
