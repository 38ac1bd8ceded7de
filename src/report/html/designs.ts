// The designs of a replay beside each other, with the spread of their runs; how faithful the replay was.
import { formatCount, formatDuration, formatRange, formatRate, formatShare, plural } from '../numbers.ts'
import type { DesignReport, ReplayReport } from '../replay-report.ts'
import { nameOf } from '../design-name.ts'
import { markup, type Markup, type Piece } from './markup.ts'
import { bar, table } from './table.ts'
import type { PageContent, Section } from './section.ts'

const FAULTS = 16

export function designsSection({ replays }: PageContent): Section | null {
  const all = replays.filter(({ designs }) => designs.length > 0)
  if (all.length === 0) return null
  return {
    id: 'designs',
    title: 'Designs beside each other',
    body: markup`<p>
        The recorded faults and calls, performed again as fast as the order of the recording allows: the worst
        that the lock could do, not how long the program takes. A line over a bar spans all runs; where lines
        overlap, no difference is shown.
      </p>
      ${all.map(designTable)}`,
  }
}

function designTable(replay: ReplayReport): Markup {
  const { designs } = replay
  const slowest = Math.max(...designs.map(({ elapsedMsSpread }) => elapsedMsSpread.max))
  const mostWaiting = Math.max(0.01, ...designs.map(({ mmapLockWaitShare }) => mmapLockWaitShare.max))
  const runs = Math.max(...designs.map(({ repetitions }) => repetitions))
  const how =
    runs > 1
      ? `the median of ${runs} runs in turn`
      : 'one run of each, which cannot tell a difference from chance'
  const rss = replay.rss === 'batched' ? '' : ', shared rss'
  return table(
    `On ${plural(replay.replayThreads, 'thread')} and ${plural(replay.processors, 'processor')}${rss}: ${how}`,
    [
      { heading: 'design' },
      { heading: 'elapsed', isNumber: true },
      { heading: '' },
      { heading: "waited for the lock, of threads' time", isNumber: true },
      { heading: '' },
      { heading: 'faults per second', isNumber: true },
      { heading: 'fault latency p50, p99', isNumber: true },
      { heading: 'speculative', isNumber: true },
      { heading: 'under the lock', isNumber: true },
    ],
    designs.map((design) => rowOf(design, slowest, mostWaiting)),
  )
}

function rowOf(design: DesignReport, slowest: number, mostWaiting: number): Piece[] {
  const { elapsedMsSpread: elapsed, mmapLockWaitShare: waiting, faultsPerSecondSpread: rate } = design
  const { attempted, succeeded } = design.speculative
  return [
    nameOf(design),
    spreadText(elapsed, (ms) => formatDuration(ms * 1e6)),
    bar([{ share: elapsed.median / slowest, colour: 'plain' }], {
      from: elapsed.min / slowest,
      to: elapsed.max / slowest,
    }),
    spreadText(waiting, formatShare),
    bar([{ share: waiting.median / mostWaiting, colour: 'wait' }], {
      from: waiting.min / mostWaiting,
      to: waiting.max / mostWaiting,
    }),
    spreadText(rate, formatRate),
    `${formatDuration(design.faultLatencyNs.p50)}, ${formatDuration(design.faultLatencyNs.p99)}`,
    attempted === 0 ? '–' : `${formatCount(succeeded)} of ${formatCount(attempted)}`,
    formatCount(design.classicFaults),
  ]
}

function spreadText(
  { median, min, max }: DesignReport['elapsedMsSpread'],
  format: (value: number) => string,
): Markup {
  return markup`${format(median)}${min === max ? null : markup`<br /><small>${formatRange(min, max, format)}</small>`}`
}

export function fidelitySection({ replays }: PageContent): Section | null {
  const designs = replays.flatMap((replay) => replay.designs)
  if (designs.length === 0) return null
  return {
    id: 'fidelity',
    title: 'Fidelity and corrections',
    body: markup`<p>
        A recorded fault is reproduced if the same access faults in the replay with the same error code. Where
        a code contradicts what the recording had told of the page before, the page is first brought into that
        state, uncounted: that is a correction.
      </p>
      ${fidelityTable(designs)}
      ${kindsTable('Faults not reproduced, by kind', designs, ({ fidelity }) => fidelity.notReproducedByKind)}
      ${kindsTable('Corrections, by kind', designs, ({ corrections }) => corrections)}
      ${unmatchedTable(designs)}`,
  }
}

function fidelityTable(designs: readonly DesignReport[]): Markup {
  return table(
    'The worst of all runs',
    [
      { heading: 'design' },
      { heading: 'recorded', isNumber: true },
      { heading: 'reproduced', isNumber: true },
      { heading: 'share', isNumber: true },
      { heading: 'without a correction', isNumber: true },
      { heading: 'contradictory', isNumber: true },
      { heading: 'accesses failed', isNumber: true },
    ],
    designs.map((design) => {
      const { recorded, reproduced, ratio, uncorrected, contradictory, failed } = design.fidelity
      const counts = [uncorrected, contradictory, failed].map(formatCount)
      return [nameOf(design), formatCount(recorded), formatCount(reproduced), formatShare(ratio), ...counts]
    }),
  )
}

function kindsTable(
  caption: string,
  designs: readonly DesignReport[],
  countsOf: (design: DesignReport) => Readonly<Record<string, number>>,
): Markup | null {
  const kinds = [...new Set(designs.flatMap((design) => Object.keys(countsOf(design))))].filter((kind) =>
    designs.some((design) => (countsOf(design)[kind] ?? 0) > 0),
  )
  if (kinds.length === 0) return null
  return table(
    caption,
    [{ heading: 'kind' }, ...designs.map((design) => ({ heading: nameOf(design), isNumber: true }))],
    kinds.map((kind) => [
      kind.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
      ...designs.map((design) => formatCount(countsOf(design)[kind] ?? 0)),
    ]),
  )
}

function unmatchedTable(designs: readonly DesignReport[]): Markup | null {
  const [design] = designs.filter(({ fidelity }) => fidelity.faults.length > 0)
  if (design === undefined) return null
  return table(
    `The first faults that were not reproduced under ${nameOf(design)}`,
    [
      { heading: 'line of the trace', isNumber: true },
      { heading: 'address' },
      { heading: 'thread', isNumber: true },
      { heading: 'kind' },
    ],
    design.fidelity.faults
      .slice(0, FAULTS)
      .map(({ line, address, tid, kind }) => [
        formatCount(line),
        markup`<code>${address}</code>`,
        String(tid),
        kind,
      ]),
  )
}
