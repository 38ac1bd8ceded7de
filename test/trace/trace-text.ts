// Builds the text that `perf script` prints, for tests: one call for each line.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { importTrace, type ImportedTrace, type ImportOptions } from '../../src/trace/index.ts'

export const fixture = (name: string): string =>
  path.join(import.meta.dirname, '..', 'fixtures', 'traces', `${name}.perf.txt.gz`)

let directory: string | undefined

/** A directory that is removed when the process ends. */
export function temporaryDirectory(): string {
  if (directory === undefined) {
    directory = mkdtempSync(path.join(tmpdir(), 'faultline-trace-test-'))
    const made = directory
    process.once('exit', () => rmSync(made, { recursive: true, force: true }))
  }
  return directory
}

export function temporaryFile(name: string, contents: string | Uint8Array): string {
  const file = path.join(temporaryDirectory(), name)
  writeFileSync(file, contents)
  return file
}

export const hex = (value: number): string => `0x${value.toString(16)}`

/** Lines of a trace, with a clock that goes on by a microsecond each. */
export class TraceText {
  readonly lines: string[] = []
  microseconds = 1_000_000
  comm = 'program'
  /** The CPU that a thread is seen on. */
  cpuOf = (_tid: number): number => 0

  line(pid: number, tid: number, event: string): this {
    const seconds = Math.floor(this.microseconds / 1e6)
    const fraction = String(this.microseconds % 1e6).padStart(6, '0')
    this.microseconds++
    const thread = `${String(pid).padStart(5)}/${String(tid).padEnd(5)}`
    this.lines.push(
      `${this.comm.padStart(16)} ${thread} [00${this.cpuOf(tid)}] ${String(seconds).padStart(5)}.${fraction}: ${event}`,
    )
    return this
  }

  /** What exec shows: stack and program, then the event. */
  exec(pid: number, maps: readonly string[] = []): this {
    this.map2(pid, pid, 0x7ffc00000000, 0x21000, 'rw-p', '[stack]')
    for (const map of maps) this.line(pid, pid, map)
    return this.line(pid, pid, `sched:sched_process_exec: filename=/bin/program pid=${pid} old_pid=${pid}`)
  }

  map2(
    pid: number,
    tid: number,
    start: number,
    length: number,
    protection: string,
    name: string,
    offset = 0,
    inode = 0,
  ): this {
    const device = inode === 0 ? '00:00' : 'fe:00'
    return this.line(
      pid,
      tid,
      `PERF_RECORD_MMAP2 ${pid}/${tid}: [${hex(start)}(${hex(length)}) @ ${offset === 0 ? '0' : hex(offset)} ${device} ${inode} 0]: ${protection} ${name}`,
    )
  }

  enter(pid: number, tid: number, call: string, values: Record<string, number>): this {
    const fields = Object.entries(values).map(
      ([name, value]) => `${name}: 0x${value.toString(16).padStart(8, '0')}`,
    )
    return this.line(pid, tid, `syscalls:sys_enter_${call}: ${fields.join(', ')}`)
  }

  exit(pid: number, tid: number, call: string, result: number | string): this {
    return this.line(
      pid,
      tid,
      `syscalls:sys_exit_${call}: ${typeof result === 'number' ? hex(result) : result}`,
    )
  }

  /** A whole mmap at an address that Linux chose, or with MAP_FIXED. */
  mmap(
    pid: number,
    tid: number,
    start: number,
    length: number,
    options: { protection?: number; flags?: number; fixed?: boolean } = {},
  ): this {
    const { protection = 3, flags = 0x22, fixed = false } = options
    this.enter(pid, tid, 'mmap', {
      addr: fixed ? start : 0,
      len: length,
      prot: protection,
      flags: flags | (fixed ? 0x10 : 0),
      fd: 0xffffffff,
      off: 0,
    })
    return this.exit(pid, tid, 'mmap', start)
  }

  munmap(pid: number, tid: number, addr: number, len: number): this {
    return this.enter(pid, tid, 'munmap', { addr, len }).exit(pid, tid, 'munmap', 0)
  }

  mprotect(pid: number, tid: number, start: number, len: number, prot: number): this {
    return this.enter(pid, tid, 'mprotect', { start, len, prot }).exit(pid, tid, 'mprotect', 0)
  }

  madvise(pid: number, tid: number, start: number, len: number, behavior: number): this {
    return this.enter(pid, tid, 'madvise', { start, len_in: len, behavior }).exit(pid, tid, 'madvise', 0)
  }

  brk(pid: number, tid: number, brk: number, result: number): this {
    return this.enter(pid, tid, 'brk', { brk }).exit(pid, tid, 'brk', result)
  }

  fault(pid: number, tid: number, address: number, errorCode: number): this {
    return this.line(
      pid,
      tid,
      `exceptions:page_fault_user: address=${hex(address)} ip=0x401000 error_code=${hex(errorCode)}`,
    )
  }

  newTask(pid: number, tid: number, child: number, flags: number): this {
    return this.line(
      pid,
      tid,
      `task:task_newtask: pid=${child} comm=program clone_flags=${flags.toString(16)} oom_score_adj=0`,
    )
  }

  lockStart(pid: number, tid: number, write: boolean): this {
    return this.line(
      pid,
      tid,
      `mmap_lock:mmap_lock_start_locking: mm=0xffff888100073840 memcg_id=4754 write=${write}`,
    )
  }

  lockAcquired(pid: number, tid: number, write: boolean, success = true): this {
    return this.line(
      pid,
      tid,
      `mmap_lock:mmap_lock_acquire_returned: mm=0xffff888100073840 memcg_id=4754 write=${write} success=${success}`,
    )
  }

  unlock(pid: number, tid: number, write: boolean): this {
    return this.line(
      pid,
      tid,
      `mmap_lock:mmap_lock_released: mm=0xffff888100073840 memcg_id=4754 write=${write}`,
    )
  }

  /** Before Linux 6.16 the event does not tell `groupDead`. */
  exitTask(pid: number, tid: number, groupDead?: boolean): this {
    const told = groupDead === undefined ? '' : ` group_dead=${groupDead}`
    return this.line(pid, tid, `sched:sched_process_exit: comm=program pid=${tid} prio=120${told}`)
  }

  /** Lets time pass. */
  wait(microseconds: number): this {
    this.microseconds += microseconds
    return this
  }

  toString(): string {
    return this.lines.map((line) => `${line}\n`).join('')
  }

  import(options: ImportOptions = {}): Promise<ImportedTrace> {
    return importText(this.toString(), options)
  }
}

/** Flags of clone for a thread, a fork and a vfork. */
export const CLONE_THREAD = 0x3d0f00
export const CLONE_FORK = 0x1200000
export const CLONE_VFORK = 0x4100

export function importText(text: string | Uint8Array, options: ImportOptions = {}): Promise<ImportedTrace> {
  return importTrace('-', { ...options, stdin: Readable.from([Buffer.from(text)]) })
}
