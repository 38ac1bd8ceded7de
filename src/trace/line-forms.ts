/**
 * What a line begins with in the forms that name no process, or have no usual columns: `perf script` without `-F pid`,
 * ftrace's `trace` and `trace_pipe`, and `trace-cmd report`. Lines of these are fewer, and read as text.
 */

/** The beginning of a line, up to the colon behind its time. */
export interface LineHeader {
  readonly length: number
  /** Bytes of the name of the command. */
  readonly commLength: number
  readonly tid: number
  /** Undefined if it is not told. */
  readonly process: number | undefined
  /** -1 if it is not told. */
  readonly cpu: number
  /** As the line has it: `seconds.fraction`, `microsecondsus`, or the count of a clock. */
  readonly time: string
  readonly isFtrace: boolean
}

const BEFORE_TIME = String.raw`^ *(?:\S.* +)?-?\d+(?:\/\d+)? +(?:\[\d+\] +)?`
const EVENT = String.raw`(?:[a-z_]+:[a-z_0-9]+: |PERF_RECORD_\w+[ (:])`

/** `perf script` without `-F time`. */
export const HEADER_WITHOUT_TIME = new RegExp(BEFORE_TIME + EVENT)

/** With `-F tod`, beside the time or in its place. */
export const HEADER_WITH_DATE = new RegExp(
  String.raw`${BEFORE_TIME}\d{4}-\d\d-\d\d [\d:.]+ +(?:\d+\.\d+: +)?${EVENT}`,
)

/** The name of an event: behind the header of the first line that has one, else it is prose that has numbers. */
export const EVENT_BEHIND = /^\s+(?:\d+\s+)?(?:[^\s:]\S*:|PERF_RECORD_\w+|sys_\w+\(.*)(?:\s|$|\()/

/** What `perf script -F srcline` prints below each line of a call chain. */
export const SOURCE_LINE = /^ {2}[^\s:]*(?::\d+|:\?|\[[\da-f]+\])$/

/** `comm tid [cpu] seconds.fraction:`, the default of `perf script`. */
const THREAD = /^(\s*(?:\S.*?\s+)?)(\d+)\s+(?:\[(\d+)\]\s+)?(\d+\.\d{1,9}):(?=\s)/

/** The same where the command has its usual column, so that no name is taken for a header. */
const THREAD_IN_COLUMN = /^(.{16} +)(\d+)\s+(?:\[(\d+)\]\s+)?(\d+\.\d{1,9}):(?=\s)/

/** The same with `-L`: the command in eight columns, tid and CPU in as many as perf gives them. */
const THREAD_LATENCY = /^(.{8} )? {0,6}(\d{1,7}) ((?: |\d){2}\d) +(\d+\.\d{1,9}):(?=\s)/

/**
 * `comm-tid (process) [cpu] flags time:`; with `options/latency-format` and `trace-cmd report -l`, the CPU is before
 * the flags, and the former has microseconds. `trace-cmd report --ts-diff` puts a difference behind the time.
 */
const FTRACE = new RegExp(
  String.raw`^(\s*.+)-(\d+)\s+(?:\(\s*(\d+|-+)\)\s+)?` +
    String.raw`(?:\[(\d+)\]\s+(?:[^\s:\]]{1,8}\s+)?|(\d+)[^\s\d:]\S{3,7}\s+)` +
    String.raw`(\d+\.\d{1,9}|\d+us(?=[ +!#*@$]? ?:)|\d{1,15})[ +!#*@$]? ?:(?=\s)(?:\s+\(\+\d+\))?`,
)

/** `options/latency-format` with `options/verbose`: flags, depth, number and raw time, then milliseconds. */
const FTRACE_VERBOSE = new RegExp(
  String.raw`^(\s*\S.*?) +(\d+) +(\d+) \d [\da-f]{8} [\da-f]{8,16} \[[\da-f]+\] ` +
    String.raw`(\d+\.\d{3}ms) \(\+\d+\.\d{3}ms\):(?=\s)`,
)

/** The header of a line of `perf script` that names a thread alone; null if the line has none. */
export function threadHeader(text: string): LineHeader | null {
  const [whole, comm = '', tid, cpu, time] =
    THREAD_LATENCY.exec(text) ?? THREAD_IN_COLUMN.exec(text) ?? THREAD.exec(text) ?? []
  if (whole === undefined) return null
  return {
    length: whole.length,
    commLength: comm.length,
    tid: Number(tid),
    process: undefined,
    cpu: cpu === undefined ? -1 : Number(cpu),
    time: time!,
    isFtrace: false,
  }
}

/** The header of a line of ftrace or trace-cmd; null if the line has none. */
export function ftraceHeader(text: string): LineHeader | null {
  const [whole, comm, tid, group, cpu, bareCpu, time] = FTRACE.exec(text) ?? verboseParts(text) ?? []
  if (whole === undefined) return null
  return {
    length: whole.length,
    commLength: comm!.length,
    tid: Number(tid),
    process: group !== undefined && /^\d/.test(group) ? Number(group) : undefined,
    cpu: Number(cpu ?? bareCpu),
    time: time!,
    isFtrace: true,
  }
}

/** In the order of FTRACE; milliseconds as microseconds. */
function verboseParts(text: string): (string | undefined)[] | null {
  const [whole, comm, tid, cpu, time] = FTRACE_VERBOSE.exec(text) ?? []
  return time === undefined
    ? null
    : [whole, comm, tid, undefined, cpu, undefined, time.replace(/\.(\d{3})ms/, '$1us')]
}

/** The time of a header; null if it is the count of a clock (`counter`, `uptime`, `x86-tsc`). */
export function timeOf({
  time,
}: LineHeader): { readonly seconds: number; readonly nanoseconds: number; readonly digits: number } | null {
  if (time.endsWith('us')) {
    const us = Number(time.slice(0, -2))
    return { seconds: Math.floor(us / 1e6), nanoseconds: (us % 1e6) * 1000, digits: 6 }
  }
  const [seconds, fraction] = time.split('.')
  if (fraction === undefined) return null
  return { seconds: Number(seconds), nanoseconds: Number(fraction.padEnd(9, '0')), digits: fraction.length }
}
