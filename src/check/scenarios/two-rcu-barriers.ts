// Two calls of rcu_barrier() at once: what one has taken over, the other must wait for.

import { type Task, callRcu, defineRcuCallback, rcuBarrier } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const HEAD = 2
const RAN = 4
/** None of the kernel's own has this number. */
const NUMBER = 0

defineRcuCallback<Task>(NUMBER, (cpu, head) => Atomics.store(cpu.heap, head - HEAD + RAN, 1))

function barrier(cpu: Task, at: number): string {
  rcuBarrier(cpu)
  if (Atomics.load(cpu.heap, at + RAN) === 0) throw new Error('rcu_barrier has returned too early')
  return 'all have run'
}

export default primitiveScenario({
  title: 'two calls of rcu_barrier',
  words: 8,
  setup: (cpu, at) => callRcu(cpu, at + HEAD, NUMBER),
  threads: [barrier, barrier],
})
