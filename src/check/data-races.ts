// Data races: plain accesses held against happens-before.
//
// Plain accesses are not scheduled. ECMAScript promises that a program without data races is sequentially consistent,
// so it is enough to know that there is none. Happens-before is smaller than dependence: an atomic read takes over
// what the write that it read from knew, and nothing else orders two threads.

import {
  PER_THREAD,
  PLAIN_READ,
  PLAIN_READ_SITE,
  PLAIN_WRITE,
  PLAIN_WRITE_SITE,
  READ_BY,
  type Shadow,
  THREAD_WORDS,
  UPDATED_BY,
  WRITTEN_BY,
} from './shadow.ts'

export interface RacingAccess {
  readonly thread: number
  readonly site: number
  readonly write: boolean
  readonly atomic: boolean
}

/** Two plain accesses, or a plain one and an atomic one, that nothing orders. */
export interface RaceReport {
  readonly cell: number
  readonly first: RacingAccess
  readonly second: RacingAccess
}

/** What is known of the events of an execution: see dependence.ts. */
export interface EventTimes {
  /** For each event and thread, one more than the last event of that thread which happens before. */
  readonly sync: Int32Array
  readonly sites: Int32Array
  readonly lastEvent: Int32Array
}

export class RaceDetector {
  /** The first race of the execution. */
  report: RaceReport | null = null
  readonly #count: number
  readonly #shadow: Shadow
  readonly #events: EventTimes

  constructor(threads: number, shadow: Shadow, events: EventTimes) {
    this.#count = threads
    this.#shadow = shadow
    this.#events = events
  }

  plainRead(id: number, firstCell: number, cells: number, site: number): void {
    const shadow = this.#shadow
    const time = this.#events.lastEvent[id]! + 2
    for (let cell = firstCell; cell < firstCell + cells; cell++) {
      const at = cell * shadow.stride + PER_THREAD
      const own = at + id * THREAD_WORDS
      if (shadow.words[own + PLAIN_READ] === time) continue
      for (let other = 0; other < this.#count; other++) {
        if (other !== id) this.#meetPlain(id, other, cell, at + other * THREAD_WORDS, site, false)
      }
      shadow.set(own + PLAIN_READ, time)
      shadow.set(own + PLAIN_READ_SITE, site)
    }
  }

  plainWrite(id: number, firstCell: number, cells: number, site: number): void {
    const shadow = this.#shadow
    const time = this.#events.lastEvent[id]! + 2
    for (let cell = firstCell; cell < firstCell + cells; cell++) {
      const at = cell * shadow.stride + PER_THREAD
      const own = at + id * THREAD_WORDS
      if (shadow.words[own + PLAIN_WRITE] === time) continue
      for (let other = 0; other < this.#count; other++) {
        if (other !== id) this.#meetPlain(id, other, cell, at + other * THREAD_WORDS, site, true)
      }
      shadow.set(own + PLAIN_WRITE, time)
      shadow.set(own + PLAIN_WRITE_SITE, site)
    }
  }

  /** The clock of happens-before of a thread as it is now. */
  #known(thread: number, other: number): number {
    const last = this.#events.lastEvent[thread]!
    return last < 0 ? 0 : this.#events.sync[last * this.#count + other]!
  }

  /** Holds a plain access against what another thread did to the cell; `theirs` is that thread's part of its shadow. */
  #meetPlain(id: number, other: number, cell: number, theirs: number, site: number, write: boolean): void {
    const { words } = this.#shadow
    const known = this.#known(id, other)
    let first: RacingAccess
    if (words[theirs + PLAIN_WRITE]! > known)
      first = { thread: other, site: words[theirs + PLAIN_WRITE_SITE]!, write: true, atomic: false }
    else if (words[theirs + WRITTEN_BY]! > known)
      first = { thread: other, site: this.#siteOf(words[theirs + WRITTEN_BY]!), write: true, atomic: true }
    else if (words[theirs + UPDATED_BY]! > known)
      first = { thread: other, site: this.#siteOf(words[theirs + UPDATED_BY]!), write: true, atomic: true }
    else if (write && words[theirs + PLAIN_READ]! > known)
      first = { thread: other, site: words[theirs + PLAIN_READ_SITE]!, write: false, atomic: false }
    else if (write && words[theirs + READ_BY]! > known)
      first = { thread: other, site: this.#siteOf(words[theirs + READ_BY]!), write: false, atomic: true }
    else return
    this.report ??= { cell, first, second: { thread: id, site, write, atomic: false } }
  }

  #siteOf(time: number): number {
    return this.#events.sites[time - 1]!
  }

  /** Holds an atomic operation, the event `event`, against the plain accesses of others. */
  checkAtomic(event: number, id: number, cell: number, write: boolean): void {
    const { words, stride } = this.#shadow
    const { sync, sites } = this.#events
    for (let other = 0; other < this.#count; other++) {
      if (other === id) continue
      const theirs = cell * stride + PER_THREAD + other * THREAD_WORDS
      const known = sync[event * this.#count + other]!
      let first: RacingAccess
      if (words[theirs + PLAIN_WRITE]! > known)
        first = { thread: other, site: words[theirs + PLAIN_WRITE_SITE]!, write: true, atomic: false }
      else if (write && words[theirs + PLAIN_READ]! > known)
        first = { thread: other, site: words[theirs + PLAIN_READ_SITE]!, write: false, atomic: false }
      else continue
      this.report ??= { cell, first, second: { thread: id, site: sites[event]!, write, atomic: true } }
    }
  }
}
