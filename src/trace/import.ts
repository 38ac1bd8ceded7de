/**
 * `importFrom`: from the text of perf script to a recorded program that can be replayed.
 *
 * Principles: one pass, constant memory apart from the records (which go to a temporary file when they are large); what
 * the trace does not tell is said, as an error where nothing can be replayed without it, else as a warning.
 */
import type { Readable } from 'node:stream'
import { recordCommand, scriptCommand, TraceError } from './errors.ts'
import { Importer } from './importer.ts'
import type { ImportedTrace, ProcessSummary } from './imported-trace.ts'
import type { ImportObserver } from './observer.ts'
import { asPerfScript } from './perf-trace.ts'
import { memoryWarnings } from './recorded-kernel.ts'
import { OpStore } from './op-store.ts'
import { busiestOf, durationNs, programsOf } from './program-summaries.ts'
import type { Process } from './recorded-thread.ts'
import { CALL_NAMES } from './trace-events.ts'
import type { TraceSource } from './source-format.ts'

export interface ImportOptions {
  /**
   * What to replay: every process of the trace, with the forks between them (the default); the one with the most page
   * faults alone; or the one with this number alone.
   */
  readonly process?: 'all' | 'busiest' | number
  /** Whether it is to be replayed (the default): if not, events that only a replay needs may be missing. */
  readonly isReplayed?: boolean
  /** Whether the time between events is kept too, for a simulation. */
  readonly isTimed?: boolean
  /** Bytes of records that are kept in memory before a temporary file is used. Default 256 MiB. */
  readonly memoryLimit?: number
  /** Where the temporary file goes; the system's directory for that unless given. */
  readonly temporaryDirectory?: string
  /** What path `-` reads; the process's standard input unless given. */
  readonly stdin?: Readable
  /** Are told of each wait, hold, fault and call as the trace is read. */
  readonly observers?: readonly ImportObserver[]
  /** Called about every megabyte of text. */
  readonly onProgress?: (progress: { readonly lines: number; readonly bytes: number }) => void
}

const DEFAULT_MEMORY_LIMIT = 256 * 1024 * 1024
const OTHERS_SHOWN = 4
const PROGRESS_BYTES = 1 << 20
/** How much further to decompress, to see whether the gzip data is damaged. */
const CORRUPTION_SEARCH_BYTES = 256 << 20

/**
 * Reads a trace from where its bytes come.
 * @param path what the trace is called in what is told of it
 * @throws TraceError with file, line and remedy
 */
export async function importFrom(
  path: string,
  source: TraceSource,
  options: ImportOptions = {},
): Promise<ImportedTrace> {
  const store = new OpStore(
    source.file,
    options.memoryLimit ?? DEFAULT_MEMORY_LIMIT,
    options.temporaryDirectory,
  )
  const importer = new Importer(
    source.file,
    store,
    (options.process ?? 'all') === 'all',
    options.observers,
    options.isTimed,
  )
  let bytes = 0
  let reported = 0
  let problem: TraceError | null = null
  let traceLines: number | null = null
  try {
    const chunks = asPerfScript(
      source.file,
      source.chunks(),
      (lines) => (traceLines = lines),
      (line) => importer.scanner.namesLine(line),
    )
    for await (const chunk of chunks) {
      bytes += chunk.length
      if (problem !== null) {
        if (bytes > reported + CORRUPTION_SEARCH_BYTES) break
        continue
      }
      try {
        importer.scanner.feed(chunk)
      } catch (error) {
        // Damaged gzip data may decompress to something before its check fails: then that is the thing to tell.
        if (!(error instanceof TraceError && source.compressed)) throw error
        problem = error
        reported = bytes
      }
      source.line = importer.scanner.line
      if (options.onProgress !== undefined && bytes - reported >= PROGRESS_BYTES) {
        reported = bytes
        options.onProgress({ lines: importer.scanner.line, bytes })
      }
    }
    if (problem !== null) throw problem
    importer.end()
    importer.scanner.line = traceLines ?? importer.scanner.line
    return finish(path, source.file, importer, store, options, bytes)
  } catch (error) {
    store.close()
    throw error
  }
}

function finish(
  path: string,
  file: string,
  importer: Importer,
  store: OpStore,
  options: ImportOptions,
  bytes: number,
): ImportedTrace {
  const { scanner } = importer
  requireEvents(file, importer, options.isReplayed ?? true)
  const ranked = importer.processes.all.filter(({ pid }) => pid > 0).toSorted((a, b) => b.faults - a.faults)
  const chosen = choose(file, ranked, options.process)
  const whole = (options.process ?? 'all') === 'all'
  const replayed = whole ? ranked : [chosen]
  const { spaces, seats, records } = importer.recording
  const kept = whole ? spaces : chosen.images
  const images = kept.filter(
    ({ isReplaced, isUsed, faults, origin }) =>
      !isReplaced && (isUsed || faults > 0 || (whole && origin !== 'start')),
  )
  const numbers = new Int32Array(spaces.length).fill(-1)
  images.forEach((image, number) => (numbers[image.number] = number))
  const faults = replayed.reduce((sum, process) => sum + process.faults, 0)
  const performable = images.some(
    (image) => image.faults > Object.values(image.notPerformed).reduce((sum, count) => sum + count, 0),
  )
  if (!performable && (options.isReplayed ?? true)) {
    throw new TraceError(
      'missing-events',
      file,
      undefined,
      `none of the ${faults} page faults of ${whole ? 'the trace' : `process ${chosen.pid}`} is in a mapping that the trace shows`,
      howToRecord(['PERF_RECORD_MMAP2 (perf record -d, perf script --show-mmap-events)']),
    )
  }
  const closing = [() => store.close()]
  const hot = hotThreads(replayed)
  const { hasSwitches } = importer.times
  const parallel = scanner.cpus === 0 ? hot.count : Math.min(hot.count, scanner.cpus)
  const faultCensus = importer.census.whole.census(parallel)
  const isDense = faultCensus.dense.faults * 10 >= importer.faults.count && faultCensus.dense.faults > 0
  const kernel = importer.kernel.judge(faultCensus.user, importer.locks.count > 0)
  return {
    path,
    lines: scanner.line,
    events: scanner.eventCount,
    bytes,
    threads: threadsOf(ranked),
    processes: ranked.length,
    faults: importer.faults.count,
    process: summary(chosen),
    processChoice:
      ranked.length === 1
        ? 'only'
        : typeof options.process === 'number'
          ? 'asked'
          : whole
            ? 'all'
            : 'busiest',
    replayed: { processes: replayed.length, threads: threadsOf(replayed) },
    others: ranked
      .filter((process) => process !== chosen)
      .slice(0, OTHERS_SHOWN)
      .map(summary),
    recordedFaults: faults,
    durationMs: durationNs(replayed) / 1e6,
    threadMs: replayed.reduce((sum, { threadNs }) => sum + threadNs, 0) / 1e6,
    linux: chosen.locks.summary(importer.locks.count > 0, faults, scanner.timeResolutionNs),
    locks: importer.locks.history.analysis(hasSwitches ? null : hot.count),
    faultCensus,
    kernel,
    cpus: scanner.cpus,
    hotThreads: hot,
    programs: programsOf(replayed, importer, parallel),
    eventNs: importer.locks.eventNs,
    lackedCpus: importer.activity.lacked?.stretches(scanner.cpus, importer.times.beginNs) ?? [],
    wakeLatencyNs: importer.activity.cpuUse.wakeLatencyNs,
    costlyWaitShare: hasSwitches ? importer.activity.cpuUse.costlyShare : 1,
    recordingMs: importer.kernel.recordingMs(scanner.eventCount, importer.newTasks),
    otherEvents: scanner.counts(false),
    knownEvents: scanner.counts(true),
    lostEvents: importer.lostEvents,
    openCalls: importer.calls.openCalls,
    unhandledFaults: importer.faults.unhandled,
    withoutFaultAround: importer.calls.withoutFaultAround,
    unseenMappings: images.reduce((sum, { unseenMappings }) => sum + unseenMappings, 0),
    warnings: [
      ...warnings(importer, replayed, whole),
      ...memoryWarnings(kernel, importer.hugeAdvised, isDense),
    ],
    images: images.map(
      ({ origin, inherited, prelude, heapStart, heapEnd, heapInherited, extents, ...image }) => ({
        origin,
        inherited,
        prelude,
        hasArguments: !inherited && !image.hasEmptyStack,
        heapStart,
        heapEnd,
        heapInherited,
        extents,
        faults: image.faults,
        notPerformed: image.notPerformed,
        fileRanges: image.fileRanges,
      }),
    ),
    seats: seats.map(({ tid, space, guest, lender, operations, taken, left }) => ({
      tid,
      image: numbers[space]!,
      guest,
      lender,
      operations,
      taken,
      left,
    })),
    records: records.handle(),
    times: importer.times.handle(),
    hasSwitches,
    files: importer.calls.files,
    spooled: store.spooled,
    memoryLimit: options.memoryLimit ?? DEFAULT_MEMORY_LIMIT,
    temporaryDirectory: options.temporaryDirectory,
    onClose: (action) => closing.push(action),
    close: () => {
      for (const action of closing.splice(0)) action()
    },
  }
}

function summary({ pid, name, faults, threads }: Process): ProcessSummary {
  return { pid, name, faults, threads: threads.length }
}

function hotThreads(processes: readonly Process[]): ImportedTrace['hotThreads'] {
  const hot = busiestOf(processes.flatMap(({ threads }) => threads))
  return {
    count: hot.length,
    waitedNs: hot.reduce((sum, { waitedNs }) => sum + waitedNs, 0),
    aliveNs: hot.reduce((sum, thread) => sum + thread.process.aliveNs(thread), 0),
  }
}

/** One digit is enough: it is about seconds. */
function seconds(ns: number): string {
  return `${(ns / 1e9).toFixed(1)} s`
}

function counted(count: number, one: string, several: string): string {
  return `${count} ${count === 1 ? one : several}`
}

function threadsOf(processes: readonly Process[]): number {
  return processes.reduce((sum, { threads }) => sum + threads.length, 0)
}

function howToRecord(missing: readonly string[]): string {
  return `Missing: ${missing.join(', ')}. Record with: ${recordCommand} and print with: ${scriptCommand}.`
}

/** Without these nothing can be replayed. */
function requireEvents(file: string, importer: Importer, isReplayed: boolean): void {
  const exited = importer.calls.exited.some((count) => count > 0)
  if (!isReplayed && (importer.locks.count > 0 || importer.faults.count > 0 || exited)) return
  const missing: string[] = []
  if (importer.faults.bare > 0)
    throw new TraceError(
      'missing-events',
      file,
      undefined,
      'the page faults were recorded by the event page-faults, without error codes',
      'faultline report reads this; a replay needs the tracepoints of page faults, which x86-64 has.',
    )
  const counts = importer.scanner.counts(true)
  if (importer.faults.count === 0) missing.push('exceptions:page_fault_user', 'exceptions:page_fault_kernel')
  const entered = importer.calls.entered.some((count) => count > 0)
  if (importer.faults.count === 0 && !entered && !exited && importer.kernel.isOfRecord)
    throw new TraceError(
      'missing-events',
      file,
      undefined,
      'there is no page fault and no memory call in it: the recorded program did nothing with memory',
      'Record for longer, or while the program is busy.',
    )
  if (!entered && !exited) {
    // A program that was there before may fault for as long as it is watched, and call nothing.
    if (importer.faults.count > 0 && importer.attached) return
    missing.push(...CALL_NAMES.flatMap((name) => [`syscalls:sys_enter_${name}`, `syscalls:sys_exit_${name}`]))
  } else {
    CALL_NAMES.forEach((name, call) => {
      // One call may be under way when the recording ends; several without any exit are not.
      if (importer.calls.entered[call]! > 1 && importer.calls.exited[call] === 0)
        missing.push(`syscalls:sys_exit_${name}`)
      if (importer.calls.exited[call]! > 1 && importer.calls.entered[call] === 0)
        missing.push(`syscalls:sys_enter_${name}`)
    })
  }
  if (missing.length === 0) return
  const found = Object.entries({ ...counts, ...importer.scanner.counts(false) })
    .filter(([, count]) => count > 0)
    .map(([name]) => name)
  throw new TraceError(
    'missing-events',
    file,
    undefined,
    `the trace has ${found.slice(0, 6).join(', ')}${found.length > 6 ? ' and others' : ''}, but lacks events that a replay needs`,
    howToRecord(missing),
  )
}

function choose(file: string, ranked: readonly Process[], wanted: ImportOptions['process']): Process {
  if (typeof wanted !== 'number') return ranked[0]!
  const found = ranked.find(({ pid }) => pid === wanted)
  const list = ranked
    .slice(0, 8)
    .map(({ pid, name, faults }) => `${pid} (${name}, ${faults} faults)`)
    .join(', ')
  if (found === undefined) {
    throw new TraceError(
      'no-such-process',
      file,
      undefined,
      `there is no process ${wanted} in the trace`,
      `It has: ${list}.`,
    )
  }
  if (found.faults === 0) {
    throw new TraceError(
      'no-such-process',
      file,
      undefined,
      `process ${wanted} took no page fault`,
      `Choose one of: ${list}.`,
    )
  }
  return found
}

function warnings(importer: Importer, replayed: readonly Process[], whole: boolean): string[] {
  const all: string[] = []
  const { scanner } = importer
  if (importer.lostEvents > 0) {
    all.push(
      `perf lost ${importer.lostEvents} events, so the layout may be wrong from there on; record with a larger buffer (perf record -m 8192)`,
    )
  }
  if (importer.overwrittenEvents > 0) {
    all.push(
      `ftrace had overwritten ${importer.overwrittenEvents} events when it was printed, so the beginning is missing, on each CPU for another time; record with a larger buffer (buffer_size_kb)`,
    )
  }
  const { longestGapNs: gapNs, longestGapLine } = scanner
  const allNs = scanner.nowNs - scanner.firstSeconds * 1e9 - scanner.firstNanoseconds
  if (gapNs > 1e9 && gapNs > allNs / 2) {
    all.push(
      `nothing is recorded for ${seconds(gapNs)} of ${seconds(allNs)}, until line ${longestGapLine}: an idle program, a clock that jumped, or two recordings in one file`,
    )
  }
  if (importer.locks.count === 0) {
    all.push(
      'the trace has no mmap_lock events: waits for the lock are unknown, and calls are ordered by their enter and exit',
    )
  }
  if (importer.faults.bare > 0) {
    all.push(
      'page faults have no error codes (event page-faults): it is unknown which of them wrote, and which copied a page',
    )
  }
  if (scanner.isCut) all.push('the text ends within a line, which is left out; anything after it is missing')
  if (scanner.threadsAlone > 1) {
    all.push(
      `the lines name no processes (perf script -F pid; options/record-tgid of ftrace): ${scanner.threadsAlone} threads from before the recording count as processes of their own`,
    )
  }
  if (scanner.hasForeignNumbers) {
    all.push(
      'it was recorded in a PID namespace, as in a container, where tracepoints number threads as the machine does: it is unknown which thread created which; print it with perf script --show-task-events',
    )
  }
  if (importer.mapRecords === 0) {
    all.push('the trace has no PERF_RECORD_MMAP2: the mappings of exec and the mapped files are unknown')
  }
  if (replayed.some(({ threads }) => threads.length > 1) && importer.newTasks === 0) {
    all.push('the trace has no task:task_newtask: the order of thread creation is unknown')
  }
  if (importer.calls.impliedMappings > 0) {
    all.push(
      `${counted(importer.calls.impliedMappings, 'mapping was', 'mappings were')} made by something that the trace does not show`,
    )
  }
  if (importer.calls.impliedUnmappings > 0) {
    all.push(
      `${counted(importer.calls.impliedUnmappings, 'mapping was', 'mappings were')} removed by something that the trace does not show`,
    )
  }
  if (importer.calls.entered.every((count) => count === 0)) {
    all.push('the trace has no memory call: if calls were recorded, the program made none')
  }
  if (importer.faults.unhandled > 0) {
    all.push(
      `${counted(importer.faults.unhandled, 'fault', 'faults')} inside the kernel with page faults disabled, which it did not handle: not counted`,
    )
  }
  if (importer.calls.openCalls > 0)
    all.push(
      `${counted(importer.calls.openCalls, 'call has', 'calls have')} no exit in the trace: calls whose arguments show the effect count as successful, others are left out`,
    )
  const [first] = replayed
  if (!whole && first!.images.length > 1) {
    all.push(
      `process ${first!.pid} ran ${first!.images.length} programs one after the other, each in an address space of its own`,
    )
  }
  const others = Object.values(scanner.counts(false)).reduce((sum, count) => sum + count, 0)
  if (others > 0) all.push(`${others} events of kinds that a replay does not need were skipped`)
  return all
}
