// A task that is one simulated run.

import { findMachine, findSimulatedWorkload, simulate } from '../simulate/index.ts'
import { withConstants } from './constants.ts'
import type { SimulateJob, SimulateJobResult } from './job.ts'

export async function simulateOne(job: SimulateJob): Promise<SimulateJobResult> {
  const { seed, config, rss, accounting, spinlock, effort, model = findMachine(job.machine)! } = job
  const { runs } = await simulate({
    workload: findSimulatedWorkload(job.workload)!,
    machine: withConstants(model, job.constants),
    designs: [job.design],
    rwsems: [job.rwsem],
    cpus: [job.cpus],
    seed,
    config,
    rss,
    accounting,
    spinlock,
    effort,
  })
  const { design: _design, rwsem: _rwsem, cpus: _cpus, wallMs: _wallMs, ...result } = runs[0]!
  return result
}
