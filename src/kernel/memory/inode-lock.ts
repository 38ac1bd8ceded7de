// The lock of a file against changes of its size (`i_rwsem`, taken for writing): a mutex whose waiters sleep, since its
// holder waits for the host. A CPU takes it before any other lock, and never two of them. It counts its holders, by
// which one can see without it that there was none meanwhile.

import { sleepWhile } from '../machine/sleep.ts'
import type { Task } from '../mm/task.ts'
import { File } from './file.ts'

const HELD = 1
/** Somebody may be asleep. */
const CONTENDED = 2
const STATE = HELD | CONTENDED
/** Added with each holder that gives it up. */
const HOLDER = 4

/** `inode_lock`: may sleep. */
export function lockInode(cpu: Task, file: number): void {
  const { heap } = cpu
  const word = file + File.inodeLock
  const free = Atomics.load(heap, word) & ~STATE
  if (Atomics.compareExchange(heap, word, free, free | HELD) === free) return
  // A CPU that takes the lock after a sleeper cannot know whether others sleep: it may wake one for nothing later.
  for (;;) {
    const found = Atomics.or(heap, word, CONTENDED)
    if ((found & STATE) === 0) return
    sleepWhile(cpu, word, found | CONTENDED)
  }
}

/** `inode_unlock`. */
export function unlockInode(cpu: Task, file: number): void {
  const { heap } = cpu
  const word = file + File.inodeLock
  // Who waits changes only the state.
  const next = ((Atomics.load(heap, word) & ~STATE) + HOLDER) | 0
  if ((Atomics.exchange(heap, word, next) & CONTENDED) !== 0) Atomics.notify(heap, word, 1)
}

/** What {@link wasInodeUnlocked} wants to know, if nobody has the lock; else -1. */
export function inodeUnlocked(cpu: Task, file: number): number {
  const found = Atomics.load(cpu.heap, file + File.inodeLock)
  return (found & STATE) === 0 ? found >>> 0 : -1
}

/** Whether nobody has had the lock since {@link inodeUnlocked}. */
export function wasInodeUnlocked(cpu: Task, file: number, since: number): boolean {
  return Atomics.load(cpu.heap, file + File.inodeLock) === (since | 0)
}
