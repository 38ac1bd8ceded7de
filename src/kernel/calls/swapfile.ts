// swapon and swapoff: beginning and ending the use of a swap area (mm/swapfile.c).

import { swapInFilePage } from '../cache/filemap.ts'
import { finishCall, runTaskWork } from '../cache/task-work.ts'
import { faultInLocked } from '../fault/fault.ts'
import { cpuRelax } from '../machine/cpu.ts'
import { Header } from '../machine/header.ts'
import { PTE_SWAP } from '../machine/pte.ts'
import { File, getFile, loadPage, nextCachedPage, putFile } from '../memory/file.ts'
import { dropMm, nextMm } from '../memory/mm-count.ts'
import { putPage } from '../memory/page-alloc.ts'
import { lockPage, unlockPage } from '../memory/page-lock.ts'
import {
  SWAP_LEAVES,
  SWAP_SLOTS_MAX,
  SWAP_STAYS,
  findGetSwapCache,
  isSwapLeaving,
  reserveSwapMap,
  swapOwner,
  tryToFreeSwap,
} from '../memory/swap.ts'
import { EBUSY, EINVAL, EIO, ENOMEM } from '../mm/errno.ts'
import { VM_FAULT_ERROR, VM_FAULT_OOM } from '../mm/fault-context.ts'
import { TASK_SIZE } from '../mm/mm.ts'
import { mmapReadLock, mmapReadUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { findPteTable, nextPteTable, pmdAddrEnd, pteAddress } from '../tables/page-table.ts'

/**
 * `swapon`: uses `slots` pages of `file` as the swap area, and takes a reference on the file. Returns 0; -EINVAL unless
 * there are 1 to 2^20 - 1 slots; -EBUSY if there is an area already; -ENOMEM if the kernel heap is used up.
 */
export function swapOn(cpu: Task, file: number, slots: number): number {
  const { heap } = cpu
  if (slots < 1 || slots > SWAP_SLOTS_MAX) return -EINVAL
  spinLock(cpu, Header.swapLock)
  let result = 0
  if (heap[Header.swapFile] !== 0) result = -EBUSY
  else if (!reserveSwapMap(cpu, slots)) result = -ENOMEM
  if (result === 0) {
    getFile(cpu, file)
    Atomics.store(heap, Header.swapFile, file)
    heap[Header.swapHand] = 1
    Atomics.store(heap, Header.swapLeaving, SWAP_STAYS)
    Atomics.store(heap, Header.swapSlots, slots)
    Atomics.store(heap, Header.swapFree, slots)
  }
  spinUnlock(cpu, Header.swapLock)
  return result
}

/**
 * `swapoff`: brings all pages back into memory and releases the area. Returns 0; -EINVAL if there is none; -ENOMEM if
 * memory does not suffice, or -EIO if a page cannot be read: then the area stays in use.
 */
export function swapOff(cpu: Task): number {
  const { heap } = cpu
  spinLock(cpu, Header.swapLock)
  const file = heap[Header.swapFile]
  const refused = file === 0 || Atomics.load(heap, Header.swapLeaving) !== SWAP_STAYS
  if (!refused) Atomics.store(heap, Header.swapLeaving, SWAP_LEAVES)
  spinUnlock(cpu, Header.swapLock)
  if (refused) return -EINVAL
  let result = tryToUnuse(cpu)
  spinLock(cpu, Header.swapLock)
  // stopSwapOff() may have cancelled it at the last moment.
  if (result === 0 && !isSwapLeaving(cpu)) result = -ENOMEM
  Atomics.store(heap, Header.swapLeaving, SWAP_STAYS)
  if (result === 0) {
    Atomics.store(heap, Header.swapSlots, 0)
    Atomics.store(heap, Header.swapFree, 0)
    Atomics.store(heap, Header.swapFile, 0)
  }
  spinUnlock(cpu, Header.swapLock)
  if (result === 0) putFile(cpu, file)
  finishCall(cpu)
  return result
}

/** `try_to_unuse`: no page goes to the area any more, so each turn leaves fewer. Another CPU may cancel it. */
function tryToUnuse(cpu: Task): number {
  const { heap } = cpu
  while (Atomics.load(heap, Header.swapFree) !== heap[Header.swapSlots]) {
    cpu.walkGeneration = 0
    for (let mm = nextMm(cpu); mm !== 0; mm = nextMm(cpu)) {
      const error = unuseMm(cpu, mm)
      dropMm(cpu, mm)
      if (error !== 0) return error
    }
    const error = unuseSlots(cpu)
    if (error !== 0) return error
    // Another CPU works on what is left, and may wait for this one to flush its TLB.
    if (Atomics.load(heap, Header.swapFree) !== heap[Header.swapSlots]) cpuRelax(cpu)
  }
  return 0
}

/** `unuse_mm`: gives entries that refer to the area their pages back. */
function unuseMm(cpu: Task, mm: number): number {
  // Some entries may stay: another CPU works on the page, or is about to unmap it.
  for (let page = 0; page < TASK_SIZE; page++) {
    mmapReadLock(cpu, mm)
    page = nextSwapEntry(cpu, mm, page)
    const result = page >= TASK_SIZE ? 0 : faultInLocked(cpu, mm, page)
    mmapReadUnlock(cpu, mm)
    if ((result & VM_FAULT_ERROR) !== 0) return (result & VM_FAULT_OOM) !== 0 ? -ENOMEM : -EIO
    if (!isSwapLeaving(cpu)) return -ENOMEM
  }
  return 0
}

/** The first page from `page` on whose entry refers to the swap area, or TASK_SIZE. */
function nextSwapEntry(cpu: Task, mm: number, page: number): number {
  for (let next = nextPteTable(cpu, mm, page); next < TASK_SIZE; next = nextPteTable(cpu, mm, next)) {
    const table = findPteTable(cpu, mm, next)
    const stop = pmdAddrEnd(next, TASK_SIZE)
    for (; next < stop; next++) {
      if ((Atomics.load(cpu.heap, pteAddress(table, next)) & PTE_SWAP) !== 0) return next
    }
  }
  return TASK_SIZE
}

/** What is left: pages of memory files, and pages in the swap cache to which no entry refers. */
function unuseSlots(cpu: Task): number {
  const slots = cpu.heap[Header.swapSlots]
  for (let slot = 1; slot <= slots; slot++) {
    if (!isSwapLeaving(cpu)) return -ENOMEM
    const file = swapOwner(cpu, slot)
    if (file !== 0) {
      const error = unuseFile(cpu, file)
      putFile(cpu, file)
      if (error !== 0) return error
    }
    const frame = findGetSwapCache(cpu, slot)
    if (frame === 0) continue
    lockPage(cpu, frame)
    tryToFreeSwap(cpu, frame)
    unlockPage(cpu, frame)
    putPage(cpu, frame)
  }
  // Files without references return their slots.
  runTaskWork(cpu)
  return 0
}

/** `shmem_unuse_inode`. */
function unuseFile(cpu: Task, file: number): number {
  const end = Atomics.load(cpu.heap, file + File.pages)
  for (
    let index = nextCachedPage(cpu, file, 0, end);
    index < end;
    index = nextCachedPage(cpu, file, index + 1, end)
  ) {
    const entry = loadPage(cpu, file, index)
    const error = entry < 0 ? swapInFilePage(cpu, file, index, -entry) : 0
    if (error !== 0) return error
  }
  return 0
}
