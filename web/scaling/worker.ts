// A worker of the page of the simulator: one run at a time.

import { designs as allDesigns } from '../../src/kernel/index.ts'
import { simulateText } from '../../src/report/simulate-text.ts'
import { mostCpus, usualCpus } from '../../src/simulate/cpu-counts.ts'
import { findMachine, machines } from '../../src/simulate/machines/index.ts'
import { type SimulateOptions, resultOf, simulateRuns } from '../../src/simulate/simulate.ts'
import { Topology } from '../../src/simulate/topology.ts'
import { findSimulatedWorkload, simulatedWorkloads } from '../../src/simulate/workloads.ts'
import { type DesignName, type RwsemName, combine } from '../../src/workloads/catalogue.ts'
import type { Answer, Answers, Question, Setting } from './protocol.ts'

/** Columns of the text. */
const WIDTH = 110

function optionsOf({ workload, machine, designs, rwsem, seed }: Setting): SimulateOptions {
  return {
    workload: findSimulatedWorkload(workload)!,
    machine: findMachine(machine)!,
    designs: designs as readonly DesignName[],
    rwsems: rwsem === 'year' ? 'year' : [rwsem as RwsemName],
    cpus: [],
    seed,
    config: {},
    rss: 'batched',
  }
}

async function reply(question: Question): Promise<Answers[keyof Answers]> {
  if (question.kind === 'catalogue') {
    return {
      workloads: simulatedWorkloads.map(({ name, description }) => ({ name, description })),
      machines: machines.map(({ name, title, topology }) => {
        return { name, title, cpus: new Topology(topology).cpus }
      }),
      designs: allDesigns.map(({ description }) => description.name),
    }
  }
  const options = optionsOf(question.setting)
  switch (question.kind) {
    case 'plan': {
      const most = mostCpus(options.machine, options.workload)
      return { curves: combine(options.designs, options.rwsems), cpus: most < 1 ? [] : usualCpus(most) }
    }
    case 'run': {
      const { curve, cpus } = question
      const designs = [curve.design as DesignName]
      const rwsems = [curve.rwsem as RwsemName]
      const [run] = await simulateRuns({ ...options, designs, rwsems, cpus: [cpus] })
      return run!
    }
    case 'tell':
      return {
        text: simulateText(resultOf(options, question.runs), { width: WIDTH }),
        counts: options.workload.counts,
      }
  }
}

addEventListener('message', ({ data }: MessageEvent<Question>) => {
  const { id } = data
  reply(data).then(
    (value) => postMessage({ id, value } satisfies Answer),
    (error: unknown) => postMessage({ id, error: String(error) } satisfies Answer),
  )
})
