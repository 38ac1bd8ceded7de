// Open files: the references on files that the thread on a CPU has in its own name (`struct file`, fs/file_table.c).
//
// They are linked from the CPU's struct, so that they can be let go by whoever finds the thread dead, as the end of a
// process closes what it has open (`exit_files`). Only the CPU itself changes its list, or who buries it.

import { layout } from '../machine/layout.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { CACHE_OPEN_FILE } from './caches.ts'
import { putFile } from './file.ts'
import { slabAlloc, slabFree } from './slab.ts'
import type { Task } from './task.ts'

export const OPEN_FILE_WORDS = 16

export const OpenFile = layout('open_file', OPEN_FILE_WORDS, { file: 0, next: 1 })

/**
 * `fd_install`: a reference on `file` that the caller has is this CPU's from now on. Returns where it stands, or 0 when
 * there is no memory.
 */
export function installFile(cpu: Task, file: number): number {
  const open = slabAlloc(cpu, CACHE_OPEN_FILE)
  if (open === 0) return 0
  const { heap } = cpu
  const list = cpu.base + PerCpu.openFiles
  heap[open + OpenFile.file] = file
  heap[open + OpenFile.next] = heap[list]
  heap[list] = open
  return open
}

/** `filp_close`: drops that reference. Files that nobody refers to any more are buried by the end of a call. */
export function closeFile(cpu: Task, open: number): void {
  const { heap } = cpu
  let link: number = cpu.base + PerCpu.openFiles
  while (heap[link] !== open) link = heap[link] + OpenFile.next
  heap[link] = heap[open + OpenFile.next]
  const file = heap[open + OpenFile.file]
  slabFree(cpu, CACHE_OPEN_FILE, open)
  putFile(cpu, file)
}

/** `exit_files`: drops all references of this CPU. */
export function exitFiles(cpu: Task): void {
  const list = cpu.base + PerCpu.openFiles
  while (cpu.heap[list] !== 0) closeFile(cpu, cpu.heap[list])
}
