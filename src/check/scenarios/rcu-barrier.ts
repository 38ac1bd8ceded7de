// A callback that one CPU has taken off its list and not yet run, and rcu_barrier() of another, which finds the lists
// empty (compare Linux 55d4669ef1b7, 2024).

import { type Task, callRcu, defineRcuCallback, rcuBarrier, rcuPoll } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const QUEUED = 0
const HEAD = 2
const RAN = 4
/** None of the kernel's own has this number. */
const NUMBER = 0

defineRcuCallback<Task>(NUMBER, (cpu, head) => Atomics.store(cpu.heap, head - HEAD + RAN, 1))

export default primitiveScenario({
  title: 'rcu_barrier beside a CPU that runs callbacks',
  words: 8,
  threads: [
    (cpu, at) => {
      callRcu(cpu, at + HEAD, NUMBER)
      Atomics.store(cpu.heap, at + QUEUED, 1)
      rcuPoll(cpu)
      rcuPoll(cpu)
      rcuBarrier(cpu)
      return 'polled'
    },
    (cpu, at) => {
      if (Atomics.load(cpu.heap, at + QUEUED) === 0) return 'nothing queued'
      rcuBarrier(cpu)
      if (Atomics.load(cpu.heap, at + RAN) === 0) throw new Error('rcu_barrier has returned too early')
      return 'all have run'
    },
  ],
})
