/**
 * What the recorded faults were: of which access, in whose mode, on what memory; and in which mappings.
 */
import { PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE, type Mapping } from './layout.ts'
import type { Thread } from './recorded-thread.ts'
import { FAULT_INSTRUCTION, FAULT_PROTECTION, FAULT_WRITE } from './recorded-space.ts'
import { FAULT_UNKNOWN } from './trace-events.ts'

interface Counts {
  faults: number
  /** Of these: those that took the mmap lock. */
  lockedFaults: number
  /** From the beginning of these until they gave it back, in nanoseconds. */
  lockedNs: number
}

/** Faults of one kind. */
export interface FaultKind extends Readonly<Counts> {
  readonly mode: 'user' | 'kernel'
  readonly access: 'read' | 'write' | 'instruction' | 'unknown'
  /** The page was not there, or was and forbade the access (copy on write, for one). */
  readonly cause: 'missing page' | 'protection' | 'unknown'
  readonly memory: 'anonymous' | 'shared anonymous' | 'file' | 'shared file' | 'stack' | 'no known mapping'
}

/** The faults of one process in mappings of one name. */
export interface MappedFaults extends Readonly<Counts> {
  readonly process: string
  readonly pid: number
  /** A file's name, [stack], or anonymous memory. */
  readonly name: string
  /** As in /proc/PID/maps, of the mapping that was seen last. */
  readonly protection: string
  /** The first and the last page that a fault was on, in bytes. */
  readonly firstPage: number
  readonly lastPage: number
  readonly kernelFaults: number
  readonly writeFaults: number
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] }

/** Anonymous mappings are told apart by where they are, in units of the size of an arena of glibc. */
const AREA_BYTES = 64 * 2 ** 20
const MAX_ROWS = 4096
const KINDS_SHOWN = 64
const MAPPINGS_SHOWN = 64

export class FaultKinds {
  readonly #kinds = new Map<string, Mutable<FaultKind>>()
  readonly #rows = new Map<string, Mutable<MappedFaults>>()
  /** The row of each mapping, so that names are made once; a fork shares mappings, so by process. */
  readonly #known = new WeakMap<Mapping, Mutable<MappedFaults>>()

  add(thread: Thread, nameOf: (mapping: Mapping | undefined) => string): void {
    const { faultLockedNs } = thread
    const kind = this.#kind(thread)
    const row = this.#row(thread, nameOf)
    for (const counts of [kind, row]) {
      counts.faults++
      if (faultLockedNs < 0) continue
      counts.lockedFaults++
      counts.lockedNs += faultLockedNs
    }
    const page = thread.faultAddress - (thread.faultAddress % PAGE_SIZE)
    row.firstPage = Math.min(row.firstPage, page)
    row.lastPage = Math.max(row.lastPage, page)
    if (kind.mode === 'kernel') row.kernelFaults++
    if (kind.access === 'write') row.writeFaults++
  }

  #kind({ faultIsKernel, faultCode, mapping }: Thread): Mutable<FaultKind> {
    const mode = faultIsKernel ? 'kernel' : 'user'
    const isKnown = (faultCode & FAULT_UNKNOWN) === 0
    const access = isKnown ? accessOf(faultCode) : 'unknown'
    const cause = isKnown ? ((faultCode & FAULT_PROTECTION) === 0 ? 'missing page' : 'protection') : 'unknown'
    const memory = memoryOf(mapping)
    const key = `${mode} ${access} ${cause} ${memory}`
    let kind = this.#kinds.get(key)
    if (kind === undefined)
      this.#kinds.set(key, (kind = { mode, access, cause, memory, faults: 0, lockedFaults: 0, lockedNs: 0 }))
    return kind
  }

  #row(thread: Thread, nameOf: (mapping: Mapping | undefined) => string): Mutable<MappedFaults> {
    const { mapping, process } = thread
    const known = mapping === undefined ? undefined : this.#known.get(mapping)
    if (known !== undefined && known.pid === process.pid) return known
    const name = nameOf(mapping) || 'no known mapping'
    const isAnonymous = mapping !== undefined && mapping.file === 0 && !mapping.growsDown
    const area = isAnonymous ? Math.floor(mapping.start / AREA_BYTES) : 0
    let key = `${process.pid} ${area} ${name}`
    if (!this.#rows.has(key) && this.#rows.size >= MAX_ROWS) key = ''
    let row = this.#rows.get(key)
    if (row === undefined) {
      const who =
        key === ''
          ? { process: '', pid: 0, name: 'other mappings' }
          : { process: process.name, pid: process.pid, name }
      this.#rows.set(key, (row = { ...who, ...emptyRow() }))
    }
    if (mapping !== undefined) {
      row.protection = protectionOf(mapping)
      this.#known.set(mapping, row)
    }
    return row
  }

  /** All kinds, the most faults first. */
  kinds(): FaultKind[] {
    return [...this.#kinds.values()].toSorted((a, b) => b.faults - a.faults).slice(0, KINDS_SHOWN)
  }

  /** The mappings with the most faults. */
  mappings(): MappedFaults[] {
    return [...this.#rows.values()].toSorted((a, b) => b.faults - a.faults).slice(0, MAPPINGS_SHOWN)
  }
}

function emptyRow(): Omit<Mutable<MappedFaults>, 'process' | 'pid' | 'name'> {
  const none = { faults: 0, lockedFaults: 0, lockedNs: 0, kernelFaults: 0, writeFaults: 0 }
  return { ...none, protection: '', firstPage: Infinity, lastPage: 0 }
}

function accessOf(faultCode: number): FaultKind['access'] {
  if ((faultCode & FAULT_WRITE) !== 0) return 'write'
  return (faultCode & FAULT_INSTRUCTION) !== 0 ? 'instruction' : 'read'
}

function memoryOf(mapping: Mapping | undefined): FaultKind['memory'] {
  if (mapping === undefined) return 'no known mapping'
  if (mapping.growsDown) return 'stack'
  if (mapping.file === 0) return mapping.shared ? 'shared anonymous' : 'anonymous'
  return mapping.shared ? 'shared file' : 'file'
}

function protectionOf({ protection, shared }: Mapping): string {
  const letter = (bit: number, name: string): string => ((protection & bit) === 0 ? '-' : name)
  return letter(PROT_READ, 'r') + letter(PROT_WRITE, 'w') + letter(PROT_EXEC, 'x') + (shared ? 's' : 'p')
}
