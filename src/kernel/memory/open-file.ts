// Open files: references on files that the thread on a CPU has opened itself (`struct file`, fs/file_table.c).
//
// They are linked from the CPU's struct, so that a thread that finds this one dead can release them, as the end of a
// process closes what it has open (`exit_files`). Only the CPU itself, or a thread that buries it, changes its list.
//
// Other threads use an open file by its place and number, as threads share a table of descriptors. Once it is closed
// they are refused, even if something else keeps the file, and they take a reference of their own for each use
// (`fget`). They may look at a place where nothing is open any more: the memory is type-safe, and a free place has no
// number.

import { perCpuBase } from '../machine/cpu.ts'
import { Header } from '../machine/header.ts'
import { layout } from '../machine/layout.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { CACHE_OPEN_FILE } from '../mm/caches.ts'
import type { Task } from '../mm/task.ts'
import { errseqCheckAndAdvance, errseqSample } from '../sync/errseq.ts'
import { forgetNumber, numberAt, takeNumber } from '../sync/number.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { File, getFile, putFile } from './file.ts'
import { slabAlloc, slabFree } from './slab.ts'

export const OPEN_FILE_WORDS = 16

export const OpenFile = layout('open_file', OPEN_FILE_WORDS, {
  file: 0,
  next: 1,
  /** `FMODE_WRITE`: 1 if the file may be written through this. */
  writable: 2,
  /** `f_wb_err`: the failed write-backs that were reported to its users, see sync/errseq.ts. */
  writeErrorSeen: 3,
  /** Which of all files ever opened this is, see sync/number.ts; 0 once it is closed. */
  generation: 4,
  generationHigh: 5,
})

/**
 * `fd_install`: makes the caller's reference on `file` one of this CPU. Returns its place, or 0 if there is no memory.
 */
export function installFile(cpu: Task, file: number, writable: boolean): number {
  const open = slabAlloc(cpu, CACHE_OPEN_FILE)
  if (open === 0) return 0
  const { heap } = cpu
  const list = cpu.base + PerCpu.openFiles
  heap[open + OpenFile.file] = file
  heap[open + OpenFile.next] = heap[list]
  heap[open + OpenFile.writable] = writable ? 1 : 0
  Atomics.store(heap, open + OpenFile.writeErrorSeen, errseqSample(cpu, file + File.writeError))
  takeNumber(cpu, Header.fileGeneration, open + OpenFile.generation)
  spinLock(cpu, Header.fileListLock)
  heap[list] = open
  spinUnlock(cpu, Header.fileListLock)
  return open
}

/** `filp_close`: drops that reference. The end of a call buries files without references. */
export function closeFile(cpu: Task, open: number): void {
  const { heap } = cpu
  let link: number = cpu.base + PerCpu.openFiles
  // A CPU that has found it under the lock has a reference by now.
  spinLock(cpu, Header.fileListLock)
  while (heap[link] !== open) link = heap[link] + OpenFile.next
  heap[link] = heap[open + OpenFile.next]
  forgetNumber(cpu, open + OpenFile.generation)
  spinUnlock(cpu, Header.fileListLock)
  const file = heap[open + OpenFile.file]
  slabFree(cpu, CACHE_OPEN_FILE, open)
  putFile(cpu, file)
}

/**
 * `fget`: the file that a CPU has open at `open`, with a reference, which a close does not drop; 0 if the file that was
 * opened with that number is closed. Some file was open at `open` once.
 */
export function getOpenFile(cpu: Task, open: number, generation: number): number {
  const { heap } = cpu
  spinLock(cpu, Header.fileListLock)
  const isFree = Atomics.load(heap, open + OpenFile.generation) === 0
  const isOpen = !isFree && numberAt(heap, open + OpenFile.generation) === generation
  const file = isOpen ? heap[open + OpenFile.file] : 0
  if (file !== 0) getFile(cpu, file)
  spinUnlock(cpu, Header.fileListLock)
  return file
}

/** Whether a CPU has a file open at `wanted`, which may be any number, with that generation. */
export function isOpenFile(cpu: Task, wanted: number, generation: number): boolean {
  const { heap } = cpu
  let open = 0
  spinLock(cpu, Header.fileListLock)
  for (let id = 0; id < cpu.cpuCount && open === 0; id++) {
    open = heap[perCpuBase(heap, id) + PerCpu.openFiles]
    while (open !== 0 && open !== wanted) open = heap[open + OpenFile.next]
  }
  const present = open !== 0 && numberAt(heap, open + OpenFile.generation) === generation
  spinUnlock(cpu, Header.fileListLock)
  return present
}

/**
 * `file_check_and_advance_wb_err`: the error of a write-back of `file` that was not reported to the users of this open
 * file, as a negative errno; 0 if there is none, or if the open file with that number is closed by now.
 */
export function checkOpenError(cpu: Task, file: number, open: number, generation: number): number {
  const { heap } = cpu
  spinLock(cpu, Header.fileListLock)
  const isFree = Atomics.load(heap, open + OpenFile.generation) === 0
  const isOpen = !isFree && numberAt(heap, open + OpenFile.generation) === generation
  const error = isOpen ? checkError(cpu, file, open + OpenFile.writeErrorSeen) : 0
  spinUnlock(cpu, Header.fileListLock)
  return error
}

/**
 * The same for a thread that has mapped the file. If it has opened the file itself, the report is for all that it has
 * opened; else for all threads that only use mappings.
 */
export function checkMappedError(cpu: Task, file: number): number {
  const { heap } = cpu
  let own = false
  let error = 0
  for (let open = heap[cpu.base + PerCpu.openFiles]; open !== 0; open = heap[open + OpenFile.next]) {
    if (heap[open + OpenFile.file] !== file) continue
    own = true
    error = checkError(cpu, file, open + OpenFile.writeErrorSeen) || error
  }
  return own ? error : checkError(cpu, file, file + File.writeErrorSeen)
}

function checkError(cpu: Task, file: number, seen: number): number {
  return errseqCheckAndAdvance(cpu, file + File.writeError, seen)
}

/** `exit_files`: drops all references of this CPU. */
export function exitFiles(cpu: Task): void {
  const list = cpu.base + PerCpu.openFiles
  while (cpu.heap[list] !== 0) closeFile(cpu, cpu.heap[list])
}
