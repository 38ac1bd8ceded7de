// Fixed bench results for the golden tests: made by `assemble` from fixed runs.
import { findWorkload, type Workload, type WorkloadName } from '../../src/workloads/catalogue.ts'
import { assemble, type BenchResult } from '../../src/workloads/summary.ts'
import type { DesignRun, Run } from '../../src/workloads/thread-run.ts'

function runOf(
  threads: number,
  repetition: number,
  rate: number,
  counts: Workload['counts'],
  cycles: number | null,
): Run {
  return {
    threads,
    repetition,
    faults: rate * 2,
    seconds: 2,
    faultsPerSecond: rate,
    faultsTaken: { pages: rate * 2, accesses: rate, 'map+unmap pairs': 0 }[counts],
    faultLatencyNs:
      counts === 'pages'
        ? { p50: 350 + threads, p99: 900 * threads, max: 1e6 * repetition, samples: 1000 }
        : null,
    writerCycles: cycles,
    idlePercent: threads === 1 ? 49.5 : 0.25,
  }
}

function designRunOf(design: 'classic' | 'lespinasse-2021', run: Run): DesignRun {
  const speculates = design !== 'classic'
  return {
    ...run,
    design,
    rwsem: 'xadd',
    mmapLockWaitNs: {
      count: speculates ? 0 : 5,
      total: speculates ? 0 : 4e6 * run.threads,
      p50: 900,
      p99: 40_000,
    },
    speculative: speculates
      ? { attempted: run.faultsTaken, succeeded: run.faultsTaken * 0.9, aborted: run.faultsTaken * 0.1 }
      : { attempted: 0, succeeded: 0, aborted: 0 },
  }
}

/** A result of two designs, 1 and 2 threads and three repetitions. */
export function benchResult(
  name: WorkloadName,
  options: { peer: boolean; repetitions?: number },
): BenchResult {
  const workload = findWorkload(name)!
  const runs: DesignRun[] = []
  const peerRuns: Run[] = []
  const repetitions = options.repetitions ?? 3
  for (let repetition = 1; repetition <= repetitions; repetition++) {
    const wobble = 1 + (repetition - 2) / 50
    for (const threads of [1, 2]) {
      const cycles = workload.writers > 0 ? 4000 : null
      const run = (rate: number): Run =>
        runOf(threads, repetition, Math.round(rate * wobble), workload.counts, cycles)
      runs.push(designRunOf('classic', run(2.3e6 * threads ** 0.3)))
      runs.push(designRunOf('lespinasse-2021', run(2.32e6 * threads)))
      // The peer wobbles the other way round.
      peerRuns.push(run(6.6e5 / wobble ** 2))
    }
  }
  const setting = { workload, bytesPerThread: 128 * 2 ** 20, seconds: 2, repetitions, config: {} }
  return assemble(setting, runs, options.peer ? { name: 'Linux 6.1', runs: peerRuns } : null)
}
