// What a call does at its end, when it holds nothing: it advances grace periods, and buries files without references
// (kernel/task_work.c, delayed fput).

import { Header } from '../machine/header.ts'
import { sleepWhile } from '../machine/sleep.ts'
import { BURIAL_BEGUN, BURIAL_NONE, FILE_HOST, File, addDeadFile, freeFile } from '../memory/file.ts'
import { forgetOnHost } from '../memory/host-io.ts'
import type { Task } from '../mm/task.ts'
import { gracePoll } from '../sync/grace.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { truncateInodePages } from './truncate.ts'
import { writeBackFile } from './writeback.ts'

/** Ends every call that may free something. */
export function finishCall(cpu: Task): void {
  gracePoll(cpu)
  runTaskWork(cpu)
}

/** `task_work_run`: may sleep. */
export function runTaskWork(cpu: Task): void {
  while (Atomics.load(cpu.heap, Header.deadFiles) !== 0) {
    const file = claimDeadFile(cpu)
    if (file !== 0) buryFile(cpu, file)
  }
}

/** Takes the first file off the list of the dead, with a reference, unless it has been found again since. */
function claimDeadFile(cpu: Task): number {
  const { heap } = cpu
  spinLock(cpu, Header.fileListLock)
  const file = heap[Header.deadFiles]
  if (file !== 0) {
    Atomics.store(heap, Header.deadFiles, heap[file + File.nextDead])
    heap[file + File.burial] = BURIAL_NONE
  }
  const dead = file !== 0 && Atomics.compareExchange(heap, file + File.refcount, 0, 1) === 0
  if (dead) heap[file + File.burial] = BURIAL_BEGUN
  spinUnlock(cpu, Header.fileListLock)
  return dead ? file : 0
}

/**
 * `iput_final`: writes back what is dirty, and frees the file. A file that cannot be written stays, with its pages,
 * until it is opened or synchronised again: nothing that was written is lost.
 */
function buryFile(cpu: Task, file: number): void {
  const onHost = (Atomics.load(cpu.heap, file + File.flags) & FILE_HOST) !== 0
  const saved = !onHost || writeBackFile(cpu, file) === 0
  // Nothing maps the file. Only a CPU that finds it by its inode can make a page dirty now, and that CPU marks it as
  // found.
  if (!abandonFile(cpu, file, saved)) return
  waitForWriteback(cpu, file)
  truncateInodePages(cpu, file, 0)
  if (onHost) forgetOnHost(cpu, file)
  freeFile(cpu, file)
}

/** `inode_wait_for_writeback`: the flusher has found the file while it was on the list. */
function waitForWriteback(cpu: Task, file: number): void {
  const word = file + File.underWriteback
  while (Atomics.load(cpu.heap, word) !== 0) sleepWhile(cpu, word, 1)
}

/**
 * Drops the reference of the burial. Returns whether the file is to be freed: then no CPU can find it any more. A file
 * that was found meanwhile may have been written to: when it is released again, its burial begins anew.
 */
function abandonFile(cpu: Task, file: number, saved: boolean): boolean {
  const { heap } = cpu
  spinLock(cpu, Header.fileListLock)
  const before = Atomics.sub(heap, file + File.refcount, 1)
  const last = before === 1
  const untouched = heap[file + File.burial] === BURIAL_BEGUN
  if (last) heap[file + File.burial] = BURIAL_NONE
  if (last && saved && untouched) unlinkFile(cpu, file)
  if (last && saved && !untouched) addDeadFile(cpu, file)
  spinUnlock(cpu, Header.fileListLock)
  return last && saved && untouched
}

/** Takes a file of the host off the list. The list is locked. */
function unlinkFile(cpu: Task, file: number): void {
  const { heap } = cpu
  if ((Atomics.load(heap, file + File.flags) & FILE_HOST) === 0) return
  let link: number = Header.fileList
  while (heap[link] !== file) link = heap[link] + File.nextFile
  heap[link] = heap[file + File.nextFile]
}
