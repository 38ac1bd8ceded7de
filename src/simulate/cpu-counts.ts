// How many CPUs of a machine a workload can have.

import { CPUS_MAX } from '../kernel/index.ts'
import type { MachineModel } from './machine.ts'
import { Topology } from './topology.ts'
import { type SimulatedWorkload, threadsOn } from './workloads.ts'

/** The most frames that a simulated machine has: an entry of a page table holds a frame in 20 bits. */
const PAGES_MAX = 700_000

/** How many memory nodes the kernel has: one where threads are of no CPU, or all memory is behind one bus. */
export function memoryNodes(machine: MachineModel, workload: SimulatedWorkload, cpus: number): number {
  const isOne = machine.hasOneMemory === true || threadsOn(cpus, workload) > cpus
  return isOne ? 1 : machine.topology.sockets
}

/** The most CPUs, of those that are counted; less than 1 where the machine is too small. */
export function mostCpus(machine: MachineModel, workload: SimulatedWorkload): number {
  const all = new Topology(machine.topology).cpus
  // Each thread is a CPU of the kernel.
  const cpus = Math.min(all, Math.floor(CPUS_MAX / (workload.threadsPerCpu ?? 1)))
  const frames = workload.framesPerPage * workload.pages
  const memory = frames > 0 ? Math.floor(PAGES_MAX / frames) : cpus
  // Where there are more threads than CPUs, those beside the counted ones need none of their own.
  return Math.min(cpus - (workload.threads === undefined ? workload.writers : 0), memory)
}

/** Powers of two below `most`, and `most`. */
export function usualCpus(most: number): number[] {
  const counts = []
  for (let count = 1; count < most; count *= 2) counts.push(count)
  return [...counts, most]
}
