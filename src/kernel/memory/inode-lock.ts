// The lock of a file against changes of its size (`i_rwsem`, taken for writing): a mutex whose waiters sleep, since its
// holder waits for the host. A CPU takes it before any other lock, and never two of them.

import { sleepWhile } from '../machine/sleep.ts'
import type { Task } from '../mm/task.ts'
import { File } from './file.ts'

const FREE = 0
const HELD = 1
/** A CPU may be asleep. */
const CONTENDED = 2

/** `inode_trylock`. */
export function tryLockInode(cpu: Task, file: number): boolean {
  return Atomics.compareExchange(cpu.heap, file + File.inodeLock, FREE, HELD) === FREE
}

/** `inode_lock`: may sleep. */
export function lockInode(cpu: Task, file: number): void {
  if (tryLockInode(cpu, file)) return
  const word = file + File.inodeLock
  // A CPU that gets the lock after a sleep cannot know whether others sleep: its unlock wakes one, perhaps in vain.
  while (Atomics.exchange(cpu.heap, word, CONTENDED) !== FREE) sleepWhile(cpu, word, CONTENDED)
}

/** `inode_unlock`. */
export function unlockInode(cpu: Task, file: number): void {
  const word = file + File.inodeLock
  if (Atomics.exchange(cpu.heap, word, FREE) === CONTENDED) Atomics.notify(cpu.heap, word, 1)
}
