// The verdict of a replay: does the mmap lock hurt this program, in sentences that the figures carry.
//
// Principles: nothing is claimed that the spread of the repetitions does not carry, and one repetition
// carries nothing about speed. The share of time that threads waited for the lock is the measure; elapsed
// time only confirms it. Whether the lock hurt the program is what Linux itself recorded, where it did. The
// replay leaves out the computing between the calls and faults, so that its threads meet far more often than
// the program's did: it tells the worst that the lock could do, and which design would meet it best.
import { overlaps } from '../workloads/statistics.ts'
import { formatCount, formatDuration, formatShare, plural } from './numbers.ts'
import { isFaithful, type DesignReport, type ReplayReport, type TraceReport } from './replay-report.ts'

export interface Verdict {
  readonly mood: 'good' | 'notable' | 'bad'
  readonly sentences: readonly string[]
}

/** Below this share of their time, waiting threads are not worth a change of design. */
const NEGLIGIBLE_SHARE = 0.01
/** From this share on, the lock is what the program waits for. */
const HARMFUL_SHARE = 0.1

/** What a replay says about its program. */
export function verdictOf(report: ReplayReport, minimumFidelity: number): Verdict {
  const classic = preferred(report.designs.filter(({ design }) => design === 'classic'))
  const linux = linuxSentence(report.trace)
  // What a replay that went wrong took is no measure of anything.
  if (!isFaithful(report, minimumFidelity)) {
    return { mood: 'bad', sentences: [unfaithful(report, minimumFidelity), linux] }
  }
  if (classic === undefined) {
    const missing = 'Without the classic design there is nothing to compare with: add it to --design.'
    return { mood: 'notable', sentences: [missing, linux] }
  }
  const pressure = classic.mmapLockWaitShare.median
  const share = linuxShare(report.trace) ?? pressure
  const rivals = report.designs.filter(({ design, rwsem }) => design !== 'classic' && rwsem === classic.rwsem)
  const best = rivals.toSorted((a, b) => a.mmapLockWaitShare.median - b.mmapLockWaitShare.median)[0]
  const sentences = [harmSentence(share), linux, pressureSentence(report, classic, best)]
  if (best) sentences.push(elapsedSentence(classic, best))
  if (pressure >= NEGLIGIBLE_SHARE && report.replayThreads > report.processors) {
    sentences.push(
      'There were more threads than processors, so these waits include waits for a processor: ' +
        `compare with --threads ${report.processors}.`,
    )
  }
  return { mood: share < NEGLIGIBLE_SHARE ? 'good' : 'notable', sentences }
}

/** The spinning form where it was run: the one that Linux has. */
function preferred(designs: readonly DesignReport[]): DesignReport | undefined {
  return designs.find(({ rwsem }) => rwsem === 'spinning') ?? designs[0]
}

function harmSentence(share: number): string {
  if (share < NEGLIGIBLE_SHARE) return 'The mmap lock does not hurt this program.'
  if (share < HARMFUL_SHARE) return 'The mmap lock hurts this program a little.'
  return 'The mmap lock hurts this program.'
}

function pressureSentence(
  report: ReplayReport,
  classic: DesignReport,
  best: DesignReport | undefined,
): string {
  const share = classic.mmapLockWaitShare
  const whose = `Replayed without the computing in between, ${plural(report.replayThreads, 'thread')}`
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
    return `This replay is wrong: ${plural(failed, 'access').replace(/ss(s)$/, 'sses')} failed that Linux had allowed.`
  }
  const ratio = Math.min(...report.designs.map(({ fidelity }) => fidelity.ratio))
  const wanted = `${formatShare(minimumFidelity)} are asked for`
  return `This replay is not faithful enough to judge by: ${formatShare(ratio)} of the recorded faults were reproduced, ${wanted}.`
}

function elapsedSentence(classic: DesignReport, best: DesignReport): string {
  const before = classic.elapsedMsSpread
  const after = best.elapsedMsSpread
  const times = `${formatDuration(after.median * 1e6)} against ${formatDuration(before.median * 1e6)}`
  if (classic.repetitions < 2) {
    return `Elapsed time was ${times}; one run cannot tell a difference from chance (see --repeat).`
  }
  if (overlaps(before, after)) {
    const runs = `the ${classic.repetitions} runs of one design`
    return `Elapsed time (${times}) differs no more than it does between ${runs}: no difference is shown.`
  }
  const change = Math.abs(1 - after.median / before.median)
  return `${best.design} took ${formatShare(change)} ${after.median < before.median ? 'less' : 'more'} time (${times}, beyond the spread of ${classic.repetitions} runs).`
}

/**
 * The share of its threads' time that Linux recorded as waits for the lock, or undefined when it did not record them.
 */
function linuxShare(trace: TraceReport): number | undefined {
  if (!trace.linux.recorded) return undefined
  const { readers, writers } = trace.linux.lockWaitNs
  return (readers.total + writers.total) / Math.max(1, trace.threadMs * 1e6)
}

function linuxSentence(trace: TraceReport): string {
  const share = linuxShare(trace)
  if (share === undefined) {
    return 'The trace has no mmap_lock events, so it does not tell what Linux itself waited.'
  }
  const { readers, writers } = trace.linux.lockWaitNs
  const waits = readers.count + writers.count
  if (waits === 0) return 'When it was recorded, Linux itself never had to wait for the lock.'
  const acquisitions = trace.linux.lockAcquisitions.readers + trace.linux.lockAcquisitions.writers
  const often = `${formatCount(waits)} of ${plural(acquisitions, 'time')} that it took the lock`
  const long = `${formatDuration(readers.total + writers.total)} in all, ${formatShare(share)} of its threads' time`
  return `When it was recorded, Linux itself waited ${often}, ${long}.`
}

/** A design and its rwsem, as one name. */
export function nameOf(design: { readonly design: string; readonly rwsem: string }): string {
  return `${design.design}/${design.rwsem}`
}
