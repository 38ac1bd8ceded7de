// What the kernel throws. Calls on the memory layout return negative errno values as Linux's do; only what has no
// return value is thrown: the signals of a failed access, a machine that lost a CPU, and a broken invariant of the
// kernel itself.

/** What an access does: read, write, or fetch an instruction. */
export type AccessKind = 'r' | 'w' | 'x'

/** An address to read: those of programs in hexadecimal digits, any other number as it is. */
export function addressText(address: number): string {
  return address >= 0 && address <= Number.MAX_SAFE_INTEGER ? `0x${address.toString(16)}` : String(address)
}

/** The `si_code` of a SIGSEGV. */
export type SegmentationFaultCode = 'SEGV_MAPERR' | 'SEGV_ACCERR' | 'SEGV_PKUERR'

/**
 * SIGSEGV: an access outside every mapping (`SEGV_MAPERR`), against a mapping's protection (`SEGV_ACCERR`), or against
 * its protection key (`SEGV_PKUERR`): a load or store where only instructions may be fetched, on a machine with
 * X86_INTEL_MEMORY_PROTECTION_KEYS.
 */
export class SegmentationFault extends Error {
  override readonly name = 'SegmentationFault'
  readonly code: SegmentationFaultCode
  /** The address of the access, in bytes. */
  readonly address: number
  /** The CPU, that is the attached thread, that made the access. */
  readonly cpu: number
  readonly access: AccessKind

  constructor(code: SegmentationFaultCode, address: number, cpu: number, access: AccessKind) {
    super(`${code} at ${addressText(address)} (${access}) on CPU ${cpu}`)
    this.code = code
    this.address = address
    this.cpu = cpu
    this.access = access
  }
}

/**
 * SIGBUS: an access to a page of a file mapping that lies wholly beyond the end of the file, or to a page that could
 * not be read.
 */
export class BusError extends Error {
  override readonly name = 'BusError'
  readonly code = 'BUS_ADRERR'
  readonly address: number
  readonly cpu: number
  /** Why the page could not be read, such as 'EIO'; null for an access beyond the end of the file. */
  readonly errno: string | null

  constructor(address: number, cpu: number, errno: string | null) {
    const reason =
      errno === null ? 'beyond the end of the mapped file, or reaped' : `the page cannot be read: ${errno}`
    super(`BUS_ADRERR at 0x${address.toString(16)} on CPU ${cpu}: ${reason}`)
    this.address = address
    this.cpu = cpu
    this.errno = errno
  }
}

/** No frame was left for a fault. Linux would choose a process to kill; here the access that asked is told. */
export class FaultOutOfMemory extends Error {
  override readonly name = 'FaultOutOfMemory'
  readonly address: number

  constructor(address: number) {
    super(`no free frame for the fault at 0x${address.toString(16)}`)
    this.address = address
  }
}

/** Another thread died inside the kernel. What it held stays held, so the machine refuses further work. */
export class CpuLostError extends Error {
  override readonly name = 'CpuLostError'
  readonly code = 'ERR_FAULTLINE_CPU_LOST'
  /** The CPU whose thread died. */
  readonly cpu: number

  constructor(cpu: number) {
    super(
      `the thread on CPU ${cpu} died inside the kernel; the machine refuses further work: create a new one`,
    )
    this.cpu = cpu
  }
}

/** The kernel was entered from inside the kernel, for instance by an observer. Nothing has happened. */
export class KernelReentryError extends Error {
  override readonly name = 'KernelReentryError'
  readonly code = 'ERR_FAULTLINE_REENTRY'
}

/** An invariant of the kernel does not hold: the analogue of `BUG_ON`. Always a defect of Faultline. */
export class KernelBug extends Error {
  override readonly name = 'KernelBug'
  readonly code = 'ERR_FAULTLINE_KERNEL_BUG'
}

/** `BUG_ON`: throws when `condition` holds. */
export function bugOn(condition: boolean, message: string): void {
  if (condition) bug(message)
}

export function bug(message: string): never {
  throw new KernelBug(`kernel bug: ${message}`)
}
