// The files of a lost machine: a thread died inside the kernel, and what it held stays held, so no thread can enter any
// more. At the end of the process their dirty pages are written as they stand, without any lock: the tree of a file can
// be read at any time, and a page in it that is up to date is a page of it.

import {
  FILE_HOST,
  FILE_READ_ONLY,
  File,
  Header,
  type Host,
  PAGE_SIZE,
  PG_DIRTY,
  PG_UPTODATE,
  Page,
  type Task,
  bytesInPage,
  loadPage,
  nextCachedPage,
  pageStruct,
} from '../../kernel/index.ts'
import { checkResult } from './errors.ts'

/** Throws MemoryError for the first page that cannot be written, after trying all. */
export function salvage(task: Task, host: Host): void {
  const { heap } = task
  let error = 0
  for (let file = heap[Header.fileList]!; file !== 0; file = heap[file + File.nextFile]!) {
    const flags = Atomics.load(heap, file + File.flags)
    if ((flags & FILE_HOST) === 0 || (flags & FILE_READ_ONLY) !== 0) continue
    const failed = salvageFile(task, host, file)
    if (error === 0) error = failed
  }
  checkResult(error, 'exit')
}

/** Returns 0 or a negative errno. */
function salvageFile(task: Task, host: Host, file: number): number {
  const pages = Atomics.load(task.heap, file + File.pages)
  const frames = new Int32Array(1)
  const wanted = PG_DIRTY | PG_UPTODATE
  let error = 0
  for (
    let index = nextCachedPage(task, file, 0, pages);
    index < pages;
    index = nextCachedPage(task, file, index + 1, pages)
  ) {
    const frame = loadPage(task, file, index)
    if (frame <= 0) continue
    if ((Atomics.load(task.heap, pageStruct(task, frame) + Page.flags) & wanted) !== wanted) continue
    frames[0] = frame
    const bytes = Math.min(PAGE_SIZE, bytesInPage(task, file, index))
    const failed = host.writePages(file, index, frames, 1, bytes)
    if (error === 0) error = failed
  }
  const failed = host.syncFile(file)
  return error === 0 ? failed : error
}
