// Changes by which page faults and memory calls go away, and with them the work that they are; of one program.
import { type FaultTime, MMAP_OVER } from '../trace/given-back.ts'
import type { Allocator } from '../trace/allocators.ts'
import type { BriefTimes, LoadedProcesses, ProgramSummary } from '../trace/imported-trace.ts'
import { isShort } from '../trace/recorded-kernel.ts'
import { elapsedOwnWaits, hundredths } from './elapsed.ts'
import { formatCount, formatDuration, formatShare, plural } from './numbers.ts'
import { printable } from './printable.ts'
import type { TraceReport } from './replay-report.ts'

export interface Advice {
  /** What to change. */
  readonly change: string
  /** Milliseconds of the recorded time that it would save, estimated. */
  readonly savesMs: number
  /** And at most, where part of it depends on what the recording does not tell. */
  readonly savesAtMostMs?: number
  /** Where the figure comes from. */
  readonly how: string
}

/** Less than this share more is not worth naming. */
const MORE_SHARE = 0.2

/** A change with what it may save beside what is known, in milliseconds; `more` says of what that is the time. */
function withMore(advice: Advice, moreMs: number, more: string): Advice {
  if (moreMs <= advice.savesMs * MORE_SHARE) return advice
  const { change, savesMs, how } = advice
  return { change, savesMs, savesAtMostMs: hundredths(savesMs + moreMs), how: `${how} ${more}` }
}

/** A trace as if it were of one program alone: its faults and calls are that program's. */
export interface ProgramTrace extends TraceReport {
  readonly allocators: readonly Allocator[]
  /** Whether a process of this name is one of its own. */
  readonly owners: (process: string) => boolean
  readonly brief: ProgramSummary['brief']
  readonly collectedNs: number
  /** How many processes of it there are. */
  readonly ownProcesses: number
  readonly started: ProgramSummary['started']
}

/**
 * All of them, in no order.
 * @param mostWaitedMs no change of waits saves more
 */
export function lessWorkOf(trace: ProgramTrace, mostWaitedMs: number): Advice[] {
  const kept = keepMemory(trace)
  const mapped = keepMapped(trace)
  return [
    ...reuseBuffers(trace),
    ...kept,
    ...mapped,
    ...fewerCalls(trace, mostWaitedMs, kept.length + mapped.length > 0),
    ...hugePages(trace),
    ...forkLess(trace),
    ...keepProcesses(trace),
  ]
}

/** New buffers are not worth naming that this share of the faults, or fewer, were taken for. */
const LEAST_FAULTS = 0.01

/** Calls for which the kernel copies to or from a buffer that the program chooses, and could use again. */
const COPYING_CALLS = new Set(
  'read pread64 readv preadv preadv2 write pwrite64 writev pwritev pwritev2 recvfrom recvmsg recvmmsg'
    .concat(' sendto sendmsg sendmmsg getdents64 getrandom process_vm_readv process_vm_writev')
    .split(' '),
)

/** What one fault takes, and how that is known. */
function eachText(ns: number, samples: number): string {
  const each = `${formatDuration(ns)} each`
  return samples > 0 ? `${each}, by ${formatCount(samples)} samples` : `at least ${each}`
}

/** The same of faults of one kind. */
function eachOf({ costNs, faults, samples }: FaultTime): string {
  return eachText(costNs / Math.max(1, faults), samples)
}

/** Work that goes away, and the waits of a program for itself, by how much they delayed the whole. */
function savedMs(trace: TraceReport, { delayedNs, waitedNs }: Delay): number {
  return hundredths(delayedNs / 1e6 + elapsedOwnWaits(trace, waitedNs))
}

type Delay = Pick<FaultTime, 'delayedNs' | 'waitedNs'>

/** Of these faults few are left to be saved, if any. */
function areFew({ faults }: Pick<FaultTime, 'faults'>, all: number): boolean {
  return faults === 0 || faults < all / 10
}

/** What faults took, and what calls did that go away with them: of `mmap` as many as unmapped something. */
function withCalls(
  faults: Delay,
  { mmap, munmap, madvise, [MMAP_OVER]: over }: ProgramTrace['faultCensus']['calls'],
): Delay {
  const calls = [munmap, over, madvise].flatMap((call) => (call === undefined ? [] : [{ ...call, share: 1 }]))
  const unmapped = (munmap?.count ?? 0) + (over?.count ?? 0)
  // What was not unmapped need not be mapped again.
  if (mmap !== undefined) calls.push({ ...mmap, share: Math.min(1, unmapped / mmap.count) })
  return {
    delayedNs: calls.reduce((sum, call) => sum + call.share * call.delayedNs, faults.delayedNs),
    waitedNs: calls.reduce((sum, call) => sum + call.share * call.waitedNs, faults.waitedNs),
  }
}

/** Faults of the whole trace, as the census is of that. */
function faultsOf({ faultCensus }: TraceReport): number {
  return Object.values(faultCensus.kernel).reduce((sum, { faults }) => sum + faults, faultCensus.user.faults)
}

function reuseBuffers(trace: TraceReport): Advice[] {
  const all = faultsOf(trace)
  return Object.entries(trace.faultCensus.copied)
    .filter(([call, { avoidableFaults }]) => COPYING_CALLS.has(call) && avoidableFaults > all * LEAST_FAULTS)
    .map(
      ([
        call,
        { buffers, avoidableFaults, avoidableNs, samples, avoidableDelayedNs, avoidableWaitedNs },
      ]) => ({
        change: `Use one buffer again for every ${call}, in each thread, instead of a new one each time.`,
        savesMs: savedMs(trace, { delayedNs: avoidableDelayedNs, waitedNs: avoidableWaitedNs }),
        how:
          `The kernel copied through ${plural(buffers, 'new buffer')} in ${call}; with only the largest buffer of each thread, ` +
          `${formatCount(avoidableFaults)} of ${plural(all, 'fault')} ` +
          `(${formatShare(avoidableFaults / Math.max(1, all))}) go away (${eachText(avoidableNs / avoidableFaults, samples)}).`,
      }),
    )
}

/** Fewer threads, or processes, are no habit: of a tenth of the time each, so many are what is at work at any time. */
const STARTED_MIN = 10

/** Whether the memory that is given back is that of threads which are started for one task each. */
function startsThreads({ brief, faultCensus: { avoidable } }: ProgramTrace): boolean {
  const { user, kernel } = avoidable
  return brief.threads >= STARTED_MIN && brief.faults * 2 >= user.faults + kernel.faults
}

/** Files that are mapped, read, unmapped, and mapped again. */
function keepMapped(trace: TraceReport): Advice[] {
  const { mappedAgain, calls } = trace.faultCensus
  const all = faultsOf(trace)
  const { mmap, munmap } = calls
  if (areFew(mappedAgain, all) || mmap === undefined || munmap === undefined) return []
  return [
    {
      change: 'Keep files mapped that are used again, or read them into a buffer of each thread.',
      savesMs: savedMs(trace, withCalls(mappedAgain, { mmap, munmap })),
      how:
        `${formatCount(mappedAgain.faults)} of ${plural(all, 'fault')} mapped a page of a file that had been mapped before ` +
        `(${eachOf(mappedAgain)}); the saving is these faults, munmap, and ` +
        'as many calls of mmap as of munmap. The cost of reading files instead is not counted.',
    },
  ]
}

/** Faults of the program itself on memory of which it had given as much back before. */
function keepMemory(trace: ProgramTrace): Advice[] {
  const { user } = trace.faultCensus.avoidable
  const { [MMAP_OVER]: over } = trace.faultCensus.calls
  const all = faultsOf(trace)
  if (areFew(user, all)) return []
  const advice = {
    change: startsThreads(trace)
      ? 'Keep threads for later work, in a pool, instead of starting one each time.'
      : trace.allocators[0] === 'reserved'
        ? 'Use one WebAssembly memory again, or another large reserved range, instead of a new one each time.'
        : 'Give memory back less eagerly: a longer decay or a larger trim threshold of the allocator.',
    savesMs: savedMs(trace, withCalls(user, trace.faultCensus.calls)),
    how:
      `${formatCount(user.faults)} of ${plural(all, 'fault')} brought in memory after as much had ` +
      `been given back; the saving is these faults (${eachOf(user)}), ` +
      `munmap, madvise, ${over === undefined ? '' : `${MMAP_OVER}, `}and as many calls of mmap as of munmap. ` +
      (startsThreads(trace)
        ? `The memory is the stacks and heaps of ${plural(trace.brief.threads, 'thread')}.`
        : keepingText(trace.allocators)) +
      (isShort(trace.kernel.counts)
        ? ' Memory may have been short: memory that one program keeps is missing elsewhere, and may be reclaimed.'
        : ''),
  }
  return [startsThreads(trace) ? withStarts(trace, advice) : withReuse(trace, advice)]
}

/** What threads take that do one task each. */
function withStarts({ brief }: ProgramTrace, advice: Advice): Advice {
  return withMore(advice, mostOf(brief) - advice.savesMs, briefText('threads'))
}

/** Milliseconds that go away at most where nothing is started for one task. */
function mostOf({ delayedNs, aliveNs }: BriefTimes): number {
  return Math.max(delayedNs, aliveNs) / 1e6
}

/** @param computedShare how much of their lives is known to be their own work, 0..1 */
function briefText(what: 'threads' | 'processes' | 'programs', computedShare = 0): string {
  const all = `all of the time in which one of these ${what} existed`
  return (
    (computedShare > 0
      ? `At most, it is ${formatShare(1 - computedShare)} of the time in which one of these ${what} existed, as for the rest they computed (by samples), or waited for a CPU to do so, if everything else waits for them. `
      : `At most, it is ${all}, if their own work is little and everything else waits for them. `) +
    'Recording makes it larger, as perf starts anew for each of them (not with record -a).'
  )
}

/** What goes away where memory is used again before more is taken, and where a collector runs less often. */
function withReuse(trace: ProgramTrace, advice: Advice): Advice {
  const { fresh } = trace.faultCensus
  const collectedMs = trace.collectedNs / 1e6
  const freshMs = savedMs(trace, fresh)
  return withMore(
    advice,
    freshMs + collectedMs,
    'At most, if memory is used again before new memory, it includes ' +
      `${plural(fresh.faults, 'fault')} on other new memory (${formatDuration(freshMs * 1e6)})` +
      (collectedMs > 0
        ? `, and the garbage collector (${formatDuration(trace.collectedNs)}), which runs less often with more memory.`
        : '.'),
  )
}

const GLIBC =
  'glibc has MALLOC_TRIM_THRESHOLD_, MALLOC_TOP_PAD_ and MALLOC_MMAP_THRESHOLD_ for it, or M_TRIM_THRESHOLD and so on with mallopt'

/** How an allocator is told to keep memory. */
const KEEPING: Readonly<Record<Allocator, string>> = {
  reserved:
    'Most of it was unmapped in ranges of 4 GiB or more, as WebAssembly does, and programs that allocate gigabytes at a time.',
  java: 'Java keeps its heap with -Xms as large as -Xmx, or a larger -XX:MaxHeapFreeRatio.',
  go:
    'Go keeps freed memory with a larger GOGC, and with it a larger GOMEMLIMIT or none, or in a sync.Pool; debug.FreeOSMemory ' +
    'gives all of it back.',
  php: "PHP's own allocator has no setting for it: keep large arrays and use them again.",
  erlang: 'Erlang keeps memory in a super carrier, of so many megabytes: erl +MMscs 1024.',
  jemalloc: 'jemalloc has dirty_decay_ms and muzzy_decay_ms for it, in MALLOC_CONF.',
  tcmalloc: 'tcmalloc has TCMALLOC_RELEASE_RATE for it.',
  mimalloc: 'mimalloc has MIMALLOC_PURGE_DELAY for it.',
  python:
    "Python takes small objects from arenas of its own, which malloc's settings do not reach: " +
    'PYTHONMALLOC=malloc takes them from malloc, which takes longer for each and may cost more than it saves; arrays, as of ' +
    `numpy, need none. For that and for larger objects, ${GLIBC}. Extensions may have allocators of their own: those in Rust ` +
    'often have jemalloc, with dirty_decay_ms in _RJEM_MALLOC_CONF.',
  musl: "musl's malloc has no setting for it: load another allocator.",
  glibc: `${GLIBC}.`,
}

function keepingText([first]: readonly Allocator[]): string {
  if (first !== undefined) return KEEPING[first]
  return `jemalloc has dirty_decay_ms for it, glibc M_TRIM_THRESHOLD and M_MMAP_THRESHOLD. ${KEEPING.go}`
}

/** Calls of which fewer can be made. */
const CALLS = new Set(['mmap', MMAP_OVER, 'munmap', 'mprotect', 'brk', 'mremap', 'madvise'])
/** Those that giving memory back, or mapping files again, is made of. */
const GIVING_CALLS = new Set(['mmap', MMAP_OVER, 'munmap', 'madvise'])
/** Fewer calls of each process are no habit. */
const CALLS_MIN = 100

/** What one call costs a program: its own work, and others' waits for it. */
interface CallCost {
  readonly name: string
  readonly count: number
  readonly ns: number
  readonly workMs: number
  readonly waits: number
  readonly waitedNs: number
}

/** Calls that change mappings, which take time themselves, or keep others waiting. */
function fewerCalls(trace: ProgramTrace, mostWaitedMs: number, isGiving: boolean): Advice[] {
  const costs = callCosts(trace, isGiving)
  return [costs.filter(({ name }) => name === 'mprotect'), costs.filter(({ name }) => name !== 'mprotect')]
    .filter((some) => some.length > 0)
    .map((some) => callsAdvice(trace, some, mostWaitedMs))
}

function callCosts(
  { locks, faultCensus, owners, ownProcesses }: ProgramTrace,
  isGiving: boolean,
): CallCost[] {
  return [...CALLS]
    .map((name) => {
      const own = faultCensus.calls[name]
      const isCounted =
        own !== undefined && own.count >= CALLS_MIN * ownProcesses && !(isGiving && GIVING_CALLS.has(name))
      // madvise holds the lock for reading only.
      const held = locks.holders.filter(
        ({ call, process }) => call === name && name !== 'madvise' && owners(process),
      )
      return {
        name,
        count: isCounted ? own.count : 0,
        ns: isCounted ? own.ns : 0,
        workMs: isCounted ? own.delayedNs / 1e6 : 0,
        waits: held.reduce((sum, { waits }) => sum + waits, 0),
        waitedNs: held.reduce((sum, { waitedNs }) => sum + waitedNs, 0),
      }
    })
    .filter(({ workMs, waitedNs }) => workMs > 0 || waitedNs > 0)
    .toSorted((a, b) => b.workMs * 1e6 + b.waitedNs - a.workMs * 1e6 - a.waitedNs)
}

function callsAdvice(trace: ProgramTrace, costs: readonly CallCost[], mostWaitedMs: number): Advice {
  const sum = (of: (cost: CallCost) => number): number => costs.reduce((all, cost) => all + of(cost), 0)
  const [count, ns, waits] = [sum((one) => one.count), sum((one) => one.ns), sum((one) => one.waits)]
  const instead =
    costs[0]!.name === 'mprotect'
      ? 'for larger pieces at a time, or map the memory twice, once to write and once to run or read'
      : 'allocate larger chunks at a time, or keep memory'
  const told = [
    ...(count > 0
      ? [
          `${plural(count, 'call')} took ${formatDuration(ns)} (${formatDuration(ns / count)} each), without waits.`,
        ]
      : []),
    ...(waits > 0 ? [`They held the mmap lock while others waited, ${plural(waits, 'time')}.`] : []),
  ]
  const waitedMs = elapsedOwnWaits(
    trace,
    sum((one) => one.waitedNs),
  )
  const advice = {
    change: `Call ${costs.map(({ name }) => name).join(', ')} less often: ${instead}.`,
    savesMs: hundredths(sum((one) => one.workMs) + Math.min(mostWaitedMs, waitedMs)),
    how: told.join(' '),
  }
  const { fresh } = trace.faultCensus
  if (!costs.some((cost) => cost.name === 'mmap' && cost.count > 0)) return advice
  return withMore(
    advice,
    savedMs(trace, fresh),
    `At most, if memory is kept and used again, it includes the ${plural(fresh.faults, 'fault')} on new pages (${eachOf(fresh)}).`,
  )
}

/** Large memory that is touched page by page for the first time. */
function hugePages(trace: ProgramTrace): Advice[] {
  const { dense } = trace.faultCensus
  const { hugePages: setting } = trace.kernel
  const all = faultsOf(trace)
  // Where Linux makes them unasked and did not, something else is in their way.
  if (setting === 'always' || trace.kernel.reportsFreePages || areFew(dense, all)) return []
  return [
    {
      change: 'Use huge pages for large new memory.',
      savesMs: savedMs(trace, dense),
      how:
        `${formatCount(dense.faults)} of ${plural(all, 'fault')} brought in new memory page by page, in areas of 2 MiB of which at least half was used ` +
        `(${eachOf(dense)}): a huge page takes one fault for all of it. The time to clear it ` +
        `is not counted. MADV_POPULATE_WRITE brings in small pages, and saves little but the traps. ${hugeText(setting, trace.allocators)}`,
    },
  ]
}

const HUGE: Readonly<Partial<Record<Allocator, string>>> = {
  java: 'Java asks for them with -XX:+UseTransparentHugePages.',
  jemalloc: 'jemalloc asks for them with MALLOC_CONF=thp:always.',
  glibc:
    'madvise(MADV_HUGEPAGE) asks for them, glibc for what malloc gives with GLIBC_TUNABLES=glibc.malloc.hugetlb=1.',
}

function hugeText(setting: string, [first]: readonly Allocator[]): string {
  const asked = (first === undefined ? undefined : HUGE[first]) ?? 'madvise(MADV_HUGEPAGE) asks for them.'
  return setting === 'never'
    ? `${asked} The machine refuses them until /sys/kernel/mm/transparent_hugepage/enabled is madvise.`
    : asked
}

/** After a fork, the first write to each page copies it. */
function forkLess(trace: ProgramTrace): Advice[] {
  const { afterFork, forkedDelayedNs } = trace.faultCensus
  const all = faultsOf(trace)
  if (areFew(afterFork, all)) return []
  return [
    {
      change: 'Fork less often, from a smaller process, or by posix_spawn if exec follows at once.',
      savesMs: savedMs(trace, withForks(trace, afterFork)),
      how:
        `${formatCount(afterFork.faults)} of ${plural(all, 'fault')} wrote to pages that a fork had made read-only ` +
        `(${eachOf(afterFork)}); the saving is these faults, ${forksText(trace)}, and CPU time of the forked processes that others ` +
        `lacked (${formatDuration(forkedDelayedNs)}).`,
    },
  ]
}

/** With what forks took, and the CPUs that the processes had. */
function withForks({ faultCensus: { calls, forkedDelayedNs } }: TraceReport, faults: Delay): Delay {
  const delayedNs = faults.delayedNs + (calls['fork']?.delayedNs ?? 0) + forkedDelayedNs
  return { delayedNs, waitedNs: faults.waitedNs }
}

function forksText({ faultCensus: { calls } }: TraceReport): string {
  const { count = 0, ns = 0 } = calls['fork'] ?? {}
  return count === 0 ? 'no fork itself' : `${plural(count, 'fork')} (${formatDuration(ns / count)} each)`
}

/** Processes that are forked for one task each. */
function keepProcesses(trace: ProgramTrace): Advice[] {
  const { forked, calls } = trace.faultCensus
  const all = faultsOf(trace)
  const { processes } = trace.started
  if (processes < STARTED_MIN || forked.faults < all / 10) return []
  const { computedShare } = trace.started
  // Those in whose place others came are forked all the same.
  const share = Math.min(1, processes / Math.max(1, calls['fork']?.count ?? 0))
  const delayedNs = (forked.delayedNs + (calls['fork']?.delayedNs ?? 0)) * share
  const savesMs = savedMs(trace, { delayedNs, waitedNs: forked.waitedNs * share })
  return [
    withMore(
      {
        change:
          'Keep processes for later work, in a pool (of workers, or of connections), instead of forking one each time.',
        savesMs,
        how:
          `${formatCount(processes)} processes were forked for one task, or in the place of others; the saving is their share of ` +
          `${formatCount(forked.faults)} of ${plural(all, 'fault')}, which forked processes took (${eachOf(forked)}), and of ${forksText(trace)}.`,
      },
      mostOf(trace.started) * (1 - computedShare) - savesMs,
      briefText('processes', computedShare),
    ),
  ]
}

/** Programs whose start is told by name. */
const NAMED = 3

/** Programs that others start again and again, as scripts do. */
export function startLess(programs: readonly ProgramSummary[]): Advice[] {
  const all = programs.map(({ name, loaded }) => ({ name, ...loaded })).toSorted((a, b) => b.cpuNs - a.cpuNs)
  const sum = (of: (one: LoadedProcesses) => number): number => all.reduce((total, one) => total + of(one), 0)
  const count = sum(({ processes }) => processes)
  if (count < STARTED_MIN) return []
  const [startNs, cpuNs] = [sum((one) => one.startNs), sum((one) => one.cpuNs)]
  const { elapsedShare } = all[0]!
  const savesMs = hundredths((startNs * elapsedShare) / 1e6)
  const named = all
    .filter(({ processes }) => processes > 0)
    .slice(0, NAMED)
    .map(({ name, processes }) => `${formatCount(processes)} of ${printable(name)}`)
  const aliveNs = sum((one) => one.aliveNs)
  return [
    withMore(
      {
        change:
          'Start programs less often: do their work in the program that starts them, or for several inputs at once.',
        savesMs,
        how:
          `${formatCount(count)} processes were started, one for each program run (${named.join(', ')}). Each had a CPU for ${formatDuration(cpuNs / count)}; ` +
          `the saving is ${formatDuration(startNs / count)} of that, for loading and ending it.`,
      },
      aliveNs / 1e6 - savesMs,
      briefText('programs'),
    ),
  ]
}
