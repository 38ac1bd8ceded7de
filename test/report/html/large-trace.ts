// Makes recordings of any length: threads that fault, map, and wait for each other at one mmap lock.

import { Readable } from 'node:stream'
import { type PageContent, traceReport } from '../../../src/report/index.ts'
import { DetailCollector, importTrace } from '../../../src/trace/index.ts'

export interface LargeTrace {
  readonly threads: number
  /** At least so many events. */
  readonly events: number
  /** Of threads and processes, in turn. */
  readonly comms?: readonly string[]
}

const PAGE = 4096
const BASE = 0x7f0000000000
const MM = '0xffff888100073840'

/** The text that perf script would print, in pieces of some hundred lines. */
export function* largeTrace({ threads, events, comms = ['worker'] }: LargeTrace): Generator<string> {
  let microseconds = 1_000_000
  let count = 0
  let lines: string[] = []
  const line = (thread: number, event: string): void => {
    const time = `${Math.floor(microseconds / 1e6)}.${String(microseconds % 1e6).padStart(6, '0')}`
    microseconds++
    count++
    const comm = comms[thread % comms.length]!.padStart(16)
    lines.push(
      `${comm} ${String(100).padStart(5)}/${String(100 + thread).padEnd(5)} [00${thread % 4}] ${time}: ${event}`,
    )
  }
  line(0, `PERF_RECORD_MMAP2 100/100: [0x7ffc00000000(0x21000) @ 0x7ffc00000000 00:00 0 0]: rw-p [stack]`)
  line(0, 'sched:sched_process_exec: filename=/bin/program pid=100 old_pid=100')
  for (let thread = 1; thread < threads; thread++)
    line(0, `task:task_newtask: pid=${100 + thread} comm=worker clone_flags=3d0f00 oom_score_adj=0`)
  const lock = (thread: number, what: string, write: boolean, success = ''): void =>
    line(thread, `mmap_lock:mmap_lock_${what}: mm=${MM} memcg_id=1 write=${write}${success}`)
  // oxlint-disable-next-line no-unmodified-loop-condition -- line() counts
  for (let round = 0; count < events; round++) {
    const holder = round % threads
    const waiter = (round * 7 + 1) % threads
    const at = BASE + (round % 1024) * 16 * PAGE
    const hex = `0x${at.toString(16)}`
    line(
      holder,
      `syscalls:sys_enter_mmap: addr: ${hex}, len: 0x00010000, prot: 0x00000003, flags: 0x00000032, fd: 0xffffffff, off: 0x00000000`,
    )
    lock(holder, 'start_locking', true)
    lock(holder, 'acquire_returned', true, ' success=true')
    if (waiter !== holder) {
      line(
        waiter,
        `exceptions:page_fault_user: address=0x7ffc000${(0x1000 + (round % 16) * PAGE).toString(16).padStart(5, '0')} ip=0x401000 error_code=0x6`,
      )
      lock(waiter, 'start_locking', false)
      microseconds += 3 + (round % 50)
    }
    lock(holder, 'released', true)
    if (waiter !== holder) {
      lock(waiter, 'acquire_returned', false, ' success=true')
      lock(waiter, 'released', false)
    }
    line(holder, `syscalls:sys_exit_mmap: ${hex}`)
    for (let page = 0; page < 8; page++)
      line(
        holder,
        `exceptions:page_fault_user: address=0x${(at + page * PAGE).toString(16)} ip=0x401000 error_code=0x6`,
      )
    if (lines.length > 500) {
      yield `${lines.join('\n')}\n`
      lines = []
    }
  }
  yield `${lines.join('\n')}\n`
}

/** What a page about such a recording is made from. */
export async function contentOf(large: LargeTrace, changes: Partial<PageContent> = {}): Promise<PageContent> {
  const collector = new DetailCollector()
  const stdin = Readable.from(largeTrace(large), { objectMode: false })
  const trace = await importTrace('-', { stdin, isReplayed: false, observers: [collector] })
  trace.close()
  const report = traceReport(trace)
  return {
    trace: report,
    detail: collector.result(),
    replays: [],
    minimumFidelity: 0.98,
    before: null,
    ...changes,
  }
}
