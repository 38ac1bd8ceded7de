// The frame allocator.

import { PAGE_WORDS, type Task, allocFrame, freeFrame } from '../../kernel/index.ts'
import { primitiveScenarios } from './table.ts'
import { takeTwoFrames } from './two-frames.ts'

function takeAndGiveBack(cpu: Task): string {
  const frame = allocFrame(cpu)
  cpu.memory.words[frame * PAGE_WORDS] = cpu.id + 1
  const mine = cpu.memory.words[frame * PAGE_WORDS] === cpu.id + 1
  freeFrame(cpu, frame)
  return mine ? 'mine' : 'not mine'
}

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

export default primitiveScenarios({
  // Two CPUs that take the first frames from the zone, and write to them: each has its own.
  'frame-allocator': {
    words: 1,
    threads: [takeAndGiveBack, takeAndGiveBack],
  },
  // Two CPUs that want more frames than there are: each takes what the other keeps in front of the empty zone,
  // whether it is outside or has to be asked.
  'last-frames': {
    words: 1,
    frames: 3,
    threads: [takeTwo, takeTwo],
  },
  // A CPU that keeps the last free frame in front of the empty zone comes and goes. Another one must get that frame
  // whatever the first is just doing: it is free all the while.
  'frames-of-leaving-cpu': {
    words: 1,
    frames: 3,
    setup: (cpu) => freeFrame(cpu, allocFrame(cpu)),
    threads: [() => 'nothing', takeTwoFrames],
  },
})
