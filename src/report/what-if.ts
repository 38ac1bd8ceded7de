// What a simulation says of other designs and more CPUs: how far it can be believed, and what would help.
//
// Principle: nothing is named that chance makes too: a saving counts by the bound that gives least of it, and where it
// is larger than what another seed makes.
import type { WhatIf, WhatIfRun } from '../simulate/index.ts'
import type { Advice } from './advice.ts'
import { nameOf } from './design-name.ts'
import { formatCount, formatDuration, formatRange, formatShare, plural } from './numbers.ts'
import type { TraceReport } from './replay-report.ts'
import type { Style } from './style.ts'
import { type Column, formatTable, wrap } from './table.ts'

/** A simulation that is farther beside what was recorded promises nothing. */
const FACTOR_MAX = 1.5
/** Less of the time is not worth naming. */
const LEAST_SHARE = 0.005
/** More CPUs than bring most of what the most bring are not named. */
const MOST_OF_IT = 0.9
/** Waiting for less of the threads' time is hardly any. */
const HARDLY = 0.01

/** Whether what is simulated of the recorded kernel is near enough to what was recorded. */
export function isPromise({ error }: WhatIf): boolean {
  return worstFactor(error) <= FACTOR_MAX
}

function worstFactor({ elapsed, waits, waitedMs }: WhatIf['error']): number {
  return Math.max(elapsed, waits ?? 1, waitedMs ?? 1)
}

/** Of a run, from the least to the most of its bounds. */
export function elapsedText({ bounds }: WhatIfRun): string {
  return rangeText(
    bounds.map(({ elapsedMs }) => elapsedMs * 1e6),
    formatDuration,
  )
}

export function waitsText({ bounds }: WhatIfRun): string {
  return rangeText(
    bounds.map(({ waits }) => waits.count),
    formatCount,
  )
}

export function waitedText({ bounds }: WhatIfRun): string {
  return rangeText(
    bounds.map(({ waits }) => waits.totalMs * 1e6),
    formatDuration,
  )
}

function rangeText(values: readonly number[], format: (value: number) => string): string {
  const [least, most] = [Math.min(...values), Math.max(...values)]
  return format(least) === format(most) ? format(least) : formatRange(least, most, format)
}

/** How much shorter one run is than another, in milliseconds, by the bound by which it is least. */
function savedMs(before: WhatIfRun, after: WhatIfRun): number {
  return Math.min(
    ...before.bounds.map(({ elapsedMs }, bound) => elapsedMs - (after.bounds[bound]?.elapsedMs ?? elapsedMs)),
  )
}

function leastElapsedMs({ bounds }: WhatIfRun): number {
  return Math.min(...bounds.map(({ elapsedMs }) => elapsedMs))
}

/** Whether a saving is worth naming, and more than chance makes. */
function isNamed(saved: number, before: WhatIfRun, { seedSpread }: WhatIf): boolean {
  return saved > 0 && saved >= leastElapsedMs(before) * Math.max(LEAST_SHARE, seedSpread)
}

interface Saving {
  readonly before: WhatIfRun
  readonly after: WhatIfRun
  readonly ms: number
}

/** The best other design on so many CPUs, if it is worth naming. */
function bestDesign(whatIf: WhatIf, cpus: number): Saving | null {
  const there = whatIf.runs.filter((run) => run.cpus === cpus)
  const before = there.find(({ design }) => design === whatIf.recorded.design)
  if (before === undefined) return null
  const [best] = there
    .filter((run) => run !== before)
    .map((after) => ({ before, after, ms: savedMs(before, after) }))
    .toSorted((a, b) => b.ms - a.ms)
  return best !== undefined && isNamed(best.ms, before, whatIf) ? best : null
}

/** The fewest CPUs that bring most of what more bring, under the recorded design. */
function moreCpus(whatIf: WhatIf): Saving | null {
  const { recorded, runs } = whatIf
  const [before] = runs
  const all = runs
    .filter(({ design, cpus }) => design === recorded.design && cpus > recorded.cpus)
    .map((after) => ({ before: before!, after, ms: savedMs(before!, after) }))
    .filter(({ ms }) => isNamed(ms, before!, whatIf))
  const most = Math.max(...all.map(({ ms }) => ms))
  return (
    all.filter(({ ms }) => ms >= MOST_OF_IT * most).toSorted((a, b) => a.after.cpus - b.after.cpus)[0] ?? null
  )
}

function kernelOf(design: string): string {
  if (design === 'classic') return 'a kernel that takes every fault under the mmap lock (classic)'
  if (design.startsWith('per-vma')) return `a kernel with per-VMA locks (${design})`
  return `a kernel with speculative page faults (${design})`
}

/** Other kernels, and more CPUs, where the simulation says that they help. */
export function whatIfAdvice(whatIf: WhatIf): Advice[] {
  const { recorded, machine } = whatIf
  const doubt = isPromise(whatIf)
    ? ''
    : ` The simulation differs from the recording by a factor of ${worstFactor(whatIf.error).toFixed(1)}: no promise.`
  const advice = ({ before, after, ms }: Saving, change: string): Advice => ({
    change,
    savesMs: Math.round(ms * 100) / 100,
    how:
      `Simulated on ${machine.name}: ${elapsedText(before)} with ${plural(before.cpus, 'CPU')} under ${before.design}, ` +
      `${elapsedText(after)} with ${plural(after.cpus, 'CPU')} under ${after.design}; ` +
      `waits for the lock: ${waitsText(before)}, then ${waitsText(after)}.${doubt}`,
  })
  const design = bestDesign(whatIf, recorded.cpus)
  const cpus = moreCpus(whatIf)
  return [
    ...(design === null ? [] : [advice(design, `Run it on ${kernelOf(design.after.design)}.`)]),
    ...(cpus === null ? [] : [advice(cpus, `Give it ${plural(cpus.after.cpus, 'CPU')}.`)]),
  ]
}

/** What the simulation says, and how far it is beside what was recorded. */
export function whatIfSentences(whatIf: WhatIf, trace: TraceReport): string[] {
  const sentences = [errorSentence(whatIf)]
  const counts = [...new Set(whatIf.runs.map(({ cpus }) => cpus))]
  const designs = new Set(whatIf.runs.map(({ design }) => design))
  if (designs.size > 1) {
    const helpful = counts.map((cpus) => bestDesign(whatIf, cpus)).filter((saving) => saving !== null)
    for (const { before, after, ms } of helpful)
      sentences.push(
        `On ${plural(after.cpus, 'CPU')}, ${kernelOf(after.design)}: −${formatDuration(ms * 1e6)} of ${elapsedText(before)}.`,
      )
    if (helpful.length === 0) sentences.push(`No fault design helps: ${whyNone(whatIf, trace)}.`)
  }
  const cpus = moreCpus(whatIf)
  if (cpus !== null)
    sentences.push(
      `On ${plural(cpus.after.cpus, 'CPU')} instead of ${cpus.before.cpus}, with the same kernel: −${formatDuration(cpus.ms * 1e6)}.`,
    )
  if (whatIf.leftOut.length > 0) {
    const names = whatIf.leftOut.map(({ design, cpus: count }) => `${design} on ${count}`)
    sentences.push(`Left out because of too many events: ${names.join(', ')} (see --most-events).`)
  }
  return sentences
}

function errorSentence(whatIf: WhatIf): string {
  const { recorded, runs, error, seedSpread } = whatIf
  const first = runs[0]!
  const { waits } = recorded
  const wereWaits =
    waits === null ? '' : `, ${plural(waits.count, 'wait')} of ${formatDuration(waits.totalMs * 1e6)} in all`
  const areWaits = `, ${waitsText(first)} waits of ${waitedText(first)} in all`
  const factor = worstFactor(error)
  const near =
    factor <= FACTOR_MAX
      ? `within a factor of ${Math.max(1.01, Math.ceil(factor * 100) / 100)}`
      : `different by a factor of ${factor.toFixed(1)}, so these figures are no promise`
  return (
    `The recorded kernel and its ${plural(recorded.cpus, 'CPU')}: recorded, ${formatDuration(recorded.elapsedMs * 1e6)}${wereWaits}; ` +
    `simulated as ${nameOf(first)}, ${elapsedText(first)}${areWaits}; over all seeds, ${near}. Another seed changes the time by up to ` +
    `${formatShare(seedSpread)}.`
  )
}

/** Why no other design of page faults makes a difference. */
function whyNone({ runs }: WhatIf, { locks, faultCensus }: TraceReport): string {
  const waited = Math.max(
    ...runs.flatMap(({ bounds }) =>
      bounds.map(({ waits, elapsedMs }) => waits.totalMs / Math.max(1e-9, elapsedMs)),
    ),
  )
  if (waited < HARDLY) return 'threads hardly wait for the lock'
  const kept = Object.values(locks.keptNs).reduce((sum, ns) => sum + ns, 0)
  if (locks.keptNs.writersByWriters > kept / 2) return 'writers wait for writers'
  const byKernel = Object.values(faultCensus.kernel).reduce((sum, { lockedFaults }) => sum + lockedFaults, 0)
  if (byKernel > faultCensus.user.lockedFaults)
    return 'the faults under the lock are those inside the kernel, which every design takes under it'
  const before = runs[0]!
  const others = runs.filter((run) => run !== before && run.cpus === before.cpus)
  if (others.every((run) => savedMs(before, run) < 0)) return 'the recorded kernel’s own does best'
  return 'they save less waiting than chance changes'
}

export function whatIfLines(whatIf: WhatIf, trace: TraceReport, style: Style, width: number): string[] {
  const { runs, machine, recorded } = whatIf
  const column = (
    heading: readonly string[],
    first: string,
    cell: (run: WhatIfRun) => string,
    align: Column['align'] = 'right',
  ): Column => ({ heading, align, cells: [first, ...runs.map(cell)] })
  const table = formatTable(
    [
      column(['design'], 'as recorded', nameOf, 'left'),
      column(['CPUs'], String(recorded.cpus), ({ cpus }) => String(cpus)),
      column(['elapsed'], formatDuration(recorded.elapsedMs * 1e6), elapsedText),
      column(['waits'], recorded.waits === null ? '–' : formatCount(recorded.waits.count), waitsText),
      column(
        ['in all'],
        recorded.waits === null ? '–' : formatDuration(recorded.waits.totalMs * 1e6),
        waitedText,
      ),
      column(['faults under', 'the lock'], underLock(trace), ({ lockedFaults }) => formatCount(lockedFaults)),
    ],
    { width, styleHeading: style.faint },
  )
  return [
    '',
    style.heading('WHAT IF') + style.faint(`  simulated on ${machine.name}; waits with a visible holder`),
    ...table,
    ...wrap(whatIfSentences(whatIf, trace).join(' '), width, 2),
  ]
}

export function underLock({ linux }: TraceReport): string {
  return linux.recorded ? formatCount(linux.faultsUnderMmapLock) : '–'
}
