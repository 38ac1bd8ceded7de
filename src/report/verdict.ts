// The verdict of a replay: does the mmap lock hurt this program, in sentences that the figures carry.
//
// Principles: nothing is claimed that the spread of the repetitions does not carry, and one repetition
// carries nothing about speed. The share of time that threads waited for the lock is the measure; elapsed
// time only confirms it. Whether the lock hurt the program is what Linux itself recorded, where it did. The
// replay leaves out the computing between the calls and faults, so that its threads meet far more often than
// the program's did: it tells the worst that the lock could do, and which design would meet it best.
import type { HeldBy, LockAnalysis, WaitCount, WaitedBy } from '../trace/lock-history.ts'
import type { ProgramSummary } from '../trace/imported-trace.ts'
import { overlaps } from '../workloads/statistics.ts'
import type { WhatIf } from '../simulate/index.ts'
import { adviceFor, foreignName, programName, ranked, savedByLessWork, type Advice } from './advice.ts'
import { nameOf } from './design-name.ts'
import {
  HARMFUL_SHARE,
  linuxShare,
  NEGLIGIBLE_SHARE,
  shareOfAll,
  shareOfHot,
  waitingPrograms,
} from './lock-share.ts'
import { formatCount, formatDuration, formatShare, plural } from './numbers.ts'
import { printable } from './printable.ts'
import {
  explainedShare,
  isFaithful,
  type DesignReport,
  type ReplayReport,
  type TraceReport,
} from './replay-report.ts'
import { whatIfAdvice } from './what-if.ts'

export interface Verdict {
  readonly mood: 'good' | 'notable' | 'bad'
  /** Whether the mmap lock hurts the program; null where that cannot be told. */
  readonly hurts: boolean | null
  readonly sentences: readonly string[]
}

/** The verdict of `--json`. */
export interface VerdictReport {
  readonly hurts: boolean | null
  readonly summary: string
  readonly holders: readonly HeldBy[]
  /** Waits for holders that are not in the list, and for nobody who was seen: with the list, all that Linux counts. */
  readonly otherHolders: WaitCount
  readonly unseenHolders: WaitCount
  readonly waiters: readonly WaitedBy[]
  readonly advice: readonly Advice[]
}

/** The share of events that perf may have lost before nothing is judged any more. */
const MOST_LOST = 0.01

/** Whether so many events were lost, beside those that are there, that a recording is not judged. */
export function losesTooMuch(lost: number, events: number): boolean {
  return lost > MOST_LOST * (lost + events)
}
/** Holders and waiters in `--json`. */
const LISTED = 16

/** What a replay says about its program. */
export function verdictOf(report: ReplayReport, minimumFidelity: number): Verdict {
  const { trace } = report
  const lost = lostSentence(trace)
  if (lost !== null) return { mood: 'bad', hurts: null, sentences: [lost] }
  const classic = preferred(report.designs.filter(({ design }) => design === 'classic'))
  const recorded = recordedSentences(trace)
  // What a replay that went wrong took is no measure of anything.
  if (!isFaithful(report, minimumFidelity)) {
    return { mood: 'bad', hurts: null, sentences: [unfaithful(report, minimumFidelity), ...recorded] }
  }
  if (classic === undefined) {
    const missing = 'Without the classic design there is nothing to compare with: add it to --design.'
    return { mood: 'notable', hurts: hurtsAsRecorded(trace), sentences: [missing, ...recorded] }
  }
  const pressure = classic.mmapLockWaitShare.median
  const rivals = report.designs.filter(({ design, rwsem }) => design !== 'classic' && rwsem === classic.rwsem)
  const best = rivals.toSorted((a, b) => a.mmapLockWaitShare.median - b.mmapLockWaitShare.median)[0]
  const sentences = [...harmSentences(trace), ...recorded, ...correctionSentences(report, minimumFidelity)]
  sentences.push(pressureSentence(report, classic, best), ...foreignSentences(trace))
  const hurts = hurtsAsRecorded(trace)
  if (best) sentences.push(elapsedSentence(classic, best, hurts))
  if (pressure >= NEGLIGIBLE_SHARE && report.replayThreads > report.processors) {
    sentences.push(
      'There were more threads than processors, so these waits include waits for a processor: ' +
        `compare with --threads ${report.processors}.`,
    )
  }
  return { mood: moodOf(trace), hurts, sentences }
}

/** What a recording says by itself. */
export function verdictOfTrace(trace: TraceReport): Verdict {
  const lost = lostSentence(trace)
  if (lost !== null) return { mood: 'bad', hurts: null, sentences: [lost] }
  return {
    mood: moodOf(trace),
    hurts: hurtsAsRecorded(trace),
    sentences: [...harmSentences(trace), ...recordedSentences(trace)],
  }
}

/** Good is only what neither waits for the lock nor would gain from other changes. */
function moodOf(trace: TraceReport): Verdict['mood'] {
  return hurtsAsRecorded(trace) === false && savedByLessWork(trace).middle < NEGLIGIBLE_SHARE
    ? 'good'
    : 'notable'
}

/** A verdict for `--json`. */
export function verdictReport(
  { hurts, sentences }: Verdict,
  trace: TraceReport,
  whatIf: WhatIf | null = null,
): VerdictReport {
  const isKnown = lostSentence(trace) === null
  const holders = trace.locks.holders.slice(0, LISTED)
  return {
    hurts,
    summary: sentences.join(' '),
    holders: isKnown ? holders : [],
    otherHolders: isKnown ? othersThan(holders, trace.locks.totals.held) : NO_WAITS,
    unseenHolders: isKnown ? unseenHolders(trace.locks) : NO_WAITS,
    waiters: isKnown ? trace.locks.waiters.slice(0, LISTED) : [],
    advice: isKnown ? rankedAdvice(trace, whatIf) : [],
  }
}

/** Waits for whom the recording does not show. */
function unseenHolders({ totals: { unseen, outside } }: LockAnalysis): WaitCount {
  return { waits: unseen.waits + outside.waits, waitedNs: unseen.waitedNs + outside.waitedNs }
}

const NO_WAITS: WaitCount = { waits: 0, waitedNs: 0 }

/** What a list leaves of all waits. */
export function othersThan(listed: readonly WaitCount[], all: WaitCount): WaitCount {
  return {
    waits: Math.max(0, all.waits - listed.reduce((sum, { waits }) => sum + waits, 0)),
    waitedNs: Math.max(0, all.waitedNs - listed.reduce((sum, { waitedNs }) => sum + waitedNs, 0)),
  }
}

/** From the recording and, where it was simulated, from that. */
function rankedAdvice(trace: TraceReport, whatIf: WhatIf | null): Advice[] {
  const simulated = whatIf === null ? [] : whatIfAdvice(whatIf)
  return ranked(trace, [...adviceFor(trace), ...simulated])
}

function hurtsAsRecorded(trace: TraceReport): boolean | null {
  const share = linuxShare(trace)
  return share === undefined ? null : share >= NEGLIGIBLE_SHARE
}

/** Of a recording with holes nothing is said but that. */
export function lostSentence({ lostEvents, events }: TraceReport): string | null {
  const all = lostEvents + events
  if (!losesTooMuch(lostEvents, events)) return null
  return (
    `perf lost ${formatCount(lostEvents)} of ${plural(all, 'event')} (${formatShare(lostEvents / all)}), so there is ` +
    'no verdict: record again with a larger buffer (perf record -m), or fewer events.'
  )
}

/** What Linux met when the program was recorded, who held the lock, and what that means for other kernels. */
function recordedSentences(trace: TraceReport): string[] {
  return [
    linuxSentence(trace),
    ...worstSentences(trace),
    ...holderSentences(trace),
    ...outsideSentences(trace),
    ...kernelSentences(trace),
  ]
}

/** Who kept others waiting. */
export function holderSentences(trace: TraceReport): string[] {
  const { holders, keptNs } = trace.locks
  const total = Object.values(keptNs).reduce((sum, ns) => sum + ns, 0)
  const [first] = holders
  if (first === undefined || total === 0) return []
  const of = `${printable(first.comm)} of ${printable(first.process)} (${first.pid})`
  const share = formatShare(first.waitedNs / total)
  const { owner } = first
  const whose = owner.pid === first.pid ? '' : ` of ${foreignName({ ...owner, processes: 1 })}`
  const sentences = [
    `${of} held the lock${whose} for ${share} of the time that others waited, in ${first.call}.`,
  ]
  const { held, unseen } = trace.locks.totals
  if (unseen.waits > held.waits)
    sentences.push(
      `Most of the waits (${formatCount(unseen.waits)}, ${formatDuration(unseen.waitedNs)} in all) were tries that ` +
        'failed although no thread is seen to release the lock: another thread was in the queue.',
    )
  if (keptNs.writersByWriters > total / 2 && hurtsAsRecorded(trace) !== false) {
    sentences.push(
      `Writers waited for writers ${formatShare(keptNs.writersByWriters / total)} of that time: no fault design can help there.`,
    )
  }
  return sentences
}

/** Below this share of the time waited, a holder that was not recorded is not worth a sentence. */
const LEAST_OUTSIDE = 0.1

/** That a process held the lock which is not in the recording. */
function outsideSentences({ locks: { keptNs, totals } }: TraceReport): string[] {
  const total = Object.values(keptNs).reduce((sum, ns) => sum + ns, 0)
  const { waits, waitedNs } = totals.outside
  if (waits === 0 || waitedNs < total * LEAST_OUTSIDE) return []
  return [
    `For ${formatShare(waitedNs / total)} of that time, a process that was not recorded held the lock, or a thread that was ending: record the whole machine (record -a) to see which.`,
  ]
}

/** Where fewer of the faults took the lock, it does not matter which these were. */
const LEAST_LOCKED = 0.01
/** Where the lock does not hurt, it matters only if most faults are such. */
const LEAST_LOCKED_UNHARMED = 0.5
/** Nor where less of the time waited was for them, or by them. */
const LEAST_SHARE_OF_WAITS = 0.1

/** Faults of the kernel itself, which no kernel takes without the mmap lock. */
function kernelSentences(trace: TraceReport): string[] {
  const { kernel, user } = trace.faultCensus
  const [call, most] = Object.entries(kernel)[0] ?? []
  const all = Object.values(kernel).reduce((sum, { lockedFaults }) => sum + lockedFaults, 0)
  // Of the whole trace, as the census is, whichever process is replayed.
  const locked = user.lockedFaults + all
  if (call === undefined || most === undefined || locked === 0 || all < locked / 2) return []
  // A handful of faults is no reason to speak of kernels.
  const faults = Object.values(kernel).reduce((sum, one) => sum + one.faults, user.faults)
  if (locked < faults * (hurtsAsRecorded(trace) === false ? LEAST_LOCKED_UNHARMED : LEAST_LOCKED)) return []
  // Nor are they, where waits are for other things.
  const { matrix } = trace.locks
  const kept = matrix.reduce((sum, { waitedNs }) => sum + waitedNs, 0)
  const ofFaults = matrix.filter(
    ({ heldBy, waitedBy }) => heldBy.startsWith('page fault') || waitedBy.startsWith('page fault'),
  )
  if (ofFaults.reduce((sum, { waitedNs }) => sum + waitedNs, 0) < kept * LEAST_SHARE_OF_WAITS) return []
  const kernelFaults = ({ faultCensus }: ProgramSummary): number =>
    faultCensus.kernel[call]?.lockedFaults ?? 0
  const [program] = trace.programs.toSorted((a, b) => kernelFaults(b) - kernelFaults(a))
  const isNamed = trace.programs.length > 1 && program !== undefined && kernelFaults(program) > 0
  const buffers = isNamed ? `new buffers of ${printable(program.name)}` : 'new buffers'
  const memory = isNamed ? `the memory of ${printable(program.name)}` : "the program's memory"
  const into = trace.faultCensus.copied[call] === undefined ? memory : buffers
  return [
    `${formatCount(all)} of the ${plural(locked, 'fault')} under the lock were taken inside the kernel, most while it copied for ${call} ` +
      `(${into}). Per-VMA locks do not help these: a newer kernel changes nothing.`,
  ]
}

/** The spinning form where it was run: the one that Linux has. */
function preferred(designs: readonly DesignReport[]): DesignReport | undefined {
  return designs.find(({ rwsem }) => rwsem === 'spinning') ?? designs[0]
}

/** Whether the lock hurts; nothing where the recording does not tell, as the replay's pressure is not the program's. */
function harmSentences(trace: TraceReport): string[] {
  const share = linuxShare(trace)
  if (share === undefined) return []
  const several = trace.programs.length > 1
  const whom = whomItHurts(trace) ?? (several ? 'these programs' : 'this program')
  if (share >= HARMFUL_SHARE) return [`The mmap lock hurts ${whom}.`]
  if (share >= NEGLIGIBLE_SHARE) return [`The mmap lock hurts ${whom} a little.`]
  const saved = savedByLessWork(trace)
  if (saved.middle < NEGLIGIBLE_SHARE) return [`The mmap lock does not hurt ${whom}.`]
  return [
    `${several ? 'These programs hardly wait' : 'This program hardly waits'} for the mmap lock, but ${several ? 'their' : 'its'} ` +
      'page faults and memory calls take time: ' +
      `${saved.most > saved.least ? `${formatShare(saved.least)} to ` : ''}${formatShare(saved.most)} of the recorded time could be saved.`,
  ]
}

/** Programs that are named in a sentence. */
const NAMED = 3

/** Those that waited, the worst first. */
function whomItHurts(trace: TraceReport): string | undefined {
  const waiting = waitingPrograms(trace)
  const rest = waiting.length - NAMED
  const names = [
    ...waiting.slice(0, NAMED).map(programName),
    ...(rest > 0 ? [plural(rest, 'other program')] : []),
  ]
  if (names.length < 2) return names[0]
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

/** How the worst of several processes fared. */
function worstSentences(trace: TraceReport): string[] {
  const [worst] = waitingPrograms(trace)
  if (worst === undefined) return []
  const { waits, waitedNs, waitShare, pid, processes } = worst
  const most = processes > 1 ? `; process ${pid} waited for longest` : ''
  return [
    `${programName(worst)} waited ${plural(waits, 'time')}, ${formatDuration(waitedNs)} in all, ${formatShare(waitShare)} of its threads' time${most}.`,
  ]
}

/** What a replay cannot show: threads of other processes that hold the lock take no part in it. */
function foreignSentences({ locks }: TraceReport): string[] {
  if (locks.foreign.length === 0) return []
  const names = [...new Set(locks.foreign.map(({ process }) => printable(process)))]
  const ns = locks.foreign.reduce((sum, { waitedNs }) => sum + waitedNs, 0)
  return [
    `The replay leaves out other processes that held the lock (${names.join(', ')}); the recorded program ` +
      `waited ${formatDuration(ns)} for them.`,
  ]
}

/** That faults came which the replay was made to take tells nothing. */
function correctionSentences({ designs }: ReplayReport, minimumFidelity: number): string[] {
  const [worst] = designs.map(({ fidelity }) => fidelity).toSorted((a, b) => a.uncorrected - b.uncorrected)
  if (worst === undefined || worst.recorded === 0) return []
  const corrected = worst.reproduced - worst.uncorrected
  if (corrected <= (1 - minimumFidelity) * worst.recorded) return []
  return [
    `Of ${plural(worst.recorded, 'recorded fault')}, ${formatCount(corrected)} (${formatShare(corrected / worst.recorded)}) ` +
      'were reproduced only after a correction: the replay first brought the page into the recorded state. ' +
      'The fidelity says nothing about these.',
  ]
}

function pressureSentence(
  report: ReplayReport,
  classic: DesignReport,
  best: DesignReport | undefined,
): string {
  const share = classic.mmapLockWaitShare
  const whose = `In the replay, without the computing in between, ${plural(report.replayThreads, 'thread')}`
  const waited = `waited for it ${formatShare(share.median)} of their time under ${nameOf(classic)}`
  if (best === undefined) return `${whose} ${waited}.`
  const other = best.mmapLockWaitShare
  const doubt =
    classic.repetitions > 1 && overlaps(share, other) && share.median !== other.median
      ? ' (no difference beyond the spread of the runs)'
      : ''
  return `${whose} ${waited}, ${formatShare(other.median)} under ${nameOf(best)}${doubt}.`
}

function unfaithful(report: ReplayReport, minimumFidelity: number): string {
  const failed = Math.max(...report.designs.map(({ fidelity }) => fidelity.failed))
  if (failed > 0) {
    return `This replay is wrong: ${plural(failed, 'access').replace(/ss(s)$/, 'sses')} failed that Linux allowed.`
  }
  const [worst] = report.designs
    .map(({ fidelity }) => fidelity)
    .toSorted((a, b) => explainedShare(a) - explainedShare(b))
  const { recorded, contradictory, ratio } = worst!
  if (ratio >= minimumFidelity) {
    return (
      `This recording contradicts itself too often for a verdict: ${formatCount(contradictory)} of ${plural(recorded, 'fault')} ` +
      `(${formatShare(contradictory / recorded)}) found their page missing and write-protected by turns, and nothing ` +
      'in the recording explains it.'
    )
  }
  const wanted = `the minimum is ${formatShare(minimumFidelity)}`
  return `This replay is not faithful enough for a verdict: ${formatShare(ratio)} of the recorded faults were reproduced, ${wanted}.`
}

function elapsedSentence(classic: DesignReport, best: DesignReport, hurts: boolean | null): string {
  const before = classic.elapsedMsSpread
  const after = best.elapsedMsSpread
  const times = `${formatDuration(after.median * 1e6)} against ${formatDuration(before.median * 1e6)}`
  if (classic.repetitions < 2) {
    return `Elapsed time was ${times}; one run cannot tell a difference from chance (see --repeat).`
  }
  if (overlaps(before, after)) {
    const runs = `the ${classic.repetitions} runs of one design`
    return `Elapsed time (${times}) differs no more than between ${runs}: no difference is shown.`
  }
  if (hurts === false) {
    return `Elapsed time of the replay was ${times}: the designs differ if faults follow each other at once, but in this program they do not.`
  }
  const change = Math.abs(1 - after.median / before.median)
  return `${best.design} took ${formatShare(change)} ${after.median < before.median ? 'less' : 'more'} time (${times}, beyond the spread of ${classic.repetitions} runs).`
}

function linuxSentence(trace: TraceReport): string {
  if (!trace.linux.recorded) {
    return 'The trace has no mmap_lock events, so it does not show whether Linux waited, nor whether the lock hurts.'
  }
  const { readers, writers } = trace.linux.lockWaitNs
  const waits = readers.count + writers.count
  if (waits === 0) return 'During the recording, Linux never waited for the lock.'
  const acquisitions = trace.linux.lockAcquisitions.readers + trace.linux.lockAcquisitions.writers
  const often = `${formatCount(waits)} of ${plural(acquisitions, 'time')} that it took the lock`
  const ofAll = shareOfAll(trace)
  const ofHot = shareOfHot(trace)
  const busiest = plural(trace.hotThreads.count, 'busiest thread')
  const hot = ofHot > ofAll ? `, and ${formatShare(ofHot)} of that of the ${busiest}` : ''
  const long = `${formatDuration(readers.total + writers.total)} in all, ${formatShare(ofAll)} of its threads' time${hot}`
  return `During the recording, Linux waited ${often}, ${long}.`
}
