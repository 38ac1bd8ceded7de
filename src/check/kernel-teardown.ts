// That everything in the kernel can be given back when all threads of a scenario have finished.

import {
  CACHE_ANON_VMA,
  CACHE_FILE,
  CACHE_MM,
  CACHE_MMU_NOTIFIER,
  CACHE_OPEN_FILE,
  CACHE_PAGE_TABLE,
  CACHE_PATH,
  CACHE_PERCPU_RWSEM,
  CACHE_RADIX_NODE,
  CACHE_RANGE_NODE,
  CACHE_VMA,
  Header,
  Mm,
  type Task,
  destroyMm,
  drainAllPcp,
  graceBarrier,
  joinMm,
  kernelEnter,
  kernelExit,
  leaveMm,
  framesFree,
  putFile,
  runTaskWork,
  slabInUse,
  swapOff,
  syncAllFiles,
  syncMmRss,
} from '../kernel/index.ts'
import { must, allMms, checkZones } from './kernel-invariants.ts'
import type { KernelMachine } from './kernel-machine.ts'

/** Takes everything down; then nothing may be in use. */
export function tearDown(machine: KernelMachine): void {
  const { heap, tasks, disk, kept } = machine
  for (const mm of allMms(heap)) {
    for (const task of tasks) leaveToFirst(heap, mm, task)
  }
  const task = tasks[0]!
  disk.failNext(0, 0)
  kernelEnter(task)
  syncMmRss(task)
  for (const mm of allMms(heap)) destroyMm(task, mm)
  for (const file of kept) putFile(task, file)
  graceBarrier(task)
  runTaskWork(task)
  if (heap[Header.swapFile] !== 0) must(swapOff(task) === 0, 'the swap area cannot be given up')
  // What could not be written before is written now, and its file given up.
  must(syncAllFiles(task) === 0, 'a file cannot be written')
  runTaskWork(task)
  graceBarrier(task)
  kernelExit(task)
  checkNothingInUse(machine)
}

/** Only the first CPU is left in the address space. */
function leaveToFirst(heap: Int32Array, mm: number, task: Task): void {
  const inside = (heap[mm + Mm.cpuMask + (task.id >> 5)]! & (1 << (task.id & 31))) !== 0
  kernelEnter(task)
  if (task.id === 0 && !inside) joinMm(task, mm)
  if (task.id !== 0 && inside) leaveMm(task, mm)
  if (task.lruBatch !== 0) drainAllPcp(task)
  kernelExit(task)
}

function checkNothingInUse({ heap }: KernelMachine): void {
  const names = {
    CACHE_VMA,
    CACHE_PAGE_TABLE,
    CACHE_ANON_VMA,
    CACHE_MM,
    CACHE_FILE,
    CACHE_PATH,
    CACHE_MMU_NOTIFIER,
    CACHE_OPEN_FILE,
    CACHE_PERCPU_RWSEM,
    CACHE_RADIX_NODE,
    CACHE_RANGE_NODE,
  }
  for (const [name, cache] of Object.entries(names)) {
    must(slabInUse(heap, cache) === 0, `${slabInUse(heap, cache)} objects of ${name} were never freed`)
  }
  checkZones(heap)
  const free = framesFree(heap)
  const total = heap[Header.frameCount]! - 1
  must(free === total, `${total - free} frames were never freed`)
  must(heap[Header.cachedPages] === 0, `${heap[Header.cachedPages]} pages are counted as cached`)
}
