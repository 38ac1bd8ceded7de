// Two CPUs that take the first frames from the zone, and write to them: each has its own.

import { PAGE_WORDS, type Task, allocFrame, freeFrame } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

function takeAndGiveBack(cpu: Task): string {
  const frame = allocFrame(cpu)
  cpu.memory.words[frame * PAGE_WORDS] = cpu.id + 1
  const mine = cpu.memory.words[frame * PAGE_WORDS] === cpu.id + 1
  freeFrame(cpu, frame)
  return mine ? 'mine' : 'not mine'
}

export default primitiveScenario({
  title: 'the frame allocator',
  words: 1,
  threads: [takeAndGiveBack, takeAndGiveBack],
})
