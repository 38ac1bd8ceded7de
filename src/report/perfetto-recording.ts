// A recording as a trace for Perfetto: a track for each thread, with slices for memory calls, page faults, waits for
// the mmap lock and holds of it.
//
// It is written while the recording is read, so that its length does not matter. Times begin with the recording.
import { type TraceEvent, TraceEventWriter } from '../check/trace-events.ts'
import type { LockUser } from '../trace/lock-history.ts'
import type { ImportObserver } from '../trace/index.ts'
import { printable } from './printable.ts'
import type { Redactor } from './redact.ts'

type Fault = Parameters<ImportObserver['fault']>

export class PerfettoRecording implements ImportObserver {
  readonly #writer: TraceEventWriter
  readonly #redactor: Redactor | null
  readonly #named = new Map<string, string>()
  #origin = 0

  constructor(write: (text: string) => void, redactor: Redactor | null = null) {
    this.#writer = new TraceEventWriter(write)
    this.#redactor = redactor
  }

  begin(ns: number): void {
    this.#origin = ns
  }

  wait(user: LockUser, holder: LockUser | null, startNs: number, endNs: number): void {
    const args = {
      for: user.call,
      mode: user.write ? 'write' : 'read',
      mapping: this.#file(user.mapping),
      heldBy:
        holder === null
          ? 'a holder that the trace does not show'
          : `${this.#name(holder.comm)} (${holder.tid}), ${holder.call}`,
    }
    this.#slice('waits for the mmap lock', 'wait', this.#trackOf(user), startNs, endNs, args)
  }

  frame(): void {
    // The format has no good place for a stack of a slice.
  }

  hold(user: LockUser, startNs: number, endNs: number): void {
    const how = user.write ? 'holds the mmap lock for writing' : 'holds the mmap lock for reading'
    const args = { for: user.call, mapping: this.#file(user.mapping) }
    this.#slice(how, 'hold', this.#trackOf(user), startNs, endNs, args)
  }

  fault(...[thread, nameOf]: Fault): void {
    const { faultNs, faultLockedNs, faultIsKernel, faultCall, faultAddress, faultCode, process, tid } = thread
    const track = this.#track(process.pid, process.name, tid, thread.comm === '' ? process.name : thread.comm)
    const address = this.#redactor === null ? faultAddress : this.#redactor.address(faultAddress)
    const args = {
      address: `0x${address.toString(16)}`,
      errorCode: faultCode,
      mapping: this.#file(nameOf(thread.mapping)),
    }
    const name = faultIsKernel ? `page fault in ${faultCall}` : 'page fault'
    // Without the lock, nothing tells how long it took.
    if (faultLockedNs < 0)
      this.#writer.add({ ph: 'i', name, cat: 'fault', s: 't', ts: this.#time(faultNs), ...track, args })
    else this.#slice(name, 'fault', track, faultNs, faultNs + faultLockedNs, args)
  }

  call({ process, tid, comm }: Fault[0], name: string, startNs: number, endNs: number): void {
    const track = this.#track(process.pid, process.name, tid, comm === '' ? process.name : comm)
    this.#slice(name, 'call', track, startNs, endNs, {})
  }

  /** When the recording has been read. */
  end(): void {
    this.#writer.end()
  }

  #slice(
    name: string,
    cat: string,
    track: Pick<TraceEvent, 'pid' | 'tid'>,
    startNs: number,
    endNs: number,
    args: Readonly<Record<string, unknown>>,
  ): void {
    const ts = this.#time(startNs)
    this.#writer.add({ ph: 'X', name, cat, ts, dur: Math.max(0, this.#time(endNs) - ts), ...track, args })
  }

  /** Microseconds since the recording began, exact to a nanosecond. */
  #time(ns: number): number {
    return Math.round(ns - this.#origin) / 1000
  }

  #trackOf({ pid, process, tid, comm }: LockUser): Pick<TraceEvent, 'pid' | 'tid'> {
    return this.#track(pid, process, tid, comm)
  }

  /** Names are told where they are new: exec and prctl change them. */
  #track(pid: number, process: string, tid: number, comm: string): Pick<TraceEvent, 'pid' | 'tid'> {
    const track = { pid, tid }
    this.#tell(`process ${pid}`, 'process_name', track, process)
    this.#tell(`thread ${pid} ${tid}`, 'thread_name', track, comm)
    return track
  }

  #tell(key: string, event: string, track: Pick<TraceEvent, 'pid' | 'tid'>, name: string): void {
    if (this.#named.get(key) === name) return
    this.#named.set(key, name)
    this.#writer.add({ ph: 'M', name: event, ts: 0, ...track, args: { name: this.#name(name) } })
  }

  #name(name: string): string {
    return printable(this.#redactor === null ? name : this.#redactor.name(name))
  }

  #file(name: string): string {
    return printable(this.#redactor === null ? name : this.#redactor.file(name))
  }
}
