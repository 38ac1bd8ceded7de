// Each detector fires for the error that it is there for, in the words of the field. The errors are planted.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type CheckFailure, checkKernelScenario } from '../../src/check/index.ts'

interface Planted {
  readonly finds: string
  readonly scenario: string
  readonly patches: readonly (readonly [file: string, find: string, replace: string])[]
  readonly message: RegExp
}

const planted: readonly Planted[] = [
  {
    finds: 'a frame that is freed twice',
    scenario: 'fault-munmap',
    patches: [
      [
        'mm/mmu-gather.ts',
        'freePageAndSwapCache(cpu, cpu.gatherFrames[index])',
        '{ freePageAndSwapCache(cpu, cpu.gatherFrames[index]); freeFrame(cpu, cpu.gatherFrames[index]) }',
      ],
      [
        'mm/mmu-gather.ts',
        "import { Mm } from './mm.ts'",
        "import { Mm } from './mm.ts'\nimport { freeFrame } from './page-alloc.ts'",
      ],
    ],
    message: /double free: CPU 1 frees frame \d+, which CPU 1 has freed/,
  },
  {
    finds: 'an object that is freed twice',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      [
        'mm/page-table.ts',
        'export function freePageTableNow(cpu: Task, table: number): void {',
        'export function freePageTableNow(cpu: Task, table: number): void {\n  slabFree(cpu, CACHE_PAGE_TABLE, table)',
      ],
    ],
    message: /double free: CPU 1 frees a page table that CPU 1 has freed/,
  },
  {
    finds: 'a frame with two owners',
    scenario: 'two-pages-munmap',
    patches: [
      [
        'mm/page-alloc.ts',
        'heap[base + PerCpu.pcpCount] = --count',
        'heap[base + PerCpu.pcpCount] = count--',
      ],
    ],
    message: /frame \d+ has two owners: CPU \d gets it, and it was not free/,
  },
  {
    finds: 'a VMA that is used after it was freed',
    scenario: 'split-merge-fault',
    patches: [
      ['designs/lespinasse-2021.ts', 'else this.releaseVmaLater(cpu, vma)', 'else releaseVmaNow(cpu, vma)'],
    ],
    message: /use after free: CPU 0 uses a vm_area_struct that CPU 1 frees/,
  },
  {
    finds: 'a page table that the same CPU uses after it has freed it',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      [
        'mm/mmu-gather.ts',
        'else freePageTableNow(cpu, table)',
        'else { freePageTableNow(cpu, table); cpu.heap[table + PageTable.ptl] = 0 }',
      ],
    ],
    message: /use after free: CPU 1 touches a page table that CPU 1 has freed, at mm\/mmu-gather\.ts:\d+/,
  },
  {
    finds: 'a frame that is freed though a CPU can still reach it',
    scenario: 'stale-access',
    patches: [
      ['mm/mmu-gather.ts', 'if (cpu.gatherStart < cpu.gatherEnd) flushTlbMm', 'if (false) flushTlbMm'],
    ],
    message: /CPU 1 frees frame \d+, to which CPU [01] can still use a translation of page 0x1000/,
  },
  {
    finds: 'a translation that outlives munmap',
    scenario: 'zero-page-cow-munmap',
    patches: [
      ['mm/mmu-gather.ts', 'if (cpu.gatherStart < cpu.gatherEnd) flushTlbMm', 'if (false) flushTlbMm'],
    ],
    message:
      /munmap has returned on CPU 1, and CPU [01] can still use its old translation of page 0x1000|frees frame/,
  },
  {
    finds: 'a translation that outlives mprotect',
    scenario: 'fault-mprotect',
    patches: [['mm/mprotect.ts', 'if (changed !== 0) flushTlbMm', 'if (false) flushTlbMm']],
    message: /mprotect has returned on CPU 1, and CPU 0 can still use its old translation of page 0x1000/,
  },
  {
    finds: 'a lock that is released and not held',
    scenario: 'fault-munmap',
    patches: [
      [
        'mm/zap.ts',
        '  spinUnlock(cpu, table + PageTable.ptl)\n',
        '  spinUnlock(cpu, table + PageTable.ptl)\n  spinUnlock(cpu, table + PageTable.ptl)\n',
      ],
    ],
    message: /CPU 1 releases a page-table lock, which (nobody|CPU 0) holds/,
  },
  {
    finds: 'two orders of two locks',
    scenario: 'spinlock',
    patches: [
      [
        'scenarios/spinlock.ts',
        '  spinLock(cpu, at + LOCK)\n  count(cpu, at)\n  spinUnlock(cpu, at + LOCK)',
        '  spinLock(cpu, at)\n  spinLock(cpu, at + 3)\n  spinUnlock(cpu, at + 3)\n  spinUnlock(cpu, at)',
      ],
      [
        'scenarios/spinlock.ts',
        'if (!spinTryLock(cpu, at + LOCK)) return lockAndCount(cpu, at)',
        'spinLock(cpu, at + 3)\n      spinLock(cpu, at)',
      ],
      [
        'scenarios/spinlock.ts',
        '      count(cpu, at)\n      spinUnlock(cpu, at + LOCK)',
        '      spinUnlock(cpu, at)\n      spinUnlock(cpu, at + 3)',
      ],
    ],
    message:
      /lock order: CPU \d takes lock \d+ and holds lock \d+; the other way round they were taken before/,
  },
  {
    finds: 'a spinlock that is held in sleep',
    scenario: 'rwsem-writers',
    patches: [
      [
        'scenarios/rwsem-writers.ts',
        '  downWrite(cpu, at)\n',
        '  spinLock(cpu, at + COUNTER + 1 + cpu.id)\n  downWrite(cpu, at)\n  spinUnlock(cpu, at + COUNTER + 1 + cpu.id)\n',
      ],
      [
        'scenarios/rwsem-writers.ts',
        'import { RWSEM_WORDS, ',
        'import { RWSEM_WORDS, spinLock, spinUnlock, ',
      ],
    ],
    message: /CPU \d sleeps and holds lock \d+/,
  },
  {
    finds: 'interrupts that are left disabled',
    scenario: 'rwsem-writers',
    patches: [
      ['sync/spinlock.ts', '  spinUnlock(cpu, lock)\n  enableInterrupts(cpu)', '  spinUnlock(cpu, lock)'],
    ],
    message: /sleeping with interrupts disabled|leaves the kernel with interrupts disabled/,
  },
  {
    finds: 'an RCU read-side critical section that is left open',
    scenario: 'rcu-freed-vma',
    patches: [
      [
        'designs/lespinasse-2021.ts',
        '    copyVma(cpu, fault, vma)\n    rcuReadUnlock(cpu)',
        '    copyVma(cpu, fault, vma)',
      ],
    ],
    message: /CPU 0 leaves the kernel inside an RCU read-side critical section|sleeping inside an RCU/,
  },
  {
    finds: 'an RCU read-side critical section that sleeps',
    scenario: 'rwsem-writers',
    patches: [
      [
        'scenarios/rwsem-writers.ts',
        '  downWrite(cpu, at)\n',
        '  rcuReadLock(cpu)\n  downWrite(cpu, at)\n  rcuReadUnlock(cpu)\n',
      ],
      [
        'scenarios/rwsem-writers.ts',
        'import { RWSEM_WORDS, ',
        'import { RWSEM_WORDS, rcuReadLock, rcuReadUnlock, ',
      ],
    ],
    message: /sleeping inside an RCU read-side critical section/,
  },
  {
    finds: 'a lock that is held for ever',
    scenario: 'cow-fault',
    patches: [
      [
        'mm/wp.ts',
        '    cpu.design.pteInstalled(cpu, fault)\n    spinUnlock(cpu, fault.table + PageTable.ptl)\n',
        '    cpu.design.pteInstalled(cpu, fault)\n',
      ],
    ],
    message: /CPU 0 leaves the kernel and holds a page-table lock/,
  },
  {
    finds: 'a wake-up that is lost',
    scenario: 'spinlock-halting',
    patches: [['sync/spinlock.ts', '  Atomics.notify(cpu.heap, lock, 1)\n', '']],
    message: /lost wake-up: thread \d sleeps in Atomics\.wait on a word that has changed/,
  },
  {
    finds: 'an object that is never freed',
    scenario: 'first-anon-vma',
    patches: [['mm/anon-vma.ts', '  if (!won && !shared) slabFree(cpu, CACHE_ANON_VMA, anonVma)\n', '']],
    message: /1 objects of CACHE_ANON_VMA were never freed/,
  },
]

async function failureOf({ scenario, patches }: Planted): Promise<CheckFailure | null> {
  const changes = patches.map(([file, find, replace]) => ({ file, find, replace }))
  const choice = { design: 'lespinasse-2021', rwsem: 'xadd' } as const
  return (
    await checkKernelScenario(scenario, choice, {
      patches: changes,
      maxExecutions: 20_000,
      minimiseSeconds: 0,
    })
  ).failure
}

describe('detectors', () => {
  for (const each of planted) {
    it(`find ${each.finds}`, async () => {
      const failure = await failureOf(each)
      assert.match(failure?.message ?? 'nothing was found', each.message)
    })
  }
})
