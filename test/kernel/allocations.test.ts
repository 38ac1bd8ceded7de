// Each allocation that a kernel scenario makes fails once: the calls must then undo what they have begun, leave the
// kernel sound, and keep nothing. The scenarios run without concurrency here, one thread after the other.
//
// As with `fail-nth` of Linux (Documentation/fault-injection), the n-th allocation of a run fails, alone or with all
// that follow in the same operation, for every n. The allocators are the kernel's own, with one line more.

import assert from 'node:assert/strict'
import { registerHooks } from 'node:module'
import { test } from 'node:test'
import type { KernelScenarioRun } from '../../src/check/kernel-scenario.ts'
import { isTurn, isWhole } from '../extent.ts'

/** What begins an allocation, by the end of the module's address. */
const allocators: readonly (readonly [file: string, first: string])[] = [
  ['/kernel/memory/slab.ts', 'export function slabAlloc(cpu: Cpu, id: number): number {'],
  ['/kernel/memory/page-alloc.ts', 'export function allocFrame(cpu: Task): number {'],
  ['/kernel/memory/page-alloc.ts', 'export function allocZoneFrame(cpu: Task): number {'],
  ['/kernel/memory/page-alloc.ts', 'export function allocContigFrames(cpu: Task, count: number): number {'],
]

/** Set in the flags of a file whose size is committed. */
const FILE_ACCOUNT = 0x200

/** An operation that asks more often than this has no end. */
const DENIED_MAX = 5000

const injector = {
  /** Allocations so far. */
  count: 0,
  /** The number of the first that fails; negative for none. */
  first: -1,
  /** The operation ends: from here on they succeed. */
  last: -1,
  denied: 0,
  fails(): boolean {
    const number = this.count++
    if (this.first < 0 || number < this.first || number > this.last) return false
    if (++this.denied > DENIED_MAX) throw new Error('an operation tries to allocate again and again')
    return true
  },
}
Object.assign(globalThis, { allocationFails: () => injector.fails() })

let changed = 0
registerHooks({
  load(url, context, next) {
    const loaded = next(url, context)
    const here = allocators.filter(([file]) => url.endsWith(file))
    if (here.length === 0) return loaded
    let source = String(loaded.source)
    for (const [, first] of here) {
      assert.equal(source.split(first).length, 2, `an allocator that begins with ${first}`)
      source = source.replace(first, `${first}\n  if (globalThis.allocationFails()) return 0`)
      changed++
    }
    return { ...loaded, source }
  },
})

const {
  designs,
  callEnter,
  callExit,
  graceBarrier,
  memoryCommitted,
  Header,
  Mm,
  PerCpu,
  Vma,
  unpinPages,
  File,
} = await import('../../src/kernel/index.ts')
const { VM_ACCOUNT, VM_LOCKED } = await import('../../src/kernel/index.ts')
const { checkKernel } = await import('../../src/check/kernel-invariants.ts')
const { tearDown } = await import('../../src/check/kernel-teardown.ts')
const { tables } = await import('../../src/check/scenarios/index.ts')
const { default: exercises } = await import('./exercises.ts')

assert.equal(changed, allocators.length)

type Scenario = (choice: { design: string; rwsem: 'xadd' }) => KernelScenarioRun
type Table = Readonly<Record<string, Scenario>>

/** Threads of these take frames, and give them back, by themselves. */
const ownFrames: readonly string[] = ['frames', 'burials']
const modules = tables
  .filter((file) => !ownFrames.includes(file))
  .map(async (file): Promise<Table> => {
    const module = (await import(`../../src/check/scenarios/${file}.ts`)) as { default: Table }
    return module.default
  })
const scenarios = Object.entries(Object.assign({}, ...(await Promise.all(modules))) as Table)

/** Runs all operations; the n-th allocation fails. Returns whether one did. */
function runOnce(scenario: Scenario, goesOn: boolean, design: string, nth: number, rest: boolean): boolean {
  injector.first = -1
  const run = scenario({ design, rwsem: 'xadd' })
  run.machine.ordering = true
  injector.count = 0
  injector.denied = 0
  injector.first = nth
  injector.last = rest ? Infinity : nth
  run.threads.forEach((_, thread) => performAll(run, thread, goesOn))
  const { denied } = injector
  injector.first = -1
  giveBack(run)
  checkKernel(run.machine)
  checkAccounts(run)
  tearDown(run.machine)
  return denied !== 0
}

/** What a failed access throws, and a scenario that needs a child. */
const failures = /^(FaultOutOfMemory|SegmentationFault|BusError|Error: there is no memory for a child)/

function performAll(run: KernelScenarioRun, thread: number, goesOn: boolean): void {
  const operations = run.operations[thread]!
  for (let operation = 0; operation < operations; operation++) {
    const before = injector.denied
    try {
      run.perform(thread, operation)
    } catch (error) {
      if (before === injector.denied || !failures.test(String(error))) throw error
    }
    if (before === injector.denied) continue
    injector.first = -1
    // What the operation was to make for those that follow may not be there.
    if (!goesOn) return
  }
}

/** Unpins what operations that were left out would have. */
function giveBack({ machine }: KernelScenarioRun): void {
  for (const task of machine.tasks) {
    callEnter(task)
    while (task.heap[task.base + PerCpu.pinnedRanges] !== 0) unpinPages(task)
    graceBarrier(task)
    callExit(task)
  }
}

/** What is counted of mappings is what there is. */
function checkAccounts({ machine }: KernelScenarioRun): void {
  const { heap, tasks } = machine
  let committed = 0
  const files = new Set<number>()
  for (let mm = heap[Header.mmList]!; mm !== 0; mm = heap[mm + Mm.nextMm]!) {
    const sums = { total: 0, locked: 0, count: 0 }
    for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
      const pages = heap[vma + Vma.vmEnd]! - heap[vma + Vma.vmStart]!
      sums.total += pages
      sums.count++
      if ((heap[vma + Vma.vmFlags]! & VM_LOCKED) !== 0) sums.locked += pages
      if ((heap[vma + Vma.vmFlags]! & VM_ACCOUNT) !== 0) committed += pages
      files.add(heap[vma + Vma.vmFile]!)
    }
    assert.deepEqual(
      { total: heap[mm + Mm.totalVm], locked: heap[mm + Mm.lockedVm], count: heap[mm + Mm.mapCount] },
      sums,
    )
  }
  for (const file of files) {
    if (file !== 0 && (heap[file + File.flags]! & FILE_ACCOUNT) !== 0) committed += heap[file + File.pages]!
  }
  assert.equal(memoryCommitted(tasks[0]!), committed, 'pages committed')
}

for (const [index, { description }] of designs.entries()) {
  test(`${description.name}: no allocation that fails breaks anything`, (t) => {
    const wanted = scenarios
      .filter((_, row) => isWhole || (row + index) % 4 === 0)
      .map((entry) => [...entry, false] as const)
    const all = [...wanted, ...Object.entries(exercises).map((entry) => [...entry, true] as const)]
    let failed = 0
    const problems: string[] = []
    for (const [title, scenario, goesOn] of all) {
      for (const rest of isWhole ? [false, true] : [isTurn(index, 0)]) {
        for (let nth = 0, tries = true; tries; nth++) {
          try {
            tries = runOnce(scenario, goesOn, description.name, nth, rest)
          } catch (error) {
            problems.push(
              `${title}, allocation ${nth}${rest ? ' and the rest' : ''}: ${(error as Error).stack}`,
            )
            tries = problems.length < 9
          }
          if (tries) failed++
        }
      }
    }
    assert.equal(problems.length, 0, problems.join('\n'))
    t.diagnostic(`${failed} allocations failed`)
    assert.ok(failed > 200)
  })
}
