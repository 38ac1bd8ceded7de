// A CPU has just left, to wait for a grace period, when another calls on it to flush: it sees the interrupt while it
// waits. It must not answer then: the caller takes the call back and does not wait for it, so that the arguments may be
// those of its next call already.

import { CALL_FLUSH_TLB, type Task, callFunctionMany, synchronizeRcu } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

function flushTwice(cpu: Task, at: number): string {
  callFunctionMany(cpu, at, CALL_FLUSH_TLB, 0, 7, 8)
  callFunctionMany(cpu, at, CALL_FLUSH_TLB, 0, 9, 10)
  return 'flushed'
}

function waitForGracePeriod(cpu: Task): string {
  synchronizeRcu(cpu)
  return 'waited'
}

export default primitiveScenario({
  title: 'a CPU that waits for a grace period is called to flush',
  words: 1,
  setup: (cpu, at) => {
    cpu.heap[at] = 0b01
  },
  threads: [waitForGracePeriod, flushTwice],
})
