// A whole page of a file that a program overwrites need not be read first.
//
// A store instruction cannot say that a page will be written whole; a call that moves many bytes can. Where the page is
// of a shared mapping and not in the cache, it is made of what is written, as write() makes it (file-io.ts), and mapped
// by the next access.

import { addWholePage } from '../cache/file-io.ts'
import { FILE_HOST, File } from '../memory/file.ts'
import { mmapReadLock, mmapReadUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { findVma } from '../vma/vma-tree.ts'
import { VM_LOCKED, VM_PKEY_FLAGS, VM_SHARED, VM_WRITE, Vma, linearPageIndex } from '../vma/vma.ts'

/**
 * Fills `page`, for which there is no translation, with the bytes of `source` from `start` on. Returns false if it
 * cannot; then the caller makes the access as any other. May sleep.
 */
export function overwritePage(
  cpu: Task,
  mm: number,
  page: number,
  source: Uint8Array,
  start: number,
): boolean {
  mmapReadLock(cpu, mm)
  const vma = findVma(cpu, mm, page)
  const file = vma === 0 ? 0 : mayOverwrite(cpu, vma, page)
  const index = vma === 0 ? 0 : linearPageIndex(cpu, vma, page)
  // Of the last page, only a part may belong to the file.
  const within = file !== 0 && index < Atomics.load(cpu.heap, file + File.pages) - 1
  const done = within && addWholePage(cpu, file, index, source, start)
  mmapReadUnlock(cpu, mm)
  return done
}

/** The file on the host that is mapped there, if the program may write to it; else 0. The mmap lock is held. */
function mayOverwrite(cpu: Task, vma: number, page: number): number {
  const { heap } = cpu
  const wanted = VM_SHARED | VM_WRITE
  const flags = heap[vma + Vma.vmFlags] & (wanted | VM_LOCKED | VM_PKEY_FLAGS)
  const file = heap[vma + Vma.vmFile]
  if (page < heap[vma + Vma.vmStart] || flags !== wanted || file === 0) return 0
  return (Atomics.load(heap, file + File.flags) & FILE_HOST) === 0 ? 0 : file
}
