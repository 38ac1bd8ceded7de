// Test programs of the sources, as their authors wrote them: what a thread does. Stepped with the kernel.

import { MAP_FIXED, VM_READ, VM_WRITE } from '../kernel/index.ts'
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
// spf_test (S. Baghdasaryan): each thread maps, and writes a byte of each page, so often; nothing is unmapped, and what
// it maps beside what is there becomes one mapping with it.

/** 8 MiB of stack and its guard page, as pthread_create maps them. The main thread does it; here the new one. */
const STACK_PAGES = 2048

export function spfTest(thread: SimulatedThread, mappings: number, pages: number): void {
  const stack = thread.mapPages(0, STACK_PAGES + 1, 0, 0, 0)
  thread.protectPages(stack + 1, STACK_PAGES, VM_READ | VM_WRITE)
  thread.writeEach(stack + STACK_PAGES, 1, false)
  thread.noteSpan(true)
  for (let mapping = 0; mapping < mappings; mapping++) {
    const page = thread.mapPages(0, pages, VM_READ | VM_WRITE, 0, 0)
    thread.writeEach(page, pages, true)
  }
  thread.noteSpan(false)
}
