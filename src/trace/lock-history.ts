/**
 * Who held the mmap lock while others waited for it, from the trace's own events.
 *
 * Principles: the lock has a name (`mm=`), so that holders are found whatever process they are of. A wait is told in
 * pieces: from its beginning, or from the last release that it saw, to the next release, that holder kept the waiter;
 * what remains until the acquisition (being woken) belongs to the last of them. Pieces add up to the wait, and none is
 * from before it began. A writer that goes on as a reader (mmap_write_downgrade) has ended its hold as a release does.
 */
import type { ImportObserver, LockOwner, LockUser } from './observer.ts'

export type { LockOwner, LockUser } from './observer.ts'

export interface WaitCount {
  waits: number
  waitedNs: number
}

export interface HeldBy extends WaitCount {
  readonly process: string
  readonly pid: number
  readonly comm: string
  readonly call: string
  readonly owner: LockOwner
}

/** Processes of one name that held the lock of another, or of several of one name, for one kind of call. */
export interface ForeignHolder extends WaitCount {
  readonly process: string
  readonly call: string
  /** Whose lock, of how many processes, and the number of the first. */
  readonly owner: LockOwner
  owners: number
  /** How many of them, and the number of the first. */
  processes: number
  /** By how much these waits delayed those who waited, and all that they do with other threads: see cpu-use.ts. */
  delayedNs: number
  /** How long they held the lock, on a CPU, while other threads had none. */
  shortNs: number
  readonly pid: number
}

export interface WaitedBy extends WaitCount {
  readonly process: string
  readonly pid: number
  readonly comm: string
  /** Of several threads the first. */
  readonly tid: number
  readonly call: string
  /** Whose lock it was. */
  readonly owner: LockOwner
  /** Many threads whose names are alike, as of those that are started for one task each, are one waiter. */
  threads: number
}

export interface HeldAndWaited extends WaitCount {
  /** The name of the processes whose lock it is. */
  readonly owner: string
  readonly heldBy: string
  readonly waitedBy: string
}

export interface LongWait {
  /** Line of the trace where it ended. */
  readonly line: number
  readonly waitedNs: number
  readonly waiter: LockUser
  /** Who held the lock for most of it; null if no acquisition of the holder is in the trace. */
  readonly holder: LockUser | null
}

/** What is known of all waits. Lists are in order of the time waited. */
export interface LockAnalysis {
  readonly holders: readonly HeldBy[]
  readonly waiters: readonly WaitedBy[]
  /** Call by call: held by × waited by. */
  readonly matrix: readonly HeldAndWaited[]
  readonly longest: readonly LongWait[]
  /** Nanoseconds that writers were kept by writers, and so on; `unknown` where the trace does not tell by whom. */
  readonly keptNs: {
    readonly writersByWriters: number
    readonly writersByReaders: number
    readonly readersByWriters: number
    readonly readersByReaders: number
    readonly unknown: number
  }
  /** Holders of another process than the one whose lock it is, by name, as many of them may live for a moment only. */
  readonly foreign: readonly ForeignHolder[]
  /** By how much the waits for somebody delayed the whole: see cpu-use.ts. */
  readonly delayedNs: number
  /** All of them, also those that are in no list. */
  readonly totals: {
    /** Waits for somebody who is seen to hold the lock. */
    readonly held: WaitCount
    /** A try failed, and then the lock was got though nobody was seen to give it back: who kept it off only queued. */
    readonly unseen: WaitCount
    /**
     * The thread slept for the lock, and nobody is seen to give it back or to wake it: a process that was not recorded
     * held it, or a thread that was ending, which perf does not watch any more.
     */
    readonly outside: WaitCount & { readonly delayedNs: number }
    /** It took long to get the lock, though no try failed and nobody was seen to hold it: no known wait. */
    readonly unexplained: WaitCount
  }
}

/** A thread's wait, when it is over. */
export interface EndedWait {
  /** How long it was, or -1 if it did not wait. */
  readonly waitedNs: number
  /** By how much that delayed all that the threads do. */
  readonly delayedNs: number
  /** A try for the lock had failed before. */
  readonly hasFailed: boolean
  /** It gave up its CPU by itself meanwhile; null where switches are not recorded. */
  readonly hasSlept: boolean | null
}

interface Holder {
  readonly user: LockUser
  readonly isForeign: boolean
  readonly since: number
  readonly mm: number
  /** Its entries in the lists, once somebody has waited for it: many may, and a key is made for the first only. */
  entry: HeldBy | null
  /** By the call of the waiter. */
  readonly pairs: Map<string, HeldAndWaited>
}

interface Waiter {
  readonly write: boolean
  since: number
  /** A recorded thread woke it. */
  isWoken: boolean
  readonly parts: { holder: Holder; ns: number }[]
}

class Lock {
  readonly holders = new Map<number, Holder>()
  readonly waiting = new Map<number, Waiter>()
}

/** What holds the lock of another process, where its call is not recorded. */
export const OF_ANOTHER = 'access to the memory of another process'

/** Lists in reports are no longer than this. */
const SHOWN = 32
const LONGEST = 10

export class LockHistory {
  readonly #locks = new Map<number, Lock>()
  /** The lock that each thread asks for. */
  readonly #asked = new Map<number, Lock>()
  /** What each thread held last. */
  readonly #held = new Map<number, Holder>()
  readonly #holders = new Map<string, HeldBy>()
  readonly #foreign = new Map<string, ForeignHolder>()
  /** The processes of each, and those whose lock it is. */
  readonly #foreignPids = new Map<ForeignHolder, readonly [holders: Set<number>, owners: Set<number>]>()
  #delayedNs = 0
  readonly #waiters = new Map<string, WaitedBy>()
  readonly #matrix = new Map<string, HeldAndWaited>()
  readonly #totals = {
    held: noWaits(),
    unseen: noWaits(),
    outside: { ...noWaits(), delayedNs: 0 },
    unexplained: noWaits(),
  }
  #longest: LongWait[] = []
  readonly #kept = {
    writersByWriters: 0,
    writersByReaders: 0,
    readersByWriters: 0,
    readersByReaders: 0,
    unknown: 0,
  }
  readonly #observers: readonly ImportObserver[]

  constructor(observers: readonly ImportObserver[] = []) {
    this.#observers = observers
  }

  #lock(mm: number): Lock {
    let lock = this.#locks.get(mm)
    if (lock === undefined) this.#locks.set(mm, (lock = new Lock()))
    return lock
  }

  /** A thread begins to ask for the lock. */
  started(mm: number, tid: number, write: boolean, now: number): void {
    const lock = this.#lock(mm)
    if (this.#asked.get(tid) !== lock) this.gaveUp(tid)
    if (lock.waiting.has(tid)) return
    lock.waiting.set(tid, { write, since: now, isWoken: false, parts: [] })
    this.#asked.set(tid, lock)
  }

  /** A thread goes on without the lock that it asked for: its try failed. It waits for nothing, and keeps nobody. */
  gaveUp(tid: number): void {
    this.#asked.get(tid)?.waiting.delete(tid)
    this.#asked.delete(tid)
  }

  /** Whether somebody gave the lock back for whom a thread that asks for it had to wait. */
  isKept(mm: number, tid: number): boolean {
    return (this.#locks.get(mm)?.waiting.get(tid)?.parts.length ?? 0) > 0
  }

  /**
   * A thread got the lock, or went on as a reader with the lock that it held as a writer.
   * @param isForeign it is of another process than the one whose lock it is
   */
  acquired(mm: number, user: LockUser, isForeign: boolean, wait: EndedWait, now: number, line: number): void {
    const lock = this.#lock(mm)
    const waiter = lock.waiting.get(user.tid)
    this.gaveUp(user.tid)
    const before = lock.holders.get(user.tid)
    if (before?.user.write === true && !user.write && waiter === undefined) this.#endHold(lock, before, now)
    const { waitedNs } = wait
    if (waitedNs >= 0) {
      const kind = kindOf(waiter, wait)
      addTo(this.#totals[kind], 1, waitedNs)
      if (kind === 'outside') this.#totals.outside.delayedNs += wait.delayedNs
      // It had its CPU all the time, or others had: what took so long is nothing of the lock.
      const isNone = kind === 'unexplained' && wait.hasSlept === false
      if (!isNone) this.#count(user, waiter, wait, now, line)
    }
    lock.holders.set(user.tid, { user, isForeign, since: now, mm, entry: null, pairs: new Map() })
  }

  /**
   * A thread gave the lock back.
   * @param shortNs how long it had held it, on a CPU, while other threads had none
   */
  released(mm: number, tid: number, now: number, shortNs = 0): void {
    const lock = this.#locks.get(mm)
    const holder = lock?.holders.get(tid)
    if (lock === undefined || holder === undefined) return
    lock.holders.delete(tid)
    if (holder.isForeign && shortNs > 0) this.#foreignEntry(holder.user).shortNs += shortNs
    // It had got the lock, though the trace lost the event.
    if (this.#asked.get(tid) === lock) this.gaveUp(tid)
    this.#endHold(lock, holder, now)
    if (lock.holders.size === 0 && lock.waiting.size === 0) this.#locks.delete(mm)
  }

  /**
   * A thread wakes another that may wait for a lock: if it gave that lock back last, it was the one that kept the
   * waiter, as a release is recorded a little before it takes effect.
   */
  woke(tid: number, wakerTid: number, now: number): void {
    const waiter = this.#asked.get(tid)?.waiting.get(tid)
    if (waiter === undefined) return
    waiter.isWoken = true
    const holder = this.#held.get(wakerTid)
    if (
      waiter.parts.length > 0 ||
      holder === undefined ||
      this.#locks.get(holder.mm) !== this.#asked.get(tid)
    )
      return
    waiter.parts.push({ holder, ns: now - waiter.since })
    waiter.since = now
  }

  /** A holder lets others in: it was the one that kept those who wait. */
  #endHold(lock: Lock, holder: Holder, now: number): void {
    this.#held.set(holder.user.tid, holder)
    for (const observer of this.#observers) observer.hold(holder.user, holder.since, now)
    // A reader keeps another reader only if a writer stands between them.
    const keepsAll = holder.user.write || isWriterWaiting(lock)
    for (const waiter of lock.waiting.values()) {
      if (!keepsAll && waiter.parts.length === 0) continue
      waiter.parts.push({ holder, ns: now - waiter.since })
      waiter.since = now
    }
  }

  #count(user: LockUser, waiter: Waiter | undefined, wait: EndedWait, now: number, line: number): void {
    const { waitedNs, delayedNs } = wait
    const parts = waiter === undefined ? [] : partsOf(waiter, waitedNs, now)
    const { process, pid, comm, tid, call, owner } = user
    const fresh = { process, pid, comm, tid, call, owner, waits: 0, waitedNs: 0, threads: 1 }
    addTo(entryIn(this.#waiters, `${tid} ${owner.pid} ${call} ${comm}`, fresh), 1, waitedNs)
    let longest: { holder: Holder; ns: number } | null = null
    for (const part of parts) if (longest === null || part.ns > longest.ns) longest = part
    if (longest === null) this.#kept.unknown += waitedNs
    const holderOf = longest?.holder.user ?? null
    for (const observer of this.#observers) observer.wait(user, holderOf, now - waitedNs, now)
    if (longest !== null) this.#delayedNs += delayedNs
    for (const { holder, ns } of parts)
      this.#countPart(user, holder, ns, longest!.holder === holder ? 1 : 0, delayedNs / Math.max(1, waitedNs))
    if (this.#longest.length === LONGEST && this.#longest.at(-1)!.waitedNs >= waitedNs) return
    this.#longest.push({ line, waitedNs, waiter: user, holder: holderOf })
    this.#longest = this.#longest.toSorted((a, b) => b.waitedNs - a.waitedNs).slice(0, LONGEST)
  }

  #countPart(user: LockUser, holder: Holder, ns: number, waits: number, delay: number): void {
    const { user: held, isForeign } = holder
    addTo((holder.entry ??= this.#entryOf(held)), waits, ns)
    if (isForeign) {
      const entry = this.#foreignEntry(held)
      addTo(entry, waits, ns)
      entry.delayedNs += ns * delay
    }
    let pair = holder.pairs.get(user.call)
    if (pair === undefined) holder.pairs.set(user.call, (pair = this.#pairOf(holder, user.call)))
    addTo(pair, waits, ns)
    this.#kept[`${user.write ? 'writers' : 'readers'}By${held.write ? 'Writers' : 'Readers'}`] += ns
  }

  #entryOf({ process, pid, comm, call, owner }: LockUser): HeldBy {
    const fresh = { process, pid, comm, call, owner, waits: 0, waitedNs: 0 }
    return entryIn(this.#holders, `${pid} ${owner.pid} ${call} ${comm}`, fresh)
  }

  #pairOf({ user: { process, call, owner }, isForeign }: Holder, waitedBy: string): HeldAndWaited {
    const heldBy = isForeign ? `${call} (${process})` : call
    const fresh = { owner: owner.process, heldBy, waitedBy, waits: 0, waitedNs: 0 }
    return entryIn(this.#matrix, `${heldBy} × ${waitedBy} ${owner.process}`, fresh)
  }

  #foreignEntry({ process, pid, call, owner }: LockUser): ForeignHolder {
    const key = `${call} ${process} ${owner.process}`
    let entry = this.#foreign.get(key)
    if (entry === undefined)
      this.#foreign.set(
        key,
        (entry = {
          process,
          pid,
          call,
          owner,
          owners: 0,
          processes: 0,
          delayedNs: 0,
          shortNs: 0,
          waits: 0,
          waitedNs: 0,
        }),
      )
    let pids = this.#foreignPids.get(entry)
    if (pids === undefined) this.#foreignPids.set(entry, (pids = [new Set(), new Set()]))
    entry.processes = pids[0].add(pid).size
    entry.owners = pids[1].add(owner.pid).size
    return entry
  }

  /**
   * @param busyThreads how many threads were at work at once, where the trace does not tell when they slept; else null
   */
  analysis(busyThreads: number | null = null): LockAnalysis {
    const delayOf = (one: WaitCount & { readonly delayedNs: number }): number =>
      busyThreads === null ? one.delayedNs : one.waitedNs / Math.max(1, busyThreads)
    return {
      holders: ranked(joined(this.#holders, ({ pid, call, owner }) => `${pid} ${owner.pid} ${call}`)),
      waiters: ranked(
        joined(
          this.#waiters,
          ({ process, call, owner }) => `${call} ${owner.pid} ${process}`,
          (sum) => sum.threads++,
        ),
      ),
      matrix: ranked(this.#matrix),
      longest: this.#longest,
      keptNs: { ...this.#kept },
      foreign: ranked(this.#foreign)
        .filter(({ waits, waitedNs }) => waits > 0 || waitedNs > 0)
        .map((one) => ({ ...one, delayedNs: delayOf(one) })),
      delayedNs: delayOf({ ...this.#totals.held, delayedNs: this.#delayedNs }),
      totals: {
        held: { ...this.#totals.held },
        unseen: { ...this.#totals.unseen },
        outside: { ...this.#totals.outside },
        unexplained: { ...this.#totals.unexplained },
      },
    }
  }
}

/** What is known of a wait. */
function kindOf(
  waiter: Waiter | undefined,
  { hasFailed, hasSlept }: EndedWait,
): keyof LockAnalysis['totals'] {
  if ((waiter?.parts.length ?? 0) > 0) return 'held'
  if (hasSlept === true && waiter?.isWoken !== true) return 'outside'
  return hasFailed || hasSlept === true ? 'unseen' : 'unexplained'
}

/** Who kept a waiter, and how long, in the last `waitedNs` only: what was before them was no part of this wait. */
function partsOf(waiter: Waiter, waitedNs: number, now: number): Waiter['parts'] {
  const parts: Waiter['parts'] = []
  let rest = waitedNs
  let tail = Math.max(0, now - waiter.since)
  for (const { holder, ns } of waiter.parts.toReversed()) {
    const kept = Math.min(rest, ns + tail)
    if (kept > 0) parts.unshift({ holder, ns: kept })
    rest -= kept
    tail = 0
  }
  // A wait may be shorter than what the times tell apart, and was for somebody all the same.
  const last = waiter.parts.at(-1)
  if (parts.length === 0 && last !== undefined) parts.push({ holder: last.holder, ns: 0 })
  // Times since the boot are exact to some hundred nanoseconds only.
  if (rest > 0 && parts.length > 0) parts[0]!.ns += rest
  return parts
}

function isWriterWaiting(lock: Lock): boolean {
  for (const { write } of lock.waiting.values()) if (write) return true
  return false
}

/** The entry of this name, which is `fresh` if there is none yet. */
function entryIn<Entry>(map: Map<string, Entry>, key: string, fresh: Entry): Entry {
  const entry = map.get(key)
  if (entry === undefined) map.set(key, fresh)
  return entry ?? fresh
}

function addTo(count: WaitCount, waits: number, ns: number): void {
  count.waits += waits
  count.waitedNs += ns
}

function noWaits(): WaitCount {
  return { waits: 0, waitedNs: 0 }
}

/** More whose names differ by their digits at most are told together: a list of them would tell nothing. */
const ALIKE_MOST = 16

/** @param onJoined called for the sum and each further entry in it */
function joined<Entry extends WaitCount & { readonly comm: string }>(
  map: ReadonlyMap<string, Entry>,
  restOf: (entry: Entry) => string,
  onJoined: (sum: Entry) => void = () => {},
): Map<string, Entry> {
  const groups = Map.groupBy(map.values(), (entry) => `${patternOf(entry.comm)} ${restOf(entry)}`)
  const out = new Map<string, Entry>()
  for (const [key, group] of groups) {
    if (group.length <= ALIKE_MOST) {
      for (const [at, entry] of group.entries()) out.set(`${key} ${at}`, entry)
      continue
    }
    const [first] = group as [Entry]
    const isOne = group.every(({ comm }) => comm === first.comm)
    const sum = { ...first, comm: isOne ? first.comm : patternOf(first.comm) }
    for (const entry of group.slice(1)) {
      addTo(sum, entry.waits, entry.waitedNs)
      onJoined(sum)
    }
    out.set(key, sum)
  }
  return out
}

function patternOf(comm: string): string {
  return comm.replaceAll(/\d+/g, '#')
}

function ranked<Entry extends WaitCount>(map: ReadonlyMap<string, Entry>): Entry[] {
  return [...map.values()].toSorted((a, b) => b.waitedNs - a.waitedNs).slice(0, SHOWN)
}
