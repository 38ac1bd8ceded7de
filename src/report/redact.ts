// Reports without what tells whose they are: names of programs and threads, paths, functions and addresses become
// numbers, the same for the same name everywhere.
//
// Kept are process and thread numbers, times, counts, system calls, functions of the kernel, and what every Linux
// names alike: [stack], [heap], [vdso], anonymous memory.
import type { RecordedDetail } from '../trace/detail.ts'
import type { HeldBy, LockOwner, LockUser } from '../trace/lock-history.ts'
import { KERNEL_MARK } from '../trace/observer.ts'
import type { WaitNode } from '../trace/wait-tree.ts'
import type { ReplayReport, TraceReport } from './replay-report.ts'

const COMMON_MAPPINGS = new Set([
  '',
  'anonymous memory',
  'no known mapping',
  'other mappings',
  '//anon',
  ...['stack', 'heap', 'vdso', 'vvar', 'vvar_vclock', 'vsyscall', 'unknown'].map((name) => `[${name}]`),
])
const PAGE = 4096

/** Gives out the numbers. */
export class Redactor {
  readonly #names = new Map<string, string>()
  readonly #counts = new Map<string, number>()
  readonly #pages = new Map<number, number>()

  #numbered(kind: string, text: string): string {
    const key = `${kind} ${text}`
    let name = this.#names.get(key)
    if (name === undefined) {
      // A name that looks like one of ours is numbered like any other.
      const count = (this.#counts.get(kind) ?? 0) + 1
      this.#counts.set(kind, count)
      this.#names.set(key, (name = `${kind}-${count}`))
    }
    return name
  }

  /** Of a program, process or thread. */
  name(text: string): string {
    return text === '' ? '' : this.#numbered('program', text)
  }

  /** Of a mapping, or a path. */
  file(text: string): string {
    return COMMON_MAPPINGS.has(text) ? text : this.#numbered('file', text)
  }

  /** A frame of a stack. */
  frame(text: string): string {
    if (text.endsWith(KERNEL_MARK) || text === '[unknown]') return text
    const file = /^\[(.*)\]$/.exec(text)
    return file === null ? this.#numbered('function', text) : `[${this.#numbered('file', file[1]!)}]`
  }

  /** Pages are numbered as they come; the place in the page stays. */
  address(address: number): number {
    const page = Math.floor(address / PAGE)
    let number = this.#pages.get(page)
    if (number === undefined) this.#pages.set(page, (number = this.#pages.size + 1))
    return number * PAGE + (address % PAGE)
  }

  user(user: LockUser): LockUser {
    return {
      ...user,
      process: this.name(user.process),
      comm: this.name(user.comm),
      mapping: this.file(user.mapping),
      owner: this.#owner(user.owner),
    }
  }

  #owner({ process, pid }: LockOwner): LockOwner {
    return { process: this.name(process), pid }
  }

  trace(trace: TraceReport): TraceReport {
    const { locks } = trace
    const heldBy = (entry: HeldBy): HeldBy => ({
      ...entry,
      process: this.name(entry.process),
      comm: this.name(entry.comm),
      owner: this.#owner(entry.owner),
    })
    return {
      ...trace,
      path: this.file(trace.path),
      program: this.name(trace.program),
      programs: trace.programs.map((one) => ({ ...one, name: this.name(one.name) })),
      locks: {
        ...locks,
        holders: locks.holders.map(heldBy),
        foreign: locks.foreign.map((holder) => ({
          ...holder,
          process: this.name(holder.process),
          owner: this.#owner(holder.owner),
        })),
        waiters: locks.waiters.map((waiter) => ({
          ...waiter,
          process: this.name(waiter.process),
          comm: this.name(waiter.comm),
          owner: this.#owner(waiter.owner),
        })),
        matrix: locks.matrix.map((one) => ({
          ...one,
          owner: this.name(one.owner),
          heldBy: this.#inBrackets(one.heldBy),
        })),
        longest: locks.longest.map((wait) => ({
          ...wait,
          waiter: this.user(wait.waiter),
          holder: wait.holder === null ? null : this.user(wait.holder),
        })),
      },
    }
  }

  /** `call (process)`, or a call alone. */
  #inBrackets(text: string): string {
    return text.replace(/ \((.*)\)$/s, (_, name: string) => ` (${this.name(name)})`)
  }

  detail(detail: RecordedDetail): RecordedDetail {
    return {
      ...detail,
      lanes: detail.lanes.map((lane) => ({
        ...lane,
        process: lane.pid === 0 ? lane.process : this.name(lane.process),
        comm: lane.pid === 0 ? lane.comm : this.name(lane.comm),
      })),
      mappings: detail.mappings.map((one) => ({
        ...one,
        process: this.name(one.process),
        name: this.file(one.name),
        ...this.#range(one.firstPage, one.lastPage),
      })),
      waits: {
        byCall: this.#tree(detail.waits.byCall, (name, depth) => this.#callLevel(name, depth)),
        byStack:
          detail.waits.byStack === null
            ? null
            : this.#tree(detail.waits.byStack, (name, depth) =>
                depth === 1 ? this.#processLevel(name) : this.frame(name),
              ),
      },
    }
  }

  /** How long it is stays, where it is does not. */
  #range(firstPage: number, lastPage: number): { firstPage: number; lastPage: number } {
    const first = this.address(firstPage)
    return { firstPage: first, lastPage: first + (lastPage - firstPage) }
  }

  #processLevel(name: string): string {
    return name.replace(
      /^(.*) (\(-?\d+\))$/s,
      (_, process: string, pid: string) => `${this.name(process)} ${pid}`,
    )
  }

  /** The levels of the tree by call: process, thread, call, and `kept by THREAD: CALL`. */
  #callLevel(name: string, depth: number): string {
    if (depth === 1) return this.#processLevel(name)
    if (depth === 2) return this.name(name)
    if (depth !== 4) return name
    return name.replace(
      /^kept by (.*)(: [^:]*)$/s,
      (_, comm: string, call: string) => `kept by ${this.name(comm)}${call}`,
    )
  }

  #tree(node: WaitNode, nameOf: (name: string, depth: number) => string, depth = 0): WaitNode {
    return {
      ...node,
      name: depth === 0 ? node.name : nameOf(node.name, depth),
      children: node.children.map((child) => this.#tree(child, nameOf, depth + 1)),
    }
  }

  replay(report: ReplayReport): ReplayReport {
    return {
      ...report,
      trace: this.trace(report.trace),
      designs: report.designs.map((design) => ({
        ...design,
        fidelity: {
          ...design.fidelity,
          failures: design.fidelity.failures.map((one) => ({ ...one, address: this.address(one.address) })),
          faults: design.fidelity.faults.map((one) => ({
            ...one,
            address: `0x${this.address(Number(one.address)).toString(16)}`,
          })),
        },
      })),
    }
  }
}
