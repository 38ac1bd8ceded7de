// The ranges of a campaign's file, and the jobs that they make.

import { resolve } from 'node:path'
import { mutants, scenarioNames } from '../check/index.ts'
import {
  type KernelConfig,
  defaultKernelConfig,
  designs as allDesigns,
  resolveKernelConfig,
  rwsemNames,
} from '../kernel/index.ts'
import {
  type MachineModel,
  accountingNames,
  accountingOf,
  findMachine,
  findSimulatedWorkload,
  machines as allMachines,
  mostCpus,
  rwsemsOf,
  spinlockNames,
  spinlockOf,
  simulatedWorkloads,
  usualCpus,
} from '../simulate/index.ts'
import { type DesignName, combine } from '../workloads/index.ts'
import { withConstants } from './constants.ts'
import type {
  ByChance,
  BySteps,
  CheckJob,
  Job,
  MutantJob,
  OfFile,
  OfKernel,
  OfScenario,
  ReplayJob,
  SimulateJob,
} from './job.ts'
import { checkFileOf, contentOf, isPath, machineOf } from './named-files.ts'
import type { Reader } from './reader.ts'

/** Accesses for each exploration, and for each mutant, where the file does not say. */
const STEPS = 1e7
const MUTANT_STEPS = 5e7
const STEPS_MAX = 1e15
/** Executions that chance chooses, for each seed. */
const EXECUTIONS = 100_000
const EXECUTIONS_MAX = 1e12
/** Most failures need no more ordered steps. */
const DEPTH = 3
const DEPTH_MAX = 100

/** The jobs of a range of the file, which lies in `folder`. @throws CampaignRefused */
export async function jobsOf(range: Reader, folder: string): Promise<Iterable<Job>> {
  switch (range.oneField(['check', 'mutants', 'simulate', 'replay'])) {
    case 'check':
      return checkJobs(range, await subjectsOf(range, folder))
    case 'mutants':
      return mutantJobs(range)
    case 'simulate':
      return simulateJobs(range, await machinesOf(range.field('machines'), folder))
    case 'replay':
      return replayJobs(range, folder)
  }
}

const KERNEL_FIELDS = ['designs', 'rwsems', 'rss']

/** @param machine the one that is simulated, which may say what `year` is on it */
function* kernels(range: Reader, usual: 'year' | 'xadd', machine?: MachineModel): Generator<OfKernel> {
  const known = allDesigns.map(({ description }) => description.name)
  const designs = range.field('designs').names(known, 'design', known) as DesignName[]
  const given = range.field('rwsems')
  const isYear = given.value === 'year' || (given.value === undefined && usual === 'year')
  const rwsems = isYear ? 'year' : given.names(rwsemNames, 'rwsem', ['xadd'])
  const counts = range.field('rss').names(['batched', 'shared'] as const, 'way of counting', ['batched'])
  const forms = machine === undefined ? rwsems : rwsemsOf(machine, rwsems)
  for (const { design, rwsem } of combine(designs, forms)) {
    for (const rss of counts) yield { design, rwsem, rss }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Checks

function* checkJobs(range: Reader, subjects: readonly (OfScenario | OfFile)[]): Generator<CheckJob> {
  const extents = [...extentsOf(range)]
  for (const subject of subjects) for (const extent of extents) yield { kind: 'check', ...subject, ...extent }
}

/** What is checked: scenarios on every machine, and files. */
async function subjectsOf(range: Reader, folder: string): Promise<(OfScenario | OfFile)[]> {
  const own = ['check', 'steps', 'strategy', 'executions', 'seeds', 'depth']
  const ofScenarios = ['published', ...KERNEL_FIELDS]
  range.onlyFields([...own, ...ofScenarios])
  const list = range.field('check')
  const all = list.value === 'all' ? [] : list.list()
  if (list.value !== 'all' && all.every(({ value }) => isPath(value))) {
    const wrong = ofScenarios.map((name) => range.field(name)).find(({ value }) => value !== undefined)
    if (wrong !== undefined)
      throw wrong.refuse('is for scenarios of the kernel, and all that is checked are files', 'leave it out')
  }
  const subjects: (OfScenario | OfFile)[] = []
  const published = range.field('published').flag(false)
  const scenario = (name: string): void => {
    for (const kernel of kernels(range, 'xadd')) subjects.push({ scenario: name, ...kernel, published })
  }
  if (list.value === 'all') scenarioNames.forEach(scenario)
  for (const each of all) {
    if (isPath(each.value)) {
      subjects.push(await checkFileOf(each, folder))
      continue
    }
    list.known(each.text(), scenarioNames, 'scenario')
    scenario(each.text())
  }
  return subjects
}

function* extentsOf(range: Reader): Generator<BySteps | ByChance> {
  const strategy = range.field('strategy')
  if (strategy.value === undefined) {
    refuseWith(
      range,
      ['executions', 'seeds', 'depth'],
      'is of a strategy',
      'give "strategy": "pct" or "random"',
    )
    yield { steps: range.field('steps').whole(1, STEPS_MAX, STEPS) }
    return
  }
  const name = strategy.oneOf(['pct', 'random'] as const, 'strategy')
  refuseWith(range, ['steps'], 'is not of a strategy, which has executions', 'give "executions"')
  if (name === 'random') refuseWith(range, ['depth'], 'is of "pct"', 'leave it out')
  const executions = range.field('executions').whole(1, EXECUTIONS_MAX, EXECUTIONS)
  const depth = range.field('depth').whole(1, DEPTH_MAX, DEPTH)
  for (const seed of range.field('seeds').wholes(0, Number.MAX_SAFE_INTEGER, [0]))
    yield { strategy: name, depth, seed, executions }
}

function refuseWith(range: Reader, names: readonly string[], why: string, remedy: string): void {
  const given = names.map((name) => range.field(name)).find(({ value }) => value !== undefined)
  if (given !== undefined) throw given.refuse(why, remedy)
}

function* mutantJobs(range: Reader): Generator<MutantJob> {
  range.onlyFields(['mutants', 'steps'])
  const steps = range.field('steps').whole(1, STEPS_MAX, MUTANT_STEPS)
  const known = mutants.map(({ name }) => name)
  for (const mutant of range.field('mutants').names(known, 'mutant')) yield { kind: 'mutant', mutant, steps }
}

// ---------------------------------------------------------------------------------------------------------------------
// Simulations

async function machinesOf(given: Reader, folder: string): Promise<readonly MachineModel[]> {
  if (given.value === 'all') return allMachines
  if (given.value === undefined) return [findMachine('skylake-2s')!]
  const machines = new Map<string, MachineModel>()
  for (const each of given.list()) {
    const machine = await machineOf(each, folder)
    const other = machines.get(machine.name)
    if (other !== undefined && JSON.stringify(other) !== JSON.stringify(machine))
      throw each.refuse(`has the name of another, ${machine.name}`, 'give it another name')
    machines.set(machine.name, machine)
  }
  return [...machines.values()]
}

/** Every combination, on these machines. @throws CampaignRefused */
export function* simulateJobs(range: Reader, machines: readonly MachineModel[]): Generator<SimulateJob> {
  const fields = [
    'simulate',
    'machines',
    'cpus',
    'seeds',
    'configs',
    'accountings',
    'spinlocks',
    'constants',
    'effort',
  ]
  range.onlyFields([...fields, ...KERNEL_FIELDS])
  const workloads = range.field('simulate').names(
    simulatedWorkloads.map(({ name }) => name),
    'workload',
  )
  const seeds = range.field('seeds').wholes(0, 2 ** 31 - 1, [1])
  const effort = range.field('effort').number(1e-3, 100, 1)
  const configs = configsOf(range.field('configs'))
  const constants = constantsOf(range.field('constants'))
  for (const workload of workloads) {
    for (const machine of machines) {
      const all = cpusOf(range.field('cpus'), workload, machine)
      const accounted = range
        .field('accountings')
        .names(accountingNames, 'accounting', [accountingOf(machine)])
      const ownSpinlock = spinlockOf(machine)
      const { name } = machine
      const model = findMachine(name) === undefined ? { model: machine } : {}
      const spinlocks = range.field('spinlocks').names(spinlockNames, 'spinlock', [ownSpinlock])
      for (const values of constants) {
        refuseConstants(range, machine, values)
        for (const kernel of kernels(range, 'year', machine))
          for (const config of configs)
            for (const accounting of accounted)
              for (const spinlock of spinlocks)
                for (const cpus of all)
                  for (const seed of seeds)
                    yield {
                      kind: 'simulate',
                      workload,
                      machine: name,
                      ...model,
                      constants: values,
                      cpus,
                      ...kernel,
                      config,
                      accounting,
                      spinlock,
                      seed,
                      effort,
                    }
      }
    }
  }
}

function cpusOf(cpus: Reader, workload: string, machine: MachineModel): readonly number[] {
  const most = mostCpus(machine, findSimulatedWorkload(workload)!)
  if (most < 1)
    throw cpus.refuse(`: ${machine.name} has too few CPUs for ${workload}`, 'choose another machine')
  const given = cpus.wholes(1, 256, usualCpus(most))
  const tooMany = given.find((count) => count > most)
  if (tooMany === undefined) return given
  throw cpus.refuse(
    `has ${tooMany}, and ${workload} on ${machine.name} can have ${most}`,
    'give that machine a range of its own',
  )
}

function configsOf(configs: Reader): Partial<KernelConfig>[] {
  const known = Object.keys(defaultKernelConfig)
  if (configs.value === undefined) return [{}]
  return configs.list().map((each) => {
    const entries = each.fields().map(([name, option]) => {
      each.known(name, known, 'kernel option')
      return [name, option.flag()] as const
    })
    const config = Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
    try {
      resolveKernelConfig({ ZERO_WRITTEN_SECTORS: false, ...config })
    } catch (error) {
      throw each.refuse(`cannot be: ${(error as Error).message}`, 'see `faultline designs`')
    }
    return config
  })
}

/** Every combination of the values of all constants. */
function constantsOf(constants: Reader): Record<string, number>[] {
  let all: Record<string, number>[] = [{}]
  if (constants.value === undefined) return all
  for (const [path, values] of constants.fields().toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const numbers = values.list().map((each) => each.number(0, 1e12))
    all = all.flatMap((others) => numbers.map((number) => ({ ...others, [path]: number })))
  }
  return all
}

function refuseConstants(
  range: Reader,
  machine: MachineModel,
  constants: Readonly<Record<string, number>>,
): void {
  try {
    withConstants(machine, constants)
  } catch (error) {
    throw range.field('constants').refuse(`: ${(error as Error).message}`, 'see docs/simulator.md')
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Replays

function* replayJobs(range: Reader, folder: string): Generator<ReplayJob> {
  range.onlyFields(['replay', 'threads', 'repeat', ...KERNEL_FIELDS])
  const given = range.field('threads')
  const threads = given.value === undefined ? null : given.whole(1, 255)
  const repeat = range.field('repeat').whole(1, 1000, 3)
  for (const path of range.field('replay').list()) {
    const trace = resolve(folder, path.text())
    const content = contentOf(path, trace)
    for (const kernel of kernels(range, 'year'))
      yield { kind: 'replay', trace, content, ...kernel, threads, repeat }
  }
}
