/**
 * What samples of the CPU (perf's event cpu-clock) tell of a thread between two of its events: how much of that time
 * was the page fault, or the return from the call, that the first of them was.
 *
 * Principles: a sample of the kernel is of a fault where a handler of page faults is in its call chain. One of the
 * program is where the CPU stood at the very instruction that had faulted: that is begun again when the fault is over,
 * and what the processor or a hypervisor still does for the new page shows there; of a call, where it stood in the
 * function that has the name of the call. Of samples at that instruction only one counts for each fault, so that a
 * loop which stays at it is not taken for a fault.
 */

/** Samples between two events. */
export interface SampleCounts {
  readonly all: number
  /** Of these: in the fault, or the return from the call, that was the first of the events. */
  readonly own: number
}

/** Handlers of page faults, of x86 and ARM64. */
const HANDLER = /\b(?:(?:asm_)?exc_page_fault|do_user_addr_fault|do_page_fault|do_translation_fault)\b/

export class ThreadSamples implements SampleCounts {
  all = 0
  own = 0
  /** The instruction that faulted: its address, or the name of the function of the kernel; the call that returned. */
  #place: string | number = ''
  #isCall = false
  #counted = false
  #hasGoneOn = false
  /** Of the last sample: whether it counts already, and whether a frame of it was seen. */
  #isOwn = false
  #hasFrame = false

  /** Something ends, or begins, after which samples may still be of it. */
  begin(place: string | number, isCall: boolean): void {
    this.all = 0
    this.own = 0
    this.#hasGoneOn = false
    this.#hasFrame = false
    this.#place = place
    this.#isCall = isCall
    this.#counted = false
    this.#isOwn = true
  }

  /**
   * A sample of the program, at an address, in a function; '' where that is not known.
   * @returns whether it is of the fault, or the return from the call
   */
  ofProgram(address: number, symbol: string): boolean {
    this.all++
    this.#isOwn = true
    if (this.#isCall) {
      const isOfCall = isNamed(symbol, String(this.#place))
      if (isOfCall) this.own++
      return isOfCall
    }
    if (address === this.#place) this.#again()
    else this.#hasGoneOn = true
    return address === this.#place
  }

  /** A sample of the kernel, whose call chain follows, the innermost function first. */
  ofKernel(): void {
    this.all++
    this.#isOwn = false
    this.#hasFrame = false
  }

  frame(symbol: string): void {
    if (this.#isOwn) return
    if (!this.#isCall && HANDLER.test(symbol)) {
      this.own++
      this.#isOwn = true
    } else if (!this.#hasFrame && !this.#isCall && symbol === this.#place) {
      // It copies from or to the page: until a handler shows that it faults there again.
      this.#again()
      this.#isOwn = true
    }
    this.#hasFrame = true
  }

  #again(): void {
    if (!this.#counted) this.own++
    this.#counted = true
  }

  /** The CPU was seen at something else than the fault: what the thread does now is not the fault's. */
  get goesOn(): boolean {
    return this.#hasGoneOn || (this.#hasFrame && !this.#isOwn)
  }

  counts(): SampleCounts {
    return { all: this.all, own: this.own }
  }
}

/** Whether a function is the C library's, or a language's, for a system call: __munmap, runtime.madvise. */
function isNamed(symbol: string, call: string): boolean {
  const at = symbol.indexOf(call)
  return at >= 0 && !/[a-z0-9]/i.test(symbol[at - 1] ?? '') && !/[a-z]/i.test(symbol[at + call.length] ?? '')
}
