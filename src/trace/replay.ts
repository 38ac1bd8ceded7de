/**
 * `replayTrace`: performs a recorded program's calls and accesses on a machine, with its threads, and counts what
 * happened.
 *
 * Principles: one machine for each replay, with all its processes; address spaces that were there before the first
 * recorded operation are set up before the clock starts, all others are forked or made by exec where the record has it;
 * all workers start together. Everything that the trace could not tell is counted by kind, so that `recorded` is always
 * `reproduced` plus `notReproduced`.
 */
import { availableParallelism } from 'node:os'
import { createHistogram } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'
import { isAbortReason } from '../kernel/index.ts'
import {
  ConfigurationError,
  Machine,
  MemoryError,
  parseSize,
  type DesignName,
  type MachineOptions,
  type RwsemKind,
} from '../backends/threads/index.ts'
import { TraceError } from './errors.ts'
import type { ImportedTrace } from './import.ts'
import { PAGE_SIZE } from './layout.ts'
import { busyThreads } from './lanes.ts'
import { OpStore } from './op-store.ts'
import { Pacing } from './pacing.ts'
import { planReplay } from './plan.ts'
import type { CorrectionKind, PlanStatistics, ReplayPlan } from './plan-types.ts'
import { addressesOf, faultsOutside } from './recorded-faults.ts'
import {
  type Failure,
  type FromReplayWorker,
  type LockedFaults,
  type NotReproducedKind,
  type ReplayWorkerData,
  type ToReplayWorker,
  type UnmatchedFault,
  type WorkerResult,
} from './replay-protocol.ts'
import { createSpace, SpaceTable, type OpenFile } from './replay-space.ts'

/** Workers of one replay, at most: a machine has 256 CPUs, one of which is the main thread's. */
export const MAX_REPLAY_THREADS = 255
const MEBIBYTE = 1024 * 1024
const MAX_MEMORY = 4 * 1024 * MEBIBYTE - PAGE_SIZE
const PROGRESS_MS = 100
/** How long workers may take to end by themselves. */
const GRACE_MS = 10_000
/** Pages of the file that the workers warm up with. */
const WARM_UP_FILE_PAGES = 64

export interface ReplayOptions {
  readonly design?: DesignName
  readonly rwsem?: RwsemKind
  /** How resident pages are counted. Default 'batched'. */
  readonly rss?: 'batched' | 'shared'
  /**
   * At most so many workers, 1 to 255, and no more than recorded threads that did anything. Unless given: one for each
   * processor, as workers that have to take turns on one measure the turns.
   */
  readonly threads?: number
  /** Bytes of the machine's memory, or such as '512MiB'; what the program needs, unless given. */
  readonly memory?: string | number
  readonly onProgress?: (progress: { readonly done: number; readonly operations: number }) => void
}

export interface ReplayResult {
  readonly design: DesignName
  readonly rwsem: RwsemKind
  /** Worker threads that replayed. */
  readonly threads: number
  /** Bytes of memory of the machine. */
  readonly memory: number
  /** Faults that the replayed accesses took. */
  readonly faults: number
  readonly speculative: {
    readonly attempted: number
    readonly succeeded: number
    readonly aborted: Readonly<Record<string, number>>
  }
  /** Faults handled under the mmap lock. */
  readonly classicFaults: number
  /** Of these, faults that the kernel took, which no design tries without it. */
  readonly kernelFaults: number
  /** From the common start to the end of the last worker. */
  readonly elapsedMs: number
  readonly faultsPerSecond: number
  /** Of accesses that took a fault, in nanoseconds. */
  readonly faultLatencyNs: { readonly p50: number; readonly p99: number; readonly max: number }
  /** Waits for the mmap lock of all workers. */
  readonly mmapLockWaitNs: {
    readonly count: number
    readonly total: number
    readonly p50: number
    readonly p99: number
  }
  /**
   * Of the faults that were reproduced: which of them took the mmap lock, here and in Linux; null where the trace does
   * not tell.
   */
  readonly mmapLockFaults: LockedFaults | null
  readonly fidelity: {
    readonly recorded: number
    readonly reproduced: number
    /** Of those: the ones before which nothing was corrected. Only of these it tells anything that they came. */
    readonly uncorrected: number
    /** Faults whose correction turned back an earlier one of the same page, again and again: no state explains them. */
    readonly contradictory: number
    readonly notReproduced: number
    /** Accesses and calls that failed though Linux had allowed them. */
    readonly failed: number
    readonly ratio: number
    readonly notReproducedByKind: Readonly<Partial<Record<NotReproducedKind, number>>>
    /** The first failures. */
    readonly failures: readonly Failure[]
    /** The first that were not reproduced: where the trace has them, and the recorded address in hexadecimal. */
    readonly faults: readonly (UnmatchedFault & { readonly address: string })[]
  }
  /**
   * How often the state of a page, or of the layout, was corrected first because a recorded error code contradicted it,
   * by kind. None of it is counted elsewhere.
   */
  readonly corrections: Readonly<Partial<Record<CorrectionKind, number>>>
  /** What was performed, and in what order it had to be. */
  readonly operations: PlanStatistics
  /** The machine's own counters, under the kernel's names. */
  readonly counters: Readonly<Record<string, number>>
}

interface Plan extends ReplayPlan {
  readonly workers: number
}

/** A trace is planned once for each number of workers, however often it is replayed. */
const plans = new WeakMap<ImportedTrace, Map<number, Plan>>()

function planFor(trace: ImportedTrace, threads: number | undefined): Plan {
  if (
    threads !== undefined &&
    !(Number.isInteger(threads) && threads >= 1 && threads <= MAX_REPLAY_THREADS)
  ) {
    throw new TraceError(
      'limit',
      trace.path,
      undefined,
      `${threads} threads are asked for`,
      `A machine has CPUs for 1 to ${MAX_REPLAY_THREADS} of them; recorded threads share those when they are more.`,
    )
  }
  const busy = busyThreads(trace.seats)
  const workers = Math.max(1, Math.min(busy, threads ?? availableParallelism()))
  let known = plans.get(trace)
  if (known === undefined) plans.set(trace, (known = new Map()))
  let plan = known.get(workers)
  if (plan === undefined) {
    const store = new OpStore(trace.path, trace.memoryLimit, trace.temporaryDirectory)
    trace.onClose(() => store.close())
    plan = { workers, ...planReplay(trace.path, trace, workers, store) }
    known.set(workers, plan)
  }
  return plan
}

/** Upper page tables, and what else an address space needs beside its pages. */
const TABLES_PER_SPACE = 16

/** Bytes that a replay needs: what was in memory at once in recorded order, and room for another order. */
function estimateMemory(plan: Plan): number {
  const tables = 2 * plan.peakTables + TABLES_PER_SPACE * plan.peakSpaces
  const mappings = plan.images.reduce((sum, { isFirst, prelude }) => sum + (isFirst ? prelude.length : 0), 0)
  const pages = 2 * plan.peakFrames + plan.cachedPages + tables + mappings
  const bytes = pages * PAGE_SIZE + (32 + 2 * plan.workers) * MEBIBYTE
  return Math.ceil(bytes / (16 * MEBIBYTE)) * 16 * MEBIBYTE
}

/**
 * Replays a recorded program once.
 * @throws TraceError if it cannot go on; `RangeError`, `ConfigurationError` for options that cannot be
 */
export async function replayTrace(trace: ImportedTrace, options: ReplayOptions = {}): Promise<ReplayResult> {
  const plan = planFor(trace, options.threads)
  const needed = estimateMemory(plan)
  if (options.memory === undefined && needed > MAX_MEMORY) {
    throw new TraceError(
      'limit',
      trace.path,
      undefined,
      `the program had ${Math.ceil(needed / MEBIBYTE)} MiB in memory, more than a machine can have (4 GiB)`,
      'Record for a shorter time or a smaller load, or try --memory 4095MiB.',
    )
  }
  const memory = options.memory === undefined ? needed : parseSize(options.memory, 'memory')
  const machineOptions: MachineOptions = {
    memory,
    cpus: plan.workers + 1,
    // What the program was promised, it was promised by another machine.
    overcommit: 'always',
    ...(options.design !== undefined && { design: options.design }),
    ...(options.rwsem !== undefined && { rwsem: options.rwsem }),
    ...(options.rss !== undefined && { rss: options.rss }),
  }
  return new Replay(trace, plan, needed, memory, Machine.create(machineOptions)).run(options)
}

class Replay {
  readonly #trace: ImportedTrace
  readonly #plan: Plan
  readonly #needed: number
  readonly #machine: Machine
  readonly #pacing: Pacing
  readonly #team: Team
  readonly #memory: number

  constructor(trace: ImportedTrace, plan: Plan, needed: number, memory: number, machine: Machine) {
    this.#memory = memory
    this.#trace = trace
    this.#plan = plan
    this.#needed = needed
    this.#machine = machine
    this.#pacing = Pacing.create(plan.workers)
    this.#team = new Team(this.#pacing)
  }

  async run(options: ReplayOptions): Promise<ReplayResult> {
    const { workers } = this.#plan
    const operations = this.#plan.operations.reduce((sum, count) => sum + count, 0)
    const timer = setInterval(() => {
      let done = 0
      for (let worker = 0; worker < workers; worker++) done += this.#pacing.done(worker)
      options.onProgress?.({ done, operations })
    }, PROGRESS_MS)
    if (options.onProgress === undefined) clearInterval(timer)
    try {
      this.#team.start(workers, this.#machine.handle)
      await this.#team.attached()
      await this.#warmUp()
      const before = this.#machine.counters()
      const results = await this.#perform()
      return this.#result(results, before)
    } catch (error) {
      throw this.#explain(error)
    } finally {
      clearInterval(timer)
      await this.#team.dispose()
      this.#machine.detach()
    }
  }

  /**
   * An address space for each worker and a file for all to get going in; nothing of it is counted. In one address space
   * they would wait for its lock most of the time.
   */
  async #warmUp(): Promise<void> {
    const file = this.#machine.createFile({ name: 'warm-up', size: WARM_UP_FILE_PAGES * PAGE_SIZE })
    file.populate(0, WARM_UP_FILE_PAGES)
    const spaces = Array.from({ length: this.#plan.streams.length }, () => this.#machine.createAddressSpace())
    const table = SpaceTable.create(this.#machine.handle, spaces.length)
    for (const [worker, space] of spaces.entries()) table.put(worker, space)
    await this.#team.warmUp({ type: 'warm-up', table: table.shared, file: file.handle })
    for (const space of spaces) space.destroy()
    file.close()
  }

  async #perform(): Promise<WorkerResult[]> {
    const machine = this.#machine
    const { images, seatImages, tids, streams } = this.#plan
    const files = new Map<number, OpenFile>()
    for (const { number, firstPage, behindPage, cached } of this.#plan.files) {
      const name = this.#trace.files[number]!
      const size = (behindPage - firstPage) * PAGE_SIZE
      // As files on disk need it. For one in memory only, Linux does not notice the first write, and records no fault.
      const faultAround = !this.#trace.withoutFaultAround.has(number)
      const file = machine.createFile({ name, size, dirtyTracking: true, faultAround })
      files.set(number, { file, firstPage })
      for (const [first, count] of cached) if (first >= firstPage) file.populate(first - firstPage, count)
    }
    const table = SpaceTable.create(machine.handle, images.length)
    for (const [number, image] of images.entries())
      if (image.isFirst) table.put(number, createSpace(machine, image, files))
    this.#pacing.reset()
    const results = await this.#team.replay((worker) => ({
      type: 'replay',
      images,
      seatImages,
      tids,
      table: table.shared,
      files: [...files].map(([number, { file, firstPage }]) => ({ number, handle: file.handle, firstPage })),
      stream: streams[worker]!,
    }))
    // The recording may end before the processes.
    for (let image = 0; image < table.size; image++) table.get(image)?.destroy()
    for (const { file } of files.values()) file.close()
    return results
  }

  /** Says in words of the trace what went wrong on the machine. */
  #explain(error: unknown): unknown {
    if (error instanceof TraceError || error instanceof ConfigurationError || error instanceof RangeError)
      return error
    const noMemory = error instanceof MemoryError && error.errno === 'ENOMEM'
    const outOfMemory = noMemory || (error instanceof WorkerFailure && error.outOfMemory)
    const { path } = this.#trace
    if (outOfMemory) {
      const has = Math.floor(this.#memory / MEBIBYTE)
      return new TraceError(
        'replay',
        path,
        undefined,
        `the machine's ${has} MiB of memory are too little for this program`,
        `Give it more: about ${Math.ceil(Math.max(this.#needed, this.#memory * 1.5) / MEBIBYTE)} MiB (--memory).`,
        error,
      )
    }
    if (error instanceof MemoryError) {
      return new TraceError(
        'replay',
        path,
        undefined,
        `the layout at exec cannot be rebuilt (${error.message})`,
        'This is a defect of faultline; please report it with the trace.',
        error,
      )
    }
    if (error instanceof WorkerFailure) {
      return new TraceError(
        'replay',
        path,
        undefined,
        `a worker of the replay failed (${error.message})`,
        'This is a defect of faultline; please report it with the trace.',
        error,
      )
    }
    return error
  }

  #corrections(): Partial<Record<CorrectionKind, number>> {
    const { unseenMappings } = this.#trace
    return { ...this.#plan.corrections, ...(unseenMappings > 0 && { unseenMapping: unseenMappings }) }
  }

  /** The first of them in the trace, with the addresses that it has. */
  #located(faults: readonly UnmatchedFault[]): (UnmatchedFault & { address: string })[] {
    const first = faults.toSorted((a, b) => a.line - b.line).slice(0, MAX_FAILURES)
    const addresses = addressesOf(this.#trace.records, new Set(first.map(({ line }) => line)))
    return first.map((fault) => ({ ...fault, address: `0x${(addresses.get(fault.line) ?? 0).toString(16)}` }))
  }

  #result(results: readonly WorkerResult[], before: Readonly<Record<string, number>>): ReplayResult {
    const elapsedNs =
      Math.max(...results.map(({ endNs }) => endNs)) - Math.min(...results.map(({ startNs }) => startNs))
    const latencies = createHistogram()
    const lockWaits = createHistogram()
    const kinds: Partial<Record<NotReproducedKind, number>> = {}
    const failures: Failure[] = []
    const { records, seats } = this.#trace
    const outside = this.#trace.images.some(({ notPerformed }) => notPerformed.outsideAnyMapping > 0)
    const unmatched = outside ? faultsOutside(records, seats, MAX_FAILURES) : []
    const locked = { both: 0, onlyHere: 0, onlyLinux: 0, neither: 0 }
    let faults = 0
    let speculativeFaults = 0
    let reproduced = 0
    let corrected = 0
    let failed = 0
    let maxLatency = 0
    let lockWaitCount = 0
    let lockWaitTotal = 0
    const count = (kind: NotReproducedKind, times: number): void => {
      if (times > 0) kinds[kind] = (kinds[kind] ?? 0) + times
    }
    for (const result of results) {
      if (result.latencies.count > 0) latencies.add(result.latencies)
      if (result.lockWaits.count > 0) lockWaits.add(result.lockWaits)
      for (const [kind, times] of Object.entries(result.notReproduced))
        count(kind as NotReproducedKind, times)
      failures.push(...result.failures)
      unmatched.push(...result.unmatched)
      for (const key of Object.keys(locked) as (keyof LockedFaults)[]) locked[key] += result.locked[key]
      faults += result.faults
      speculativeFaults += result.speculative
      reproduced += result.reproduced
      corrected += result.corrected
      failed += result.failed
      maxLatency = Math.max(maxLatency, result.maxLatency)
      lockWaitCount += result.lockWaitCount
      lockWaitTotal += result.lockWaitTotal
    }
    const { images, recordedFaults: recorded } = this.#trace
    for (const image of images) {
      for (const [kind, times] of Object.entries(image.notPerformed)) count(kind as NotReproducedKind, times)
    }
    const counters = this.#machine.counters()
    for (const [name, times] of Object.entries(before)) counters[name]! -= times
    const aborted = Object.fromEntries(
      Object.entries(counters).filter(([name, times]) => isAbortReason(name) && times > 0),
    )
    const { design, rwsem } = this.#machine
    return {
      design,
      rwsem,
      threads: this.#plan.workers,
      memory: this.#memory,
      faults,
      speculative: { attempted: counters['spf_attempt'] ?? 0, succeeded: speculativeFaults, aborted },
      classicFaults: faults - speculativeFaults,
      kernelFaults: counters['page_fault_kernel'] ?? 0,
      elapsedMs: elapsedNs / 1e6,
      faultsPerSecond: elapsedNs > 0 ? faults / (elapsedNs / 1e9) : 0,
      faultLatencyNs: { ...percentiles(latencies), max: maxLatency },
      mmapLockWaitNs: { count: lockWaitCount, total: Math.round(lockWaitTotal), ...percentiles(lockWaits) },
      mmapLockFaults: this.#trace.linux.recorded ? locked : null,
      fidelity: {
        recorded,
        reproduced,
        uncorrected: reproduced - corrected,
        contradictory: this.#plan.contradictions,
        notReproduced: recorded - reproduced,
        failed,
        ratio: recorded === 0 ? 1 : reproduced / recorded,
        notReproducedByKind: kinds,
        failures: failures.slice(0, MAX_FAILURES),
        faults: this.#located(unmatched),
      },
      corrections: this.#corrections(),
      operations: this.#plan.statistics,
      counters,
    }
  }
}

const MAX_FAILURES = 16

function percentiles(histogram: ReturnType<typeof createHistogram>): { p50: number; p99: number } {
  return histogram.count === 0
    ? { p50: 0, p99: 0 }
    : { p50: histogram.percentile(50), p99: histogram.percentile(99) }
}

/** What a worker said before it gave up. */
class WorkerFailure extends Error {
  readonly outOfMemory: boolean
  constructor(message: string, outOfMemory: boolean, stack?: string) {
    super(message)
    this.name = 'WorkerFailure'
    this.outOfMemory = outOfMemory
    if (stack !== undefined) this.stack = stack
  }
}

/** The workers. The first failure of any of them fails whatever is waited for, after all others have been woken. */
class Team {
  readonly #pacing: Pacing
  readonly #workers: Worker[] = []
  readonly #exits: Promise<void>[] = []
  #failure = Promise.withResolvers<never>()
  #answers: ((message: FromReplayWorker) => void)[] = []

  constructor(pacing: Pacing) {
    this.#pacing = pacing
    // Whoever waits sees a failure; this keeps it from being called unhandled before that.
    this.#failure.promise.catch(() => {})
  }

  start(count: number, machine: ReplayWorkerData['machine']): void {
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
    for (let worker = 0; worker < count; worker++) {
      const data: ReplayWorkerData = { machine, pacing: this.#pacing.shared, worker }
      const thread = new Worker(new URL(`./replay-worker${extension}`, import.meta.url), { workerData: data })
      this.#workers.push(thread)
      thread.on('message', (message: FromReplayWorker) => {
        if (message.type === 'failed') {
          this.#fail(
            new WorkerFailure(`${message.name}: ${message.message}`, message.outOfMemory, message.stack),
          )
        } else {
          this.#answers[worker]?.(message)
        }
      })
      thread.on('error', (error) =>
        this.#fail(new WorkerFailure(`it threw ${String(error)}`, false, (error as Error).stack)),
      )
      const exit = Promise.withResolvers<void>()
      this.#exits.push(exit.promise)
      thread.on('exit', (code) => {
        this.#fail(new WorkerFailure(`it ended with code ${code}`, false))
        exit.resolve()
      })
    }
  }

  #fail(error: WorkerFailure): void {
    this.#failure.reject(error)
    this.#pacing.abort()
  }

  /** The next message of this type from every worker. */
  #gather<Type extends FromReplayWorker['type']>(
    type: Type,
  ): Promise<Extract<FromReplayWorker, { type: Type }>[]> {
    this.#answers = []
    const all = this.#workers.map((_, worker) => {
      const { promise, resolve } = Promise.withResolvers<Extract<FromReplayWorker, { type: Type }>>()
      this.#answers[worker] = (message) => {
        if (message.type === type) resolve(message as Extract<FromReplayWorker, { type: Type }>)
      }
      return promise
    })
    return Promise.race([Promise.all(all), this.#failure.promise])
  }

  async attached(): Promise<void> {
    await this.#gather('attached')
  }

  async warmUp(message: ToReplayWorker): Promise<void> {
    const warm = this.#gather('warm')
    for (const thread of this.#workers) thread.postMessage(message)
    await warm
  }

  /** Lets every worker do its part. */
  async replay(messageFor: (worker: number) => ToReplayWorker): Promise<WorkerResult[]> {
    const ready = this.#gather('ready')
    for (const [worker, thread] of this.#workers.entries()) thread.postMessage(messageFor(worker))
    await ready
    const done = this.#gather('done')
    this.#pacing.start()
    return done
  }

  /** Ends every worker; those that do not end by themselves, as nothing should keep a command from ending, by force. */
  async dispose(): Promise<void> {
    for (const thread of this.#workers) thread.postMessage({ type: 'end' } satisfies ToReplayWorker)
    const force = setTimeout(() => {
      for (const thread of this.#workers) void thread.terminate()
    }, GRACE_MS)
    await Promise.all(this.#exits)
    clearTimeout(force)
  }
}
