// What was recorded, in numbers, and how many of its faults took the mmap lock.
import { fileName } from '../../trace/bytes.ts'
import { formatCount, formatDuration, formatShare, plural } from '../numbers.ts'
import type { LockWait, TraceReport } from '../replay-report.ts'
import { kernelText, timeRows } from '../recorded-text.ts'
import { markup, type Markup } from './markup.ts'
import type { PageContent, Section } from './section.ts'

export function recordedSection({ trace }: PageContent): Section {
  return { id: 'recorded', title: 'Recorded', body: factList(factsOf(trace)) }
}

function factList(facts: readonly (readonly [string, string])[]): Markup {
  return markup`<dl class="facts">
    ${facts.map(
      ([name, value]) =>
        markup`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div> `,
    )}
  </dl>`
}

function factsOf(trace: TraceReport): (readonly [string, string])[] {
  const { linux } = trace
  const { faultsUnderMmapLock: locked, faultsWithoutMmapLock: unlocked } = linux
  const known = locked + unlocked
  const share =
    linux.recorded && known > 0
      ? `, ${formatCount(locked)} (${formatShare(locked / known)}) under the mmap lock`
      : ''
  const others =
    trace.processChoice === 'all'
      ? ` and ${plural(trace.replayedProcesses - 1, 'more process').replace(/ss(s)$/, 'sses')}`
      : ''
  return [
    [
      'recording',
      `${fileName(trace.path)}: ${plural(trace.lines, 'line')}, ${plural(trace.events, 'event')}`,
    ],
    ['program', `${trace.program} (${trace.process})${others}`],
    ['threads', formatCount(trace.processThreads)],
    ['time', formatDuration(trace.durationMs * 1e6)],
    ['page faults', `${formatCount(trace.recordedFaults)}${share}`],
    ...timeRows(trace),
    [
      'readers that waited',
      waitsOf(linux.recorded, linux.lockWaitNs.readers, linux.lockAcquisitions.readers),
    ],
    [
      'writers that waited',
      waitsOf(linux.recorded, linux.lockWaitNs.writers, linux.lockAcquisitions.writers),
    ],
    ['kernel', kernelText(trace)],
    ['events lost', formatCount(trace.lostEvents)],
  ]
}

function waitsOf(isRecorded: boolean, waits: LockWait, acquisitions: number): string {
  if (!isRecorded) return 'not recorded'
  const often = `${formatCount(waits.count)} of ${plural(acquisitions, 'acquisition')}`
  if (waits.count === 0) return often
  return `${often}, ${formatDuration(waits.total)} in all, p50 ${formatDuration(waits.p50)}, p99 ${formatDuration(waits.p99)}`
}
