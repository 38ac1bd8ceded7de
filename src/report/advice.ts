// What would help a recorded program, with what each change would save, from the recording alone.
//
// Principles: every number comes from the trace: the time of the faults that would not be, the waits that a
// holder caused. Work becomes elapsed time by the processors, or busy threads if they are fewer; waits by the
// threads that were at work then, and no less waiting saves more than the share of their time that the verdict
// tells. A change is only named where the recording shows that its cause is there, and none that cannot help.
import type { ProgramSummary } from '../trace/imported-trace.ts'
import type { ForeignHolder, LockAnalysis } from '../trace/lock-history.ts'
import { hasVmaLocks } from '../trace/recorded-kernel.ts'
import { elapsed, elapsedOwnWaits, hundredths } from './elapsed.ts'
import { lessWorkOf, startLess, type Advice, type ProgramTrace } from './less-work.ts'
import { HARMFUL_SHARE, linuxShare, waitingPrograms } from './lock-share.ts'
import { formatCount, formatDuration, plural } from './numbers.ts'
import { printable } from './printable.ts'
import { censusOf, type TraceReport } from './replay-report.ts'

export type { Advice } from './less-work.ts'

/** Changes that save less than this share of the recorded time are not worth naming. */
const LEAST_SHARE = 0.005
const OWN_PROCESSES = 'Use processes instead of threads: each process has an mmap lock of its own.'

/** Everything that would help, the most first; last what costs time of its own that no recording tells. */
export function adviceFor(trace: TraceReport): Advice[] {
  return ranked(trace, [...lessWork(trace), ...lessWaiting(trace)])
}

/**
 * As {@link adviceFor} has them: by the middle of what each saves at least and at most; of several programs, which need
 * not wait for each other, by the least.
 */
export function ranked({ programs }: TraceReport, all: readonly Advice[]): Advice[] {
  const isLast = ({ change }: Advice): number => Number(change === OWN_PROCESSES)
  const value = ({ savesMs, savesAtMostMs = savesMs }: Advice): number =>
    programs.length > 1 ? savesMs : (savesMs + savesAtMostMs) / 2
  return all.toSorted((a, b) => isLast(a) - isLast(b) || value(b) - value(a))
}

/** Changes by which faults and calls go away, and the work that they are: of each program, where there are several. */
function lessWork(trace: TraceReport): Advice[] {
  const most = mostWaitedMs(trace)
  const [first, ...others] = trace.programs
  if (others.length === 0)
    return worthNaming(
      trace,
      lessWorkOf(programTrace({ ...trace, faultCensus: censusOf(trace) }, first), most),
      trace.durationMs,
    )
  const all = trace.programs.flatMap((program) => {
    const own = { ...trace, faultCensus: program.faultCensus }
    return lessWorkOf(
      { ...programTrace(own, program), owners: (process) => process === program.name },
      most,
    ).map((advice) => ({ ...advice, change: `${programName(program)}: ${advice.change}` }))
  })
  return worthNaming(trace, [...all, ...startLess(trace.programs)], trace.durationMs)
}

function programTrace(trace: TraceReport, program: ProgramSummary | undefined): ProgramTrace {
  return {
    ...trace,
    allocators: program?.allocators ?? [],
    owners: () => true,
    brief: program?.brief ?? { threads: 0, faults: 0, delayedNs: 0, aliveNs: 0 },
    ownProcesses: program?.processes ?? 1,
    started: program?.started ?? { processes: 0, computedShare: 0, delayedNs: 0, aliveNs: 0 },
    collectedNs: program?.collectedNs ?? 0,
  }
}

/** Less waiting saves no more than the share of time that threads waited. */
function mostWaitedMs(trace: TraceReport): number {
  return trace.durationMs * Math.min(1, linuxShare(trace) ?? 0)
}

/** Changes by which the lock is waited for less. */
function lessWaiting(trace: TraceReport): Advice[] {
  const most = mostWaitedMs(trace)
  const others = otherProcesses(trace, most)
  return [
    // What they save of processors is no wait.
    ...worthNaming(trace, others, trace.durationMs),
    ...worthNaming(trace, [...outsideProcesses(trace), ...newerKernel(trace), ...ownProcesses(trace)], most),
  ]
}

function worthNaming({ durationMs }: TraceReport, all: readonly Advice[], mostMs: number): Advice[] {
  return all
    .map((advice) => {
      const { savesMs, savesAtMostMs } = advice
      const cut = { ...advice, savesMs: Math.min(savesMs, hundredths(mostMs)) }
      return savesAtMostMs === undefined
        ? cut
        : { ...cut, savesAtMostMs: Math.min(savesAtMostMs, hundredths(mostMs)) }
    })
    .filter(({ savesMs }) => savesMs > 0 && savesMs >= durationMs * LEAST_SHARE)
}

/**
 * The shares of the recorded time, 0..1, that the best change saves at least and at most without less waiting; of
 * several programs only the least.
 */
export function savedByLessWork(trace: TraceReport): {
  readonly least: number
  readonly most: number
  readonly middle: number
} {
  const [best] = ranked(trace, lessWork(trace))
  const { savesMs = 0 } = best ?? {}
  const savesAtMostMs = trace.programs.length > 1 ? savesMs : (best?.savesAtMostMs ?? savesMs)
  const [least, most] = [savesMs / trace.durationMs, savesAtMostMs / trace.durationMs]
  return { least, most, middle: (least + most) / 2 }
}

/** Readers of /proc, debuggers and the like, which take the lock of another program, and its processors. */
function otherProcesses(trace: TraceReport, mostMs: number): Advice[] {
  return trace.locks.foreign.map(({ call, waits, delayedNs, shortNs, owner, owners, ...whose }) => ({
    change: `Keep ${foreignName(whose)} from taking the mmap lock of ${foreignName({ ...owner, processes: owners })}, or let it do so less often.`,
    savesMs: hundredths(Math.min(mostMs, delayedNs / 1e6) + elapsed(trace, shortNs)),
    how:
      `${whose.processes === 1 ? 'It' : 'They'} held the lock (${printable(call)}) while ${printable(owner.process)} waited for it, ${plural(waits, 'time')}` +
      (shortNs > 0 ? `; for ${formatDuration(shortNs)} of that, threads lacked a processor. ` : '. ') +
      (whose.process === 'khugepaged'
        ? 'It merges small pages into huge ones where memory may have them: use madvise(MADV_NOHUGEPAGE), or the settings in ' +
          '/sys/kernel/mm/transparent_hugepage/khugepaged.'
        : 'Readers of /proc/PID/maps and smaps and debuggers do so; the trace does not show which.'),
  }))
}

/** The same, where they were not recorded. */
function outsideProcesses(trace: TraceReport): Advice[] {
  const { waits, waitedNs, delayedNs } = trace.locks.totals.outside
  const [worst] = waitingPrograms(trace)
  const whose = worst === undefined ? "this program's mmap lock" : `the mmap lock of ${programName(worst)}`
  if (waits === 0) return []
  return [
    {
      change:
        `Find the process that takes ${whose} (record the whole machine with record -a), ` +
        'and let it do so less often.',
      savesMs: hundredths(delayedNs / 1e6),
      how:
        `Threads slept for the lock ${plural(waits, 'time')}, ${formatDuration(waitedNs)} in all, and no recorded ` +
        'thread is seen to give it back. Readers of /proc/PID/maps and smaps and debuggers take it; so does a ' +
        'thread that ends, which perf does not watch any more.',
    },
  ]
}

/** A program of several: the number of its process, or how many it has. */
export function programName({ name, pid, processes }: ProgramSummary): string {
  return foreignName({ process: name, pid, processes })
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
      change: hasVmaLocks(trace.kernel)
        ? 'Run a kernel with CONFIG_PER_VMA_LOCK: it takes page faults under per-VMA locks.'
        : 'Run Linux 6.7 or later: it takes page faults under per-VMA locks.',
      savesMs: elapsedOwnWaits(trace, ns),
      how: `${formatCount(user.lockedFaults)} faults of the program took the mmap lock; the saving is waits for them and by them.`,
    },
  ]
}

/** Waits of faults of the program, or of others for them. */
function faultsKept({ matrix }: LockAnalysis): number {
  return matrix
    .filter(({ heldBy, waitedBy }) => heldBy === 'page fault' || waitedBy === 'page fault')
    .reduce((sum, { waitedNs }) => sum + waitedNs, 0)
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
      change: OWN_PROCESSES,
      savesMs,
      how:
        `Threads waited for each other ${plural(waits, 'time')}. This is an upper bound: the cost of starting processes, ` +
        'and of memory that they do not share, is not counted, and may be larger.',
    },
  ]
}
