// What recording is tried out on, to see what it costs: takes page faults, starts processes, and prints what that took.
//
// Principle: CPU time, as other programs would change any other; of many faults the quickest quarter.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const PAGE = 4096
const PAGES = 256
const PIECES = 32
const STARTS = 100
/** A tick, in which /proc tells CPU time (USER_HZ), in nanoseconds. */
const TICK_NS = 10_000_000

/** Nanoseconds of CPU time. */
export interface Took {
  /** The number of its process. */
  readonly pid: number
  /** For a page fault. */
  readonly faultNs: number
  /** To create a process, which ends at once. */
  readonly taskNs: number
}

// WebAssembly memory is new, and mapped when it is made.
const memory = new Uint8Array(new WebAssembly.Memory({ initial: (PAGES * PIECES * PAGE) / 65_536 }).buffer)

function faultNs(piece: number): number {
  const before = process.resourceUsage().minorPageFault
  const from = cpuNs()
  for (let page = 0; page < PAGES; page++) memory[(piece * PAGES + page) * PAGE] = 1
  // A huge page is one fault.
  return (cpuNs() - from) / Math.max(1, process.resourceUsage().minorPageFault - before)
}

function cpuNs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

/** CPU time of processes that have ended: fields 16 and 17 of /proc/self/stat (proc_pid_stat(5)). */
function endedNs(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) * TICK_NS
}

function taskNs(): number {
  const from = cpuNs() + endedNs()
  // Nothing is there to be loaded.
  for (let start = 0; start < STARTS; start++) spawnSync('/dev/null/none', { stdio: 'ignore' })
  return (cpuNs() + endedNs() - from) / STARTS
}

const faults = Array.from({ length: PIECES }, (_, piece) => faultNs(piece)).toSorted((a, b) => a - b)
const took: Took = { pid: process.pid, faultNs: faults[PIECES >> 2]!, taskNs: taskNs() }
process.stdout.write(`${JSON.stringify(took)}\n`)
