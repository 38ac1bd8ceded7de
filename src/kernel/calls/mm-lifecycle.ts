// Making an address space, joining and leaving it, taking it apart (kernel/fork.c, mm/mmap.c exit_mmap).

import { finishCall } from '../cache/task-work.ts'
import { unpinTo } from '../fault/pin.ts'
import { flushTlb } from '../machine/cpu.ts'
import { bugOn } from '../machine/errors.ts'
import { Header } from '../machine/header.ts'
import { dropMm } from '../memory/mm-count.ts'
import { exitFiles } from '../memory/open-file.ts'
import { drainAllPcp } from '../memory/page-alloc.ts'
import { dropMmRss, syncMmRss } from '../memory/rss.ts'
import { slabAlloc, slabDrainCpu, slabFree } from '../memory/slab.ts'
import { CACHES, CACHE_MM, CACHE_PERCPU_RWSEM } from '../mm/caches.ts'
import {
  DEFAULT_MEMLOCK_LIMIT,
  DEFAULT_START_BRK,
  MMAP_GAP,
  MM_WORDS,
  Mm,
  RLIMIT_AS,
  RLIMIT_DATA,
  RLIMIT_MEMLOCK,
  RLIMIT_STACK,
  TASK_SIZE,
} from '../mm/mm.ts'
import { mmapWriteLock, mmapWriteUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { futexExit } from '../sync/futex.ts'
import { forgetNumber, numberAt, takeNumber } from '../sync/number.ts'
import { percpuRwsemWords } from '../sync/percpu-rwsem.ts'
import { rcuRetire } from '../sync/rcu.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { releaseMmuNotifiers } from '../tables/mmu-notifier.ts'
import { setLimitBytes } from '../vma/accounts.ts'
import { initPkeys } from '../vma/pkeys.ts'
import { vmacacheBegin, vmacacheEnd } from '../vma/vmacache.ts'
import { munmapLocked } from './mmap.ts'

/**
 * `mm_alloc`: makes an empty address space without users. `stackLimit` is in pages; the other limits are the defaults
 * of Linux. Returns 0 if there is no memory.
 */
export function createMm(cpu: Task, maxMapCount: number, stackLimit: number): number {
  const { heap } = cpu
  const mm = slabAlloc(cpu, CACHE_MM)
  if (mm === 0) return 0
  heap.fill(0, mm, mm + MM_WORDS)
  heap[mm + Mm.maxMapCount] = maxMapCount
  setLimitBytes(cpu, mm, RLIMIT_AS, Infinity)
  setLimitBytes(cpu, mm, RLIMIT_DATA, Infinity)
  setLimitBytes(cpu, mm, RLIMIT_STACK, stackLimit * 4096)
  setLimitBytes(cpu, mm, RLIMIT_MEMLOCK, DEFAULT_MEMLOCK_LIMIT * 4096)
  heap[mm + Mm.startBrk] = DEFAULT_START_BRK
  heap[mm + Mm.mmapBase] = TASK_SIZE - MMAP_GAP - stackLimit
  heap[mm + Mm.count] = 1
  initPkeys(cpu, mm)
  if (cpu.design.locksNotifiers) {
    const lock = slabAlloc(cpu, CACHE_PERCPU_RWSEM)
    if (lock === 0) {
      slabFree(cpu, CACHE_MM, mm)
      return 0
    }
    heap.fill(0, lock, lock + percpuRwsemWords(cpu.cpuCount))
    heap[mm + Mm.mmuNotifierLock] = lock
  }
  takeNumber(cpu, Header.mmGeneration, mm + Mm.generation)
  const list = Header.mmList
  spinLock(cpu, Header.mmListLock)
  vmacacheBegin(cpu, mm)
  heap[mm + Mm.nextMm] = heap[list]
  heap[list] = mm
  spinUnlock(cpu, Header.mmListLock)
  return mm
}

function forgetMm(cpu: Task, mm: number): void {
  const { heap } = cpu
  spinLock(cpu, Header.mmListLock)
  let link: number = Header.mmList
  while (heap[link] !== mm) link = heap[link] + Mm.nextMm
  heap[link] = heap[mm + Mm.nextMm]
  vmacacheEnd(cpu, mm)
  spinUnlock(cpu, Header.mmListLock)
}

/** Whether `wanted`, which may be any number, is the address of an address space with that generation. */
export function isMm(cpu: Task, wanted: number, generation: number): boolean {
  const { heap } = cpu
  spinLock(cpu, Header.mmListLock)
  let mm = heap[Header.mmList]
  while (mm !== 0 && mm !== wanted) mm = heap[mm + Mm.nextMm]
  const present = mm !== 0 && numberAt(heap, mm + Mm.generation) === generation
  spinUnlock(cpu, Header.mmListLock)
  return present
}

/** `switch_mm`: this thread uses the mm from now on. */
export function joinMm(cpu: Task, mm: number): void {
  Atomics.or(cpu.heap, mm + Mm.cpuMask + (cpu.id >> 5), 1 << (cpu.id & 31))
  Atomics.add(cpu.heap, mm + Mm.users, 1)
}

/** This thread stops using the mm. It keeps no translation of it, so no CPU has to notify it of changes. */
export function leaveMm(cpu: Task, mm: number): void {
  syncMmRss(cpu)
  flushTlb(cpu)
  cpu.vmacacheMm = 0
  const users = Atomics.sub(cpu.heap, mm + Mm.users, 1)
  bugOn(users < 1, 'a thread leaves an address space that it has not joined')
  Atomics.and(cpu.heap, mm + Mm.cpuMask + (cpu.id >> 5), ~(1 << (cpu.id & 31)))
}

/** `exit_mmap`: unmaps everything and frees the mm. Only this thread may still use it. */
export function destroyMm(cpu: Task, mm: number): void {
  const { heap } = cpu
  releaseMmuNotifiers(cpu, mm)
  mmapWriteLock(cpu, mm)
  if (heap[mm + Mm.mmap] !== 0) munmapLocked(cpu, mm, 0, TASK_SIZE, false)
  mmapWriteUnlock(cpu, mm)
  leaveMm(cpu, mm)
  forgetMm(cpu, mm)
  dropMmRss(cpu, mm)
  forgetNumber(cpu, mm + Mm.generation)
  dropMm(cpu, mm)
  finishCall(cpu)
}

/** This thread ends: its CPU leaves every address space and returns what it kept in reserve. */
export function retireCpu(cpu: Task): void {
  const { heap } = cpu
  futexExit(cpu)
  unpinTo(cpu, 0)
  spinLock(cpu, Header.mmListLock)
  for (let mm = heap[Header.mmList]; mm !== 0; mm = heap[mm + Mm.nextMm]) {
    if ((Atomics.load(heap, mm + Mm.cpuMask + (cpu.id >> 5)) & (1 << (cpu.id & 31))) !== 0) leaveMm(cpu, mm)
  }
  spinUnlock(cpu, Header.mmListLock)
  exitFiles(cpu)
  rcuRetire(cpu)
  drainAllPcp(cpu)
  slabDrainCpu(cpu, CACHES)
}
