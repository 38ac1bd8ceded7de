// Which pages, and which files, have to be written back (mm/page-writeback.c, fs/fs-writeback.c).
//
// The flag of a page, or an entry that maps it, says that the page is dirty. A file of the host also records since when
// it may have dirty pages; the flusher looks at no other files. A file is marked whenever one of its pages becomes
// dirty or writable, even if the page was dirty before, as the flusher may just be writing it.

import { Header } from '../machine/header.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent, ownVmEvent } from '../mm/vmstat.ts'
import { FILE_HOST, File } from './file.ts'
import { PG_DIRTY, Page, pageStruct } from './page.ts'

/** `ratelimit_pages`: a CPU checks for too many dirty pages after it has made so many dirty. */
const RATELIMIT_PAGES = 32

/** `set_page_dirty`: the caller has a reference on the page. Sets `flags` as well. */
export function setPageDirty(cpu: Task, frame: number, flags = 0): void {
  const { heap } = cpu
  const page = pageStruct(cpu, frame)
  const wanted = PG_DIRTY | flags
  const present = Atomics.load(heap, page + Page.flags)
  const before = (present & wanted) === wanted ? present : Atomics.or(heap, page + Page.flags, wanted)
  const file = Atomics.load(heap, page + Page.mapping)
  if (file === 0 || (Atomics.load(heap, file + File.flags) & FILE_HOST) === 0) return
  markFileDirty(cpu, file)
  if ((before & PG_DIRTY) === 0) accountPageDirtied(cpu)
}

/** `__mark_inode_dirty`. */
export function markFileDirty(cpu: Task, file: number): void {
  const { heap } = cpu
  if (Atomics.load(heap, file + File.dirtiedWhen) === 0) storeDirtiedWhen(cpu, file, 0)
}

/**
 * Stores that the file has had dirty pages for `periods` periods. 0 says that it has none, so no period has that
 * number.
 */
function storeDirtiedWhen(cpu: Task, file: number, periods: number): void {
  const when = (Atomics.load(cpu.heap, Header.writebackPeriod) + 1 - periods) | 0
  Atomics.store(cpu.heap, file + File.dirtiedWhen, when === 0 ? -1 : when)
}

/** `account_page_dirtied` and `balance_dirty_pages_ratelimited`; unlike in Linux, no CPU waits for the flusher. */
function accountPageDirtied(cpu: Task): void {
  const { heap } = cpu
  countVmEvent(cpu, VmEvent.nr_dirtied)
  if (ownVmEvent(cpu, VmEvent.nr_dirtied) % RATELIMIT_PAGES !== 0) return
  const limit = Atomics.load(heap, Header.dirtyBackground)
  if (limit === 0) return
  const dirtied = Atomics.add(heap, Header.dirtied, RATELIMIT_PAGES) + RATELIMIT_PAGES
  if (dirtied >= limit) wakeFlusher(cpu)
}

/** Asks the flusher, if there is one, to write the file soon. */
export function expireFile(cpu: Task, file: number): void {
  const { heap } = cpu
  if (Atomics.load(heap, Header.flusherCpu) === 0 || Atomics.load(heap, file + File.dirtiedWhen) === 0) return
  storeDirtiedWhen(cpu, file, heap[Header.dirtyExpire])
  wakeFlusher(cpu)
}

/** `wb_start_background_writeback`: wakes the flusher, if there is one, to look for work. */
export function wakeFlusher(cpu: Task): void {
  const { heap } = cpu
  if (Atomics.compareExchange(heap, Header.flusherWake, 0, 1) === 0) Atomics.notify(heap, Header.flusherWake)
}
