// Three lockers of one page, two of which may have to sleep: no two hold it at once, and no wake-up is lost.

import { type Task, lockPage, unlockPage } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

/** Its lock is part of its flags, whether it is in use or not. */
const FRAME = 5

function bump(cpu: Task, at: number): number {
  lockPage(cpu, FRAME)
  const before = cpu.heap[at]!
  cpu.heap[at] = before + 1
  unlockPage(cpu, FRAME)
  return before
}

export default primitiveScenario({ title: 'the lock of a page', words: 1, threads: [bump, bump, bump] })
