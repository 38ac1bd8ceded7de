// What a run says: rates, and where the time goes, with the kernel's names for lines and locks.

import { KernelNames, shortName } from '../check/kernel-names.ts'
import { Header, PAGE_STRUCT_WORDS } from '../kernel/index.ts'
import { ASLEEP, LINE, SPINNING_ON, causeNames } from './accounts.ts'
import type { RawRun } from './run.ts'
import { LINE_SHIFT } from './lines.ts'

export interface LineFinding {
  /** Object and field of the kernel. */
  readonly name: string
  /** How often it comes from another core, or from the last-level cache, for each thing that is counted. */
  readonly transfersPerFault: number
}

/** One workload under one design on so many CPUs. */
export interface SimulatedRun {
  readonly design: string
  readonly rwsem: string
  readonly cpus: number
  /** What was counted in the window. */
  readonly faults: number
  readonly virtualMs: number
  readonly faultsPerSecond: number
  /** The share of the CPUs' time in which they had nothing to do, from 0 to 1. */
  readonly idleShare: number
  /**
   * Shares of the CPUs' time, together 1: `working`, `exceptions`, `systemCalls`, `clearing`, `interrupts`, `waking`,
   * and what was waited for: `line NAME`, `spinning NAME`, `asleep NAME`.
   */
  readonly timeByCause: Readonly<Record<string, number>>
  /** Those that travel most, the first 12. */
  readonly lines: readonly LineFinding[]
  /** Faults that were not handled without the mmap lock, by the kernel's counters of reasons. */
  readonly fallbacks: Readonly<Record<string, number>>
  readonly wallMs: number
  /** Accesses of the kernel that were simulated, warm-up included. */
  readonly accesses: number
  /** Of workloads whose threads measure themselves: how long one takes on average, in milliseconds. */
  readonly threadMs?: number
}

const LINES_TOLD = 12
/** Lines and locks that take less of the time than this are told together. */
const SHARE_TOLD = 0.005
const NAMED_MAX = 400

export function findingsOf(raw: RawRun, design: string, rwsem: string): SimulatedRun {
  const { accounts, accesses } = raw.simulator
  const namer = new Namer(raw)
  const total = accounts.byCause.reduce((sum, ns) => sum + ns, 0)
  const time = new Map<string, number>()
  const add = (name: string, ns: number): void => void time.set(name, (time.get(name) ?? 0) + ns / total)
  const lineOfName = linesByName(raw, namer)
  causeNames.forEach((name, cause) => {
    const ns = accounts.byCause[cause]!
    if (cause === LINE)
      addNamed(add, 'line', new Map([...lineOfName].map(([key, { ns: of }]) => [key, of])), ns, total)
    else if (cause === SPINNING_ON) addNamed(add, 'spinning', namer.sums(accounts.spinNs, 0), ns, total)
    else if (cause === ASLEEP)
      addNamed(add, 'asleep', namer.sums(accounts.asleepNs, raw.firstCell), ns, total)
    else add(name, ns)
  })
  const lines = [...lineOfName]
    .map(([name, { transfers }]) => ({ name, transfersPerFault: transfers / raw.counted }))
    .filter(({ transfersPerFault }) => transfersPerFault >= 0.001)
    .toSorted((a, b) => b.transfersPerFault - a.transfersPerFault || (a.name < b.name ? -1 : 1))
  return {
    design,
    rwsem,
    cpus: raw.cpus,
    faults: raw.counted,
    virtualMs: raw.windowNs / 1e6,
    faultsPerSecond: (raw.counted / raw.windowNs) * 1e9,
    idleShare: raw.idleShare ?? accounts.byCause[ASLEEP]! / total,
    timeByCause: Object.fromEntries([...time].filter(([, share]) => share > 0)),
    lines: lines.slice(0, LINES_TOLD),
    fallbacks: raw.fallbacks,
    wallMs: raw.wallMs,
    accesses,
    ...(raw.threadMs === undefined ? {} : { threadMs: raw.threadMs }),
  }
}

/** Adds those that matter by name, and what is left of `ns` as others. */
function addNamed(
  add: (name: string, ns: number) => void,
  cause: string,
  byName: ReadonlyMap<string, number>,
  ns: number,
  total: number,
): void {
  let rest = ns
  for (const [name, part] of [...byName].toSorted(([, a], [, b]) => b - a)) {
    if (part < SHARE_TOLD * total) break
    add(`${cause} ${name}`, part)
    rest -= part
  }
  if (rest > 1e-9 * total) add(`${cause} others`, rest)
}

function linesByName(raw: RawRun, namer: Namer): Map<string, { ns: number; transfers: number }> {
  const { transfers, lineNs, cells } = raw.simulator.accounts
  const used: number[] = []
  for (let line = 0; line < transfers.length; line++)
    if (transfers[line] !== 0 || lineNs[line]! > 0) used.push(line)
  // Pages are named by where they are; of the rest, those that are waited for most.
  const pages = used.filter((line) => namer.isPage(line))
  const others = used.filter((line) => !namer.isPage(line)).toSorted((a, b) => lineNs[b]! - lineNs[a]!)
  const byName = new Map<string, { ns: number; transfers: number }>()
  const add = (name: string, line: number): void => {
    const sum = byName.get(name) ?? { ns: 0, transfers: 0 }
    byName.set(name, sum)
    sum.ns += lineNs[line]!
    sum.transfers += transfers[line]!
  }
  for (const line of pages) add('page', line)
  others.forEach((line, place) => {
    const cell = cells[line] !== 0 ? cells[line]! : line << LINE_SHIFT
    add(place < NAMED_MAX ? namer.nameOf(cell) : 'others', line)
  })
  return byName
}

class Namer {
  readonly #names: KernelNames
  readonly #firstPage: number
  readonly #endOfPages: number
  readonly #known = new Map<number, string>()

  constructor({ simulated, firstCell, names }: RawRun) {
    const { heap } = simulated
    this.#names = names ?? new KernelNames(simulated)
    this.#known.set(firstCell + simulated.word, 'the word')
    this.#firstPage = firstCell + heap[Header.memoryMap]!
    this.#endOfPages = this.#firstPage + heap[Header.frameCount]! * PAGE_STRUCT_WORDS
  }

  isPage(line: number): boolean {
    const cell = line << LINE_SHIFT
    return cell >= this.#firstPage && cell < this.#endOfPages
  }

  /** Object and field, without which object of its kind it is. */
  nameOf(cell: number): string {
    const known = this.#known.get(cell)
    if (known !== undefined) return known
    const full = this.isPage(cell >> LINE_SHIFT) ? 'page' : this.#names.nameOf(cell)
    const name = full === undefined ? 'objects that are gone' : shortName(full).replace(/^cpu\d+/, 'cpu')
    this.#known.set(cell, name)
    return name
  }

  /** Sums by name of what is known by cell; 0 is no lock. */
  sums(of: ReadonlyMap<number, number>, firstCell: number): Map<string, number> {
    const byName = new Map<string, number>()
    for (const [at, ns] of of) {
      if (at === 0) continue
      const name = this.nameOf(firstCell + at)
      byName.set(name, (byName.get(name) ?? 0) + ns)
    }
    return byName
  }
}
