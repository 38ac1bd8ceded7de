// Teardown beside other CPUs: what they may still have cached, and what they may still be looking at.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  CACHE_VMA,
  MAP_FIXED,
  SegmentationFault,
  Task,
  VM_READ,
  VM_WRITE,
  createMm,
  joinMm,
  kernelEnter,
  kernelExit,
  loadUint8,
  mmap,
  munmap,
  rcuBarrier,
  rcuPoll,
  retireCpu,
  slabInUse,
  storeUint8,
} from '../../src/kernel/index.ts'
import { testMachine } from './harness.ts'

const PAGE = 4096

function inside<T>(task: Task, body: () => T): T {
  kernelEnter(task)
  const result = body()
  kernelExit(task)
  return result
}

describe('munmap beside another CPU', () => {
  // The gather holds 4,096 frames: with exactly as many, everything has been flushed before the tables are unhooked.
  for (const pages of [4095, 4096, 4097]) {
    it(`of ${pages} pages leaves nobody a way into the page tables that it frees`, (context) => {
      const { tasks } = testMachine({ cpus: 2, frames: 10_240, config: { SLUB_DEBUG: false } })
      const [first, second] = tasks as [Task, Task]
      const mm = inside(first, () => createMm(first, 65530, 2048))
      for (const task of tasks) inside(task, () => joinMm(task, mm))
      inside(first, () => mmap(first, mm, 0x10000, pages, VM_READ | VM_WRITE, MAP_FIXED, 0, 0))
      for (let page = 0; page < pages; page++) storeUint8(first, mm, (0x10000 + page) * PAGE, 7)
      // Between the flush and the unhooking, the other CPU touches what is gone, and caches the empty tables.
      let touched = 0
      context.mock.method(first.design, 'pageTablesFreeing', () => {
        for (let table = 0; table < 8; table++) {
          assert.throws(() => loadUint8(second, mm, (0x10000 + table * 512) * PAGE), SegmentationFault)
          touched++
        }
      })
      inside(first, () => munmap(first, mm, 0x10000, 0x10000 + pages))
      assert.equal(touched, 8)
      inside(first, () => rcuBarrier(first))
      // The tables serve other pages now.
      context.mock.restoreAll()
      inside(first, () => mmap(first, mm, 0x40000, 4096, VM_READ | VM_WRITE, MAP_FIXED, 0, 0))
      for (let page = 0; page < 4096; page++) storeUint8(first, mm, (0x40000 + page) * PAGE, 0x55)
      for (let table = 0; table < 8; table++) {
        assert.throws(() => loadUint8(second, mm, (0x10000 + table * 512) * PAGE), SegmentationFault)
      }
    })
  }
})

describe('RCU callbacks of a thread that is gone', () => {
  it('still wait for a grace period when the next thread on the CPU comes across them', () => {
    const { heap, tasks } = testMachine({ cpus: 2, design: 'lespinasse-2021' })
    const [first, second] = tasks as [Task, Task]
    kernelEnter(first)
    const mm = createMm(first, 65530, 2048)
    joinMm(first, mm)
    kernelEnter(second)
    joinMm(second, mm)
    mmap(first, mm, 0x10000, 16, VM_READ, MAP_FIXED, 0, 0)
    munmap(first, mm, 0x10000, 0x10010)
    assert.equal(slabInUse(heap, CACHE_VMA), 1, 'the second CPU may be looking at the VMA')
    retireCpu(first)
    kernelExit(first)
    const next = new Task(0, heap, first.memory, first.design)
    kernelEnter(next)
    rcuPoll(next)
    rcuPoll(next)
    assert.equal(slabInUse(heap, CACHE_VMA), 1, 'it still may')
    kernelExit(second)
    rcuPoll(next)
    assert.equal(slabInUse(heap, CACHE_VMA), 0)
  })
})
