// A CPU that keeps the last free frame in front of the empty zone comes and goes. Another one must get that frame
// whatever the first is just doing: it is free all the while.

import { type Task, allocFrame, freeFrame } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

function takeTwo(cpu: Task): string {
  const first = allocFrame(cpu)
  const second = allocFrame(cpu)
  if (first !== 0) freeFrame(cpu, first)
  if (second !== 0) freeFrame(cpu, second)
  return first !== 0 && second !== 0 ? 'both' : 'out of memory'
}

export default primitiveScenario({
  title: 'the last frame of a machine, kept by a CPU that enters and leaves the kernel',
  words: 1,
  frames: 3,
  setup: (cpu) => freeFrame(cpu, allocFrame(cpu)),
  threads: [() => 'nothing', takeTwo],
})
