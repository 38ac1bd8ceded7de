// The mmap lock of a simulated program as the events of a recording tell of it (`mmap_lock_start_locking`,
// `_acquire_returned`, `_released`), so that waits are found and counted by one rule, there and here.
//
// Threads tell of what they do a little out of order, as one may run ahead of another: what is told is kept until no
// thread can come before it any more.

import type { LinuxRecord, LockAnalysis } from '../trace/index.ts'
import { LockHistory, LockRecord, UNEXPLAINED_WAIT_NS } from '../trace/index.ts'

const STARTED = 0
const FAILED = 1
const GOT = 2
const RELEASED = 3
const GAVE_UP = 4

interface LockEvent {
  readonly time: number
  readonly lane: number
  readonly kind: number
  readonly mm: number
  readonly write: boolean
  /** What the thread is at. */
  readonly call: string
}

/** Events are kept until there are so many. */
const KEPT = 16_384

/** What a lane asks for. */
class Asking {
  isPending = false
  hasFailed = false
  since = 0
}

export class LockEvents {
  readonly #history = new LockHistory()
  readonly #record = new LockRecord()
  readonly #asking: readonly Asking[]
  /** The earliest time that any thread may still tell of. */
  readonly #horizon: () => number
  #kept: LockEvent[] = []

  constructor(lanes: number, horizon: () => number) {
    this.#asking = Array.from({ length: lanes }, () => new Asking())
    this.#horizon = horizon
  }

  started(lane: number, mm: number, write: boolean, time: number): void {
    this.#keep({ time, lane, kind: STARTED, mm, write, call: '' })
  }

  /** A try was for nothing. */
  failed(lane: number, mm: number, time: number): void {
    this.#keep({ time, lane, kind: FAILED, mm, write: false, call: '' })
  }

  /** It has got the lock, or goes on as a reader. */
  got(lane: number, mm: number, write: boolean, time: number, call: string): void {
    this.#keep({ time, lane, kind: GOT, mm, write, call })
  }

  released(lane: number, mm: number, time: number): void {
    this.#keep({ time, lane, kind: RELEASED, mm, write: false, call: '' })
  }

  /** It does something else after a try that was for nothing. */
  gaveUp(lane: number, time: number): void {
    this.#keep({ time, lane, kind: GAVE_UP, mm: 0, write: false, call: '' })
  }

  /** What has been met, once all have ended. */
  summary(): { readonly linux: LinuxRecord; readonly locks: LockAnalysis } {
    this.#flush(Infinity)
    return { linux: this.#record.summary(true, 0, 0), locks: this.#history.analysis() }
  }

  #keep(event: LockEvent): void {
    this.#kept.push(event)
    if (this.#kept.length % KEPT === 0) this.#flush(this.#horizon())
  }

  #flush(horizon: number): void {
    const kept = this.#kept.toSorted((a, b) => a.time - b.time)
    let at = 0
    while (at < kept.length && kept[at]!.time < horizon) this.#apply(kept[at++]!)
    this.#kept = kept.slice(at)
  }

  /** As trace/lock-events.ts does it. */
  #apply(event: LockEvent): void {
    const { kind, lane, mm, write, time } = event
    const asking = this.#asking[lane]!
    switch (kind) {
      case STARTED:
        // A try that failed and the wait that follows are one acquisition.
        if (!(asking.isPending && asking.hasFailed)) {
          asking.since = time
          asking.hasFailed = false
        }
        asking.isPending = true
        this.#history.started(mm, lane, write, time)
        return
      case FAILED:
        asking.hasFailed = true
        return
      case GOT:
        this.#got(event, asking)
        return
      case RELEASED:
        this.#history.released(mm, lane, time)
        return
      case GAVE_UP:
        asking.hasFailed = false
        asking.isPending = false
        this.#history.gaveUp(lane)
    }
  }

  #got({ lane, mm, write, time, call }: LockEvent, asking: Asking): void {
    const ns = Math.round(time - asking.since)
    let waitedNs = -1
    if (asking.isPending) {
      this.#record.acquired(write)
      if (asking.hasFailed || this.#history.isKept(mm, lane)) {
        waitedNs = ns
        this.#record.waited(write, ns)
      } else if (ns >= UNEXPLAINED_WAIT_NS) waitedNs = ns
    }
    const { hasFailed } = asking
    asking.isPending = false
    asking.hasFailed = false
    const owner = { process: '', pid: 0 }
    const user = { ...owner, comm: '', tid: lane, call, write, mapping: '', owner }
    this.#history.acquired(mm, user, false, { waitedNs, delayedNs: 0, hasFailed, hasSlept: null }, time, 0)
  }
}
