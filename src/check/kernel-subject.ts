// A kernel scenario as the explorer wants it.
//
// The machine is booted once; every execution begins with the same memory and the same private state of the CPUs. What
// the sequential orders of the operations give is found out first, by running them.

import { alone, memory, rememberFields } from '../backends/stepped/index.ts'
import type { Subject } from './explore.ts'
import { KernelNames } from './kernel-names.ts'
import { type KernelScenarioRun, type Outcome } from './kernel-scenario.ts'

/** No sequential order of the operations gives what they gave. */
export class NoSequentialOrder extends Error {
  override readonly name = 'NoSequentialOrder'
}

/** `make` is the stepped form of what `kernelScenario` returned. */
export function kernelSubject(make: () => unknown): Subject {
  memory.clear()
  const run = alone(make()) as KernelScenarioRun
  const fields = rememberFields([...run.machine.tasks])
  memory.takeSnapshot()
  const reset = (): void => {
    memory.restore()
    fields.reset()
    for (const results of run.results) results.length = 0
  }
  const outcome = (): string => describe(run.results, alone(run.observe()) as string)
  const expected = new Set<string>()
  for (const order of sequentialOrders(run, reset)) {
    reset()
    const done = run.threads.map(() => 0)
    for (const thread of order) alone(run.perform(thread, done[thread]!++))
    expected.add(outcome())
  }
  const checked = new Set<string>()
  return {
    threads: run.threads.length,
    begin() {
      reset()
      return [...run.threads]
    },
    end() {
      // What follows depends on this and on nothing else, so that it need be done once only.
      const state = `${memory.digest()} ${fields.digest()} ${JSON.stringify(run.results)}`
      if (checked.has(state)) return
      const seen = outcome()
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

function describe(results: readonly (readonly Outcome[])[], observed: string): string {
  return `${results.map((list, thread) => `CPU ${thread}: ${list.join(', ')}`).join('; ')} | ${observed}`
}

/** Every order of the operations that keeps the order of each thread's own. */
function sequentialOrders(run: KernelScenarioRun, reset: () => void): number[][] {
  reset()
  const lengths = run.threads.map((thread, index) => {
    alone(thread())
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
