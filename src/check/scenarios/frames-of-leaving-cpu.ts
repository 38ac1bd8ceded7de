// A CPU that keeps the last free frame in front of the empty zone comes and goes. Another one must get that frame
// whatever the first is just doing: it is free all the while.

import { allocFrame, freeFrame } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'
import { takeTwoFrames } from './two-frames.ts'

export default primitiveScenario({
  title: 'the last frame of a machine, kept by a CPU that enters and leaves the kernel',
  words: 1,
  frames: 3,
  setup: (cpu) => freeFrame(cpu, allocFrame(cpu)),
  threads: [() => 'nothing', takeTwoFrames],
})
