// What a command says of a recording, and which of its processes it is about.
import { formatCount, type TraceReport } from '../report/index.ts'
import { importTrace, type ImportedTrace, type ImportOptions } from '../trace/index.ts'
import { UsageError } from './failure.ts'
import { MAX_PROCESS, parseCount } from './options.ts'
import { showProgress } from './progress.ts'

/** Reads a recording, and says how far it is. */
export function readRecording(path: string, options: ImportOptions): Promise<ImportedTrace> {
  return importTrace(path, {
    ...options,
    onProgress: ({ lines }) => showProgress(`reading ${path}: ${formatCount(lines)} lines`),
  })
}

/** A value of --process. */
export function parseProcess(text: string): 'all' | 'busiest' | number {
  if (text === 'all' || text === 'busiest') return text
  if (!/^\d+$/.test(text)) {
    throw new UsageError(`--process ${text} is not usable`, "give 'all', 'busiest' or a process number")
  }
  return parseCount(text, '--process', 1, MAX_PROCESS)
}

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
    unhandledFaults: trace.unhandledFaults,
    lostEvents: trace.lostEvents,
    cpus: trace.cpus,
    hotThreads: trace.hotThreads,
    warnings: trace.warnings,
  }
}
