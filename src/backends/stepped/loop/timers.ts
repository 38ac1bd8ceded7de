// Timers of threads. Nobody knows how long anything takes, so a timer may be due at any moment once it is set, before
// and after whatever else the thread waits for. Of two, the one that was set earlier for no longer a time is first;
// else either may be, as time passes between any two statements. The time-outs of Atomics.waitAsync are the engine's,
// and have an order only among each other.

import { promisify } from 'node:util'
import { inFrame } from './async-context.ts'
import { type EventLoop, type Job, type Timed, host } from './host.ts'
import { Promise } from './promise.ts'

type Called = (...args: unknown[]) => unknown

/** What setTimeout() and setInterval() return. */
class Timeout implements Timed {
  readonly delay: number
  readonly repeats: boolean
  readonly given: unknown
  readonly args: readonly unknown[]
  readonly called: Job
  readonly setAt: number
  readonly loop: EventLoop
  due = 0
  order = 0
  isOfWait = false
  isReferenced = true
  hasFired = false
  passedOver = 0
  turns = 0
  isSettled = false

  constructor(given: Called, args: readonly unknown[], delay: number, repeats: boolean) {
    this.given = given
    this.args = args
    this.called = inFrame(() => given(...args))
    this.delay = delay
    this.repeats = repeats
    this.loop = host.loop()
    this.setAt = host.here('timer')
  }

  ref(): this {
    host.noteChange()
    this.isReferenced = true
    return this
  }

  unref(): this {
    host.noteChange()
    this.isReferenced = false
    return this
  }

  hasRef(): boolean {
    return this.isReferenced
  }

  refresh(): this {
    if (this.loop.timers.includes(this)) set(this.loop, this)
    return this
  }

  close(): this {
    forget(this.loop.timers, this)
    return this
  }

  [Symbol.toPrimitive](): number {
    return this.order
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** What setImmediate() returns. */
class Immediate extends Timeout {}

function set(loop: EventLoop, timer: Timed): void {
  forget(loop.timers, timer)
  timer.order = ++loop.timersSet
  timer.due = host.elapsed() + timer.delay
  loop.timers.push(timer)
}

function forget(list: Timed[], timer: unknown): void {
  for (let at = 0; at < list.length; at++) {
    const each = list[at]!
    if (each === timer || each.order === timer || String(each.order) === timer) return void list.splice(at, 1)
  }
}

/** As Node takes it: in whole milliseconds, 1 at least. */
function delayOf(given: unknown): number {
  const delay = Math.trunc(Number(given))
  return delay >= 1 && delay <= 2 ** 31 - 1 ? delay : 1
}

function callable(called: unknown): Called {
  if (typeof called !== 'function') throw new TypeError('The "callback" argument must be of type function')
  return host.followed(called) as Called
}

export function setTimeout(called: unknown, delay?: unknown, ...args: unknown[]): unknown {
  if (!host.isThread()) return globalThis.setTimeout(called as Called, delay as number, ...args)
  return newTimer(callable(called), delay, args, false)
}

export function setInterval(called: unknown, delay?: unknown, ...args: unknown[]): unknown {
  if (!host.isThread()) return globalThis.setInterval(called as Called, delay as number, ...args)
  return newTimer(callable(called), delay, args, true)
}

function newTimer(called: Called, delay: unknown, args: unknown[], repeats: boolean): Timeout {
  const timer = new Timeout(called, args, delayOf(delay), repeats)
  set(host.loop(), timer)
  return timer
}

/** The time-out of an `Atomics.waitAsync`. It does not keep the thread: Node ends a thread that has nothing else. */
export function setWaitTimeout(called: Job, delay: number): { readonly order: number } {
  const timer = newTimer(called, delay, [], false)
  timer.isOfWait = true
  return timer.unref()
}

export function setImmediate(called: unknown, ...args: unknown[]): unknown {
  if (!host.isThread()) return globalThis.setImmediate(called as Called, ...args)
  const immediate = new Immediate(callable(called), args, 0, false)
  const loop = host.loop()
  immediate.order = ++loop.timersSet
  loop.immediates.push(immediate)
  return immediate
}

export function clearTimeout(timer?: unknown): void {
  if (!host.isThread()) globalThis.clearTimeout(timer as number)
  else if (timer !== undefined && timer !== null) forget(host.loop().timers, timer)
}

export { clearTimeout as clearInterval }

export function clearImmediate(immediate?: unknown): void {
  if (!host.isThread()) globalThis.clearImmediate(immediate as never)
  else if (immediate !== undefined && immediate !== null) forget(host.loop().immediates, immediate)
}

/** How often others may fire before a timer: who polls for what a timer does would else never end. */
const PASSED_OVER_MAX = 32

/** Timers of which any may be the next. An interval does not fire twice while an immediate waits. */
export function nextTimers(loop: EventLoop): Timed[] {
  const next = candidates(loop)
  const late = next.filter(({ passedOver }) => passedOver >= PASSED_OVER_MAX)
  return late.length > 0 ? late : next
}

function candidates({ timers, immediates }: EventLoop): Timed[] {
  const first = timers.filter((timer) => !timers.some((other) => other !== timer && isBefore(other, timer)))
  const [immediate] = immediates
  if (immediate === undefined) return first
  return [...first.filter((each) => !(each.hasFired && each.order > immediate.order)), immediate]
}

function isBefore(one: Timed, other: Timed): boolean {
  return one.isOfWait === other.isOfWait && one.order < other.order && one.delay <= other.delay
}

/** The timer is due. */
export function fire(loop: EventLoop, timer: Timed): void {
  const { called, repeats } = timer
  host.passTo(timer.due)
  if (loop.immediates[0] === timer) loop.immediates.shift()
  else if (repeats) {
    set(loop, timer)
    timer.hasFired = true
  } else forget(loop.timers, timer)
  for (const each of loop.timers) if (each !== timer && !each.isOfWait) each.passedOver++
  timer.passedOver = 0
  host.happens(timer.setAt, wordsOf(timer))
  host.noteCallTurn(timer.given, timer.args)
  const before = host.changes()
  called()
  if (!repeats) return stir(loop, 0)
  const isChange = host.changes() !== before
  timer.isSettled = !isChange || ++timer.turns >= TURNS_MAX
  if (isChange) stir(loop, timer.turns, timer)
}

function wordsOf(timer: Timed): string {
  const { delay, isOfWait, repeats } = timer
  if (timer instanceof Immediate) return 'setImmediate runs (set here)'
  if (isOfWait) return `the time-out of ${delay} ms passes (set here)`
  return `the ${repeats ? 'interval' : 'timer'} of ${delay} ms fires (set here)`
}

/** How often an interval fires that changes something each time, while nothing else happens. */
const TURNS_MAX = 4

/** Something has happened that intervals may be looking for: those look again that have not looked so often. */
export function stir({ timers }: EventLoop, turns: number, but: Timed | null = null): void {
  for (const each of timers) {
    if (!each.repeats || each === but) continue
    if (turns === 0) each.turns = 0
    each.isSettled = each.turns >= TURNS_MAX
  }
}

/** It fires in any case where the thread stays: an interval does so until it changes nothing, or has often done so. */
export function isAwaited({ repeats, isSettled }: Timed): boolean {
  return !(repeats && isSettled)
}

/** What util.promisify() makes of them. */
function promised(begin: (called: unknown, ...args: unknown[]) => unknown, isDelayed: boolean): Called {
  return (...args) =>
    new Promise((resolve) => begin(resolve, ...(isDelayed ? args.slice(0, 2) : args.slice(0, 1))))
}

Object.defineProperty(setTimeout, promisify.custom, { value: promised(setTimeout, true) })
Object.defineProperty(setImmediate, promisify.custom, { value: promised(setImmediate, false) })
