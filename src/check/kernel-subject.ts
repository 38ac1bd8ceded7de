// A kernel scenario as the explorer wants it.
//
// The machine is booted once; every execution begins with the same memory and the same private state of the CPUs. What
// the sequential orders of the operations give is found out first, by running them.

import {
  SavedFields,
  type Site,
  alone,
  memory,
  rememberFields,
  setForbidden,
  setProbes,
} from '../backends/stepped/index.ts'
import { Detectors, type SavedDetectors } from './detectors/index.ts'
import type { Subject } from './run-once.ts'
import { errorText } from './follow.ts'
import type { KernelMachine } from './kernel-machine.ts'
import { KernelNames } from './kernel-names.ts'
import type { KernelScenarioRun } from './kernel-scenario.ts'
import type { Outcome } from './scenario-cpu/outcome.ts'

/** No sequential order of the operations gives what they gave. */
export class NoSequentialOrder extends Error {
  override readonly name = 'NoSequentialOrder'
}

/** Operations fail even without concurrency, so that there is no result to compare with. */
export class FailsInOrder extends Error {
  override readonly name = 'FailsInOrder'
  readonly remedy = 'correct what fails in that order; no interleaving is needed to show it'

  constructor(order: readonly number[], error: unknown) {
    const cpus = order.map((thread) => `CPU ${thread}`).join(', ')
    super(`one after the other, in the order ${cpus}, the operations fail: ${errorText(error)}`, {
      cause: error,
    })
  }
}

/**
 * What the sequential orders of the operations of a scenario give: results, and what can be seen afterwards. `make` is
 * the stepped form of what `kernelScenario` returned. Meant to be asked of the classic design of the kernel as it is:
 * what it does alone is held against the reference model by other means, and a mutant may be wrong even alone.
 */
export function sequentialOutcomes(make: () => unknown): ReadonlySet<string> {
  memory.clear()
  setProbes(null)
  setForbidden(null)
  const run = alone(make()) as KernelScenarioRun
  const fields = rememberFields([...run.machine.tasks])
  memory.takeSnapshot()
  const reset = (): void => {
    memory.restore()
    fields.reset()
    for (const results of run.results) results.length = 0
  }
  const outcomes = new Set<string>()
  run.machine.ordering = true
  for (const order of sequentialOrders(run, reset)) {
    reset()
    outcomes.add(outcomeInOrder(run, order))
  }
  return outcomes
}

function outcomeInOrder(run: KernelScenarioRun, order: readonly number[]): string {
  const done = run.threads.map(() => 0)
  let begun = 0
  try {
    for (; begun < order.length; begun++) alone(run.perform(order[begun]!, done[order[begun]!]!++))
    return outcomeOf(run)
  } catch (error) {
    throw new FailsInOrder(order.slice(0, begun + 1), error)
  }
}

function outcomeOf(run: KernelScenarioRun): string {
  return describe(run.results, alone(run.observe()) as string)
}

/** A kernel scenario, with the machine that it runs on: where an execution is left, its memory is as it is there. */
export interface KernelSubject extends Subject {
  readonly machine: KernelMachine
}

/**
 * The scenario as the explorer wants it, held to the `expected` outcomes, and, with the `sites` of the program, to what
 * the detectors know.
 */
export function kernelSubject(
  make: () => unknown,
  expected: ReadonlySet<string>,
  sites: readonly Site[] | null,
): KernelSubject {
  memory.clear()
  setProbes(null)
  setForbidden(null)
  const run = alone(make()) as KernelScenarioRun
  const fields = rememberFields([...run.machine.tasks], run.constants)
  const detectors = sites && new Detectors(run.machine, sites)
  memory.takeSnapshot()
  const reset = (): void => {
    memory.restore()
    fields.reset()
    for (const results of run.results) results.length = 0
  }
  const watch = (): void => {
    setProbes(detectors)
    setForbidden(detectors)
  }
  const checked = new Set<string>()
  const lists = [run.results, run.machine.kept, run.machine.opened, run.machine.forked]
  return {
    machine: run.machine,
    threads: run.threads.length,
    begin() {
      reset()
      detectors?.begin()
      watch()
      return [...run.threads]
    },
    saver: {
      save(threads, into) {
        const saved = (into as SavedState | null) ?? { fields: new SavedFields(), detectors: null }
        fields.save(saved.fields, threads, lists)
        saved.detectors = detectors?.save() ?? null
        return saved
      },
      restore(from) {
        const saved = from as SavedState
        fields.goBack(saved.fields)
        if (saved.detectors !== null) detectors!.restore(saved.detectors)
        watch()
      },
    },
    explainRace: (race) => detectors?.explainRace(race) ?? null,
    end() {
      setForbidden(null)
      setProbes(null)
      detectors?.end()
      // What follows depends on this and on nothing else, so that it need be done once only.
      const state = `${memory.digest()} ${fields.digest()} ${JSON.stringify(run.results)}`
      if (checked.has(state)) return
      const seen = outcomeOf(run)
      if (!expected.has(seen)) {
        throw new NoSequentialOrder(
          `no sequential order gives ${seen}; possible are ${[...expected].join(' or ')}`,
        )
      }
      alone(run.finish())
      checked.add(state)
    },
    naming: () => new KernelNames(run.machine),
  }
}

/** What belongs to the state of a kernel scenario besides memory and the threads. */
interface SavedState {
  readonly fields: SavedFields
  detectors: SavedDetectors | null
}

function describe(results: readonly (readonly Outcome[])[], observed: string): string {
  return `${results.map((list, thread) => `CPU ${thread}: ${list.join(', ')}`).join('; ')} | ${observed}`
}

/** Every order of the operations that keeps the order of each thread's own. */
function sequentialOrders(run: KernelScenarioRun, reset: () => void): number[][] {
  reset()
  const lengths = run.threads.map((thread, index) => {
    try {
      alone(thread())
    } catch (error) {
      const whole = run.threads.slice(0, index + 1).keys()
      throw new FailsInOrder([...whole], error)
    }
    const { length } = run.results[index]!
    return length
  })
  const orders: number[][] = []
  const extend = (order: readonly number[], left: readonly number[]): void => {
    if (left.every((count) => count === 0)) orders.push([...order])
    left.forEach((count, thread) => {
      if (count === 0) return
      extend(
        [...order, thread],
        left.map((each, index) => (index === thread ? each - 1 : each)),
      )
    })
  }
  extend([], lengths)
  return orders
}
