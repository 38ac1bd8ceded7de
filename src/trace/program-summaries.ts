// What is told of all processes of one name together: what they are, and which of their processes and threads were
// started for one task each.
//
// Principle: what lives for less than a tenth of the recording is brief, and a process that begins after another of its
// name has ended does what that one could have done; the CPU time of threads is told by how much it delayed the whole,
// as CPUs are used side by side.
import { type Allocator, inOrder } from './allocators.ts'
import type { Importer } from './importer.ts'
import type { ProgramSummary } from './imported-trace.ts'
import type { Process, Thread } from './recorded-thread.ts'

/** So many with the most faults, and with the longest waits. */
const MOST_FAULTS = 24
const LONGEST_WAITS = 8

/** The most faults first. */
export function programsOf(
  processes: readonly Process[],
  importer: Importer,
  parallel: number,
): ProgramSummary[] {
  const { census } = importer
  const briefNs = durationNs(processes) * BRIEF_SHARE
  const allNs = durationNs(processes)
  const programs = [...Map.groupBy(processes, ({ name }) => name)]
    .map(([name, all]) => ({
      name,
      all,
      faults: all.reduce((sum, { faults }) => sum + faults, 0),
      ...waitsOf(all, allNs),
    }))
    .toSorted((a, b) => b.faults - a.faults)
  const waited = programs
    .slice(MOST_FAULTS)
    .filter(({ waitedNs }) => waitedNs > 0)
    .toSorted((a, b) => b.waitedNs - a.waitedNs)
  return [...programs.slice(0, MOST_FAULTS), ...waited.slice(0, LONGEST_WAITS)].map(
    ({ name, all, faults, waits, waitedNs, waitShare, pid }) => ({
      name,
      processes: all.length,
      threads: all.reduce((sum, { threads }) => sum + threads.length, 0),
      faults,
      waits,
      waitedNs,
      waitShare,
      pid,
      started: startedBy(all, importer, briefNs),
      loaded: loadedBy(all, importer, briefNs),
      brief: briefThreads(all, importer, briefNs),
      collectedNs: collectedBy(all, importer),
      allocators: inOrder(allocatorsOf(all)),
      faultCensus: census.of(name)[1].census(parallel),
    }),
  )
}

/** Less than this share of the time recorded is no wait worth a share of anything. */
const LEAST_WAITED = 0.01

/** @param allNs from the first to the last event of what is recorded */
function waitsOf(
  processes: readonly Process[],
  allNs: number,
): Pick<ProgramSummary, 'waits' | 'waitedNs' | 'waitShare' | 'pid'> {
  const sums = processes.map((process) => ({ process, ...threadSums(process, process.threads) }))
  const [waits, waitedNs, aliveNs] = (['waits', 'waitedNs', 'aliveNs'] as const).map((key) =>
    sums.reduce((sum, one) => sum + one[key], 0),
  ) as [number, number, number]
  const share = (ns: number, ofNs: number): number => (ns < allNs * LEAST_WAITED ? 0 : ns / Math.max(1, ofNs))
  let waitShare = share(waitedNs, aliveNs)
  for (const one of sums) {
    if (one.waitedNs < allNs * LEAST_WAITED) continue
    const hot = threadSums(one.process, busiestOf(one.process.threads))
    waitShare = Math.max(waitShare, share(hot.waitedNs, hot.aliveNs))
  }
  const [first] = sums.toSorted((a, b) => b.waitedNs - a.waitedNs || b.process.faults - a.process.faults)
  return { waits, waitedNs, waitShare, pid: first!.process.pid }
}

function threadSums(
  process: Process,
  threads: readonly Thread[],
): { readonly waits: number; readonly waitedNs: number; readonly aliveNs: number } {
  return {
    waits: threads.reduce((sum, { ownWaits }) => sum + ownWaits, 0),
    waitedNs: threads.reduce((sum, { ownWaitedNs }) => sum + ownWaitedNs, 0),
    aliveNs: threads.reduce((sum, thread) => sum + process.aliveNs(thread), 0),
  }
}

/** Those that did at least a tenth of what the busiest did: others mostly sleep, and would dilute what these meet. */
export function busiestOf<Some extends Pick<Thread, 'activity'>>(threads: readonly Some[]): Some[] {
  const most = threads.reduce((max, { activity }) => Math.max(max, activity), 0)
  return threads.filter(({ activity }) => activity > 0 && activity * 10 >= most)
}

function allocatorsOf(processes: readonly Process[]): Set<Allocator> {
  const all = new Set(processes.flatMap(({ allocators }) => [...allocators]))
  const sum = (of: (process: Process) => number): number =>
    processes.reduce((pages, one) => pages + of(one), 0)
  const reserved = sum(({ reservedBack }) => reservedBack)
  if (reserved > 0 && reserved * 2 >= sum(({ givenBack }) => givenBack)) all.add('reserved')
  return all
}

/** What lives for less than this share of the recording was started for one task. */
const BRIEF_SHARE = 0.1

/** @param briefNs what lives for less is brief */
function loadedBy(
  processes: readonly Process[],
  { activity, times, scanner }: Importer,
  briefNs: number,
): ProgramSummary['loaded'] {
  const { elapsedShare } = activity.cpuUse
  if (!times.hasSwitches) return { processes: 0, startNs: 0, cpuNs: 0, elapsedShare, aliveNs: 0 }
  const cpuOf = ({ threads, endNs }: Process): number =>
    threads.reduce((sum, thread) => sum + thread.cpuNs(scanner.nowNs), endNs)
  const loaded = processes.filter(({ loadNs, threads }) => loadNs >= 0 && threads[0]?.isCreated === true)
  // A shell forks itself to start what is to be in a pipe.
  const starters = processes.filter(
    ({ isForked, forks, threads }) => isForked && forks > 0 && isBrief(threads[0]!, briefNs),
  )
  const startersNs = starters.reduce((sum, one) => sum + cpuOf(one), 0)
  return {
    processes: loaded.length,
    startNs: loaded.reduce((sum, { loadNs, endNs }) => sum + loadNs + endNs, startersNs),
    cpuNs: loaded.reduce((sum, one) => sum + cpuOf(one), startersNs),
    elapsedShare,
    aliveNs: unionNs(
      [...loaded, ...starters]
        .filter(({ threads }) => isBrief(threads[0]!, briefNs))
        .flatMap(({ threads, endNs }) => lifeOf(threads[0]!, endNs)),
    ),
  }
}

/**
 * The life of a thread that has ended, and `endNs` more; none if it slept for more than nine tenths of that, as it
 * waited for others, or for time.
 */
function lifeOf(
  { firstNs, exitNs, sleptNs }: Thread,
  endNs = 0,
): readonly (readonly [from: number, to: number])[] {
  return sleptNs * 10 > (exitNs - firstNs) * 9 ? [] : [[firstNs, exitNs + endNs]]
}

/** How long it was in any of these times, which may overlap. */
function unionNs(times: readonly (readonly [from: number, to: number])[]): number {
  let sum = 0
  let until = 0
  for (const [from, to] of times.toSorted(([a], [b]) => a - b)) {
    sum += Math.max(0, to - Math.max(from, until))
    until = Math.max(until, to)
  }
  return sum
}

/** By how much the CPU time of threads delayed the whole; 0 where switches are not recorded. */
function delayedBy(threads: readonly Thread[], { activity, times, scanner }: Importer): number {
  if (!times.hasSwitches) return 0
  return threads.reduce((sum, one) => sum + one.cpuNs(scanner.nowNs), 0) * activity.cpuUse.elapsedShare
}

/**
 * Processes that were forked for one task each, or for some and not for all: they are brief, or another of their name
 * had ended when they began, in whose place they came.
 */
function startedBy(
  processes: readonly Process[],
  importer: Importer,
  briefNs: number,
): ProgramSummary['started'] {
  const successors = successorsAmong(processes)
  const all = processes.filter(
    (one) => one.isForked && (isBrief(one.threads[0]!, briefNs) || successors.has(one)),
  )
  const started = all.filter(({ threads }) => threads[0]!.exitNs >= 0)
  return {
    processes: all.length,
    computedShare: computedBy(started),
    delayedNs: delayedBy(
      started.flatMap(({ threads }) => threads),
      importer,
    ),
    aliveNs: unionNs(started.flatMap(({ threads, endNs }) => lifeOf(threads[0]!, endNs))),
  }
}

/** Those that were forked in the place of one that had ended, one in each place. */
function successorsAmong(processes: readonly Process[]): ReadonlySet<Process> {
  const begins = processes
    .filter(({ isForked, threads }) => isForked && threads[0]?.isCreated === true)
    .toSorted((a, b) => a.threads[0]!.firstNs - b.threads[0]!.firstNs)
  const ends = processes
    .map(({ threads }) => threads[0]?.exitNs ?? -1)
    .filter((exitNs) => exitNs >= 0)
    .toSorted((a, b) => a - b)
  const successors = new Set<Process>()
  for (const one of begins) if (ends[successors.size]! <= one.threads[0]!.firstNs) successors.add(one)
  return successors
}

/** Of fewer samples a share tells nothing. */
const SAMPLES_MIN = 30

/** How much of the lives of processes was computing in the program, and not at faults, or waiting for a CPU for it. */
function computedBy(processes: readonly Process[]): number {
  const samples = processes.reduce((sum, one) => sum + one.samples, 0)
  if (samples < SAMPLES_MIN) return 0
  const computing = processes.reduce((sum, one) => sum + one.computing, 0)
  const threads = processes.flatMap((process) => process.threads)
  const lifeNs = threads.reduce((sum, { firstNs, exitNs }) => sum + exitNs - firstNs, 0)
  const sleptNs = threads.reduce((sum, one) => sum + one.sleptNs, 0)
  return (computing / samples) * Math.max(0, 1 - sleptNs / Math.max(1, lifeNs))
}

function collectedBy(processes: readonly Process[], importer: Importer): number {
  const samples = processes.reduce((sum, one) => sum + one.samples, 0)
  if (samples < SAMPLES_MIN) return 0
  const threads = processes.flatMap((process) => process.threads)
  const collecting = processes.reduce((sum, one) => sum + one.collecting, 0)
  return (delayedBy(threads, importer) * collecting) / samples
}

function isBrief({ isCreated, firstNs, exitNs }: Thread, briefNs: number): boolean {
  return isCreated && exitNs >= 0 && exitNs - firstNs < briefNs
}

function briefThreads(
  processes: readonly Process[],
  importer: Importer,
  briefNs: number,
): ProgramSummary['brief'] {
  const brief = processes.flatMap(({ pid, threads }) =>
    threads.filter((thread) => thread.tid !== pid && isBrief(thread, briefNs)),
  )
  return {
    threads: brief.length,
    faults: brief.reduce((sum, { avoidableFaults }) => sum + avoidableFaults, 0),
    delayedNs: delayedBy(brief, importer),
    aliveNs: importer.times.hasSwitches ? unionNs(brief.flatMap((thread) => lifeOf(thread))) : 0,
  }
}

/** From the first to the last event of processes. */
export function durationNs(processes: readonly Pick<Process, 'firstNs' | 'lastNs'>[]): number {
  // There may be more of them than a call has arguments.
  let [first, last] = [Infinity, 0]
  for (const { firstNs, lastNs } of processes) {
    if (firstNs < 0) continue
    first = Math.min(first, firstNs)
    last = Math.max(last, lastNs)
  }
  return Math.max(0, last - first)
}
