// One measured run: one workload, one design, one number of threads, on worker threads.
//
// Principles: a fresh machine for each run, so that no run inherits another's free lists. Warm-up lasts for
// the asked time and until every thread has done a full round, because the first touch of each frame is a
// fault of the host's. The window is what the main thread's clock says it was, not what was asked for.
import { createHistogram, performance, type RecordableHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { type AddressSpaceHandle, type KernelConfig, Machine } from '../backends/threads/index.ts'
import {
  machineMemory,
  PAGE_SIZE,
  type DesignName,
  type RssMode,
  type RwsemName,
  type Workload,
  type WorkloadName,
} from './catalogue.ts'
import { Control, PHASE_MEASURING, PHASE_STOPPED, PHASE_WARMING_UP } from './control.ts'
import { idlePercentBetween, processorTimes, type ProcessorTimes } from './processors.ts'

export interface Latency {
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** How many faults were timed. */
  readonly samples: number
}

export interface LockWait {
  readonly count: number
  readonly total: number
  readonly p50: number
  readonly p99: number
}

/** What one run measured. A rate is `faults / seconds`; what one fault is, `Workload.counts` says. */
export interface Run {
  readonly threads: number
  readonly repetition: number
  /** What the threads counted in the window: pages faulted in, or pairs of calls. */
  readonly faults: number
  /** Length of the window. */
  readonly seconds: number
  readonly faultsPerSecond: number
  /** Faults that the memory manager itself counted in the window, the writer's included. */
  readonly faultsTaken: number
  /** Of one fault in LATENCY_SAMPLE_INTERVAL; null where a workload takes no faults. */
  readonly faultLatencyNs: Latency | null
  /** Cycles of the unmeasured writers in the window; null if there are none. */
  readonly writerCycles: number | null
  /** Share of all processors' time that was idle during the window, in percent. */
  readonly idlePercent: number
}

export interface DesignRun extends Run {
  readonly design: DesignName
  readonly rwsem: RwsemName
  /** How long the measured threads together waited for the mmap lock in the window. */
  readonly mmapLockWaitNs: LockWait
  readonly speculative: { readonly attempted: number; readonly succeeded: number; readonly aborted: number }
}

export interface ThreadRunOptions {
  readonly workload: Workload
  readonly design: DesignName
  readonly rwsem: RwsemName
  readonly threads: number
  readonly seconds: number
  readonly warmupSeconds: number
  readonly bytesPerThread: number
  readonly repetition: number
  /** How resident pages are counted. Default 'batched'. */
  readonly rss?: RssMode
  /** Kernel options that differ from the default. */
  readonly config: Partial<KernelConfig>
}

/** The input of a worker. */
export interface WorkerTask {
  readonly space: AddressSpaceHandle
  readonly control: SharedArrayBuffer
  readonly workload: WorkloadName
  /** Its number among the unmeasured threads, from 0; null for a measured one. */
  readonly writer: number | null
  readonly slot: number
  readonly bytes: number
}

/** The result of a worker. */
export interface WorkerReport {
  readonly latency: RecordableHistogram
  readonly lockWaits: RecordableHistogram
  readonly lockWaitTotalNs: number
}

/** Runs one workload once. Rejects with what a worker threw, after every worker has ended. */
export async function runOnThreads(options: ThreadRunOptions): Promise<DesignRun> {
  const { workload, threads } = options
  const workers = threads + workload.writers
  const machine = Machine.create({
    memory: machineMemory(workload, threads, options.bytesPerThread),
    cpus: workers + 1,
    design: options.design,
    rwsem: options.rwsem,
    rss: options.rss ?? 'batched',
    config: options.config,
    // Some workloads map what they never touch, and more of it than the machine is given.
    overcommit: 'always',
  })
  const space = machine.createAddressSpace()
  const control = Control.create(workers)
  const team = new Team()
  const over = new AbortController()
  try {
    for (let slot = 0; slot < workers; slot++) {
      team.add({
        space: space.handle,
        control: control.shared,
        workload: workload.name,
        writer: slot < threads ? null : slot - threads,
        slot,
        bytes: options.bytesPerThread,
      })
    }
    await team.ready()
    control.setPhase(PHASE_WARMING_UP)
    const roundCounts = workload.counts === 'pages' ? options.bytesPerThread / PAGE_SIZE : 1
    await team.orFailure(warmUp(control, threads, roundCounts, options.warmupSeconds * 1000, over.signal))

    control.setPhase(PHASE_MEASURING)
    const start = snapshot(machine, control, workers)
    await team.orFailure(measure(options, machine, start, roundCounts, control, over.signal))
    const end = snapshot(machine, control, workers)
    control.setPhase(PHASE_STOPPED)

    const reports = await team.done()
    return summarize(options, start, end, reports)
  } finally {
    over.abort()
    control.setPhase(PHASE_STOPPED)
    await team.dispose()
    machine.detach()
  }
}

async function warmUp(
  control: Control,
  threads: number,
  roundCounts: number,
  milliseconds: number,
  signal: AbortSignal,
): Promise<void> {
  const start = performance.now()
  await sleep(milliseconds, undefined, { signal })
  for (let slot = 0; slot < threads; slot++) {
    while (control.count(slot) < roundCounts) {
      // A thread that cannot do one round in a minute will not give a figure worth having.
      if (performance.now() - start > 60_000 + milliseconds) {
        throw new Error(`thread ${slot} did not complete one round of warm-up within a minute`)
      }
      await sleep(5, undefined, { signal })
    }
  }
}

/**
 * The measured window: as long as requested, and longer until every thread has done one round in it, so that each has a
 * figure however busy the host is.
 */
async function measure(
  { workload, threads, seconds }: ThreadRunOptions,
  machine: Machine,
  start: Snapshot,
  roundCounts: number,
  control: Control,
  signal: AbortSignal,
): Promise<void> {
  const isIdle = (slot: number): boolean =>
    control.count(slot) - start.counts[slot]! < (slot < threads ? roundCounts : 1)
  const noFault = (): boolean =>
    workload.counts === 'accesses' && machine.counters()['pgfault'] === start.counters['pgfault']
  await sleep(seconds * 1000, undefined, { signal })
  while (start.counts.some((_, slot) => isIdle(slot)) || noFault()) {
    if (performance.now() - start.timeMs > 60_000 + seconds * 1000)
      throw new Error('a thread did not complete one round of the measurement within a minute')
    await sleep(5, undefined, { signal })
  }
}

interface Snapshot {
  readonly timeMs: number
  readonly counts: readonly number[]
  readonly counters: Readonly<Record<string, number>>
  readonly processors: ProcessorTimes
}

/** Tries at a snapshot. */
const SNAPSHOTS = 5

/** Counts and counters, as nearly of one moment as possible while everything runs: the try that took the least time. */
function snapshot(machine: Machine, control: Control, workers: number): Snapshot {
  let best: { readonly snapshot: Snapshot; readonly took: number } | null = null
  for (let tried = 0; tried < SNAPSHOTS; tried++) {
    const begun = performance.now()
    const counters = machine.counters()
    const counts = Array.from({ length: workers }, (_, slot) => control.count(slot))
    const timeMs = performance.now()
    const took = timeMs - begun
    if (best === null || took < best.took)
      best = { snapshot: { timeMs, counts, counters, processors: processorTimes() }, took }
  }
  return best!.snapshot
}

function summarize(
  options: ThreadRunOptions,
  start: Snapshot,
  end: Snapshot,
  reports: readonly WorkerReport[],
): DesignRun {
  const { workload, threads } = options
  const moved = end.counts.map((count, slot) => count - start.counts[slot]!)
  const faults = moved.slice(0, threads).reduce((sum, count) => sum + count, 0)
  const seconds = (end.timeMs - start.timeMs) / 1000
  const latency = createHistogram()
  const lockWaits = createHistogram()
  let lockWaitTotal = 0
  for (const [slot, report] of reports.entries()) {
    if (slot >= threads) continue
    latency.add(report.latency)
    lockWaits.add(report.lockWaits)
    lockWaitTotal += report.lockWaitTotalNs
  }
  const counted = (name: string): number => (end.counters[name] ?? 0) - (start.counters[name] ?? 0)
  const attempted = counted('spf_attempt')
  const aborted = counted('spf_abort')
  return {
    design: options.design,
    rwsem: options.rwsem,
    threads,
    repetition: options.repetition,
    faults,
    seconds,
    faultsPerSecond: faults / seconds,
    faultsTaken: counted('pgfault'),
    faultLatencyNs: latency.count === 0 ? null : latencyOf(latency),
    writerCycles:
      workload.writers === 0 ? null : moved.slice(threads).reduce((sum, cycles) => sum + cycles, 0),
    idlePercent: idlePercentBetween(start.processors, end.processors),
    mmapLockWaitNs: {
      count: lockWaits.count,
      total: Math.round(lockWaitTotal),
      p50: lockWaits.count === 0 ? 0 : lockWaits.percentile(50),
      p99: lockWaits.count === 0 ? 0 : lockWaits.percentile(99),
    },
    speculative: { attempted, succeeded: attempted - aborted, aborted },
  }
}

function latencyOf(histogram: RecordableHistogram): Latency {
  return {
    p50: histogram.percentile(50),
    p99: histogram.percentile(99),
    max: histogram.max,
    samples: histogram.count,
  }
}

/** The workers of one run. The first failure of any of them fails whatever is waited for. */
class Team {
  readonly #workers: Worker[] = []
  readonly #ready: Promise<void>[] = []
  readonly #done: Promise<WorkerReport>[] = []
  readonly #exits: Promise<void>[] = []
  readonly #failure = Promise.withResolvers<never>()

  constructor() {
    // A failure is always also seen by whoever waits; this keeps it from being reported as unhandled before
    // that.
    this.#failure.promise.catch(() => {})
  }

  add(task: WorkerTask): void {
    const ready = Promise.withResolvers<void>()
    const done = Promise.withResolvers<WorkerReport>()
    const exit = Promise.withResolvers<void>()
    let reported = false
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
    const worker = new Worker(new URL(`./workload-worker${extension}`, import.meta.url), { workerData: task })
    worker.on('message', (message: { ready?: true; done?: WorkerReport }) => {
      if (message.ready) ready.resolve()
      if (message.done) {
        reported = true
        done.resolve(message.done)
      }
    })
    worker.on('error', (error) => this.#failure.reject(error))
    worker.on('exit', (code) => {
      if (!reported)
        this.#failure.reject(new Error(`a worker of ${task.workload} ended early with code ${code}`))
      exit.resolve()
    })
    this.#workers.push(worker)
    this.#ready.push(ready.promise)
    this.#done.push(done.promise)
    this.#exits.push(exit.promise)
  }

  orFailure<Value>(promise: Promise<Value>): Promise<Value> {
    // When the failure wins, the loser is aborted later and must not count as unhandled.
    promise.catch(() => {})
    return Promise.race([promise, this.#failure.promise])
  }

  async ready(): Promise<void> {
    await this.orFailure(Promise.all(this.#ready))
  }

  async done(): Promise<WorkerReport[]> {
    return this.orFailure(Promise.all(this.#done))
  }

  /** Waits for the workers' ends. Those that hang are stopped by force after ten seconds. */
  async dispose(): Promise<void> {
    const force = setTimeout(() => {
      for (const worker of this.#workers) void worker.terminate()
    }, 10_000)
    await Promise.all(this.#exits)
    clearTimeout(force)
  }
}
