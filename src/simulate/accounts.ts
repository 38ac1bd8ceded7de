// Where simulated CPUs have spent their time in the measured window: by cause, by line, by lock.

// Causes.
/** Kernel code, its accesses that hit included. */
export const WORKING = 0
export const EXCEPTION = 1
export const SYSTEM_CALL = 2
/** Clearing and copying pages. */
export const CLEARING = 3
/** Waiting for a line that is on its way, or that another core is being given first. */
export const LINE = 4
/** Spinning until somebody changes a word. */
export const SPINNING_ON = 5
export const ASLEEP = 6
/** Calling other CPUs, and being called. */
export const INTERRUPT = 7
/** Waking others. */
export const WAKING = 8
/** The program's own, of a recorded one. */
export const COMPUTING = 9

export const causeNames = [
  'working',
  'exceptions',
  'systemCalls',
  'clearing',
  'lines',
  'spinning',
  'asleep',
  'interrupts',
  'waking',
  'computing',
] as const

export class Accounts {
  /** The measured window, in nanoseconds of virtual time. */
  from = Infinity
  to = Infinity
  readonly byCause = new Float64Array(causeNames.length)
  /** By line: how often another core or the last level gave it, and how long it was waited for, in nanoseconds. */
  transfers: Int32Array
  lineNs: Float64Array
  /** The cell for which a line came last. */
  cells: Int32Array
  /** By the cell that was watched, and by the lock that was slept for. */
  readonly spinNs = new Map<number, number>()
  readonly asleepNs = new Map<number, number>()

  constructor(lines: number) {
    this.transfers = new Int32Array(lines)
    this.lineNs = new Float64Array(lines)
    this.cells = new Int32Array(lines)
  }

  /** Notes the part of [from, to) that lies in the window. Returns how long it is. */
  add(cause: number, from: number, to: number): number {
    if (to <= this.from || from >= this.to) return 0
    const ns = Math.min(to, this.to) - Math.max(from, this.from)
    this.byCause[cause]! += ns
    return ns
  }

  addLine(line: number, from: number, to: number): void {
    const ns = this.add(LINE, from, to)
    if (ns > 0) this.lineNs[line]! += ns
  }

  addTransfer(line: number, cell: number, at: number): void {
    if (at < this.from || at >= this.to) return
    this.transfers[line]!++
    this.cells[line] = cell
  }

  addWait(cause: number, of: Map<number, number>, what: number, from: number, to: number): void {
    const ns = this.add(cause, from, to)
    if (ns > 0) of.set(what, (of.get(what) ?? 0) + ns)
  }

  grow(lines: number): void {
    if (lines <= this.transfers.length) return
    const transfers = new Int32Array(lines)
    transfers.set(this.transfers)
    const lineNs = new Float64Array(lines)
    lineNs.set(this.lineNs)
    const cells = new Int32Array(lines)
    cells.set(this.cells)
    this.cells = cells
    this.transfers = transfers
    this.lineNs = lineNs
  }
}
