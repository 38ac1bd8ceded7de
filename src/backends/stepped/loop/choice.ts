// What may happen next, of several things of which nothing says which is first.
//
// The explorer decides who goes on, and nothing else. So a choice is made by that: another thread, of ours, counts in a
// cell from 0 on, and who chooses reads what is there. It is asked for only where there is more than one thing.

import { type Request, host } from './host.ts'
import { Mailbox } from './mailbox.ts'

/** One of 0 to `count` − 1. */
export function choose(count: number): number {
  if (count === 1 || host.isSole()) return 0
  const begun = host.beginInner()
  const { asked, requests } = host.choices(true)
  const cell = new Int32Array(new SharedArrayBuffer(4))
  // What was there before is of interest to the explorer: two requests have an order.
  requests.putAt(Atomics.add(asked, 0, 1), { cell, count }, 'decide on its next event')
  const chosen = Atomics.load(cell, 0)
  host.endInner(begun)
  return chosen
}

/** Called before each execution. Where nobody is there to count, the first choice says that somebody is needed. */
export function beginChoices(isServed: boolean): void {
  const asked = new Int32Array(new SharedArrayBuffer(4))
  host.setChoices({ asked, requests: new Mailbox<Request>(), isServed })
}

/** What the thread does that counts. It looks at a request when that is there, and so depends on no other. */
export function serveChoices(): void {
  host.needsNoScope()
  const { requests } = host.choices(false)
  for (;;) {
    host.waitAt([requests.place()])
    Atomics.idle(false, true)
    const { cell, count } = requests.take()
    for (let each = 1; each < count; each++) Atomics.store(cell, 0, each)
  }
}
