// What single faults of the designs count, in the order in which their patches ask.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  MAP_FIXED,
  PAGE_SIZE,
  type Task,
  VM_GROWSDOWN,
  VM_READ,
  VM_WRITE,
  createFile,
  createMm,
  joinMm,
  kernelEnter,
  mmap,
  putFile,
} from '../../src/kernel/index.ts'
import { handleUserFault } from '../../src/kernel/fault/fault.ts'
import { VM_FAULT_SIGBUS, VM_FAULT_SIGSEGV } from '../../src/kernel/mm/fault-context.ts'
import { allVmEvents } from '../../src/kernel/mm/vmstat.ts'
import { FAULT_USER, FAULT_WRITE } from '../../src/kernel/machine/pte.ts'
import { testMachine } from './harness.ts'

const FIRST = 0x1000
/** A machine on which two CPUs have joined an address space, so that faults are tried; and one of them inside. */
function space(design: string): { task: Task; mm: number } {
  const { tasks } = testMachine({ cpus: 2, design, config: { SPECULATIVE_PAGE_FAULT_STATS: true } })
  const [task, other] = tasks
  kernelEnter(task!)
  const mm = createMm(task!, 65530, 2048)
  joinMm(task!, mm)
  joinMm(other!, mm)
  return { task: task!, mm }
}

function mapFile(task: Task, mm: number, page: number, pages: number, filePages: number): void {
  const file = createFile(task, filePages, PAGE_SIZE, 0)
  assert.equal(mmap(task, mm, page, pages, VM_READ | VM_WRITE, MAP_FIXED, file, 0), page)
  putFile(task, file)
}

/** What a fault counts that is not zero. */
function countsOf(task: Task, fault: () => void): Record<string, number> {
  const before = allVmEvents(task)
  fault()
  const after = allVmEvents(task)
  return Object.fromEntries(
    Object.keys(after)
      .map((name): [string, number] => [name, after[name]! - before[name]!])
      .filter(([name, count]) => count !== 0 && /spf|SPF|classic|speculative/.test(name)),
  )
}

describe("Dufour's designs ask for the kind of mapping before they ask for its borders", () => {
  for (const design of ['dufour-2017', 'dufour-2018', 'dufour-2019']) {
    it(`${design}: in a hole below a file, and below a stack`, () => {
      const { task, mm } = space(design)
      mapFile(task, mm, FIRST + 4, 1, 1)
      const below = countsOf(task, () => {
        assert.notEqual(handleUserFault(task, mm, FIRST, FAULT_USER) & VM_FAULT_SIGSEGV, 0)
      })
      assert.deepEqual(below, { spf_attempt: 1, spf_abort: 1, spf_vma_notsup: 1, classic_fault: 1 })
      const stack = FIRST + 0x1000
      mmap(task, mm, stack, 4, VM_READ | VM_WRITE | VM_GROWSDOWN, MAP_FIXED, 0, 0)
      assert.equal(handleUserFault(task, mm, stack, FAULT_USER | FAULT_WRITE), 0)
      const grown = countsOf(task, () => {
        assert.equal(handleUserFault(task, mm, stack - 1, FAULT_USER | FAULT_WRITE), 0)
      })
      assert.deepEqual(grown, { spf_attempt: 1, spf_abort: 1, spf_vma_notsup: 1, classic_fault: 1 })
    })
  }

  it('the tracepoint for a lock that is taken went when the lock was tried again', () => {
    assert.ok('spf_pte_lock' in allVmEvents(space('dufour-2018').task))
    assert.ok(!('spf_pte_lock' in allVmEvents(space('dufour-2019').task)))
  })
})

describe('lespinasse-2021-file', () => {
  it('leaves an access behind the end of the file to the classic path', () => {
    const { task, mm } = space('lespinasse-2021-file')
    mapFile(task, mm, FIRST, 2, 1)
    assert.equal(handleUserFault(task, mm, FIRST, FAULT_USER), 0)
    const counts = countsOf(task, () => {
      assert.equal(handleUserFault(task, mm, FIRST + 1, FAULT_USER), VM_FAULT_SIGBUS)
    })
    const { spf_attempt, spf_abort, classic_fault } = counts
    assert.deepEqual([spf_attempt, spf_abort, classic_fault], [1, 1, 1])
  })
})
