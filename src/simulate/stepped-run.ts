// What runs of workloads and of recorded programs have in common: the stepped kernel, loaded once, how large its
// machine is, how its threads are run, and what is read off it at the end.

import {
  type Probe,
  type Probes,
  alone,
  memory,
  runThreads,
  setForbidden,
  setProbes,
  setSites,
  setWatching,
} from '../backends/stepped/index.ts'
import {
  type AccountingName,
  type KernelConfig,
  type NodeOptions,
  type SpinlockKind,
  NEED_RESCHED,
  PerCpu,
  accountings,
  fixedHeapWords,
  isAbortReason,
  resolveKernelConfig,
} from '../kernel/index.ts'
import { costProbes, lockProbes } from './charges.ts'
import { type LoadedMachine, type MachineName, loadMachine } from './load-machine.ts'
import type { MachineModel } from './machine.ts'
import type { Simulator } from './simulator.ts'
import type { BootRequest, SimulatedMachine } from './stepped-machine.ts'

/** The kernel that a run is of. */
export interface RunKernel {
  readonly design: string
  readonly rwsem: string
  readonly config: Partial<KernelConfig>
  readonly rss: 'batched' | 'shared'
  /** What else a fault writes, as in which version of Linux. */
  readonly accounting: AccountingName
  readonly spinlock: SpinlockKind
}

/** Frames that a CPU may keep to itself, with what it gives back late. */
export const SPARE_FRAMES_PER_THREAD = 1200
/** Words of the heap for each thread: page tables, VMAs, slabs, and what waits for a grace period. */
const HEAP_WORDS_PER_THREAD = 48 * 1024
const HEAP_WORDS = 2 * 1024 * 1024

/**
 * Loads a machine of this folder, at the first call. What it gives then boots one, and forgets the one before: there is
 * one at a time.
 */
export function machineLoader<Request>(
  name: MachineName,
  probes: readonly Probe[] = [...costProbes, ...lockProbes],
): () => Promise<(request: Request) => SimulatedMachine> {
  let loaded: Promise<LoadedMachine> | null = null
  return async () => {
    loaded ??= loadMachine(name, probes)
    const { make, sites } = await loaded
    return (request) => {
      setSites(sites)
      setProbes(null)
      setForbidden(null)
      memory.clear()
      return alone(make(request)) as SimulatedMachine
    }
  }
}

/** As many as a page-table entry can name: a frame's number has 20 bits. */
export const FRAMES_MAX = 2 ** 20 - 1

/** The run needs more frames. */
export class TooManyFrames extends Error {
  override readonly name = 'TooManyFrames'
}

/** Memory of one node, near to all. */
const ONE_NODE: NodeOptions = { count: 1, ofCpu: [] }

/** What the machine is booted with. Throws TooManyFrames. `more`: words of the heap beside those of each machine. */
export function bootRequest(
  kernel: RunKernel,
  threads: number,
  frames: number,
  { broadcastsTlb = false }: MachineModel,
  more = 0,
  nodes = ONE_NODE,
): Omit<BootRequest, 'meter'> {
  const { design, rwsem, config, rss, accounting, spinlock } = kernel
  if (frames > FRAMES_MAX)
    throw new TooManyFrames(
      `the run needs ${frames} frames, and a simulated machine has at most ${FRAMES_MAX}`,
    )
  const words =
    fixedHeapWords(threads, frames, nodes.count) + threads * HEAP_WORDS_PER_THREAD + HEAP_WORDS + more
  return {
    threads,
    design,
    rwsem,
    config: simulatedConfig(config),
    rssBatched: rss === 'batched',
    accounting: accountings[accounting],
    spinlock,
    nodes,
    broadcastsTlb,
    frames,
    heapWords: words + (-words & 15),
  }
}

/** Frames have no contents, so that nothing is known of what was written. */
function simulatedConfig(config: Partial<KernelConfig>): KernelConfig {
  return resolveKernelConfig({ ZERO_WRITTEN_SECTORS: false, ...config }).config
}

/** Lets the threads go until all have ended, or the simulator says that it is over. */
export function runBodies(simulator: Simulator, { bodies }: SimulatedMachine, probes: Probes): void {
  setProbes(probes)
  setWatching(true)
  try {
    const { thrown } = runThreads(simulator.threads, bodies, simulator)
    if (thrown !== null) throw thrown.error
  } finally {
    setProbes(null)
  }
}

/** By the kernel's counters: why faults were not handled without the mmap lock, of those that were counted. */
export function fallbacksOf(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(counts).filter(([name, count]) => isAbortReason(name) && count > 0),
  )
}

/** The thread sleeps in the kernel. */
export function isAsleep({ heap, tasks }: SimulatedMachine, thread: number): boolean {
  return heap[tasks[thread]!.base + PerCpu.asleep] !== 0
}

/** The thread's CPU halts on a word that others change. */
export function isHalted({ heap, tasks }: SimulatedMachine, thread: number): boolean {
  return heap[tasks[thread]!.base + PerCpu.haltedOn] !== 0
}

/** The scheduler wants the CPU of the thread for another, or no longer. */
export function tellToLeave({ heap, tasks }: SimulatedMachine, thread: number, isToLeave: boolean): void {
  const word = tasks[thread]!.base + PerCpu.needResched
  heap[word] = isToLeave ? heap[word]! | NEED_RESCHED : heap[word]! & ~NEED_RESCHED
}

/** The options of the kernel, as `--json` tells them; with its memory nodes, and whether its faults prefetch. */
export function kernelOptions(
  { config, rss, accounting, spinlock }: Pick<RunKernel, 'config' | 'rss' | 'accounting' | 'spinlock'>,
  nodes: number,
  prefetchesMmapLock: boolean,
): Record<string, boolean | string | number> {
  return { ...simulatedConfig(config), rss, accounting, spinlock, nodes, prefetchesMmapLock }
}
