// The event loop of a thread: what it does when its function has returned, until nothing is left.
//
// After the ticks and jobs comes one event: a message, a timer, an Atomics.waitAsync that has ended. Where there is a
// choice, every one is tried. A thread that has none waits for a change at the ports at which it listens; while it has
// a timer, that may be due at any moment. It ends where it would in Node: when nothing is left that keeps it.
//
// A thread that has no timers and listens at one place waits until something is there, and does not look before. The
// first thread, where it listens at several, decides first where the next event is to come from, and then waits until
// it is there, however long that takes: whatever else has come meanwhile might as well have been looked at later. So
// nothing depends on whether it was there. Where what was decided for never comes, and something else has, nothing was
// found that another decision does not find: see EventWait. Decisions of several threads would have an order, which
// is one more to explore.
//
// Where nothing keeps a thread but Workers of which the program hears nothing, it waits until all of them have ended.

import { inFrame } from './async-context.ts'
import { choose } from './choice.ts'
import { type EventLoop, type Job, type Source, type Timed, host } from './host.ts'
import type { Place } from '../thread.ts'
import { Promise, reactToEnd } from './promise.ts'
import { fire, isAwaited, nextTimers, stir } from './timers.ts'

declare global {
  interface Atomics {
    /** See runtime.ts: the thread waits for an event. */
    idle(isTimed: boolean, serves: boolean): boolean
  }
}

type Loop = EventLoop

export function nextTick(called: Job): void {
  host.loop().ticks.push(inFrame(called))
}

/** See EventLoops. */
export function tellResult(body: () => unknown, tell: (value: unknown) => void): unknown {
  const result = body()
  if (result instanceof Promise) return (result as { then: (called: unknown) => unknown }).then(tell)
  return tell(result)
}

/** Does what is left for a thread to do whose function has returned `result`. */
export function runLoop(given: Loop | null, result: unknown): void {
  const loop = given ?? host.loop()
  driveLoop(loop, result)
  if (loop.isPending) throw neverSettled(loop)
  loop.onEnd?.()
  for (const waiter of loop.waiters) waiter.leave()
  for (const each of loop.owned) each.ownerEnds()
}

/** Does all that happens until nothing keeps the thread. */
export function driveLoop(loop: Loop, result: unknown): void {
  if (result instanceof Promise) awaitEnd(loop, result)
  for (;;) {
    let event = nextOf(loop)
    // Who hears that nothing is left may begin something.
    if (event === null && !loop.isPending && loop.beforeEnd?.() === true) event = nextOf(loop)
    if (event === null) return
    for (const port of loop.ports) port.passes?.()
    loop.frame = null
    guarded(loop, event)
  }
}

function nextOf(loop: Loop): Job | null {
  guarded(loop, () => {
    runJobs(loop)
    const { failure } = loop
    loop.failure = null
    if (failure !== null) throw failure.error
  })
  if (loop.jobs.length + loop.ticks.length > 0) return nothing
  const begun = host.beginInner()
  const event = nextEvent(loop)
  host.endInner(begun)
  return event
}

const nothing = (): void => {}

/** Does something of which nobody catches the error but, maybe, listeners of the process. */
export function guarded(loop: Loop, job: Job): void {
  if (loop.onUncaught === null) {
    job()
    return
  }
  try {
    job()
  } catch (error) {
    if (host.isBroken() || !loop.onUncaught(error, 'uncaughtException')) throw error
  }
}

function awaitEnd(loop: Loop, result: unknown): void {
  loop.isPending = true
  reactToEnd(
    result,
    () => {
      loop.isPending = false
    },
    (error: unknown) => {
      loop.isPending = false
      loop.failure = { error }
    },
  )
}

/**
 * Ticks and jobs, as Node takes turns with them, until there are no more; then what was rejected must have found
 * somebody who listens.
 */
function runJobs(loop: Loop): void {
  const { ticks, jobs, rejected, onUncaught } = loop
  do {
    runAll(loop, ticks)
    runAll(loop, jobs)
  } while (ticks.length > 0)
  while (rejected.length > 0) {
    const { promise, value } = rejected.shift()!
    if (promise.isHandled) continue
    if (onUncaught === null || !onUncaught(value, 'unhandledRejection')) throw value
  }
}

function runAll(loop: Loop, jobs: Job[]): void {
  while (jobs.length > 0) {
    const job = jobs.shift()!
    loop.frame = null
    job()
  }
}

/** The next event, when it is there; null where the thread ends. */
function nextEvent(loop: Loop): Job | null {
  for (;;) {
    if (loop.timers.length + loop.immediates.length === 0 && isKept(loop)) {
      const event = awaitEvent(loop)
      if (event !== null) return event
    }
    host.beginLooking()
    const there: Arrived[] = []
    for (const port of loop.ports) if (port.looks()) there.push(port)
    for (const waiter of loop.waiters) if (waiter.looks()) there.push(waiter)
    const timers = nextTimers(loop).filter((timer) => mayComeFirst(loop, timer, there))
    const due = timers.map(
      (timer): Job =>
        () =>
          fireBefore(loop, timer, there),
    )
    if (there.length > 0) return chosen([...there.map((source) => arrival(loop, source)), ...due])
    if (!isKept(loop)) return lastOf(loop, timers, due)
    loop.lastTimer = Infinity
    const serves = !loop.isPending && !timers.some(isAwaited)
    if (Atomics.idle(timers.length > 0, serves)) return chosen(due)
  }
}

type Arrived = Pick<Source, 'deliver' | 'passing'>

function arrival(loop: Loop, source: Arrived): Job {
  return () => {
    stir(loop, 0)
    deliver(source)
  }
}

function deliver(source: Arrived): void {
  source.passing = undefined
  source.deliver()
}

/**
 * So many timers and immediates fire before an event though they were set when it had come: in Node, those of one round
 * of its loop, and more only as long as each takes until the next is due.
 */
const PASSING_MAX = 2

function mayComeFirst({ timersSet }: Loop, { order }: Timed, there: readonly Arrived[]): boolean {
  return there.every((source) => {
    const { since, count } = (source.passing ??= { since: timersSet, count: 0 })
    return order <= since || count < PASSING_MAX
  })
}

function fireBefore(loop: Loop, timer: Timed, there: readonly Arrived[]): void {
  for (const { passing } of there) if (timer.order > passing!.since) passing!.count++
  fire(loop, timer)
}

/** Nothing keeps the thread. A timer that is due all the same, Node may fire before it ends. */
function lastOf(loop: Loop, timers: readonly Timed[], due: readonly Job[]): Job | null {
  loop.lastTimer = Math.min(loop.lastTimer, loop.timersSet)
  const last = due.filter((_, index) => timers[index]!.order <= loop.lastTimer)
  const choice = last.length === 0 ? 0 : choose(last.length + 1)
  return choice === 0 ? null : last[choice - 1]!
}

/**
 * More events than a thread of a check has that comes to an end. Threads that answer each other for ever then look too
 * early, and are left there: no execution of them ends, which is told, and none is a livelock.
 */
const WAITS_MAX = 200

type Awaited = Arrived & Pick<Source, 'looks' | 'isUnheard'>

/**
 * Waits for an event without looking for it before; null where the thread has to look at all places, or something else
 * has come and what was decided for does not.
 */
function awaitEvent(loop: Loop): Job | null {
  const places: Place[] = []
  const sources: Awaited[] = []
  if (loop.waits++ >= WAITS_MAX || loop.ports.some(({ isVague }) => isVague)) return null
  for (const source of [...loop.ports, ...loop.waiters]) {
    const place = source.place()
    if (place === null) continue
    places.push(place)
    sources.push(source)
  }
  if (sources.length > 1 && sources.every(({ isUnheard }) => isUnheard))
    return awaitAll(loop, places, sources)
  if (sources.length === 0 || (sources.length > 1 && !host.mayDecide())) return null
  const choice = choose(sources.length)
  host.waitAt([places[choice]!], {
    passedOver: places.toSpliced(choice, 1),
    isLater: choice > 0,
  })
  Atomics.idle(false, !loop.isPending)
  const source = sources[choice]!
  return source.looks() ? () => deliver(source) : null
}

/** Of what nobody hears, no order shows: all of it is one event. */
function awaitAll(loop: Loop, places: readonly Place[], sources: readonly Awaited[]): Job {
  host.waitAt(places, { joins: true })
  Atomics.idle(false, !loop.isPending)
  return () => {
    for (const source of sources) if (source.looks()) deliver(source)
  }
}

function chosen(events: readonly Job[]): Job {
  return events[choose(events.length)]!
}

/** Node ends a thread with nothing left, whatever its script awaits. */
export function neverSettled({ waiters }: Loop): Error {
  const why = waiters.length > 0 ? 'Atomics.waitAsync does not' : 'nothing does'
  return new Error(
    `the script ends before its top-level await: in Node, ${why} keep the thread, and its exit code is 13`,
  )
}

/** Something keeps the thread: its own promise, or what Node would wait for. */
function isKept({ isPending, isScript, timers, immediates, ports }: Loop): boolean {
  return (
    (isPending && !isScript) || [...timers, ...immediates, ...ports].some(({ isReferenced }) => isReferenced)
  )
}
