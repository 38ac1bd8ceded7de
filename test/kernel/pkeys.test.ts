// Protection keys in the kernel: which key a mapping has, what the processor and the fault handler refuse, and that an
// address space that has used up all keys is as one on a processor without any.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  ACCESS_EXECUTE,
  ACCESS_READ,
  ACCESS_WRITE,
  MAP_FIXED,
  Mm,
  PAGE_SIZE,
  SegmentationFault,
  type Task,
  VM_EXEC,
  VM_PKEY_FLAGS,
  VM_PKEY_SHIFT,
  VM_READ,
  VM_WRITE,
  Vma,
  createMm,
  designs,
  executeOnlyPkey,
  forkMm,
  joinMm,
  kernelEnter,
  kernelExit,
  mlock,
  mmPkeyAlloc,
  mmap,
  mprotect,
  munmap,
  touch,
} from '../../src/kernel/index.ts'
import { FAULT_PK, FAULT_PROTECTION, FAULT_USER, FAULT_WRITE } from '../../src/kernel/machine/pte.ts'
import { Random } from '../reference/random.ts'
import { testMachine } from './harness.ts'

const FIRST = 0x1000
const KEYS = { X86_INTEL_MEMORY_PROTECTION_KEYS: true }

interface Space {
  readonly tasks: readonly Task[]
  readonly mm: number
}

/** An address space that two CPUs have joined, both outside. */
function space(keys: boolean, design = 'classic', usedUp = false): Space {
  const { tasks } = testMachine({ cpus: 2, design, config: keys ? KEYS : {} })
  const mm = inside(tasks[0]!, () => createMm(tasks[0]!, 65530, 2048))
  for (const task of tasks) inside(task, () => joinMm(task, mm))
  if (usedUp) {
    for (let key = 1; key < 16; key++) assert.equal(mmPkeyAlloc(tasks[0]!, mm), key)
    assert.equal(mmPkeyAlloc(tasks[0]!, mm), -1)
  }
  return { tasks, mm }
}

function inside<Result>(task: Task, body: () => Result): Result {
  kernelEnter(task)
  const result = body()
  kernelExit(task)
  return result
}

function map({ tasks, mm }: Space, page: number, pages: number, allowed: number): void {
  const [task] = tasks
  const result = inside(task!, () => mmap(task!, mm, page, pages, allowed, MAP_FIXED, 0, 0))
  assert.equal(result, page)
}

function protect({ tasks, mm }: Space, page: number, pages: number, allowed: number): void {
  const [task] = tasks
  assert.equal(
    inside(task!, () => mprotect(task!, mm, page, page + pages, allowed)),
    0,
  )
}

/** What an access does: 'done', or the code of its signal. */
function access({ tasks, mm }: Space, page: number, kind: number, cpu = 0): string {
  try {
    touch(tasks[cpu]!, mm, page * PAGE_SIZE, kind)
    return 'done'
  } catch (error) {
    if (!(error instanceof SegmentationFault)) throw error
    return error.code
  }
}

/** The mappings, as "first-end access key". */
function mappings({ tasks, mm }: Space): string[] {
  const { heap } = tasks[0]!
  const list: string[] = []
  for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
    const flags = heap[vma + Vma.vmFlags]!
    const [start, end] = [heap[vma + Vma.vmStart]! - FIRST, heap[vma + Vma.vmEnd]! - FIRST]
    const key = (flags & VM_PKEY_FLAGS) >> VM_PKEY_SHIFT
    list.push(`${start}-${end} ${flags & (VM_READ | VM_WRITE | VM_EXEC)} ${key}`)
  }
  return list
}

describe('protection keys', () => {
  for (const { description } of designs) {
    it(`forbid loads and stores on every CPU, whatever is there: ${description.name}`, () => {
      const each = space(true, description.name)
      map(each, FIRST, 4, VM_READ | VM_WRITE | VM_EXEC)
      assert.equal(access(each, FIRST, ACCESS_WRITE), 'done')
      assert.equal(access(each, FIRST, ACCESS_READ, 1), 'done')
      protect(each, FIRST, 4, VM_EXEC)
      for (const cpu of [0, 1]) {
        // A page that is there, and one that is not.
        for (const page of [FIRST, FIRST + 1]) {
          assert.equal(access(each, page, ACCESS_READ, cpu), 'SEGV_PKUERR')
          assert.equal(access(each, page, ACCESS_WRITE, cpu), 'SEGV_PKUERR')
        }
        for (const page of [FIRST, FIRST + 2]) {
          assert.equal(access(each, page, ACCESS_EXECUTE, cpu), 'done')
          // Not by the translation either that the instruction fetch has left.
          assert.equal(access(each, page, ACCESS_READ, cpu), 'SEGV_PKUERR')
          assert.equal(access(each, page, ACCESS_EXECUTE, cpu), 'done')
        }
      }
      protect(each, FIRST, 4, VM_READ)
      for (const cpu of [0, 1]) {
        assert.equal(access(each, FIRST, ACCESS_READ, cpu), 'done')
        assert.equal(access(each, FIRST, ACCESS_EXECUTE, cpu), 'SEGV_ACCERR')
      }
    })
  }

  it('are told in the error code, and bring nothing in', () => {
    const each = space(true)
    const task = each.tasks[0]!
    map(each, FIRST, 2, VM_EXEC)
    const firstError = (kind: number): number => {
      assert.equal(access(each, FIRST, kind), 'SEGV_PKUERR')
      return task.firstFaultError
    }
    assert.equal(firstError(ACCESS_READ), FAULT_USER)
    assert.equal(firstError(ACCESS_READ), FAULT_USER)
    assert.equal(access(each, FIRST, ACCESS_EXECUTE), 'done')
    const present = FAULT_USER | FAULT_PROTECTION | FAULT_PK
    assert.equal(firstError(ACCESS_READ), present)
    assert.equal(firstError(ACCESS_WRITE), present | FAULT_WRITE)
  })

  it('are given to what may only be executed, and taken from it when it may be read', () => {
    const each = space(true)
    map(each, FIRST, 2, VM_EXEC)
    map(each, FIRST + 2, 2, VM_READ | VM_EXEC)
    map(each, FIRST + 4, 2, VM_EXEC)
    assert.deepEqual(mappings(each), ['0-2 4 1', '2-4 5 0', '4-6 4 1'])
    protect(each, FIRST + 2, 2, VM_EXEC)
    assert.deepEqual(mappings(each), ['0-6 4 1'])
    for (const kind of [0, VM_READ, VM_WRITE, VM_READ | VM_EXEC, VM_WRITE | VM_EXEC]) {
      protect(each, FIRST + 1, 2, kind)
      assert.deepEqual(mappings(each), ['0-1 4 1', `1-3 ${kind} 0`, '3-6 4 1'])
      protect(each, FIRST + 1, 2, VM_EXEC)
    }
  })

  it('keep mappings apart that differ in nothing else', () => {
    const { tasks, mm } = space(true)
    const each = { tasks, mm }
    const [task] = tasks
    for (let key = 1; key < 16; key++) mmPkeyAlloc(task!, mm)
    map(each, FIRST, 1, VM_EXEC)
    // As if pkey_free() had given a key back.
    task!.heap[mm + Mm.pkeyAllocationMap]! &= ~(1 << 7)
    map(each, FIRST + 1, 1, VM_EXEC)
    assert.deepEqual(mappings(each), ['0-1 4 0', '1-2 4 7'])
    assert.equal(access(each, FIRST, ACCESS_READ), 'done')
    assert.equal(access(each, FIRST + 1, ACCESS_READ), 'SEGV_PKUERR')
  })

  it('are copied by fork, the one for execution too', () => {
    const { tasks, mm } = space(true)
    const [task] = tasks
    assert.deepEqual([mmPkeyAlloc(task!, mm), mmPkeyAlloc(task!, mm)], [1, 2])
    map({ tasks, mm }, FIRST, 1, VM_EXEC)
    const child = inside(task!, () => forkMm(task!, mm))
    inside(task!, () => joinMm(task!, child))
    assert.equal(executeOnlyPkey(task!, child), 3)
    assert.equal(mmPkeyAlloc(task!, child), 4)
    assert.equal(mmPkeyAlloc(task!, mm), 4)
    const copy = { tasks, mm: child }
    assert.deepEqual(mappings(copy), ['0-1 4 3'])
    assert.equal(access(copy, FIRST, ACCESS_READ), 'SEGV_PKUERR')
    protect(copy, FIRST, 1, VM_READ)
    assert.equal(access(copy, FIRST, ACCESS_READ), 'done')
    assert.equal(access({ tasks, mm }, FIRST, ACCESS_READ), 'SEGV_PKUERR')
  })
})

describe('an address space without protection keys', () => {
  const kinds = [0, VM_READ, VM_READ | VM_WRITE, VM_EXEC, VM_EXEC, VM_READ | VM_EXEC]

  /** What random calls and accesses give. */
  function history(each: Space, seed: number): string[] {
    const random = new Random(seed)
    const { tasks, mm } = each
    const lines: string[] = []
    for (let step = 0; step < 200; step++) {
      const page = FIRST + random.below(12)
      const end = page + 1 + random.below(5)
      const kind = random.pick(kinds)
      const task = tasks[random.below(2)]!
      const call = random.below(10)
      if (call < 2)
        lines.push(`${inside(task, () => mmap(task, mm, page, end - page, kind, MAP_FIXED, 0, 0))}`)
      else if (call < 4) lines.push(`${inside(task, () => mprotect(task, mm, page, end, kind))}`)
      else if (call < 5) lines.push(`${inside(task, () => munmap(task, mm, page, end))}`)
      else if (call < 6) lines.push(`${inside(task, () => mlock(task, mm, page, end, false))}`)
      else {
        const accesses = [ACCESS_READ, ACCESS_WRITE, ACCESS_EXECUTE]
        lines.push(access(each, page, random.pick(accesses), task.id))
      }
      lines.push(mappings(each).join())
    }
    return lines
  }

  it('is one that has used all of them up', () => {
    for (let seed = 0; seed < 20; seed++) {
      const design = designs[seed % designs.length]!.description.name
      const without = history(space(false, design), seed)
      assert.deepEqual(history(space(true, design, true), seed), without)
      // And the histories are such as keys show in.
      assert.notDeepEqual(history(space(true, design), seed), without)
    }
  })
})
