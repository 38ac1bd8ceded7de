// mprotect (mm/mprotect.c).

import { finishCall } from '../cache/task-work.ts'
import { mmPopulate } from '../fault/populate.ts'
import {
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_FLAGS_MASK,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_SPECIAL,
  PTE_WRITE,
  PageTable,
} from '../machine/pte.ts'
import { FILE_WRITE_NOTIFY, File } from '../memory/file.ts'
import { unaccountMemory, vmEnoughMemory } from '../memory/overcommit.ts'
import { EACCES, EINVAL, ENOMEM } from '../mm/errno.ts'
import { TASK_SIZE } from '../mm/mm.ts'
import { mmapWriteLock, mmapWriteUnlock } from '../mm/mmap-lock.ts'
import { type Task, WRITABLE_RANGES_MAX } from '../mm/task.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { flushTlbMm } from '../tables/mmu-gather.ts'
import { invalidateRangeEnd, invalidateRangeStart } from '../tables/mmu-notifier.ts'
import { findPteTable, nextToWalk, pteAddress } from '../tables/page-table.ts'
import { vmGetPageProt } from '../tables/pte-flags.ts'
import { mayExpandVm, vmStatAccount } from '../vma/accounts.ts'
import { anonVmaPrepare } from '../vma/anon-vma.ts'
import { modifyVma } from '../vma/merge.ts'
import { overrideMprotectPkey } from '../vma/pkeys.ts'
import { findVma } from '../vma/vma-tree.ts'
import {
  VMA_PROTECT,
  VM_ACCESS_FLAGS,
  VM_ACCOUNT,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_NORESERVE,
  VM_NO_MAYWRITE,
  VM_PKEY_FLAGS,
  VM_PKEY_SHIFT,
  VM_SHARED,
  VM_WRITE,
  Vma,
} from '../vma/vma.ts'

/**
 * Gives the pages [start, end) the access flags `access`. Returns 0; -ENOMEM at the first page that is not mapped, or
 * where a limit of data or of committed memory is exceeded; -EACCES at the first page that may not become writable. The
 * pages before it have changed.
 */
export function mprotect(cpu: Task, mm: number, start: number, end: number, access: number): number {
  if (start === end) return 0
  if (start > end) return -EINVAL
  if (end > TASK_SIZE) return -ENOMEM
  mmapWriteLock(cpu, mm)
  cpu.writableCount = 0
  const result = mprotectLocked(cpu, mm, start, end, access)
  mmapWriteUnlock(cpu, mm)
  // Locked pages that become writable get copies of their own now, so that the first write to them does not wait.
  for (let range = 0; range < cpu.writableCount; range++) {
    const { writableRanges } = cpu
    mmPopulate(cpu, mm, writableRanges[2 * range], writableRanges[2 * range + 1], true, VM_LOCKED)
  }
  finishCall(cpu)
  return result
}

function mprotectLocked(cpu: Task, mm: number, start: number, end: number, access: number): number {
  const { heap } = cpu
  let vma = findVma(cpu, mm, start)
  if (vma === 0 || heap[vma + Vma.vmStart] > start) return -ENOMEM
  for (let page = start; ;) {
    const stop = Math.min(heap[vma + Vma.vmEnd], end)
    const error = mprotectFixup(cpu, mm, vma, page, stop, access)
    if (error < 0) return error
    page = stop
    if (page >= end) return 0
    vma = findVma(cpu, mm, page)
    if (vma === 0 || heap[vma + Vma.vmStart] > page) return -ENOMEM
  }
}

/** `mprotect_fixup`: the pages [start, end) of `vma`. Merges with neighbours that become alike, or splits. */
function mprotectFixup(
  cpu: Task,
  mm: number,
  vma: number,
  start: number,
  end: number,
  access: number,
): number {
  const { heap } = cpu
  const oldFlags = heap[vma + Vma.vmFlags]
  const pkey = overrideMprotectPkey(cpu, mm, oldFlags, access)
  if ((oldFlags & VM_NO_MAYWRITE) !== 0 && (access & VM_WRITE) !== 0) return -EACCES
  const requested = (oldFlags & ~(VM_ACCESS_FLAGS | VM_PKEY_FLAGS)) | access | (pkey << VM_PKEY_SHIFT)
  if (requested === oldFlags) return 0
  const file = heap[vma + Vma.vmFile]
  const unused = file === 0 && Atomics.load(heap, vma + Vma.anonVma) === 0
  const newFlags = accountedFlags(oldFlags, requested, unused)
  const pages = end - start
  const becomesData = (newFlags & VM_WRITE) !== 0 && !mayExpandVm(cpu, mm, newFlags, pages)
  if (becomesData && mayExpandVm(cpu, mm, oldFlags, pages)) return -ENOMEM
  const charged = (newFlags & ~oldFlags & VM_ACCOUNT) !== 0 ? pages : 0
  if (charged !== 0 && !vmEnoughMemory(cpu, charged)) return -ENOMEM
  const target = modifyVma(cpu, mm, vma, start, end, newFlags)
  if (target < 0) {
    unaccountMemory(cpu, charged)
    return target
  }
  cpu.design.vmaWriteBegin(cpu, target, VMA_PROTECT)
  cpu.design.rangeChanging(cpu, mm, start, end)
  Atomics.store(heap, target + Vma.vmFlags, newFlags)
  changeProtection(cpu, mm, start, end, pageProt(cpu, newFlags, file))
  cpu.design.vmaWriteEnd(cpu, target, VMA_PROTECT)
  cpu.design.rangeChanged(cpu, target, start, end)
  if ((oldFlags & ~newFlags & VM_ACCOUNT) !== 0) unaccountMemory(cpu, pages)
  vmStatAccount(cpu, mm, oldFlags, -pages)
  vmStatAccount(cpu, mm, newFlags, pages)
  const wasFixed = (oldFlags & (VM_WRITE | VM_SHARED | VM_LOCKED)) === VM_LOCKED
  if (wasFixed && (newFlags & VM_WRITE) !== 0) {
    noteWritable(cpu, start, end)
    // Linux brings the pages in already here, so the VMA has an anon_vma when the next one decides whether to merge
    // with it.
    if ((newFlags & VM_LOCKONFAULT) === 0) anonVmaPrepare(cpu, target)
  }
  return 0
}

/**
 * Notes that the pages [start, end) are to be brought in. If there are too many ranges, the last one is extended over
 * the gap: its writable pages are copied too, earlier than by their first write.
 */
function noteWritable(cpu: Task, start: number, end: number): void {
  const { writableRanges, writableCount } = cpu
  const last = 2 * writableCount - 1
  if (writableCount === WRITABLE_RANGES_MAX || (writableCount > 0 && writableRanges[last] === start)) {
    writableRanges[last] = end
    return
  }
  writableRanges[last + 1] = start
  writableRanges[last + 2] = end
  cpu.writableCount++
}

/**
 * Whether the pages count as committed: from the first time that they are writable, until they are read-only and
 * unused.
 */
function accountedFlags(oldFlags: number, newFlags: number, unused: boolean): number {
  if ((newFlags & VM_WRITE) !== 0) {
    const exempt = (oldFlags & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE)) !== 0
    return exempt ? newFlags : newFlags | VM_ACCOUNT
  }
  return unused ? newFlags & ~VM_ACCOUNT : newFlags
}

/** `vma_set_page_prot`: entries of a shared file that has to notice the first write get no write permission. */
function pageProt(cpu: Task, vmFlags: number, file: number): number {
  const notify = file !== 0 && (Atomics.load(cpu.heap, file + File.flags) & FILE_WRITE_NOTIFY) !== 0
  return vmGetPageProt(vmFlags) & (notify ? ~PTE_WRITE : ~0)
}

/**
 * `change_protection`: gives the entries of [start, end) the permissions `prot`, and flushes older translations from
 * all CPUs.
 */
function changeProtection(cpu: Task, mm: number, start: number, end: number, prot: number): void {
  let changed = 0
  invalidateRangeStart(cpu, mm, start, end)
  for (let page = start; page < end;) {
    const table = findPteTable(cpu, mm, page)
    const stop = nextToWalk(cpu, mm, table, page, end)
    if (table !== 0) changed += changePteRange(cpu, table, page, stop, prot)
    page = stop
  }
  invalidateRangeEnd(cpu, mm)
  if (changed !== 0) flushTlbMm(cpu, mm, start, end)
}

/** What an entry keeps when its permissions change. */
const PTE_KEPT = ~PTE_FLAGS_MASK | PTE_ACCESSED | PTE_DIRTY | PTE_SPECIAL
const PTE_EXISTS = PTE_PRESENT | PTE_PROTNONE

function changePteRange(cpu: Task, table: number, start: number, end: number, prot: number): number {
  const { heap } = cpu
  let changed = 0
  spinLock(cpu, table + PageTable.ptl)
  for (let page = start; page < end; page++) {
    const address = pteAddress(table, page)
    for (;;) {
      const entry = Atomics.load(heap, address)
      const wanted = (entry & PTE_KEPT) | prot
      if ((entry & PTE_EXISTS) === 0 || wanted === entry) break
      // The hardware may set the accessed and dirty bits meanwhile; they must not get lost.
      if (Atomics.compareExchange(heap, address, entry, wanted) !== entry) continue
      changed++
      break
    }
  }
  spinUnlock(cpu, table + PageTable.ptl)
  return changed
}
