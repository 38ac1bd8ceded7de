// Two CPUs that want more frames than there are: each takes what the other keeps in front of the empty zone, whether it
// is outside or has to be asked.

import { PAGE_WORDS, type Task, allocFrame, freeFrame } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

function takeTwo(cpu: Task): string {
  const taken: number[] = []
  for (let turn = 0; turn < 2; turn++) {
    const frame = allocFrame(cpu)
    if (frame === 0) break
    cpu.memory.words[frame * PAGE_WORDS] = cpu.id + 1
    taken.push(frame)
  }
  const mine = taken.every((frame) => cpu.memory.words[frame * PAGE_WORDS] === cpu.id + 1)
  for (const frame of taken) freeFrame(cpu, frame)
  return mine ? 'mine' : 'not mine'
}

export default primitiveScenario({
  title: 'the last frames of a machine',
  words: 1,
  frames: 3,
  threads: [takeTwo, takeTwo],
})
