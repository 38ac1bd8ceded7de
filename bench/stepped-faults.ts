// Write faults on a machine of its own kind, with an mmap and a munmap every 64 pages: what the speed of the steppable
// form is measured with. Stepped with the kernel.

import { bootMachine } from '../src/check/kernel-machine.ts'
import { ScenarioCpu } from '../src/check/scenario-cpu/index.ts'

const PAGES = 64
const FRAMES = 1024

export interface FaultingCpus {
  /** Maps, touches every page and unmaps, so many times. */
  work(cpu: number, rounds: number): void
}

export function make(cpus: number): FaultingCpus {
  const machine = bootMachine({
    cpus,
    frames: FRAMES,
    design: 'lespinasse-2021',
    rwsem: 'xadd',
    config: { SLUB_DEBUG: false },
  })
  const all = machine.tasks.map((task) => new ScenarioCpu(machine, task, machine.mm))
  return {
    work(cpu, rounds) {
      const own = all[cpu]!
      const start = 0x1000 * (cpu + 1)
      for (let round = 0; round < rounds; round++) {
        own.mapPages(start, PAGES)
        for (let page = start; page < start + PAGES; page++) own.store(page, 1)
        own.unmap(start, PAGES)
      }
    },
  }
}
