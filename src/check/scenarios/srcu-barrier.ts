// A callback that one CPU has taken off the list of the domain and not yet run, and srcu_barrier() of another, which
// finds nothing pending.

import { type Task, callSrcu, defineRcuCallback, srcuBarrier, srcuPoll } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const HEAD = 2
const RAN = 4
/** None of the kernel's own has this number. */
const NUMBER = 0

defineRcuCallback<Task>(NUMBER, (cpu, head) => Atomics.store(cpu.heap, head - HEAD + RAN, 1))

export default primitiveScenario({
  title: 'srcu_barrier beside a CPU that runs callbacks',
  words: 8,
  setup: (cpu, at) => callSrcu(cpu, at + HEAD, NUMBER),
  threads: [
    (cpu) => {
      srcuPoll(cpu)
      return 'polled'
    },
    (cpu, at) => {
      srcuBarrier(cpu)
      if (Atomics.load(cpu.heap, at + RAN) === 0) throw new Error('srcu_barrier has returned too early')
      return 'all have run'
    },
  ],
})
