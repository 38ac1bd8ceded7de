// Threads that are started while others run. There are records of so many of them as an execution was found to need:
// each waits until it is started, and is over if it never is.

import { type Slot, host } from './host.ts'

/** Starts a thread, which runs `body`. */
export function startThread(body: () => unknown): Slot {
  const { next, slots } = host.starts()
  host.tell('give a thread its number')
  const index = Atomics.add(next, 0, 1)
  if (index >= slots.length) host.needThread()
  const slot = slots[index]!
  slot.body = body
  host.tell('start the thread')
  Atomics.store(slot.started, 0, 1)
  return slot
}

/** Called before each execution: the threads from `first` on may be started. */
export function beginStarts(first: number, count: number): void {
  const slots = Array.from({ length: count }, (_, index) => ({
    id: first + index,
    started: new Int32Array(new SharedArrayBuffer(4)),
    body: (): void => {},
  }))
  host.setStarts({ next: new Int32Array(new SharedArrayBuffer(4)), slots })
}

/** What such a thread does. */
export function serveStarts(index: number): () => unknown {
  return () => {
    host.needsNoScope()
    const slot = host.starts().slots[index]!
    host.waitAt([{ array: slot.started, index: 0 }])
    Atomics.idle(false, true)
    host.tell('begin')
    Atomics.load(slot.started, 0)
    return slot.body()
  }
}
