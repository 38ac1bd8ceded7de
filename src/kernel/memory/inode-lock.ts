// The lock of a file against changes of its size (`i_rwsem`, taken for writing): a mutex whose waiters sleep, since its
// holder waits for the host. It is taken before every lock but no other one of its kind.

import { sleepWhile } from '../machine/sleep.ts'
import type { Task } from '../mm/task.ts'
import { File } from './file.ts'

const FREE = 0
const HELD = 1
/** Somebody may be asleep. */
const CONTENDED = 2

/** `inode_lock`: may sleep. */
export function lockInode(cpu: Task, file: number): void {
  const word = file + File.inodeLock
  if (Atomics.compareExchange(cpu.heap, word, FREE, HELD) === FREE) return
  // Whoever comes after a sleeper cannot know how many there are, and wakes one more for nothing.
  while (Atomics.exchange(cpu.heap, word, CONTENDED) !== FREE) sleepWhile(cpu, word, CONTENDED)
}

/** `inode_unlock`. */
export function unlockInode(cpu: Task, file: number): void {
  const word = file + File.inodeLock
  if (Atomics.exchange(cpu.heap, word, FREE) === CONTENDED) Atomics.notify(cpu.heap, word, 1)
}
