// What more than one scenario does with the last frames of a machine.

import { type Task, allocFrame, freeFrame } from '../../kernel/index.ts'

/** Takes two frames at once, and gives them back. Returns whether there were two. */
export function takeTwoFrames(cpu: Task): string {
  const first = allocFrame(cpu)
  const second = allocFrame(cpu)
  if (first !== 0) freeFrame(cpu, first)
  if (second !== 0) freeFrame(cpu, second)
  return first !== 0 && second !== 0 ? 'both' : 'out of memory'
}
