// What is told of a recording that was read.

import type { ImportedTrace } from '../trace/imported-trace.ts'
import type { TraceReport } from './replay-report.ts'

/** What a recording tells by itself. */
export function traceReport(trace: ImportedTrace): TraceReport {
  return {
    path: trace.path,
    lines: trace.lines,
    events: trace.events,
    threads: trace.threads,
    processes: trace.processes,
    recordedFaults: trace.recordedFaults,
    linux: trace.linux,
    program: trace.process.name,
    process: trace.process.pid,
    processChoice: trace.processChoice,
    replayedProcesses: trace.replayed.processes,
    processThreads: trace.replayed.threads,
    durationMs: trace.durationMs,
    threadMs: trace.threadMs,
    locks: trace.locks,
    faultCensus: trace.faultCensus,
    kernel: trace.kernel,
    unhandledFaults: trace.unhandledFaults,
    lostEvents: trace.lostEvents,
    cpus: trace.cpus,
    hotThreads: trace.hotThreads,
    programs: trace.programs,
    costlyWaitShare: trace.costlyWaitShare,
    recordingMs: trace.recordingMs,
    warnings: trace.warnings,
  }
}
