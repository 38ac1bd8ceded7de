// A fault gives its lock up once, to wait for a page. Whoever takes the page away again each time does not keep it from
// getting there: the second time it waits with the lock held (FAULT_FLAG_TRIED; Linux 4064b98270b3 has the history).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Design,
  type Host,
  MAP_FIXED,
  PAGE_SIZE,
  PerVmaRefcount2025,
  type Task,
  VM_READ,
  VM_WRITE,
  callEnter,
  callExit,
  createFile,
  createMm,
  designs,
  joinMm,
  loadAlignedInt32,
  mmap,
  pageOutRange,
  shrinkCaches,
  storeAlignedInt32,
  swapOn,
} from '../../src/kernel/index.ts'
import { VmEvent } from '../../src/kernel/mm/vm-event.ts'
import { ownVmEvent } from '../../src/kernel/mm/vmstat.ts'
import { testMachine } from './harness.ts'

const page = 0x1000
const address = page * PAGE_SIZE

/** A disk that has one page. Counts how often it is read. */
class Disk implements Host {
  reads = 0
  readonly #task: Task
  readonly #bytes = new Uint8Array(PAGE_SIZE)

  constructor(task: Task) {
    this.#task = task
  }

  readPages(_file: number, _index: number, frames: Int32Array): number {
    this.reads++
    this.#task.memory.bytes.set(this.#bytes, frames[0]! * PAGE_SIZE)
    return PAGE_SIZE
  }

  writePages(_file: number, _index: number, frames: Int32Array): number {
    const from = frames[0]! * PAGE_SIZE
    this.#bytes.set(this.#task.memory.bytes.subarray(from, from + PAGE_SIZE))
    return 0
  }

  stillWaiting(): void {}
  waitsLong(): boolean {
    return false
  }
  syncFile(): number {
    return 0
  }
  truncateFile(): number {
    return 0
  }
  openFile(): number {
    return 0
  }
  forgetFile(): void {}
  isCalledOut(): boolean {
    return false
  }
}

/**
 * How often a load takes the mmap lock, the disk is read, and a fault is counted, if its page is taken away each time
 * that it has the lock.
 */
function taking(base: Design): { locks: number; reads: number; faults: number } {
  let locks = 0
  let reclaimer: Task | null = null
  const design = Object.create(base) as Design
  design.mmapReadLocked = () => {
    if (reclaimer === null) return
    if (++locks > 10) throw new Error('the fault gives its lock up again and again')
    callEnter(reclaimer)
    shrinkCaches(reclaimer)
    callExit(reclaimer)
  }
  const { tasks } = testMachine({ cpus: 2, frames: 128, design })
  const [task, other] = tasks as [Task, Task]
  const disk = new Disk(task)
  for (const each of tasks) each.host = disk
  callEnter(task)
  const mm = createMm(task, 65530, 2048)
  joinMm(task, mm)
  swapOn(task, createFile(task, 1, PAGE_SIZE, 0), 1)
  mmap(task, mm, page, 1, VM_READ | VM_WRITE, MAP_FIXED, 0, 0)
  callExit(task)
  storeAlignedInt32(task, mm, address, 42)
  callEnter(task)
  pageOutRange(task, mm, page, page + 1)
  callExit(task)
  reclaimer = other
  const before = ownVmEvent(task, VmEvent.pgfault)
  assert.equal(loadAlignedInt32(task, mm, address), 42)
  return { locks, reads: disk.reads, faults: ownVmEvent(task, VmEvent.pgfault) - before }
}

test('a fault that has given up the lock of its VMA keeps the mmap lock', () => {
  assert.deepEqual(taking(new PerVmaRefcount2025()), { locks: 1, reads: 2, faults: 1 })
})

test('a fault that has given up the mmap lock keeps it the next time', () => {
  assert.deepEqual(taking(designs[0]!), { locks: 2, reads: 2, faults: 1 })
})
