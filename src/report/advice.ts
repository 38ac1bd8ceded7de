// What would help a recorded program, with what each change would save, from the recording alone.
//
// Principles: every number comes from the trace: the time of the faults that would not be, the waits that a
// holder caused. Work becomes elapsed time by the processors, or busy threads if they are fewer; waits by the
// threads that were at work then, and no less waiting saves more than the share of their time that the verdict
// tells. A change is only named where the recording shows that its cause is there, and none that cannot help.
import { isShort } from '../trace/recorded-kernel.ts'
import type { ForeignHolder, LockAnalysis } from '../trace/lock-history.ts'
import { HARMFUL_SHARE, linuxShare } from './lock-share.ts'
import { formatCount, formatDuration, formatShare, plural } from './numbers.ts'
import { printable } from './printable.ts'
import type { TraceReport } from './replay-report.ts'

export interface Advice {
  /** What to change. */
  readonly change: string
  /** Milliseconds of the recorded time that it would save, estimated. */
  readonly savesMs: number
  /** Where the figure comes from. */
  readonly how: string
}

/** Changes that save less than this share of the recorded time are not worth naming. */
const LEAST_SHARE = 0.005
/** Nor are new buffers that this share of the faults, or fewer, were taken for. */
const LEAST_FAULTS = 0.01

/** Calls for which the kernel copies to or from a buffer that the program chooses, and could use again. */
const COPYING_CALLS = new Set(
  'read pread64 readv preadv preadv2 write pwrite64 writev pwritev pwritev2 recvfrom recvmsg recvmmsg'
    .concat(' sendto sendmsg sendmmsg getdents64 getrandom process_vm_readv process_vm_writev')
    .split(' '),
)

/** Everything that would help, the most first. */
export function adviceFor(trace: TraceReport): Advice[] {
  return [...lessWork(trace), ...lessWaiting(trace)].toSorted((a, b) => b.savesMs - a.savesMs)
}

/** Changes by which faults and calls go away, and the work that they are. */
function lessWork(trace: TraceReport): Advice[] {
  return worthNaming(
    trace,
    [...reuseBuffers(trace), ...keepMemory(trace), ...keepMapped(trace)],
    trace.durationMs,
  )
}

/** Changes by which the lock is waited for less. */
function lessWaiting(trace: TraceReport): Advice[] {
  const most = trace.durationMs * Math.min(1, linuxShare(trace) ?? 0)
  const others = otherProcesses(trace, most)
  return [
    // What they save of processors is no wait.
    ...worthNaming(trace, others, trace.durationMs),
    ...worthNaming(trace, [...newerKernel(trace), ...fewerCalls(trace), ...ownProcesses(trace)], most),
  ]
}

function worthNaming({ durationMs }: TraceReport, all: readonly Advice[], mostMs: number): Advice[] {
  return all
    .map((advice) => ({ ...advice, savesMs: Math.min(advice.savesMs, Math.round(mostMs * 100) / 100) }))
    .filter(({ savesMs }) => savesMs > 0 && savesMs >= durationMs * LEAST_SHARE)
}

/** The share of the recorded time, 0..1, that one change would save without any less waiting for the lock. */
export function savedByLessWork(trace: TraceReport): number {
  return Math.max(0, ...lessWork(trace).map(({ savesMs }) => savesMs / trace.durationMs))
}

/** Of time that threads waited for somebody, by how much that delayed the whole: one thread of many delays it less. */
function elapsedWaits({ locks }: TraceReport, ns: number): number {
  const { waitedNs } = locks.totals.held
  return hundredths(waitedNs === 0 ? 0 : (ns * Math.min(1, locks.delayedNs / waitedNs)) / 1e6)
}

/** The same of waits for each other: they cost nothing while others have all processors, as these work for them. */
function elapsedOwnWaits(trace: TraceReport, ns: number): number {
  return elapsedWaits(trace, ns * trace.costlyWaitShare)
}

/** Of time that threads worked, how much of the elapsed time that was. */
function elapsed(trace: TraceReport, ns: number): number {
  const threads = Math.max(1, trace.hotThreads.count)
  const parallel = trace.cpus === 0 ? threads : Math.min(threads, trace.cpus)
  return hundredths(ns / parallel / 1e6)
}

/** What one fault takes, and how that is known. */
function eachText(ns: number, samples: number): string {
  const each = `${formatDuration(ns)} each`
  return samples > 0
    ? `${each}, by ${formatCount(samples)} samples`
    : `${each} at least, as far as the recording tells`
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100
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
        savesMs: hundredths(avoidableDelayedNs / 1e6 + elapsedOwnWaits(trace, avoidableWaitedNs)),
        how:
          `The kernel copied through ${plural(buffers, 'new buffer')} in ${call}; without all but the largest of each thread, ` +
          `${formatCount(avoidableFaults)} of ${plural(all, 'fault')} ` +
          `(${formatShare(avoidableFaults / Math.max(1, all))}) go away, with what they took (${eachText(avoidableNs / avoidableFaults, samples)}).`,
      }),
    )
}

/** Threads are started for less than this many calls that give memory back: it is that of their stacks. */
const CALLS_PER_THREAD = 3
/** Fewer threads are no habit. */
const STARTED_MIN = 100

/** Whether the memory that is given back is that of the stacks of threads which end. */
function startsThreads({ processThreads, faultCensus: { calls } }: TraceReport): boolean {
  const back = (calls['munmap']?.count ?? 0) + (calls['madvise']?.count ?? 0)
  return processThreads >= STARTED_MIN && back < CALLS_PER_THREAD * processThreads
}

/** Files that are mapped, read, unmapped, and mapped again. */
function keepMapped(trace: TraceReport): Advice[] {
  const { mappedAgain, calls } = trace.faultCensus
  const all = faultsOf(trace)
  const { mmap, munmap } = calls
  if (mappedAgain.faults < all / 10 || mappedAgain.faults === 0 || mmap === undefined || munmap === undefined)
    return []
  const share = Math.min(1, munmap.count / mmap.count)
  const delayedNs = mappedAgain.delayedNs + munmap.delayedNs + share * mmap.delayedNs
  const waitedNs = mappedAgain.waitedNs + munmap.waitedNs + share * mmap.waitedNs
  return [
    {
      change: 'Keep files mapped that are used again, or read them into a buffer of each thread.',
      savesMs: hundredths(delayedNs / 1e6 + elapsedOwnWaits(trace, waitedNs)),
      how:
        `${formatCount(mappedAgain.faults)} of ${plural(all, 'fault')} mapped a page of a file that had been mapped before ` +
        `(${eachText(mappedAgain.costNs / mappedAgain.faults, mappedAgain.samples)}); saved are these, munmap, and ` +
        'as many calls of mmap as of munmap. What it takes to read files instead is not counted.',
    },
  ]
}

/** Faults of the program itself on memory of which it had given as much back before. */
function keepMemory(trace: TraceReport): Advice[] {
  const { user } = trace.faultCensus.avoidable
  const all = faultsOf(trace)
  if (user.faults === 0 || user.faults < all / 10) return []
  const { mmap, munmap, madvise } = trace.faultCensus.calls
  const calls = [munmap, madvise].flatMap((call) => (call === undefined ? [] : [{ ...call, share: 1 }]))
  // What was not unmapped need not be mapped again.
  if (mmap !== undefined && munmap !== undefined)
    calls.push({ ...mmap, share: Math.min(1, munmap.count / mmap.count) })
  const delayedNs = calls.reduce((sum, call) => sum + call.share * call.delayedNs, user.delayedNs)
  const waitedNs = calls.reduce((sum, call) => sum + call.share * call.waitedNs, user.waitedNs)
  return [
    {
      change: startsThreads(trace)
        ? 'Keep threads for later work, in a pool, instead of starting one each time.'
        : 'Give memory back less eagerly: a longer decay or a larger trim threshold of the allocator.',
      savesMs: hundredths(delayedNs / 1e6 + elapsedOwnWaits(trace, waitedNs)),
      how:
        `${formatCount(user.faults)} of ${plural(all, 'fault')} brought in memory of which as much had ` +
        `been given back before; saved are these faults (${eachText(user.costNs / user.faults, user.samples)}), ` +
        'munmap, madvise, and as many calls of mmap as of munmap. ' +
        (startsThreads(trace)
          ? `It is that of the stacks of ${plural(trace.processThreads, 'thread')}. What else it takes to start and end ` +
            'them is not counted; recorded it is more, as perf watches each of them anew (not with record -a).'
          : 'jemalloc has dirty_decay_ms for it, glibc M_TRIM_THRESHOLD and M_MMAP_THRESHOLD; Go gives all back in ' +
            'debug.FreeOSMemory.') +
        (isShort(trace.kernel.counts)
          ? ' Memory may have been short: what is kept is lacking elsewhere, and may be taken away.'
          : ''),
    },
  ]
}

/** Readers of /proc, debuggers and the like, which take the lock of another program, and its processors. */
function otherProcesses(trace: TraceReport, mostMs: number): Advice[] {
  return trace.locks.foreign.map(({ call, waits, delayedNs, shortNs, ...whose }) => ({
    change: `Keep ${foreignName(whose)} from taking this program's mmap lock, or let it do so less often.`,
    savesMs: hundredths(Math.min(mostMs, delayedNs / 1e6) + elapsed(trace, shortNs)),
    how:
      `${whose.processes === 1 ? 'It' : 'They'} held the mmap lock of another process (${printable(call)}), which had to wait for it ${plural(waits, 'time')}` +
      (shortNs > 0 ? `, and for ${formatDuration(shortNs)} threads lacked a processor meanwhile. ` : '. ') +
      (whose.process === 'khugepaged'
        ? 'It makes huge pages of small ones, of memory that may have them: madvise(MADV_NOHUGEPAGE), or what is in ' +
          '/sys/kernel/mm/transparent_hugepage/khugepaged.'
        : 'Readers of /proc/PID/maps and smaps and debuggers do so; the trace does not tell which of them it is.'),
  }))
}

/** Who it is: the number of one process, or how many of that name. */
export function foreignName({
  process,
  pid,
  processes,
}: Pick<ForeignHolder, 'process' | 'pid' | 'processes'>): string {
  return `${printable(process)} (${processes === 1 ? `process ${pid}` : `${formatCount(processes)} processes`})`
}

function newerKernel(trace: TraceReport): Advice[] {
  const { user } = trace.faultCensus
  if (!trace.linux.recorded || trace.kernel.design !== 'classic' || user.lockedFaults === 0) return []
  const ns = faultsKept(trace.locks)
  return [
    {
      change: 'Run Linux 6.7 or later: it takes page faults under locks of single mappings.',
      savesMs: elapsedOwnWaits(trace, ns),
      how: `${formatCount(user.lockedFaults)} faults of the program took the mmap lock; these are waits for them and by them.`,
    },
  ]
}

/** Waits of faults of the program, or of others for them. */
function faultsKept({ matrix }: LockAnalysis): number {
  return matrix
    .filter(({ heldBy, waitedBy }) => heldBy === 'page fault' || waitedBy === 'page fault')
    .reduce((sum, { waitedNs }) => sum + waitedNs, 0)
}

const CHANGING_CALLS = new Set(['mmap', 'munmap', 'mprotect', 'brk', 'mremap'])

/** Calls that change mappings, where they keep others waiting. */
function fewerCalls(trace: TraceReport): Advice[] {
  const holders = trace.locks.holders.filter(({ call }) => CHANGING_CALLS.has(call))
  if (holders.length === 0) return []
  const names = [...new Set(holders.map(({ call }) => call))]
  const waits = holders.reduce((sum, one) => sum + one.waits, 0)
  return [
    {
      change: `Call ${names.join(', ')} less often: larger chunks at a time, or memory that is kept.`,
      savesMs: elapsedOwnWaits(
        trace,
        holders.reduce((sum, { waitedNs }) => sum + waitedNs, 0),
      ),
      how: `They held the mmap lock while others waited, ${plural(waits, 'time')}.`,
    },
  ]
}

/** Processes instead of threads, where waits for each other cost much: each process has a lock of its own. */
function ownProcesses(trace: TraceReport): Advice[] {
  const { totals, foreign } = trace.locks
  const waitedNs = totals.held.waitedNs - foreign.reduce((sum, one) => sum + one.waitedNs, 0)
  const waits = totals.held.waits - foreign.reduce((sum, one) => sum + one.waits, 0)
  const savesMs = elapsedOwnWaits(trace, waitedNs)
  // Processes cost time of their own.
  if (trace.hotThreads.count < 2 || savesMs < trace.durationMs * HARMFUL_SHARE) return []
  return [
    {
      change: 'Make processes of the threads: each process has an mmap lock of its own.',
      savesMs,
      how:
        `Threads waited for each other ${plural(waits, 'time')}. What it takes to start processes, and the memory that they ` +
        'do not share, is not counted.',
    },
  ]
}
