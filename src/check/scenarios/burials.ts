// The CPU of a dead thread, with threads that find it dead and threads that attach. What happens where one of them
// is ended in the middle of it is in src/check/ends.

import {
  CPU_COMING,
  CPU_FREE,
  CPU_TAKEN,
  PerCpu,
  type Task,
  allocFrame,
  buryCpu,
  claimDead,
  freeFrame,
  inheritCpu,
  kernelEnter,
  kernelExit,
  noticeDead,
} from '../../kernel/index.ts'
import { freshTask } from '../kernel-machine.ts'
import type { Outcome } from '../scenario-cpu/outcome.ts'
import type { ScenarioCpu } from '../scenario-cpu/index.ts'
import { kernelScenarios } from './table.ts'

/** The CPU whose thread has died, and the host's number of that thread. */
const DEAD = 2
const DEAD_THREAD = 9

function setup(_first: ScenarioCpu, all: readonly ScenarioCpu[]): void {
  for (const { task } of all) {
    task.heap[task.base + PerCpu.hostThread] = task.id === DEAD ? DEAD_THREAD : task.id + 1
    task.heap[task.base + PerCpu.online] = CPU_TAKEN
  }
}

/** The operating system tells of a thread's number that it is dead, and by then the CPU may be another's. */
function bury({ task }: ScenarioCpu): Outcome {
  const dead = freshTask(DEAD, task)
  const found = Atomics.load(dead.heap, dead.base + PerCpu.hostThread)
  if (found === DEAD_THREAD) buryCpu(task, dead, found)
  return 'buried'
}

/** The thread has died inside the kernel, in an access without a fault. */
function setupInside(first: ScenarioCpu, all: readonly ScenarioCpu[]): void {
  setup(first, all)
  kernelEnter(freshTask(DEAD, first.task))
}

/** Somebody who waits in the kernel for an answer of the CPU finds the thread dead. */
function notice({ task }: ScenarioCpu): Outcome {
  kernelEnter(task)
  noticeDead(task, freshTask(DEAD, task), DEAD_THREAD)
  kernelExit(task)
  return 'noticed'
}

/** A thread of this number takes the CPU if it is free, and works there. */
function come(thread: number) {
  return (cpu: ScenarioCpu): Outcome => {
    const own = freshTask(DEAD, cpu.task)
    const { heap, base } = own
    if (Atomics.compareExchange(heap, base + PerCpu.online, CPU_FREE, CPU_COMING) !== CPU_FREE) return 'none'
    Atomics.store(heap, base + PerCpu.hostThread, thread)
    Atomics.store(heap, base + PerCpu.online, CPU_TAKEN)
    return work(own, thread)
  }
}

/** A thread of this number takes the CPU of the dead one. */
function inherit(thread: number) {
  return (cpu: ScenarioCpu): Outcome => {
    const own = freshTask(DEAD, cpu.task)
    if (!claimDead(own, DEAD_THREAD, thread)) return 'none'
    inheritCpu(own)
    return work(own, thread)
  }
}

/** The frame stays with the CPU. Throws where the CPU is taken away from the thread meanwhile. */
function work(own: Task, thread: number): Outcome {
  kernelEnter(own)
  freeFrame(own, allocFrame(own))
  kernelExit(own)
  const { heap, base } = own
  const [tenant, online] = [PerCpu.hostThread, PerCpu.online].map((field) =>
    Atomics.load(heap, base + field!),
  )
  if (tenant !== thread || online !== CPU_TAKEN)
    throw new Error(`the CPU of thread ${thread} is that of ${tenant}, in state ${online}`)
  return 'came'
}

export default kernelScenarios({
  // Two threads find the same thread dead, and a third takes its CPU once it is free: a thread that finds it dead later
  // cleans up nothing.
  'two-undertakers': { setup, threads: [[bury], [bury], [come(7)]] },
  // One cleans up after a dead thread while another takes over its CPU: only one of them gets what it kept.
  'undertaker-heir': { setup, threads: [[bury], [inherit(7)], []] },
  // The thread has died inside the kernel; a waiter notices this while another thread cleans up.
  'noticer-undertaker': { setup: setupInside, threads: [[notice], [bury], [come(7)]] },
})
