// How many CPUs of a machine a workload can have.

import type { MachineModel } from './machine.ts'
import { Topology } from './topology.ts'
import type { SimulatedWorkload } from './workloads.ts'

/** The most frames that a simulated machine has: an entry of a page table holds a frame in 20 bits. */
const PAGES_MAX = 700_000

/** The most CPUs, of those that are counted; less than 1 where the machine is too small. */
export function mostCpus(machine: MachineModel, workload: SimulatedWorkload): number {
  const { cpus } = new Topology(machine.topology)
  const memory = workload.fillsMemory ? Math.floor(PAGES_MAX / workload.pages) : cpus
  return Math.min(cpus - workload.writers, memory)
}

/** Powers of two below `most`, and `most`. */
export function usualCpus(most: number): number[] {
  const counts = []
  for (let count = 1; count < most; count *= 2) counts.push(count)
  return [...counts, most]
}
