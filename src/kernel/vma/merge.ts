// Merging, splitting and moving the borders of VMAs (mm/mmap.c of Linux 5.12: vma_merge, __vma_adjust, split_vma).

import { ENOMEM } from '../mm/errno.ts'
import { Mm } from '../mm/mm.ts'
import { assertMmapWriteLocked } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { anonVmaClone, isMergeableAnonVma } from './anon-vma.ts'
import { dupVmaToLink, linkVma, removeVma, unlinkVma, vmaGetFile } from './vma-link.ts'
import { vmaGapUpdate, vmEndGap } from './vma-tree.ts'
import { VMA_ADJUST, VM_SPECIAL, Vma, linearPageIndex, vmaPages, vmaSetRange } from './vma.ts'

/** `struct vma_merge_struct`: the pages [start, end), and the properties that they are to have. */
export interface VmaMerge {
  /** The last VMA that begins in front of them, or 0. */
  readonly previous: number
  readonly start: number
  readonly end: number
  readonly vmFlags: number
  readonly anonVma: number
  readonly file: number
  /** The `pgoff` of the first page. */
  readonly pgoff: number
}

/**
 * `is_mergeable_vma` and the rest of `can_vma_merge_*`: `vma`, which would begin at `pgoff`, could take the pages in.
 * The `pgoff` of anonymous memory that was moved and has grown may exceed 31 bits, and is kept modulo 2^32.
 */
function canMerge(cpu: Task, vma: number, merge: VmaMerge, pgoff: number): boolean {
  const { heap } = cpu
  return (
    heap[vma + Vma.vmFlags] === merge.vmFlags &&
    heap[vma + Vma.vmFile] === merge.file &&
    heap[vma + Vma.vmPgoff] === (pgoff | 0) &&
    isMergeableAnonVma(cpu, merge.anonVma, Atomics.load(heap, vma + Vma.anonVma))
  )
}

/**
 * `vma_merge`: merges the pages, which are free or belong to one VMA, into a neighbour that has the same properties.
 * Returns the VMA that contains them afterwards, or 0 if there is no such neighbour. The eight cases are Linux's:
 *
 *      AAAA          the pages in question, A
 *   PPPP    NNNN     1, 6: P A N become P    2, 5, 7: P A become P    3, 4, 8: A N become N (or A)
 */
export function mergeVma(cpu: Task, mm: number, merge: VmaMerge): number {
  const { heap } = cpu
  const { previous, start, end, pgoff } = merge
  if ((merge.vmFlags & VM_SPECIAL) !== 0) return 0
  let next = previous === 0 ? heap[mm + Mm.mmap] : heap[previous + Vma.vmNext]
  const area = next
  // Cases 6, 7, 8: the pages are a VMA of their own up to its end.
  if (area !== 0 && heap[area + Vma.vmEnd] === end) next = heap[area + Vma.vmNext]
  const pages = end - start
  const mergesNext =
    next !== 0 && heap[next + Vma.vmStart] === end && canMerge(cpu, next, merge, pgoff + pages)
  const mergesPrevious =
    previous !== 0 &&
    heap[previous + Vma.vmEnd] === start &&
    canMerge(cpu, previous, merge, pgoff - vmaPages(cpu, previous))
  if (mergesPrevious) {
    const both =
      mergesNext &&
      isMergeableAnonVma(
        cpu,
        Atomics.load(heap, previous + Vma.anonVma),
        Atomics.load(heap, next + Vma.anonVma),
      )
    const newEnd = both ? heap[next + Vma.vmEnd] : end
    adjustVma(cpu, previous, heap[previous + Vma.vmStart], newEnd, heap[previous + Vma.vmPgoff], 0, previous)
    return previous
  }
  if (!mergesNext) return 0
  if (previous !== 0 && start < heap[previous + Vma.vmEnd]) {
    adjustVma(cpu, previous, heap[previous + Vma.vmStart], start, heap[previous + Vma.vmPgoff], 0, next)
    return next
  }
  adjustVma(cpu, area, start, heap[next + Vma.vmEnd], heap[next + Vma.vmPgoff] - pages, 0, next)
  return next
}

/**
 * `__vma_adjust`: gives `vma` new borders and moves those of the VMAs behind it accordingly: they shrink, grow or go
 * away. With `insert`, a VMA split off from it is linked beside it. `expand` is the VMA that takes in the pages. The
 * mmap lock is held for write.
 */
export function adjustVma(
  cpu: Task,
  vma: number,
  start: number,
  end: number,
  pgoff: number,
  insert: number,
  expand: number,
): void {
  const { heap } = cpu
  const mm = heap[vma + Vma.vmMm]
  if (insert !== 0) {
    setBorders(cpu, vma, start, end, pgoff)
    linkVma(cpu, mm, insert)
    return
  }
  const next = heap[vma + Vma.vmNext]
  if (next !== 0 && end >= heap[next + Vma.vmEnd]) {
    if (next === expand && vma !== expand) replaceByNext(cpu, mm, vma, next, start, pgoff)
    else swallowNext(cpu, mm, vma, next, start, end, pgoff)
    return
  }
  if (next !== 0 && end > heap[next + Vma.vmStart]) moveBorderUp(cpu, vma, next, start, end, pgoff)
  else if (next !== 0 && expand === next && end < heap[vma + Vma.vmEnd])
    moveBorderDown(cpu, vma, next, start, end, pgoff)
  else setBorders(cpu, vma, start, end, pgoff)
}

/** Case 8: `vma` is wholly taken in by `next`, which now begins at `start`. */
function replaceByNext(cpu: Task, mm: number, vma: number, next: number, start: number, pgoff: number): void {
  unlinkVma(cpu, mm, vma)
  setBorders(cpu, next, start, cpu.heap[next + Vma.vmEnd], pgoff, vma)
  removeVma(cpu, vma)
}

/** Cases 1, 7 and, with a second round, 6: `vma` takes in all of `next`, and perhaps of the one after too. */
function swallowNext(
  cpu: Task,
  mm: number,
  vma: number,
  next: number,
  start: number,
  end: number,
  pgoff: number,
): void {
  const { heap } = cpu
  for (let gone = next; gone !== 0 && heap[gone + Vma.vmEnd] <= end; gone = heap[vma + Vma.vmNext]) {
    const goneEnd = heap[gone + Vma.vmEnd]
    unlinkVma(cpu, mm, gone)
    setBorders(cpu, vma, start, goneEnd, pgoff, gone)
    removeVma(cpu, gone)
  }
  if (heap[vma + Vma.vmEnd] < end) setBorders(cpu, vma, start, end, pgoff)
}

/** Case 5: `vma` takes in the first pages of `next`. */
function moveBorderUp(cpu: Task, vma: number, next: number, start: number, end: number, pgoff: number): void {
  const { heap } = cpu
  const moved = end - heap[next + Vma.vmStart]
  setBorders(cpu, next, end, heap[next + Vma.vmEnd], heap[next + Vma.vmPgoff] + moved)
  setBorders(cpu, vma, start, end, pgoff, next)
}

/** Case 4: `next` takes in the last pages of `vma`. */
function moveBorderDown(
  cpu: Task,
  vma: number,
  next: number,
  start: number,
  end: number,
  pgoff: number,
): void {
  const { heap } = cpu
  const moved = heap[vma + Vma.vmEnd] - end
  setBorders(cpu, vma, start, end, pgoff)
  setBorders(cpu, next, end, heap[next + Vma.vmEnd], heap[next + Vma.vmPgoff] - moved, vma)
}

/**
 * Gives a linked VMA new borders, and updates the gaps in the tree. A VMA that takes in pages of another, `source`,
 * must have the anon_vma of that one, since the pages refer to it. It gets the anon_vma between vmaWriteBegin() and
 * vmaWriteEnd(): Linux once set it before it locked the VMA, while a fault could be using the VMA (d8ab9f7b644a).
 */
function setBorders(cpu: Task, vma: number, start: number, end: number, pgoff: number, source = 0): void {
  const { heap } = cpu
  const mm = heap[vma + Vma.vmMm]
  assertMmapWriteLocked(cpu, mm)
  const startChanged = heap[vma + Vma.vmStart] !== start
  const endChanged = heap[vma + Vma.vmEnd] !== end
  cpu.design.vmaWriteBegin(cpu, vma, VMA_ADJUST)
  if (source !== 0 && Atomics.load(heap, vma + Vma.anonVma) === 0) anonVmaClone(cpu, vma, source)
  Atomics.store(heap, vma + Vma.vmStart, start)
  Atomics.store(heap, vma + Vma.vmEnd, end)
  Atomics.store(heap, vma + Vma.vmPgoff, pgoff)
  cpu.design.vmaWriteEnd(cpu, vma, VMA_ADJUST)
  if (startChanged) vmaGapUpdate(cpu, vma)
  if (!endChanged) return
  const next = heap[vma + Vma.vmNext]
  if (next === 0) heap[mm + Mm.highestVmEnd] = vmEndGap(cpu, vma)
  else vmaGapUpdate(cpu, next)
}

/**
 * `split_vma`: splits `vma` at `page`. The new VMA is the lower part if `newBelow`, else the upper; `vma` keeps the
 * other. Returns 0, or -ENOMEM when there are too many mappings or there is no memory.
 */
function splitVma(cpu: Task, mm: number, vma: number, page: number, newBelow: boolean): number {
  if (cpu.heap[mm + Mm.mapCount] >= cpu.heap[mm + Mm.maxMapCount]) return -ENOMEM
  return splitVmaUnlimited(cpu, vma, page, newBelow)
}

/** `__split_vma`: the same without looking at the limit, for callers that are about to remove one. */
export function splitVmaUnlimited(cpu: Task, vma: number, page: number, newBelow: boolean): number {
  const { heap } = cpu
  const start = heap[vma + Vma.vmStart]
  const fresh = dupVmaToLink(cpu, vma, newBelow ? start : page)
  if (fresh === 0) return -ENOMEM
  const end = heap[vma + Vma.vmEnd]
  const pgoff = heap[vma + Vma.vmPgoff]
  vmaGetFile(cpu, fresh)
  anonVmaClone(cpu, fresh, vma)
  if (newBelow) {
    vmaSetRange(cpu, fresh, start, page, pgoff)
    adjustVma(cpu, vma, page, end, pgoff + page - start, fresh, 0)
  } else {
    vmaSetRange(cpu, fresh, page, end, pgoff + page - start)
    adjustVma(cpu, vma, start, page, pgoff, fresh, 0)
  }
  return 0
}

/**
 * `vma_modify`: the pages [start, end) of `vma` are to have the flags `newFlags`: merges them into a neighbour that has
 * the same properties then, else splits off the rest of the VMA. Returns the VMA that contains the pages, or -ENOMEM.
 * Where it did not merge, the caller has yet to set the flags.
 */
export function modifyVma(
  cpu: Task,
  mm: number,
  vma: number,
  start: number,
  end: number,
  newFlags: number,
): number {
  const { heap } = cpu
  const merged = mergeVma(cpu, mm, {
    previous: heap[vma + Vma.vmStart] < start ? vma : heap[vma + Vma.vmPrev],
    start,
    end,
    vmFlags: newFlags,
    anonVma: Atomics.load(heap, vma + Vma.anonVma),
    file: heap[vma + Vma.vmFile],
    pgoff: linearPageIndex(cpu, vma, start),
  })
  if (merged !== 0) return merged
  if (start !== heap[vma + Vma.vmStart]) {
    const error = splitVma(cpu, mm, vma, start, true)
    if (error < 0) return error
  }
  if (end !== heap[vma + Vma.vmEnd]) {
    const error = splitVma(cpu, mm, vma, end, false)
    if (error < 0) return error
  }
  return vma
}
