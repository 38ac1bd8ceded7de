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
import type { ImportedTrace } from './imported-trace.ts'
import { PAGE_SIZE } from './layout.ts'
import { busyThreads } from './lanes.ts'
import { OpStore } from './op-store.ts'
import { Pacing } from './pacing.ts'
import { planReplay } from './plan.ts'
import type { ReplayPlan } from './plan-types.ts'
import type { WorkerResult } from './replay-protocol.ts'
import { resultOf, type ReplayResult } from './replay-result.ts'
import { Team, WorkerFailure } from './replay-team.ts'
import { createSpace, SpaceTable, type OpenFile } from './replay-space.ts'

/** Workers of one replay, at most: a machine has 256 CPUs, one of which is the main thread's. */
export const MAX_REPLAY_THREADS = 255
const MEBIBYTE = 1024 * 1024
const MAX_MEMORY = 4 * 1024 * MEBIBYTE - PAGE_SIZE
const PROGRESS_MS = 100
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
      `${threads} threads were requested`,
      `A machine has CPUs for 1 to ${MAX_REPLAY_THREADS}; more recorded threads share them.`,
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
      return resultOf(this.#trace, this.#plan, this.#memory, this.#machine, results, before)
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
}
