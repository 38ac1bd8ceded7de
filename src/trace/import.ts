/**
 * `importTrace`: from the text of perf script to a recorded program that can be replayed.
 *
 * Principles: one pass, constant memory apart from the records (which go to a temporary file when they are large); what
 * the trace does not tell is said, as an error where nothing can be replayed without it, else as a warning.
 */
import type { Readable } from 'node:stream'
import { recordCommand, scriptCommand, TraceError } from './errors.ts'
import { Importer, type Process } from './importer.ts'
import type { Mapping } from './layout.ts'
import type { LinuxRecord } from './linux-locks.ts'
import { OpStore, type WordStreamHandle } from './op-store.ts'
import type { NotPerformed, RecordedThread } from './recorded-space.ts'
import { CALL_NAMES } from './scanner.ts'
import { openSource } from './source.ts'

export interface ImportOptions {
  /** The process to replay; the one with the most page faults unless given. */
  readonly process?: number
  /** Bytes of records that are kept in memory before a temporary file is used. Default 256 MiB. */
  readonly memoryLimit?: number
  /** Where the temporary file goes; the system's directory for that unless given. */
  readonly temporaryDirectory?: string
  /** What path `-` reads; the process's standard input unless given. */
  readonly stdin?: Readable
  /** Called about every megabyte of text. */
  readonly onProgress?: (progress: { readonly lines: number; readonly bytes: number }) => void
}

export interface ProcessSummary {
  readonly pid: number
  readonly name: string
  readonly faults: number
  readonly threads: number
}

/** One address space of the chosen process, as the trace tells it. */
export interface RecordedImage {
  /** It began as the copy of another process's, so that pages were there which no fault of this process brought in. */
  readonly inherited: boolean
  readonly prelude: readonly Mapping[]
  /** Where the heap begins and ends before the first operation, or -1. */
  readonly heapStart: number
  readonly heapEnd: number
  readonly threads: readonly RecordedThread[]
  /** Ranges that are mapped at any time, in order, as [start, end). */
  readonly extents: readonly (readonly [number, number])[]
  readonly records: WordStreamHandle
  readonly faults: number
  readonly notPerformed: Readonly<Record<NotPerformed, number>>
}

/** A recorded program, ready to be replayed. Call `close` when it is not needed any more. */
export interface ImportedTrace {
  readonly path: string
  readonly lines: number
  readonly events: number
  /** Bytes of text, decompressed. */
  readonly bytes: number
  /** Threads and processes in the whole trace. */
  readonly threads: number
  readonly processes: number
  /** Page faults in the whole trace. */
  readonly faults: number
  /** The process that will be replayed. */
  readonly process: ProcessSummary
  readonly processChoice: 'only' | 'busiest' | 'asked'
  /** The other processes with the most faults, at most four. */
  readonly others: readonly ProcessSummary[]
  /** Page faults of the chosen process. */
  readonly recordedFaults: number
  /** From the chosen process's first to its last event. */
  readonly durationMs: number
  readonly linux: LinuxRecord
  /** Events that are not needed, by name. */
  readonly otherEvents: Readonly<Record<string, number>>
  readonly knownEvents: Readonly<Record<string, number>>
  /** Events that perf lost. */
  readonly lostEvents: number
  /** Calls whose exit is not in the trace. */
  readonly openCalls: number
  /** What the trace does not tell, in sentences. */
  readonly warnings: readonly string[]
  readonly images: readonly RecordedImage[]
  /** Identity of each file; number 0 is none. */
  readonly files: readonly string[]
  /** Whether the records went to a temporary file. */
  readonly spooled: boolean
  /** As given to `importTrace`: they hold for the replay too. */
  readonly memoryLimit: number
  readonly temporaryDirectory: string | undefined
  /** Adds what `close` has to do. */
  onClose(action: () => void): void
  /** Removes temporary files. The trace cannot be replayed afterwards. */
  close(): void
}

const DEFAULT_MEMORY_LIMIT = 256 * 1024 * 1024
const OTHERS_SHOWN = 4
const PROGRESS_BYTES = 1 << 20
/** How much further to decompress, to see whether the gzip data is damaged. */
const CORRUPTION_SEARCH_BYTES = 256 << 20

/**
 * Reads a trace.
 * @param path a file (plain or gzip), or `-` for standard input
 * @throws TraceError with file, line and remedy
 */
export async function importTrace(path: string, options: ImportOptions = {}): Promise<ImportedTrace> {
  const source = openSource(path, options.stdin)
  const store = new OpStore(
    source.file,
    options.memoryLimit ?? DEFAULT_MEMORY_LIMIT,
    options.temporaryDirectory,
  )
  const importer = new Importer(source.file, store, options.process ?? null)
  let bytes = 0
  let reported = 0
  let problem: TraceError | null = null
  try {
    for await (const chunk of source.chunks()) {
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
  requireEvents(file, importer)
  const ranked = importer.processes.filter(({ pid }) => pid > 0).toSorted((a, b) => b.faults - a.faults)
  const chosen = choose(file, ranked, options.process)
  const images = chosen.images
    .filter((image) => image.faults > 0 || image.records.length > 0)
    .map((image) => ({
      inherited: image.inherited,
      prelude: image.prelude,
      heapStart: image.heapStart,
      heapEnd: image.heapEnd,
      threads: image.threads,
      extents: [...image.extents.ranges()],
      records: image.records.handle(),
      faults: image.faults,
      notPerformed: image.notPerformed,
    }))
  for (const process of importer.processes)
    if (process !== chosen) for (const image of process.images) image.discard()
  const performable = images.some(
    ({ faults, notPerformed }) => faults > Object.values(notPerformed).reduce((sum, count) => sum + count, 0),
  )
  if (!performable) {
    throw new TraceError(
      'missing-events',
      file,
      undefined,
      `none of the ${chosen.faults} page faults of process ${chosen.pid} is in a mapping that the trace tells of`,
      howToRecord(['PERF_RECORD_MMAP2 (perf record -d, perf script --show-mmap-events)']),
    )
  }
  const { faults } = chosen
  const closing = [() => store.close()]
  return {
    path,
    lines: scanner.line,
    events: scanner.eventCount,
    bytes,
    threads: ranked.reduce((sum, { threads }) => sum + threads, 0),
    processes: ranked.length,
    faults: importer.faults,
    process: summary(chosen),
    processChoice: options.process !== undefined ? 'asked' : ranked.length === 1 ? 'only' : 'busiest',
    others: ranked
      .filter((process) => process !== chosen)
      .slice(0, OTHERS_SHOWN)
      .map(summary),
    recordedFaults: faults,
    durationMs:
      (chosen.lastSeconds - chosen.firstSeconds) * 1e3 +
      (chosen.lastNanoseconds - chosen.firstNanoseconds) / 1e6,
    linux: chosen.locks.summary(importer.lockEvents > 0, faults, importer.timeResolutionNs),
    otherEvents: scanner.counts(false),
    knownEvents: scanner.counts(true),
    lostEvents: importer.lostEvents,
    openCalls: importer.openCalls,
    warnings: warnings(importer, chosen),
    images,
    files: importer.files,
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
  return { pid, name, faults, threads }
}

function howToRecord(missing: readonly string[]): string {
  return `Missing: ${missing.join(', ')}. Record with: ${recordCommand} and print with: ${scriptCommand}.`
}

/** Without these nothing can be replayed. */
function requireEvents(file: string, importer: Importer): void {
  const missing: string[] = []
  const counts = importer.scanner.counts(true)
  if (importer.faults === 0) missing.push('exceptions:page_fault_user', 'exceptions:page_fault_kernel')
  const entered = importer.entered.some((count) => count > 0)
  const exited = importer.exited.some((count) => count > 0)
  if (!entered && !exited) {
    missing.push(...CALL_NAMES.flatMap((name) => [`syscalls:sys_enter_${name}`, `syscalls:sys_exit_${name}`]))
  } else {
    CALL_NAMES.forEach((name, call) => {
      // One call may be under way when the recording ends; several without any exit are not.
      if (importer.entered[call]! > 1 && importer.exited[call] === 0)
        missing.push(`syscalls:sys_exit_${name}`)
      if (importer.exited[call]! > 1 && importer.entered[call] === 0)
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

function choose(file: string, ranked: readonly Process[], wanted: number | undefined): Process {
  if (wanted === undefined) return ranked[0]!
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

function warnings(importer: Importer, chosen: Process): string[] {
  const all: string[] = []
  const { scanner } = importer
  if (importer.lostEvents > 0) {
    all.push(
      `perf lost ${importer.lostEvents} events, so the layout may be wrong from there on; record with a larger buffer (perf record -m 8192)`,
    )
  }
  if (importer.lockEvents === 0) {
    all.push(
      'the trace has no mmap_lock events: what Linux met at the lock is not known, and calls are ordered by their enter and exit',
    )
  }
  if (importer.mapRecords === 0) {
    all.push('the trace has no PERF_RECORD_MMAP2: what exec maps and which files are mapped is not known')
  }
  if (chosen.threads > 1 && importer.newTasks === 0) {
    all.push('the trace has no task:task_newtask: the order of thread creation is not known')
  }
  if (importer.impliedMappings > 0) {
    all.push(`${importer.impliedMappings} mappings were made by something that the trace does not show`)
  }
  if (importer.impliedUnmappings > 0) {
    all.push(`${importer.impliedUnmappings} mappings were removed by something that the trace does not show`)
  }
  if (importer.openCalls > 0)
    all.push(
      `${importer.openCalls} calls have no exit in the trace: those whose effect their arguments tell are taken to have succeeded, others are left out`,
    )
  if (chosen.images.length > 1) {
    all.push(
      `process ${chosen.pid} ran ${chosen.images.length} programs one after the other, each in an address space of its own`,
    )
  }
  const others = Object.values(scanner.counts(false)).reduce((sum, count) => sum + count, 0)
  if (others > 0) all.push(`${others} events of kinds that a replay does not need were skipped`)
  return all
}
