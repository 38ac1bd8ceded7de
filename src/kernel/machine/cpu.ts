// A CPU is an attached thread.
//
// It is *inside* while it executes an access or a call of the kernel, and *outside* while it runs JavaScript of the
// user or sleeps. Entering and leaving are one atomic operation each on its state word, in which other CPUs also set
// flags:
//
//   bit 0  INSIDE     set on entry, cleared on exit
//   bit 1  INTERRUPT  another CPU has put a call into the mailbox and waits for the answer
//   bit 2  FLUSH      a translation was removed while this CPU was outside: it flushes the TLB on entry
//   bit 3  STOP       entering is refused: a CPU was lost, or the thread of this CPU is about to be terminated
//   bit 4  CLAIMED    it is outside, and another CPU is changing its private state: entering waits
//   bits 5..31        how often it entered, so that a grace period can tell one stay from the next
//
// A CPU outside holds translations that it cannot use without passing the entry, hence nobody has to wait for it:
// that is lazy TLB shootdown. A CPU inside answers at the points where it polls: on entry and exit, in every loop
// that waits, and when it enables interrupts. RCU needs no more than the same word, see sync/rcu.ts.

import { CpuLostError, KernelReentryError, bugOn } from './errors.ts'
import { Header } from './header.ts'
import type { PhysicalMemory } from './frames.ts'
import { PER_CPU_WORDS, PerCpu } from './per-cpu.ts'
import { unpackKernelConfig, type KernelConfig } from './kconfig.ts'

export const CPU_INSIDE = 1
export const CPU_INTERRUPT = 2
export const CPU_FLUSH = 4
export const CPU_STOP = 8
export const CPU_CLAIMED = 16
export const CPU_ENTRY = 32

export const CPUS_MAX = 256
export const CPU_MASK_WORDS = CPUS_MAX / 32

/** What `futexState` of a CPU says while its thread waits for a word of memory, and when the machine is lost. */
export const FUTEX_WAITING = 1
const FUTEX_LOST = 3

const TLB_ENTRIES = 2048
const WALK_CACHE_ENTRIES = 64

/** How long a sleeper waits before it looks whether the machine still stands, in milliseconds. */
export const SLEEP_CHECK_MS = 100
/**
 * How long a halted CPU that may be interrupted waits at most, in milliseconds: a wake-up by an interrupt can be
 * missed.
 */
const HALT_CHECK_MS = 1
/** How often a CPU looks again before it halts. */
export const SPINS_BEFORE_HALT = 64

/**
 * Called where Linux has its `lock:contention_begin` and `lock:contention_end` tracepoints. Null when nobody listens.
 */
export interface Tracepoints {
  contentionBegin(lock: number, write: boolean): void
  contentionEnd(lock: number): void
}

/** As `tlbie` of Power and `TLBI … IS` of arm64: no other CPU is interrupted, and none answers. */
export interface TlbBroadcast {
  /** When it returns, no other CPU has a translation of the pages [start, end) under `root`. */
  flush(root: number, start: number, end: number): void
}

/**
 * What only the host can do for a CPU. Files are structs of the kernel heap (memory/file.ts). A method that fails
 * returns a negative errno; none may throw, or use the machine but for the frames that it is given.
 */
export interface Host {
  /** Called about every 100 ms while this CPU waits; may find that another thread has died. */
  stillWaiting(): void
  /** Called in every turn of a loop that waits without sleeping. Returns true about every 100 ms. */
  waitsLong(): boolean
  /**
   * Reads from page `index` of the file on into `count` frames, in order. Returns the bytes read, fewer than asked for
   * only at the end of the file, or a negative errno.
   */
  readPages(file: number, index: number, frames: Int32Array, count: number): number
  /** Writes `bytes` bytes of `count` frames, whole but for the last, from page `index` on. Returns 0 or an errno. */
  writePages(file: number, index: number, frames: Int32Array, count: number, bytes: number): number
  /** Returns when what was written is safe from a loss of power: 0 or a negative errno. */
  syncFile(file: number): number
  /** Gives the file a size of `pages` pages of which the last has `lastBytes` bytes. Returns 0 or a negative errno. */
  truncateFile(file: number, pages: number, lastBytes: number): number
  /** Opens the file for writing, if that can be done. Returns 0 or a negative errno. */
  openFile(file: number): number
  /** No reference to the file is left: the kernel frees it next. */
  forgetFile(file: number): void
  /** Whether the caller runs inside a method of this interface, in foreign code that the method has called. */
  isCalledOut(): boolean
}

export class Cpu {
  readonly heap: Int32Array
  readonly id: number
  readonly memory: PhysicalMemory
  readonly config: KernelConfig
  /** This CPU's struct in the heap, which begins with its state word. */
  readonly base: number
  readonly cpuCount: number
  /** What the machine's spinlocks are, see `spinlockKinds` of sync/spinlock.ts. */
  readonly spinlockKind: number
  tracepoints: Tracepoints | null = null
  /** Set if the processor removes the translations of all CPUs at once; null if each CPU must be called for that. */
  tlbBroadcast: TlbBroadcast | null = null
  host: Host | null = null

  /**
   * Whether this thread is between entry and exit, or asleep in between: a copy of its own, by which a second entry is
   * refused before it does harm.
   */
  entered = false
  /** False while this CPU must not answer interrupts. */
  interruptsEnabled = true
  /** At how many of its nodes this CPU waits for spinlocks, see sync/qspinlock.ts. */
  qnodesUsed = 0
  /** The CPUs that this one has called and whose answer it has not seen, a bit each. */
  readonly called = new Int32Array(CPU_MASK_WORDS)
  /** Depth of RCU read-side critical sections. */
  rcuNesting = 0
  /** The state words of all CPUs when the grace period in progress began; null before the first. */
  rcuSnapshot: Int32Array | null = null

  // The TLB: direct-mapped, tagged by page and by the root of the page table, so that spaces need not flush each other.
  readonly tlbPage = new Int32Array(TLB_ENTRIES).fill(-1)
  readonly tlbRoot = new Int32Array(TLB_ENTRIES)
  readonly tlbEntry = new Int32Array(TLB_ENTRIES)
  /** The sectors that this CPU has noted as written through the translation, see sectors.ts. */
  readonly tlbWritten = new Int32Array(TLB_ENTRIES)
  // The paging-structure cache: which page table covers an aligned run of 512 pages.
  readonly walkRun = new Int32Array(WALK_CACHE_ENTRIES).fill(-1)
  readonly walkRoot = new Int32Array(WALK_CACHE_ENTRIES)
  readonly walkTable = new Int32Array(WALK_CACHE_ENTRIES)
  /** The x86 error code of the last translation that failed. */
  faultError = 0

  constructor(id: number, heap: Int32Array, memory: PhysicalMemory) {
    this.heap = heap
    this.id = id
    this.memory = memory
    this.config = unpackKernelConfig(heap[Header.config])
    this.base = perCpuBase(heap, id)
    this.cpuCount = heap[Header.cpuCount]
    this.spinlockKind = heap[Header.spinlockKind]
  }
}

/** The struct of CPU `id`. */
export function perCpuBase(heap: Int32Array, id: number): number {
  return heap[Header.perCpu] + id * PER_CPU_WORDS
}

/**
 * Enters the kernel, for an access. Throws CpuLostError when the machine has lost a CPU. A thread that has been ordered
 * to stop (see thread-end.ts) sleeps here until it is ended.
 */
export function kernelEnter(cpu: Cpu): void {
  if (cpu.entered) endTornStay(cpu)
  // Around the change of the state word, not inside: see endTornStay().
  cpu.entered = true
  const before = Atomics.add(cpu.heap, cpu.base, CPU_ENTRY + CPU_INSIDE)
  const news = CPU_INSIDE | CPU_INTERRUPT | CPU_FLUSH | CPU_STOP | CPU_CLAIMED
  if ((before & news) !== 0) kernelEnterSlow(cpu, before)
}

/** Enters the kernel, for a call. A thread that dies between this and {@link callExit} leaves work undone. */
export function callEnter(cpu: Cpu): void {
  kernelEnter(cpu)
  beginWork(cpu)
}

export function callExit(cpu: Cpu): void {
  endWork(cpu)
  kernelExit(cpu)
}

/**
 * From here to {@link endWork} this CPU may hold something, or have something half done: if its thread dies, the
 * machine is lost. An access that needs no fault does not call this.
 */
export function beginWork(cpu: Cpu): void {
  cpu.heap[cpu.base + PerCpu.atWork] = 1
}

export function endWork(cpu: Cpu): void {
  cpu.heap[cpu.base + PerCpu.atWork] = 0
}

/**
 * The thread enters a second time. Either code that the kernel has called does so, which is refused; or an exception
 * has passed through the kernel that no handler sees, as when the host cuts off a script that runs too long. If the CPU
 * was not at work, it held nothing, and this ends the earlier stay; else the machine is lost.
 */
function endTornStay(cpu: Cpu): void {
  throwIfCpuLost(cpu)
  if (cpu.host !== null && cpu.host.isCalledOut())
    throw new KernelReentryError('the memory of a machine is used by what the kernel itself has called')
  if (cpu.heap[cpu.base + PerCpu.atWork] !== 0) {
    declareCpuLost(cpu.heap, cpu.id)
    throwIfCpuLost(cpu)
  }
  cpu.interruptsEnabled = true
  if ((Atomics.load(cpu.heap, cpu.base) & CPU_INSIDE) !== 0) exitTornStay(cpu)
}

/**
 * Ends a stay that was cut off at an unknown point, perhaps while the CPU answered calls: it answers again those that
 * are still in the mailbox.
 */
export function exitTornStay(cpu: Cpu): void {
  Atomics.or(cpu.heap, cpu.base, CPU_INTERRUPT)
  kernelExit(cpu)
}

function kernelEnterSlow(cpu: Cpu, before: number): void {
  bugOn((before & CPU_INSIDE) !== 0, `two threads on CPU ${cpu.id}`)
  if ((before & CPU_STOP) !== 0 && !mayFinish(cpu)) {
    kernelExit(cpu)
    throwIfCpuLost(cpu)
    waitForEnd(cpu)
    kernelEnter(cpu)
    return
  }
  if ((before & CPU_CLAIMED) !== 0) waitForClaimant(cpu)
  if ((before & CPU_FLUSH) !== 0) {
    // In this order, since the host may cut the script off in between.
    flushTlb(cpu)
    Atomics.and(cpu.heap, cpu.base, ~CPU_FLUSH)
  }
  if ((before & CPU_INTERRUPT) !== 0) serviceInterrupts(cpu)
}

/** Whether a CPU that is to stop comes back from a sleep in the kernel, and has to finish what it has begun. */
function mayFinish(cpu: Cpu): boolean {
  return (
    Atomics.load(cpu.heap, Header.lostCpu) === 0 && Atomics.load(cpu.heap, cpu.base + PerCpu.asleep) !== 0
  )
}

/** Sleeps outside the kernel, as long as this thread is ordered to stop. */
function waitForEnd(cpu: Cpu): void {
  const { heap, base } = cpu
  for (;;) {
    const state = Atomics.load(heap, base)
    if ((state & CPU_STOP) === 0) return
    Atomics.wait(heap, base, state, SLEEP_CHECK_MS)
    throwIfCpuLost(cpu)
  }
}

/** Leaves the kernel. An interrupt that arrived meanwhile is answered first, since its sender waits. */
export function kernelExit(cpu: Cpu): void {
  const before = Atomics.sub(cpu.heap, cpu.base, CPU_INSIDE)
  cpu.entered = false
  if ((before & CPU_INTERRUPT) !== 0) kernelExitSlow(cpu)
}

function kernelExitSlow(cpu: Cpu): void {
  do {
    const before = Atomics.add(cpu.heap, cpu.base, CPU_ENTRY + CPU_INSIDE)
    if ((before & CPU_CLAIMED) !== 0) waitForClaimant(cpu)
    serviceInterrupts(cpu)
  } while ((Atomics.sub(cpu.heap, cpu.base, CPU_INSIDE) & CPU_INTERRUPT) !== 0)
}

/**
 * Claims the CPU at `base`, so that this CPU may change its private state. Works only while that CPU is outside.
 * Returns whether it did; then {@link releaseClaim} must follow soon, and this CPU must not wait for anything that the
 * claimed one does.
 */
export function claimCpu(cpu: Cpu, base: number): boolean {
  const { heap } = cpu
  for (;;) {
    const state = Atomics.load(heap, base)
    if ((state & (CPU_INSIDE | CPU_CLAIMED)) !== 0) return false
    if (Atomics.compareExchange(heap, base, state, state | CPU_CLAIMED) === state) return true
  }
}

export function releaseClaim(cpu: Cpu, base: number): void {
  Atomics.and(cpu.heap, base, ~CPU_CLAIMED)
  Atomics.notify(cpu.heap, base)
}

/** Answers no interrupt meanwhile, since the call might change what the claimant is changing. */
function waitForClaimant(cpu: Cpu): void {
  const { heap, base } = cpu
  for (let spins = 0; ; spins++) {
    const state = Atomics.load(heap, base)
    if ((state & CPU_CLAIMED) === 0) return
    if (spins < SPINS_BEFORE_HALT) {
      Atomics.pause()
      continue
    }
    throwIfCpuLost(cpu)
    Atomics.wait(heap, base, state, HALT_CHECK_MS)
  }
}

/** `local_irq_disable`. Does not nest. */
export function disableInterrupts(cpu: Cpu): void {
  cpu.interruptsEnabled = false
}

/** `local_irq_enable`; answers interrupts that came meanwhile. */
export function enableInterrupts(cpu: Cpu): void {
  cpu.interruptsEnabled = true
  pollInterrupts(cpu)
}

/** Answers an interrupt if one is pending and interrupts are enabled. */
export function pollInterrupts(cpu: Cpu): void {
  if (cpu.interruptsEnabled && isInterruptPending(cpu)) serviceInterrupts(cpu)
}

/**
 * Whether another CPU has called this one and waits for the answer. False while this CPU is outside, as it is while it
 * waits for a grace period: the caller takes such a call back and goes on to its next, and another CPU may have claimed
 * this one.
 */
export function isInterruptPending(cpu: Cpu): boolean {
  const called = CPU_INSIDE | CPU_INTERRUPT
  return (Atomics.load(cpu.heap, cpu.base) & called) === called
}

// ---------------------------------------------------------------------------------------------------------------------
// Answering the calls of other CPUs, see calls.ts

export const CALL_NOTHING = 0
export const CALL_FLUSH_TLB = 1
export const CALL_DRAIN_PCP = 2
const CALLS = 4

const calls: (((cpu: never) => void) | null)[] = Array.from({ length: CALLS }, () => null)

/**
 * Defines what a CPU does when it is called with `callFunction`. `run` must be safe at every point where a CPU polls
 * for interrupts.
 */
export function defineCall<C extends Cpu>(callFunction: number, run: (cpu: C) => void): void {
  calls[callFunction] = run
}

/** `tlb_single_page_flush_ceiling`: above it, the whole TLB is flushed. */
const FLUSH_PAGES_MAX = 33

/**
 * Answers with interrupts disabled, as every handler runs: code that unlocks something in the middle of an answer must
 * not answer by itself. It would clear the bit of a caller that answerCalls() is about to clear; the caller would go on
 * to its next call, and answerCalls() would then clear the bit of that call, though nobody has done it.
 */
function serviceInterrupts(cpu: Cpu): void {
  if (!cpu.interruptsEnabled) return
  disableInterrupts(cpu)
  do answerCalls(cpu)
  while (isInterruptPending(cpu))
  cpu.interruptsEnabled = true
}

function answerCalls(cpu: Cpu): void {
  const { heap, base } = cpu
  Atomics.and(heap, base, ~CPU_INTERRUPT)
  for (let word = 0; word * 32 < cpu.cpuCount; word++) {
    const mailbox = base + PerCpu.mailbox + word
    let bits = Atomics.load(heap, mailbox)
    while (bits !== 0) {
      const bit = 31 - Math.clz32(bits & -bits)
      bits &= bits - 1
      const sender = perCpuBase(heap, word * 32 + bit)
      doCall(cpu, sender)
      Atomics.and(heap, mailbox, ~(1 << bit))
      // If this thread dies before it notifies, the halt of the sender ends by itself.
      if (Atomics.load(heap, sender + PerCpu.haltedOn) === mailbox) Atomics.notify(heap, mailbox)
    }
  }
}

/** Does what `sender` calls for. */
function doCall(cpu: Cpu, sender: number): void {
  const { heap, base } = cpu
  const callFunction = heap[sender + PerCpu.callFunction]
  if (callFunction === CALL_FLUSH_TLB) {
    flushTlbRange(
      cpu,
      heap[sender + PerCpu.callRoot],
      heap[sender + PerCpu.callStart],
      heap[sender + PerCpu.callEnd],
    )
    return
  }
  const run = calls[callFunction] as ((cpu: Cpu) => void) | null | undefined
  if (run === null || run === undefined) return
  // Unlike a flush, it may take locks.
  const work = heap[base + PerCpu.atWork]
  beginWork(cpu)
  run(cpu)
  heap[base + PerCpu.atWork] = work
}

// ---------------------------------------------------------------------------------------------------------------------
// The TLB

export const TLB_MASK = TLB_ENTRIES - 1
export const WALK_CACHE_MASK = WALK_CACHE_ENTRIES - 1

/** Drops every translation of this CPU. */
export function flushTlb(cpu: Cpu): void {
  cpu.tlbPage.fill(-1)
  cpu.walkRun.fill(-1)
}

/**
 * Drops this CPU's translations of the pages [start, end) under `root`. Like INVLPG, it drops the paging-structure
 * cache.
 */
export function flushTlbRange(cpu: Cpu, root: number, start: number, end: number): void {
  if (end - start > FLUSH_PAGES_MAX) {
    flushTlb(cpu)
    return
  }
  for (let page = start; page < end; page++) {
    const entry = page & TLB_MASK
    if (cpu.tlbPage[entry] === page && cpu.tlbRoot[entry] === root) cpu.tlbPage[entry] = -1
  }
  cpu.walkRun.fill(-1)
}

// ---------------------------------------------------------------------------------------------------------------------
// Waiting

/**
 * One turn of a loop that waits for another CPU: answers interrupts, gives the other hardware thread a chance. Throws
 * CpuLostError where that CPU has died.
 */
export function cpuRelax(cpu: Cpu): void {
  pollInterrupts(cpu)
  Atomics.pause()
  if (cpu.host !== null && cpu.host.waitsLong()) {
    cpu.host.stillWaiting()
    throwIfCpuLost(cpu)
  }
}

export const NEED_RESCHED = 1
/** A writer has spun for readers as long as it may. */
export const SPUN_FOR_READERS = 2

/**
 * `need_resched`: this thread should not go on spinning, as another waits for its CPU. Worker threads never learn of
 * it, since the host schedules them by itself.
 */
export function needResched(cpu: Cpu): boolean {
  return (spinAdvice(cpu) & NEED_RESCHED) !== 0
}

/** What the scheduler tells a thread that spins: {@link NEED_RESCHED}, {@link SPUN_FOR_READERS}. */
export function spinAdvice(cpu: Cpu): number {
  return Atomics.load(cpu.heap, cpu.base + PerCpu.needResched)
}

/**
 * Waits for `heap[word]` to change from `value` as a CPU waits: it stays inside, answers interrupts if they are
 * enabled, and halts after a while. `spins` is how often the caller has been here. A waker need not notify, but
 * halting ends sooner if it does.
 */
export function cpuWait(cpu: Cpu, word: number, value: number, spins: number): void {
  if (spins < SPINS_BEFORE_HALT) {
    cpuRelax(cpu)
    return
  }
  const { heap, base } = cpu
  throwIfCpuLost(cpu)
  Atomics.store(heap, base + PerCpu.haltedOn, word)
  pollInterrupts(cpu)
  const timedOut = Atomics.wait(heap, word, value, HALT_CHECK_MS) === 'timed-out'
  Atomics.store(heap, base + PerCpu.haltedOn, 0)
  pollInterrupts(cpu)
  if (timedOut && spins % SLEEP_CHECK_MS === 0) cpu.host?.stillWaiting()
}

/** Throws CpuLostError when a thread has died inside the kernel. */
export function throwIfCpuLost(cpu: Cpu): void {
  const lost = Atomics.load(cpu.heap, Header.lostCpu)
  if (lost !== 0) throw new CpuLostError(lost - 1)
}

/**
 * Records that CPU `lost` has died inside the kernel. From now on no CPU can enter, and every CPU that waits is woken.
 */
export function declareCpuLost(heap: Int32Array, lost: number): void {
  Atomics.compareExchange(heap, Header.lostCpu, 0, lost + 1)
  for (let id = 0; id < heap[Header.cpuCount]; id++) {
    const base = perCpuBase(heap, id)
    Atomics.or(heap, base, CPU_STOP)
    Atomics.notify(heap, base + PerCpu.waiterTask)
    Atomics.notify(heap, base + PerCpu.waiterWake)
    Atomics.notify(heap, base + PerCpu.rcuwaitTask)
    Atomics.notify(heap, base + PerCpu.syncDone)
    // The word changes too, so that a thread that is about to sleep on it does not.
    Atomics.compareExchange(heap, base + PerCpu.futexState, FUTEX_WAITING, FUTEX_LOST)
    Atomics.notify(heap, base + PerCpu.futexState)
    const haltedOn = Atomics.load(heap, base + PerCpu.haltedOn)
    if (haltedOn !== 0) Atomics.notify(heap, haltedOn)
  }
}

/** True while the CPU at `base` is inside the kernel or sleeps there: a thread that dies then leaves things undone. */
export function isInKernel(heap: Int32Array, base: number): boolean {
  return isInside(heap, base) || Atomics.load(heap, base + PerCpu.asleep) !== 0
}

/** True while the CPU at `base` is inside the kernel. */
function isInside(heap: Int32Array, base: number): boolean {
  return (Atomics.load(heap, base) & CPU_INSIDE) !== 0
}
