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

/** Memory of two nodes, and a CPU in each. */
const nodes = { count: 2, ofCpu: [0, 1] } as const

/** Of 8, node 0 has those before this one, the zero page among them. */
const FIRST_OF_NODE_1 = 4

function takeHere(cpu: Task, at: number): string {
  const frame = allocFrame(cpu)
  const here = frame >= FIRST_OF_NODE_1 === (cpu.id === 1)
  // Whoever comes second gives up both: one of them in a node that is not its own.
  const other = Atomics.exchange(cpu.heap, at, frame)
  if (other !== 0) {
    freeFrame(cpu, other)
    freeFrame(cpu, frame)
    Atomics.store(cpu.heap, at, 0)
  }
  return here ? 'here' : 'elsewhere'
}

export default primitiveScenarios({
  // Two CPUs that take the first frames from the zone, and write to them: each has its own.
  'frame-allocator': {
    words: 1,
    threads: [takeAndGiveBack, takeAndGiveBack],
  },
  // Two CPUs that want more frames than there are: each takes those that the other caches when the zone is empty,
  // whether that CPU is outside or has to be asked.
  'last-frames': {
    words: 1,
    frames: 3,
    threads: [takeTwo, takeTwo],
  },
  // Each CPU takes a frame of its own node, and one of them returns both, each to its node.
  'node-frames': {
    words: 1,
    frames: 8,
    nodes,
    threads: [takeHere, takeHere],
  },
  // Two CPUs that want more frames than both nodes have: each also takes those of the other node, and those that the
  // other CPU caches for either zone.
  'node-last-frames': {
    words: 1,
    frames: 4,
    nodes,
    threads: [takeTwo, takeTwo],
  },
  // A CPU that caches the last free frame enters and leaves. Another must get that frame whatever the first is doing:
  // it is free all the time.
  'frames-of-leaving-cpu': {
    words: 1,
    frames: 3,
    setup: (cpu) => freeFrame(cpu, allocFrame(cpu)),
    threads: [() => 'nothing', takeTwoFrames],
  },
  // The same with a CPU that caches the last frame of each node.
  'node-frames-of-leaving-cpu': {
    words: 1,
    frames: 3,
    nodes,
    setup: (cpu) => {
      for (const frame of [allocFrame(cpu), allocFrame(cpu)]) freeFrame(cpu, frame)
    },
    threads: [() => 'nothing', takeTwoFrames],
  },
})
