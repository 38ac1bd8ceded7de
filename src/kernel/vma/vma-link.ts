// Linking VMAs into an mm and taking them out: the tree and the list together (mm/mmap.c).

import { bugOn } from '../machine/errors.ts'
import { getFile } from '../memory/file.ts'
import { Mm } from '../mm/mm.ts'
import { assertMmapWriteLocked } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { unlinkAnonVma } from './anon-vma.ts'
import {
  eraseVmaTree,
  findVmaLinks,
  linkVmaTree,
  reserveVmaLink,
  vmaGapUpdate,
  vmEndGap,
} from './vma-tree.ts'
import { VMA_LINK, VMA_UNLINK, Vma, vmAreaAlloc, vmAreaDup, vmAreaFreeNow } from './vma.ts'
import { vmacacheInvalidate } from './vmacache.ts'

/**
 * `vm_area_alloc` and `vma_iter_prealloc`: a VMA of `mm` that the caller links at `start` next, and the memory that
 * linking it takes. The caller links and unlinks no other before. Returns 0 when the heap is used up.
 */
export function allocVmaToLink(cpu: Task, mm: number, start: number): number {
  return withMemoryToLink(cpu, mm, vmAreaAlloc(cpu, mm), start)
}

/** The same for a copy of `original`. */
export function dupVmaToLink(cpu: Task, original: number, start: number): number {
  return withMemoryToLink(cpu, cpu.heap[original + Vma.vmMm], vmAreaDup(cpu, original), start)
}

function withMemoryToLink(cpu: Task, mm: number, vma: number, start: number): number {
  if (vma === 0 || reserveVmaLink(cpu, mm, start)) return vma
  vmAreaFreeNow(cpu, vma)
  return 0
}

/** `vma_link`: the VMA, which overlaps none, becomes part of the mm. The mmap lock is held for write. */
export function linkVma(cpu: Task, mm: number, vma: number): void {
  const { heap } = cpu
  assertMmapWriteLocked(cpu, mm)
  const free = findVmaLinks(cpu, mm, heap[vma + Vma.vmStart], heap[vma + Vma.vmEnd])
  bugOn(!free, 'two VMAs overlap')
  linkVmaAt(cpu, mm, vma, cpu.vmaLinkPrevious, cpu.vmaLinkParent, cpu.vmaLink)
}

function linkVmaAt(cpu: Task, mm: number, vma: number, previous: number, parent: number, link: number): void {
  const { heap } = cpu
  const next = previous === 0 ? heap[mm + Mm.mmap] : heap[previous + Vma.vmNext]
  cpu.design.vmaWriteBegin(cpu, vma, VMA_LINK)
  heap[vma + Vma.vmPrev] = previous
  heap[vma + Vma.vmNext] = next
  if (previous === 0) heap[mm + Mm.mmap] = vma
  else heap[previous + Vma.vmNext] = vma
  if (next === 0) heap[mm + Mm.highestVmEnd] = vmEndGap(cpu, vma)
  else heap[next + Vma.vmPrev] = vma
  cpu.design.treeWriteBegin(cpu, mm)
  linkVmaTree(cpu, mm, vma, parent, link)
  cpu.design.treeWriteEnd(cpu, mm)
  if (next !== 0) vmaGapUpdate(cpu, next)
  heap[mm + Mm.mapCount]++
  cpu.design.vmaLinked(cpu, vma)
  cpu.design.vmaWriteEnd(cpu, vma, VMA_LINK)
}

/** `__vma_unlink`: takes one VMA out. It must still be freed. The mmap lock is held for write. */
export function unlinkVma(cpu: Task, mm: number, vma: number): void {
  const { heap } = cpu
  assertMmapWriteLocked(cpu, mm)
  const previous = heap[vma + Vma.vmPrev]
  const next = heap[vma + Vma.vmNext]
  cpu.design.vmaWriteBegin(cpu, vma, VMA_UNLINK)
  if (previous === 0) heap[mm + Mm.mmap] = next
  else heap[previous + Vma.vmNext] = next
  if (next === 0) heap[mm + Mm.highestVmEnd] = previous === 0 ? 0 : vmEndGap(cpu, previous)
  else heap[next + Vma.vmPrev] = previous
  cpu.design.treeWriteBegin(cpu, mm)
  eraseVmaTree(cpu, mm, vma)
  cpu.design.treeWriteEnd(cpu, mm)
  if (next !== 0) vmaGapUpdate(cpu, next)
  heap[mm + Mm.mapCount]--
  vmacacheInvalidate(cpu, mm)
  cpu.design.vmaUnlinked(cpu, vma)
  cpu.design.vmaWriteEnd(cpu, vma, VMA_UNLINK)
}

/** The VMA now holds a reference on its file. */
export function vmaGetFile(cpu: Task, vma: number): void {
  const file = cpu.heap[vma + Vma.vmFile]
  if (file !== 0) getFile(cpu, file)
}

/** `remove_vma`: drops the references of an unlinked VMA, and frees it. */
export function removeVma(cpu: Task, vma: number): void {
  unlinkAnonVma(cpu, vma)
  cpu.design.releaseVma(cpu, vma)
}
