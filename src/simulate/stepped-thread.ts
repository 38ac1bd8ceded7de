// A thread of a simulated workload: its calls into the kernel, and what it tells the simulator. Stepped with the
// kernel.

import {
  ACCESS_READ,
  ACCESS_WRITE,
  MADV,
  MAP_POPULATE,
  PAGE_SIZE,
  type Task,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  brk,
  callEnter,
  callExit,
  createFile,
  destroyMm,
  forkMm,
  joinMm,
  madvise,
  mmap,
  mprotect,
  munmap,
  putFile,
  setStartOfHeap,
  sleepWhile,
  touch,
} from '../kernel/index.ts'
import type { LoopThread } from '../workloads/loops.ts'

/** What the simulator is told by the program. */
export interface ThreadMeter {
  /** A thread has done `counts` of what its workload counts. */
  noteCounts(thread: number, counts: number): void
  /** A thread makes another. */
  noteCreate(thread: number): void
  /** A thread begins what it measures of itself, or has done it. */
  noteSpan(thread: number, begins: boolean): void
}

export interface ThreadRequest {
  readonly threads: number
  /** Pages of each thread. */
  readonly pages: number
  readonly meter: ThreadMeter
}

const HEAP_BASE = 0x8000
const WRITER_PAGES = 512

/** A thread of a workload. Its addresses are page numbers; its runs end from outside. */
export class SimulatedThread implements LoopThread {
  readonly task: Task
  readonly mm: number
  readonly pages: number
  readonly threads: number
  /** A word of memory that all threads use, alone in its line. */
  readonly word: number
  readonly #meter: ThreadMeter
  #file = 0
  #shared = false

  constructor(task: Task, mm: number, word: number, { pages, threads, meter }: ThreadRequest) {
    this.task = task
    this.mm = mm
    this.word = word
    this.pages = pages
    this.threads = threads
    this.#meter = meter
  }

  ready(): void {}

  mapMemory(): number {
    const flags = VM_READ | VM_WRITE | (this.#shared ? VM_SHARED : 0)
    return this.mapPages(0, this.pages, flags, 0, this.#file)
  }

  unmapMemory(page: number): void {
    this.unmapPages(page, this.pages)
  }

  discardMemory(page: number): void {
    this.discardPages(page, this.pages)
  }

  openFile(shared: boolean): void {
    callEnter(this.task)
    this.#file = createFile(this.task, this.pages, PAGE_SIZE, 0)
    callExit(this.task)
    this.#shared = shared
  }

  closeFile(): void {
    callEnter(this.task)
    putFile(this.task, this.#file)
    callExit(this.task)
  }

  mapPopulated(): void {
    const page = this.mapPages(0, WRITER_PAGES, VM_READ | VM_WRITE, MAP_POPULATE, 0)
    this.unmapPages(page, WRITER_PAGES)
  }

  writePages(page: number): boolean {
    this.writeEach(page, this.pages, true)
    return true
  }

  readPages(page: number): boolean {
    for (let at = page; at < page + this.pages; at++) {
      touch(this.task, this.mm, at * PAGE_SIZE, ACCESS_READ)
      this.#meter.noteCounts(this.task.id, 1)
    }
    return true
  }

  countTurns(turns: number): boolean {
    this.#meter.noteCounts(this.task.id, turns)
    return true
  }

  touchFirst(page: number): void {
    this.writeEach(page, 1, false)
  }

  mapPages(page: number, pages: number, vmFlags: number, mapFlags: number, file: number): number {
    callEnter(this.task)
    const result = mmap(this.task, this.mm, page, pages, vmFlags, mapFlags, file, 0)
    callExit(this.task)
    if (result < 0) throw new Error(`mmap fails with ${result}: the simulated machine is too small`)
    return result
  }

  unmapPages(page: number, pages: number): void {
    callEnter(this.task)
    munmap(this.task, this.mm, page, page + pages)
    callExit(this.task)
  }

  /** Makes the heap `pages` pages long. */
  moveBreak(pages: number): void {
    callEnter(this.task)
    brk(this.task, this.mm, pages * PAGE_SIZE)
    callExit(this.task)
  }

  startHeap(): void {
    callEnter(this.task)
    setStartOfHeap(this.task, this.mm, HEAP_BASE)
    callExit(this.task)
  }

  protectPages(page: number, pages: number, vmFlags: number): void {
    callEnter(this.task)
    mprotect(this.task, this.mm, page, page + pages, vmFlags)
    callExit(this.task)
  }

  /** Discards pages of anybody's. */
  discardPages(page: number, pages: number): void {
    callEnter(this.task)
    madvise(this.task, this.mm, page, page + pages, MADV.dontneed)
    callExit(this.task)
  }

  /** Writes one byte of every page from `page` on; each is counted where `counted`. */
  writeEach(page: number, pages: number, counted: boolean): void {
    for (let at = page; at < page + pages; at++) {
      touch(this.task, this.mm, at * PAGE_SIZE, ACCESS_WRITE)
      if (counted) this.#meter.noteCounts(this.task.id, 1)
    }
  }

  /** A fork whose child exits at once. The parent does the child's work too. */
  forkAndExit(): void {
    callEnter(this.task)
    const child = forkMm(this.task, this.mm)
    if (child === 0) throw new Error('fork fails: the simulated machine is too small')
    joinMm(this.task, child)
    destroyMm(this.task, child)
    callExit(this.task)
  }

  /** `pthread_barrier_wait`: the last to come wakes the others, which sleep on a futex. */
  waitForAll(): void {
    const { heap } = this.task
    const arrived = this.word
    const round = this.word + 1
    const before = Atomics.load(heap, round)
    callEnter(this.task)
    if (Atomics.add(heap, arrived, 1) === this.threads - 1) {
      Atomics.store(heap, arrived, 0)
      Atomics.add(heap, round, 1)
      Atomics.notify(heap, round)
    } else while (Atomics.load(heap, round) === before) sleepWhile(this.task, round, before)
    callExit(this.task)
  }

  /** Sleeps until `word` has this value, which another thread gives it by {@link tell}. */
  awaitWord(word: number, value: number): void {
    const { heap } = this.task
    callEnter(this.task)
    for (;;) {
      const seen = Atomics.load(heap, word)
      if (seen === value) break
      sleepWhile(this.task, word, seen)
    }
    callExit(this.task)
  }

  tell(word: number, value: number): void {
    const { heap } = this.task
    callEnter(this.task)
    Atomics.store(heap, word, value)
    Atomics.notify(heap, word)
    callExit(this.task)
  }

  noteCreate(): void {
    this.#meter.noteCreate(this.task.id)
  }

  noteSpan(begins: boolean): void {
    this.#meter.noteSpan(this.task.id, begins)
  }
}
