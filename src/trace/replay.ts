/**
 * `replayTrace`: performs a recorded program's calls and accesses on a machine, with its threads, and counts what
 * happened.
 *
 * Principles: one machine for each replay; the address spaces of the process one after the other, as exec makes them;
 * what exec maps is mapped before the clock starts; all workers start together. Everything that the trace could not
 * tell is counted by kind, so that `recorded` is always `reproduced` plus `notReproduced`.
 */
import { createHistogram } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'
import { isAbortReason } from '../kernel/index.ts'
import {
  ConfigurationError,
  Machine,
  MemoryError,
  OutOfMemory,
  parseSize,
  type AddressSpace,
  type DesignName,
  type MachineOptions,
  type MemoryFile,
} from '../backends/threads/index.ts'
import { TraceError } from './errors.ts'
import type { ImportedTrace } from './import.ts'
import { PAGE_SIZE } from './layout.ts'
import { OpStore } from './op-store.ts'
import { Pacing } from './pacing.ts'
import { busyThreads, planImage, type ImagePlan, type PlannedMapping, type PlanStatistics } from './plan.ts'
import {
  PROTECTIONS,
  type Failure,
  type FromReplayWorker,
  type NotReproducedKind,
  type ReplayWorkerData,
  type ToReplayWorker,
  type WorkerResult,
} from './replay-protocol.ts'

/** Workers of one replay, at most: a machine has 256 CPUs, one of which is the main thread's. */
export const MAX_REPLAY_THREADS = 255
/** Unless more are asked for: each takes some ten megabytes of Node.js's own. */
const DEFAULT_REPLAY_THREADS = 64

const MEBIBYTE = 1024 * 1024
const MAX_MEMORY = 4 * 1024 * MEBIBYTE - PAGE_SIZE
/** The most that Linux's own default allows a stack to grow, and how much more when the trace shows more. */
const DEFAULT_STACK_LIMIT = 8 * MEBIBYTE
/** Linux's limit may have been raised where the program ran. */
const MAX_MAP_COUNT = 2 ** 24
const PROGRESS_MS = 100
/** How long workers may take to end by themselves. */
const GRACE_MS = 10_000
/** Pages of the file that the workers warm up with. */
const WARM_UP_FILE_PAGES = 64

export interface ReplayOptions {
  readonly design?: DesignName
  readonly rwsem?: 'xadd' | 'generic'
  /** How resident pages are counted. Default 'batched'. */
  readonly rss?: 'batched' | 'shared'
  /**
   * At most so many workers, 1 to 255. Unless given: one for each recorded thread that did anything, but no more than
   * 64.
   */
  readonly threads?: number
  /** Bytes of the machine's memory, or such as '512MiB'; what the program needs, unless given. */
  readonly memory?: string | number
  readonly onProgress?: (progress: { readonly done: number; readonly operations: number }) => void
}

export interface ReplayResult {
  readonly design: DesignName
  readonly rwsem: 'xadd' | 'generic'
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
  /** From the common start to the end of the last worker; the sum over the address spaces. */
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
  readonly fidelity: {
    readonly recorded: number
    readonly reproduced: number
    readonly notReproduced: number
    /** Accesses and calls that failed though Linux had allowed them. */
    readonly failed: number
    readonly ratio: number
    readonly notReproducedByKind: Readonly<Partial<Record<NotReproducedKind, number>>>
    /** The first failures. */
    readonly failures: readonly Failure[]
  }
  /** What was performed, and in what order it had to be. */
  readonly operations: PlanStatistics
  /** The machine's own counters, under the kernel's names. */
  readonly counters: Readonly<Record<string, number>>
}

interface Plan {
  readonly workers: number
  readonly images: readonly ImagePlan[]
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
  const busy = Math.max(...trace.images.map((image) => busyThreads(image.threads)))
  const workers = Math.max(1, Math.min(busy, threads ?? DEFAULT_REPLAY_THREADS))
  let known = plans.get(trace)
  if (known === undefined) plans.set(trace, (known = new Map()))
  let plan = known.get(workers)
  if (plan === undefined) {
    const store = new OpStore(trace.path, trace.memoryLimit, trace.temporaryDirectory)
    trace.onClose(() => store.close())
    plan = { workers, images: trace.images.map((image) => planImage(trace.path, image, workers, store)) }
    known.set(workers, plan)
  }
  return plan
}

/** Bytes that a replay needs: what was in memory at once in recorded order, and room for another order. */
function estimateMemory(plan: Plan): number {
  const pages = Math.max(
    ...plan.images.map(
      (image) => 2 * image.peakOwnedPages + image.cachedPages + 2 * image.pageTables + image.prelude.length,
    ),
  )
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
    const { workers, images } = this.#plan
    const operations = images.reduce((sum, image) => sum + image.statistics.operations, 0)
    let doneBefore = 0
    const timer = setInterval(() => {
      let done = doneBefore
      for (let worker = 0; worker < workers; worker++) done += this.#pacing.done(worker)
      options.onProgress?.({ done, operations })
    }, PROGRESS_MS)
    if (options.onProgress === undefined) clearInterval(timer)
    const results: WorkerResult[] = []
    let elapsedNs = 0
    try {
      this.#team.start(workers, this.#machine.handle)
      await this.#team.attached()
      await this.#warmUp()
      const before = this.#machine.counters()
      for (const image of images) {
        const ofImage = await this.#runImage(image)
        elapsedNs +=
          Math.max(...ofImage.map(({ endNs }) => endNs)) - Math.min(...ofImage.map(({ startNs }) => startNs))
        results.push(...ofImage)
        doneBefore += image.statistics.operations
      }
      return this.#result(results, elapsedNs, before)
    } catch (error) {
      throw this.#explain(error)
    } finally {
      clearInterval(timer)
      await this.#team.dispose()
      this.#machine.detach()
    }
  }

  /** An address space and a file for the workers to get going in; nothing of it is counted. */
  async #warmUp(): Promise<void> {
    const space = this.#machine.createAddressSpace()
    const file = this.#machine.createFile({ name: 'warm-up', size: WARM_UP_FILE_PAGES * PAGE_SIZE })
    file.populate(0, WARM_UP_FILE_PAGES)
    await this.#team.warmUp({ type: 'warm-up', space: space.handle, file: file.handle })
    space.destroy()
    file.close()
  }

  async #runImage(image: ImagePlan): Promise<WorkerResult[]> {
    const machine = this.#machine
    const stack = image.prelude.reduce(
      (most, { growsDown, pages }) => (growsDown ? Math.max(most, pages * PAGE_SIZE) : most),
      0,
    )
    const space = machine.createAddressSpace({
      maxMapCount: MAX_MAP_COUNT,
      stackLimit: Math.max(DEFAULT_STACK_LIMIT, stack + image.stackGrowth),
    })
    const files = new Map<number, { file: MemoryFile; firstPage: number }>()
    for (const { number, firstPage, behindPage, cached } of image.files) {
      const name = this.#trace.files[number]!
      const size = (behindPage - firstPage) * PAGE_SIZE
      // As files on disk need it. For one in memory only, Linux does not notice the first write, and records no fault.
      const file = machine.createFile({ name, size, dirtyTracking: true })
      files.set(number, { file, firstPage })
      for (const [first, count] of cached) if (first >= firstPage) file.populate(first - firstPage, count)
    }
    // The heap is there before what a forked process had mapped over it.
    if (image.heapStart >= 0) {
      space.setBrk(image.heapStart)
      if (image.heapEnd > image.heapStart) space.brk(image.heapEnd)
    }
    for (const mapping of image.prelude) this.#mapPrelude(space, mapping, files, image)
    this.#pacing.reset()
    const results = await this.#team.runImage((worker) => ({
      type: 'image',
      space: space.handle,
      files: [...files].map(([number, { file, firstPage }]) => ({ number, handle: file.handle, firstPage })),
      stream: image.streams[worker]!,
      tids: image.tids,
    }))
    space.destroy()
    for (const { file } of files.values()) file.close()
    return results
  }

  #mapPrelude(
    space: AddressSpace,
    mapping: PlannedMapping,
    files: ReadonlyMap<number, { file: MemoryFile; firstPage: number }>,
    image: ImagePlan,
  ): void {
    const address = mapping.page * PAGE_SIZE
    const length = mapping.pages * PAGE_SIZE
    if (length === 0) return
    const plainHeap = mapping.protection === 3 && mapping.file === 0 && !mapping.shared
    if (plainHeap && address >= image.heapStart && address + length <= pageUp(image.heapEnd)) return
    const source = files.get(mapping.file)
    space.mmap(length, {
      protection: PROTECTIONS[mapping.protection]!,
      address,
      fixed: true,
      shared: mapping.shared,
      growsDown: mapping.growsDown,
      ...(source !== undefined && {
        file: source.file,
        offset: (mapping.filePage - source.firstPage) * PAGE_SIZE,
      }),
    })
  }

  /** Says in words of the trace what went wrong on the machine. */
  #explain(error: unknown): unknown {
    if (error instanceof TraceError || error instanceof ConfigurationError || error instanceof RangeError)
      return error
    const outOfMemory = error instanceof OutOfMemory || (error instanceof WorkerFailure && error.outOfMemory)
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

  #result(
    results: readonly WorkerResult[],
    elapsedNs: number,
    before: Readonly<Record<string, number>>,
  ): ReplayResult {
    const latencies = createHistogram()
    const lockWaits = createHistogram()
    const kinds: Partial<Record<NotReproducedKind, number>> = {}
    const failures: Failure[] = []
    let faults = 0
    let speculativeFaults = 0
    let reproduced = 0
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
      faults += result.faults
      speculativeFaults += result.speculative
      reproduced += result.reproduced
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
      elapsedMs: elapsedNs / 1e6,
      faultsPerSecond: elapsedNs > 0 ? faults / (elapsedNs / 1e9) : 0,
      faultLatencyNs: { ...percentiles(latencies), max: maxLatency },
      mmapLockWaitNs: { count: lockWaitCount, total: Math.round(lockWaitTotal), ...percentiles(lockWaits) },
      fidelity: {
        recorded,
        reproduced,
        notReproduced: recorded - reproduced,
        failed,
        ratio: recorded === 0 ? 1 : reproduced / recorded,
        notReproducedByKind: kinds,
        failures: failures.slice(0, MAX_FAILURES),
      },
      operations: sumStatistics(images.map((_, number) => this.#plan.images[number]!.statistics)),
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

function sumStatistics(all: readonly PlanStatistics[]): PlanStatistics {
  const unsupportedAdvice: Record<string, number> = {}
  for (const one of all) {
    for (const [name, times] of Object.entries(one.unsupportedAdvice))
      unsupportedAdvice[name] = (unsupportedAdvice[name] ?? 0) + times
  }
  const sum = (key: Exclude<keyof PlanStatistics, 'unsupportedAdvice'>): number =>
    all.reduce((total, one) => total + one[key], 0)
  return {
    operations: sum('operations'),
    faults: sum('faults'),
    calls: sum('calls'),
    refusedCalls: sum('refusedCalls'),
    openCalls: sum('openCalls'),
    unsupportedAdvice,
    waits: sum('waits'),
    longestChain: sum('longestChain'),
  }
}

function pageUp(value: number): number {
  return Math.ceil(value / PAGE_SIZE) * PAGE_SIZE
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

  /** Lets every worker do its part in one address space. */
  async runImage(messageFor: (worker: number) => ToReplayWorker): Promise<WorkerResult[]> {
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
