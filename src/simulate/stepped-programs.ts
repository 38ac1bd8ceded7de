// Test programs of the sources, as their authors wrote them: what a thread does. Stepped with the kernel.

import { CACHE_LINE_WORDS, MAP_FIXED, VM_READ, VM_WRITE, cacheLineAlign, heapAlloc } from '../kernel/index.ts'
import type { SimulatedThread } from './stepped-thread.ts'

/** Where the mappings of Kamezawa's programs begin, as a page, and how far those of two threads are apart: 8 MiB. */
const BASE = 0x10_0000
const APART = 2048

// ---------------------------------------------------------------------------------------------------------------------
// K. Hiroyuki's multi-fault-all (linux-mm, December 2009 and January 2010): each thread writes a byte of each page of 2
// MiB, between two barriers, and the pages are given back.

/** One mapping for all; threads are 8 MiB apart, so that no page table is shared. */
export function mapApart(first: SimulatedThread): void {
  first.mapPages(BASE, APART * first.threads, VM_READ | VM_WRITE, MAP_FIXED, 0)
}

function placeOf({ task }: SimulatedThread): number {
  return BASE + APART * task.id
}

/** 18 and 25 December 2009: a mapping of its own for each thread, with a page that nobody may touch behind it. */
export function multiFaultSplit(thread: SimulatedThread): void {
  const page = placeOf(thread)
  thread.mapPages(page, thread.pages, VM_READ | VM_WRITE, MAP_FIXED, 0)
  thread.mapPages(page + thread.pages, 1, 0, MAP_FIXED, 0)
  multiFault(thread)
}

/** 6 January 2010: each gives back its own pages. */
export function multiFault(thread: SimulatedThread): void {
  for (;;) {
    thread.waitForAll()
    thread.writeEach(placeOf(thread), thread.pages, true)
    thread.waitForAll()
    thread.discardPages(placeOf(thread), thread.pages)
  }
}

/** The first thread alone gives back everybody's, so that nothing is freed while others fault. */
export function multiFaultSerial(thread: SimulatedThread): void {
  for (;;) {
    thread.waitForAll()
    thread.writeEach(placeOf(thread), thread.pages, true)
    thread.waitForAll()
    if (thread.task.id !== 0) continue
    for (let other = 0; other < thread.threads; other++)
      thread.discardPages(BASE + APART * other, thread.pages)
  }
}

/** The first thread forks in each round, and the child exits. */
export function multiFaultFork(thread: SimulatedThread): void {
  for (;;) {
    thread.waitForAll()
    thread.writeEach(placeOf(thread), thread.pages, true)
    thread.waitForAll()
    if (thread.task.id === 0) thread.forkAndExit()
    thread.discardPages(placeOf(thread), thread.pages)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// ebizzy 0.3 (V. Henson; in LTP). Its random numbers are all 0 (`state *= 1103515245 + 12345` of a state that begins as
// 0), so that each record is of chunk 0, and with -R of 8 bytes, which is a page. Fault counts that were published with
// it are 0.95 for a record of -mTRp, and 128 for one of -mTt.

const CHUNKS = 10
const CHUNK_PAGES = 128

/** Ten chunks of 512 KiB, all written. -p makes every second one read-only, so that they are ten mappings. */
export function ebizzyChunks(first: SimulatedThread): void {
  for (let chunk = 0; chunk < CHUNKS; chunk++) {
    const page = first.mapPages(0, CHUNK_PAGES, VM_READ | VM_WRITE, 0, 0)
    first.writeEach(page, CHUNK_PAGES, false)
    if (chunk % 2 === 0) first.protectPages(page, CHUNK_PAGES, VM_READ)
  }
}

/** A record: map (-m), write a byte of each page (-T), unmap. */
export function ebizzy(thread: SimulatedThread, pages: number): void {
  do {
    const page = thread.mapPages(0, pages, VM_READ | VM_WRITE, 0, 0)
    thread.writeEach(page, pages, false)
    thread.unmapPages(page, pages)
  } while (thread.countTurns(1))
}

// ---------------------------------------------------------------------------------------------------------------------
// spf_test (S. Baghdasaryan): the first thread makes a hundred, and then waits for each of them. Each maps, and writes
// a byte of each page, so often, and measures how long that takes; what it maps beside what is there becomes one
// mapping with it, and is never unmapped.
//
// What else threads map is as in bionic, the C library of Android 12 (libc/bionic/pthread_create.cpp and
// pthread_exit.cpp). To name a mapping (PR_SET_VMA_ANON_NAME) takes the mmap lock for writing and may split and merge;
// here it is an mprotect that changes nothing.

/** A stack of 1 MiB less the signal stack, and a few pages of thread-local storage. */
const STACK_PAGES = 256
const SIGNAL_STACK_PAGES = 8
/** 16 MiB of which two pages, at a place that is hard to guess, are the shadow call stack. */
const SHADOW_STACK_REGION_PAGES = 4096
const SHADOW_STACK_PAGES = 2
const READ_WRITE = VM_READ | VM_WRITE

/** Of each thread: whether it was made, whether it has ended, and where its stack is; in a line of its own. */
const IS_MADE = 0
const HAS_ENDED = 1
const STACK_PAGE = 2

/** The word of the workload says where those of the threads are. */
export function prepareSpfTest(first: SimulatedThread): void {
  const { heap } = first.task
  heap[first.word] = cacheLineAlign(heapAlloc(heap, (first.threads + 1) * CACHE_LINE_WORDS))
}

function wordsOf({ task, word }: SimulatedThread, id: number): number {
  return task.heap[word]! + id * CACHE_LINE_WORDS
}

/** The last thread is the one that makes the others. */
export function spfTest(thread: SimulatedThread, mappings: number, pages: number): void {
  if (thread.task.id === thread.threads - 1) makeThreads(thread)
  else runThread(thread, mappings, pages)
}

function makeThreads(thread: SimulatedThread): void {
  const { heap } = thread.task
  const others = thread.threads - 1
  for (let id = 0; id < others; id++) {
    const stack = thread.mapPages(0, STACK_PAGES, 0, 0, 0)
    thread.protectPages(stack + 1, STACK_PAGES - 2, READ_WRITE)
    thread.writeEach(stack + STACK_PAGES - 2, 1, false)
    heap[wordsOf(thread, id) + STACK_PAGE] = stack
    thread.noteCreate()
    thread.tell(wordsOf(thread, id) + IS_MADE, 1)
  }
  for (let id = 0; id < others; id++) {
    thread.awaitWord(wordsOf(thread, id) + HAS_ENDED, 1)
    thread.unmapPages(heap[wordsOf(thread, id) + STACK_PAGE]!, STACK_PAGES)
  }
}

function runThread(thread: SimulatedThread, mappings: number, pages: number): void {
  const { heap, id } = thread.task
  thread.awaitWord(wordsOf(thread, id) + IS_MADE, 1)
  const stack = heap[wordsOf(thread, id) + STACK_PAGE]!
  thread.writeEach(stack + STACK_PAGES - 3, 1, false)
  const signalStack = thread.mapPages(0, SIGNAL_STACK_PAGES, READ_WRITE, 0, 0)
  thread.protectPages(signalStack, 1, 0)
  nameMapping(thread, signalStack + 1, SIGNAL_STACK_PAGES - 1)
  const shadowStack = thread.mapPages(0, SHADOW_STACK_REGION_PAGES, 0, 0, 0)
  thread.protectPages(shadowStack + SHADOW_STACK_REGION_PAGES / 2, SHADOW_STACK_PAGES, READ_WRITE)
  nameMapping(thread, stack + 1, STACK_PAGES - 2)
  thread.noteSpan(true)
  for (let mapping = 0; mapping < mappings; mapping++) {
    const page = thread.mapPages(0, pages, READ_WRITE, 0, 0)
    thread.writeEach(page, pages, true)
  }
  thread.noteSpan(false)
  thread.unmapPages(signalStack, SIGNAL_STACK_PAGES)
  thread.unmapPages(shadowStack, SHADOW_STACK_REGION_PAGES)
  thread.tell(wordsOf(thread, id) + HAS_ENDED, 1)
}

function nameMapping(thread: SimulatedThread, page: number, pages: number): void {
  thread.protectPages(page, pages, READ_WRITE)
}
