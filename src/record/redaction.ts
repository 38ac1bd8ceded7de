// Takes names and paths out of the text of perf script as it goes by, so that a recording can be shown to others and
// still be replayed.
//
// Principles: what is not known to be harmless is not let through: of an event that no report reads, only its name is
// kept, and a line that cannot be read is left out. The same name gets the same number everywhere. Addresses of the
// program are moved, as a replay needs the layout that they tell (moved-addresses.ts); pointers of the kernel and
// instruction pointers are gone.
import { Transform, type TransformCallback } from 'node:stream'
import { allocatorOf, GO_FUNCTION, JAVA_COLLECTOR } from '../trace/allocators.ts'
import { MovedAddresses } from './moved-addresses.ts'

/** Gives out the new names. */
export interface Renamer {
  /** Of a program, process or thread. */
  name(text: string): string
  /** Of a mapping, or a path. */
  file(text: string): string
  /** Of a function of a program. */
  frame(text: string): string
}

/** perf pads the name of the command to 16 bytes; where it is not padded, the first that fits is taken. */
const PADDED = /^(.{16}) +(-?\d+\/-?\d+ +(?:\[\d+\] +)?\d+\.\d+: +)(\S.*)$/
const UNPADDED = /^ *(\S.*?) +(-?\d+\/-?\d+ +(?:\[\d+\] +)?\d+\.\d+: +)(\S.*)$/
const EVENT = /^(cpu-clock(?=[:/])|[\w-]+(?::[\w-]+)?)(\/\S*?\/\w*)?(:?)(?: +(.*))?$/
const FORK = /^PERF_RECORD_FORK\(\d+:\d+\):\(\d+:\d+\)$/
const FRAME = /^\s+([0-9a-f]+)(?: (.*))?$/
const KERNEL_ADDRESS = /^ffff[0-9a-f]{12}$/
const KERNEL_ADDRESSES = /\bffff[0-9a-f]{12}\b/g
/** Numbers and the names of fields and flags. */
const NUMBERS = /^[\w ,:=|()-]*$/
const MAPPING = /^(-?\d+\/-?\d+: \[0x([0-9a-f]+)\([^\]]*\]: \S+) (.*)$/
const COMMON_MAPPINGS = /^(?:\[(?:stack|heap|vdso|vvar|vvar_vclock|vsyscall)\]|\/\/anon|anon)$/
/** What a C library, or a language, calls the function of a memory call. */
const MEMORY_CALL = /^(?:_{0,2}|runtime\.)(?:mmap|munmap|mprotect|brk|madvise|mremap)(?:64)?$/
/** A longer line is none that perf prints. */
const LONGEST = 64 * 1024

export class Redaction extends Transform {
  readonly #names: Renamer
  readonly #locks = new Map<string, string>()
  readonly #addresses: MovedAddresses
  /** Instructions of the program are told apart, and where they are is gone. */
  readonly #instructions = new Map<string, number>()
  #rest = ''

  constructor(names: Renamer, addresses: MovedAddresses = new MovedAddresses()) {
    super()
    this.#names = names
    this.#addresses = addresses
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    // As latin1, so that every byte is a character.
    const lines = (this.#rest + chunk.toString('latin1')).split('\n')
    this.#rest = lines.pop()!.slice(0, LONGEST)
    done(null, Buffer.from(lines.map((line) => this.#redacted(line)).join(''), 'latin1'))
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#rest === '' ? null : Buffer.from(this.#redacted(this.#rest), 'latin1'))
  }

  /** The line as it may be seen, with its end; or '' where nothing of it may. */
  #redacted(text: string): string {
    if (text.trim() === '') return '\n'
    const header = PADDED.exec(text) ?? UNPADDED.exec(text)
    if (header === null) return this.#frame(text)
    const [, comm, thread, rest] = header as unknown as [string, string, string, string]
    const event = EVENT.exec(rest)
    const line = (kept: string): string => `${this.#comm(comm.trim()).padStart(16)} ${thread}${kept}\n`
    if (event === null) return FORK.test(rest) ? line(rest) : ''
    const [, name, , colon, fields = ''] = event as unknown as [
      string,
      string,
      string | undefined,
      string,
      string | undefined,
    ]
    const kept = this.#fields(name, fields)
    return line(`${name}${colon} ${kept}`)
  }

  /** A thread that collects garbage keeps the name that its runtime gives it. */
  #comm(name: string): string {
    return JAVA_COLLECTOR.test(name) ? name : this.#names.name(name)
  }

  /** A library that everybody has keeps its name, by which the start of a program, and its allocator, are known. */
  #file(name: string): string {
    const found = allocatorOf(name)
    const file = this.#names.file(name)
    return found === undefined ? file : `/${file}/${found.library}`
  }

  /** A line of a call chain. */
  #frame(line: string): string {
    const frame = FRAME.exec(line)
    if (frame === null) return ''
    const [, address, symbol = ''] = frame as unknown as [string, string, string | undefined]
    if (KERNEL_ADDRESS.test(address)) return `\t${'f'.repeat(16)} ${/^\S*/.exec(symbol)![0]}\n`
    return `\t${'0'.repeat(16)} ${this.#names.frame(symbol.replace(/\+0x[0-9a-f]+/, ''))}\n`
  }

  #fields(event: string, fields: string): string {
    switch (event) {
      case 'exceptions:page_fault_user':
        return this.#addresses.moved(
          fields.replace(/ ip=(\S+)/, (_, ip: string) => ` ip=0x${this.#instruction(ip)}`),
        )
      case 'exceptions:page_fault_kernel':
        // The function of the kernel tells the call.
        return this.#addresses.moved(fields.replace(/ ip=(?:0x)?[0-9a-f]+ /, ' ip=0x0 '))
      case 'cpu-clock':
        return this.#sample(fields)
      case 'task:task_newtask':
        return this.#between(fields, /^(pid=\d+ comm=)(.*)( clone_flags=\w+ oom_score_adj=-?\d+)$/)
      case 'sched:sched_process_exec': {
        const match = /^filename=(.*)( pid=\d+ old_pid=\d+)$/.exec(fields)
        return match === null ? '' : `filename=${this.#names.name(match[1]!.replace(/^.*\//, ''))}${match[2]}`
      }
      case 'sched:sched_process_exit':
        return this.#between(fields, /^(comm=)(.*)( pid=\d+ prio=\d+(?: group_dead=\w+)?)$/)
      case 'sched:sched_waking':
        return this.#between(fields, /^(comm=)(.*)( pid=\d+ prio=-?\d+ target_cpu=\d+)$/)
      case 'sched:sched_switch':
        return this.#switch(fields)
      case 'PERF_RECORD_SWITCH':
      case 'PERF_RECORD_SWITCH_CPU_WIDE':
        return /^(?:IN|OUT preempt|OUT)\b/.exec(fields)?.[0] ?? ''
      case 'PERF_RECORD_MMAP':
      case 'PERF_RECORD_MMAP2':
        return this.#mapping(fields)
      default:
    }
    if (event.startsWith('mmap_lock:')) return this.#lock(fields)
    const isMemory =
      /^(?:syscalls:sys_(?:enter|exit)_(?:mmap|munmap|mprotect|brk|madvise|mremap)|page-faults(?::\w+)?)$/.test(
        event,
      )
    return (isMemory || event.startsWith('PERF_RECORD_LOST')) && NUMBERS.test(fields)
      ? this.#addresses.moved(fields.replaceAll(KERNEL_ADDRESSES, 'f'.repeat(16)))
      : ''
  }

  /** A sample of the program; of one of the kernel, the call chain follows. */
  #sample(fields: string): string {
    const match = /^\s*([0-9a-f]+)(?:\s+([^\s+]+).*)?$/.exec(fields)
    if (match === null || KERNEL_ADDRESS.test(match[1]!)) return ''
    const { 1: ip, 2: symbol = '' } = match
    const isCommon = MEMORY_CALL.test(symbol) || GO_FUNCTION.test(symbol)
    return `${this.#instruction(ip!)} ${isCommon ? symbol : this.#names.frame(symbol)}`
  }

  /** A number for an instruction, the same for the same one. */
  #instruction(ip: string): string {
    const address = ip.replace(/^0x/, '')
    let number = this.#instructions.get(address)
    if (number === undefined) this.#instructions.set(address, (number = 0x1000 + this.#instructions.size))
    return number.toString(16)
  }

  #between(fields: string, pattern: RegExp): string {
    const match = pattern.exec(fields)
    return match === null ? '' : `${match[1]}${this.#names.name(match[2]!.trim())}${match[3]}`
  }

  #switch(fields: string): string {
    const match = /^(prev_comm=)(.*)( prev_pid=.* ==> next_comm=)(.*)( next_pid=\d+ next_prio=-?\d+)$/.exec(
      fields,
    )
    if (match === null) return ''
    const [, before, previous, between, next, behind] = match as unknown as string[]
    return `${before}${this.#names.name(previous!)}${between}${this.#names.name(next!)}${behind}`
  }

  #mapping(fields: string): string {
    const match = MAPPING.exec(fields)
    if (match === null) return ''
    const [, place, start, name] = match as unknown as [string, string, string, string]
    if (KERNEL_ADDRESS.test(start)) return `${place} [kernel]`
    return `${this.#addresses.moved(place)} ${COMMON_MAPPINGS.test(name) ? name : this.#file(name)}`
  }

  /** Locks are told apart; where they are in the kernel, and in which control group, is nobody's business. */
  #lock(fields: string): string {
    const match = /\bmm=(\w+)\b.*?( write=\w+(?: success=\w+)?)$/.exec(fields)
    if (match === null) return ''
    const [, mm, rest] = match as unknown as [string, string, string]
    let number = this.#locks.get(mm)
    if (number === undefined) {
      number = `0xffff8880${(0x1000 * (this.#locks.size + 1)).toString(16).padStart(8, '0')}`
      this.#locks.set(mm, number)
    }
    return `mm=${number} memcg_path=/${rest}`
  }
}
