// Atomics.waitAsync in threads. Who notifies takes it out of the queue, and tells the thread in a step of its own, by a
// cell at which the event loop looks. Its time-out is a timer, which takes it out of the queue unless somebody was
// faster.

import type { AsyncWaiter, Watched } from '../thread.ts'
import { type EventLoop, host, takeOut } from './host.ts'
import type { Place } from '../thread.ts'
import { deferred } from './promise.ts'
import { clearTimeout, setWaitTimeout } from './timers.ts'

declare global {
  interface Atomics {
    /** See runtime.ts: takes a waiter out of its queue. */
    leaveQueue(waiter: AsyncWaiter): boolean
  }
}

class Waiter implements AsyncWaiter {
  readonly waitCell: number
  readonly array: Watched
  readonly index: number
  readonly signal = new Int32Array(new SharedArrayBuffer(4)) as Watched
  readonly promise: unknown
  readonly loop: EventLoop
  readonly resolve: (value: unknown) => void
  timer: unknown = null

  constructor(array: Watched, index: number, waitCell: number) {
    const { promise, resolve } = deferred()
    this.array = array
    this.index = index
    this.waitCell = waitCell
    this.promise = promise
    this.resolve = resolve
    this.loop = host.loop()
    this.loop.waiters.push(this)
  }

  place(): Place {
    return { array: this.signal, index: 0 }
  }

  looks(): boolean {
    host.tell('find that it was notified')
    return Atomics.load(this.signal, 0) !== 0
  }

  deliver(): void {
    this.end('ok')
  }

  /** Its time is over. If it was notified before, its thread is told of that, and nothing else. */
  timeOut(): void {
    host.tell('leave the queue, as its time is over')
    if (Atomics.leaveQueue(this)) this.end('timed-out')
  }

  /** Its thread ends. */
  leave(): void {
    host.tell('leave the queue, as the thread ends')
    Atomics.leaveQueue(this)
  }

  end(result: string): void {
    if (this.timer !== null) clearTimeout(this.timer)
    takeOut(this.loop.waiters, this)
    this.resolve(result)
  }
}

export function newWaiter({
  array,
  index,
  waitCell,
  timeout,
}: {
  array: Watched
  index: number
  waitCell: number
  timeout: number
}): AsyncWaiter {
  const waiter = new Waiter(array, index, waitCell)
  if (timeout !== Infinity) waiter.timer = setWaitTimeout(() => waiter.timeOut(), timeout)
  return waiter
}
