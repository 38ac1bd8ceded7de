// What `faultline simulate TRACE` prints: how long the recorded program takes on so many CPUs, between two bounds, and
// how often it waits for the mmap lock, beside what Linux recorded.
import type { SimulatedTraceRun, TraceSimulateResult } from '../simulate/index.ts'
import { formatCount, formatShare } from './numbers.ts'
import { simulatedKernelWords } from './simulated-kernel.ts'
import { plainStyle, type TextOptions } from './style.ts'
import { type Column, formatTable, wrap } from './table.ts'

export function simulateTraceText(result: TraceSimulateResult, options: TextOptions = {}): string {
  const { style = plainStyle, width = 100 } = options
  const { trace, machine, runs } = result
  const heading = `${trace.path} on ${machine.name}, simulated: the kernel’s own source in virtual time`
  const table = formatTable(columnsOf(runs), {
    width: Number.POSITIVE_INFINITY,
    styleHeading: style.faint,
    styleLabel: (text) => text,
  })
  const paragraphs = [
    recordedWords(result),
    gapWords(result),
    simulatedKernelWords(result.kernel.options),
    fidelityWords(result),
    ...trace.warnings,
  ]
  return `${[
    style.heading(heading),
    '',
    ...table,
    '',
    ...paragraphs.filter((paragraph) => paragraph !== '').flatMap((paragraph) => wrap(paragraph, width, 2)),
  ].join('\n')}\n`
}

function columnsOf(runs: readonly SimulatedTraceRun[]): Column[] {
  const column = (
    heading: readonly string[],
    cell: (run: SimulatedTraceRun) => string,
    align: Column['align'] = 'right',
  ): Column => ({ heading, align, cells: runs.map(cell) })
  return [
    column(['design/rwsem'], (run) => `${run.design}/${run.rwsem}`, 'left'),
    column(['CPUs'], (run) => String(run.cpus)),
    column(['gaps', 'are'], (run) => run.gaps, 'left'),
    column(['elapsed'], (run) => milliseconds(run.virtualMs)),
    column(['idle'], (run) => formatShare(run.idleShare)),
    column(['waited', 'for a CPU'], (run) => milliseconds(run.queuedMs)),
    column(['waits for', 'mmap lock'], ({ heldWaits }) => formatCount(heldWaits.count)),
    column(['in', 'all'], ({ heldWaits }) => milliseconds(heldWaits.totalMs)),
    column(['faults', 'under it'], (run) => formatCount(run.lockedFaults)),
  ]
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(ms < 100 ? 2 : 1)} ms`
}

function recordedWords({ trace }: TraceSimulateResult): string {
  const { linux, heldWaits, cpus, durationMs, threads, lanes } = trace
  const { readers, writers } = linux.lockWaitNs
  const on = cpus === 0 ? '' : ` on ${cpus} CPUs`
  const waits = linux.recorded
    ? `${formatCount(readers.count + writers.count)} waits for the mmap lock, ${milliseconds((readers.total + writers.total) / 1e6)} ` +
      `in all, of which ${formatCount(heldWaits.count)}, ${milliseconds(heldWaits.totalMs)}, have a visible holder; ` +
      `${formatCount(linux.faultsUnderMmapLock)} faults under it`
    : 'no events of the mmap lock'
  return `Recorded${on}: ${milliseconds(durationMs)}, ${waits}; ${threads} threads, ${lanes} of them at once.`
}

function gapWords({ trace }: TraceSimulateResult): string {
  const { faultNs, eventNs, blockedAfterNs, hasSwitches } = trace
  const taken =
    'Calls and faults take, and hold the mmap lock, at least as long as recorded; a fault whose end is not in the ' +
    `recording takes ${(faultNs / 1000).toFixed(1)} µs, and writing an event of the lock ${(eventNs / 1000).toFixed(1)} µs.`
  if (hasSwitches)
    return `Between two events a thread computes, except while the recording has it switched out. ${taken}`
  return (
    'The recording does not show what a thread did between two events. With gaps “computing”, it computed, and waited ' +
    'while another thread was seen on its CPU; with gaps “blocking”, it slept then, and in gaps ' +
    `longer than ${milliseconds(blockedAfterNs / 1e6)}. ` +
    taken
  )
}

/** What of the recording did not happen in a run: of the first in which something did not. */
function fidelityWords({ runs, trace }: TraceSimulateResult): string {
  const corrected = Object.values(trace.corrections).reduce((sum, count) => sum + count, 0)
  const worst = runs.toSorted((a, b) => a.fidelity.reproduced - b.fidelity.reproduced)[0]!
  const { recorded, reproduced, failures } = worst.fidelity
  const failed = Object.entries(failures).map(([what, count]) => `${count} × ${what}`)
  return [
    `${formatCount(reproduced)} of ${formatCount(recorded)} faults are reproduced (${worst.design}, ${worst.cpus} CPUs).`,
    corrected === 0
      ? ''
      : ` Before ${formatCount(corrected)} of them, the simulator corrected the state of the page.`,
    failed.length === 0 ? '' : ` Failed here but not in Linux: ${failed.join(', ')}.`,
  ].join('')
}
