// Each detector fires for the error that it is there for, in the words of the field. The errors are planted.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type CheckFailure, checkKernelScenario } from '../../src/check/index.ts'
import { type SourcePatch, at } from '../../src/check/mutants/patch.ts'

interface Planted {
  readonly finds: string
  readonly scenario: string
  readonly patches: readonly SourcePatch[]
  readonly message: RegExp
  readonly contended?: true
  /** Default: lespinasse-2021. */
  readonly design?: string
}

const gather = 'tables/mmu-gather.ts'
const design = 'designs/lespinasse-2021.ts'

const planted: readonly Planted[] = [
  {
    finds: 'a frame that is freed twice',
    scenario: 'fault-munmap',
    patches: [
      at(gather, 'gatherFlush').after(
        'freePageAndSwapCache(...$)',
        'freeFrame(cpu, cpu.gatherFrames[index])',
      ),
    ],
    message: /double free: CPU 1 frees frame \d+, which CPU 1 has freed/,
  },
  {
    finds: 'an object that is freed twice',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      at('tables/page-table.ts', 'freePageTableNow').before(
        'slabFree(...$)',
        'slabFree(cpu, CACHE_PAGE_TABLE, table)',
      ),
    ],
    message: /double free: CPU 1 frees a page table that CPU 1 has freed/,
  },
  {
    finds: 'a frame with two owners',
    scenario: 'two-pages-munmap',
    patches: [at('memory/page-alloc.ts', 'allocFrame').replace('--count', 'count--')],
    message: /frame \d+ has two owners: CPU \d gets it, and it was not free/,
  },
  {
    finds: 'a VMA that is used after it was freed',
    scenario: 'split-merge-fault',
    patches: [at(design, 'releaseVma').replace('this.releaseVmaLater', 'releaseVmaNow')],
    message: /use after free: CPU 0 uses a vm_area_struct that CPU 1 frees/,
  },
  {
    finds: 'a page table that the same CPU uses after it has freed it',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      at(gather, 'gatherFinish').after('freePageTableNow(cpu, table)', 'cpu.heap[table + PageTable.ptl] = 0'),
    ],
    message: /use after free: CPU 1 touches a page table that CPU 1 has freed, at tables\/mmu-gather\.ts:\d+/,
  },
  {
    finds: 'a frame that is freed though a CPU can still reach it',
    scenario: 'stale-access',
    patches: [at(gather, 'gatherFlushTlb').drop('if (cpu.gatherStart < cpu.gatherEnd) $')],
    message: /CPU 1 frees frame \d+, to which CPU [01] can still use a translation of page 0x1000/,
  },
  {
    finds: 'a translation that outlives munmap',
    scenario: 'zero-page-cow-munmap',
    patches: [at(gather, 'gatherFlushTlb').drop('if (cpu.gatherStart < cpu.gatherEnd) $')],
    message:
      /munmap has returned on CPU 1, and CPU [01] can still use its old translation of page 0x1000|frees frame/,
  },
  {
    finds: 'a translation that outlives mprotect',
    scenario: 'fault-mprotect',
    patches: [at('calls/mprotect.ts', 'changeProtection').drop('if (changed !== 0) $')],
    message: /mprotect has returned on CPU 1, and CPU 0 can still use its old translation of page 0x1000/,
  },
  {
    finds: 'a lock that is released and not held',
    scenario: 'fault-munmap',
    patches: [
      at('tables/zap.ts', 'zapPteRange').after('spinUnlock(...$)', 'spinUnlock(cpu, table + PageTable.ptl)'),
    ],
    message: /CPU 1 releases a page-table lock, which (nobody|CPU 0) holds/,
  },
  {
    finds: 'two orders of two locks',
    scenario: 'spinlock',
    patches: [
      at('scenarios/locks.ts', 'lockAndCount').replace(
        'spinLock(cpu, at + LOCK); count(cpu, at); spinUnlock(cpu, at + LOCK)',
        'spinLock(cpu, at); spinLock(cpu, at + 3); spinUnlock(cpu, at + 3); spinUnlock(cpu, at)',
      ),
      at('scenarios/locks.ts', 'tryAndCount').replace(
        'if (!spinTryLock(cpu, at + LOCK)) $; count(cpu, at); spinUnlock(cpu, at + LOCK)',
        'spinLock(cpu, at + 3); spinLock(cpu, at); spinUnlock(cpu, at); spinUnlock(cpu, at + 3)',
      ),
    ],
    message:
      /lock order: CPU \d takes lock \d+ and holds lock \d+; the other way round they were taken before/,
  },
  {
    finds: 'a spinlock that is held in sleep',
    scenario: 'rwsem-writers',
    patches: [
      at('scenarios/locks.ts', 'writeAndCount').replace(
        'downWrite(cpu, at)',
        'spinLock(cpu, at + COUNTER + 1 + cpu.id); downWrite(cpu, at); spinUnlock(cpu, at + COUNTER + 1 + cpu.id)',
      ),
    ],
    message: /CPU \d might sleep and holds lock \d+/,
  },
  {
    finds:
      'a lock that is waited for without answers, and held by who waits for answers, also one after the other',
    scenario: 'interrupt-deadlock',
    patches: [
      at(design, 'pteMapLock').replace(
        'if (!spinTryLock(...$)) $',
        'spinLock(cpu, fault.table + PageTable.ptl)',
      ),
    ],
    contended: true,
    message:
      /lock order: CPU \d waits for answers of other CPUs and holds a page-table lock, which was waited for/,
  },
  {
    finds: 'a lock for which a CPU might sleep in the middle of an RCU section, though it is free',
    scenario: 'zero-page-cow-munmap',
    patches: [
      at(design, 'speculativeFault').after('fault.vma = 0', 'mmapReadLock(cpu, mm); mmapReadUnlock(cpu, mm)'),
    ],
    message: /CPU \d might be sleeping inside an RCU read-side critical section/,
  },
  {
    finds: 'interrupts that are left disabled',
    scenario: 'rwsem-writers',
    patches: [at('sync/spinlock.ts', 'spinUnlockIrq').drop('enableInterrupts(cpu)')],
    message: /sleeping with interrupts disabled|leaves the kernel with interrupts disabled/,
  },
  {
    finds: 'an RCU read-side critical section that is left open',
    scenario: 'rcu-freed-vma',
    patches: [at(design, 'speculativeFault').drop('rcuReadUnlock(cpu)')],
    message: /CPU 0 leaves the kernel inside an RCU read-side critical section|sleeping inside an RCU/,
  },
  {
    finds: 'an RCU read-side critical section that sleeps',
    scenario: 'rwsem-writers',
    patches: [
      at('scenarios/locks.ts', 'writeAndCount').replace(
        'downWrite(cpu, at)',
        'rcuReadLock(cpu); downWrite(cpu, at); rcuReadUnlock(cpu)',
      ),
    ],
    message: /sleeping inside an RCU read-side critical section/,
  },
  {
    finds: 'a lock that is held for ever',
    scenario: 'cow-fault',
    patches: [at('fault/wp.ts', 'wpCommit').drop('spinUnlock(cpu, fault.table + PageTable.ptl)')],
    message: /CPU 0 leaves the kernel and holds a page-table lock/,
  },
  {
    finds: 'a page table that is freed with a slot open',
    scenario: 'fault-munmap-table',
    design: 'leaf-slots',
    patches: [
      at('tables/page-table.ts', 'unhookTable').after(
        'cpu.gatherTables = table',
        'heap[table + PageTable.slots] = 1 << 10',
      ),
    ],
    message: /a page table is freed that has a slot open, by CPU 1/,
  },
  {
    finds: 'a wake-up that is lost',
    scenario: 'spinlock-halting',
    patches: [at('sync/spinlock.ts', 'spinUnlockSlow').drop('Atomics.notify(...$)')],
    message: /lost wake-up: thread \d sleeps in Atomics\.wait on a word that has changed/,
  },
  {
    finds: 'an object that is never freed',
    scenario: 'first-anon-vma',
    patches: [at('vma/anon-vma.ts', 'anonVmaPrepare').drop('if (!won && shared === 0) $')],
    message: /1 objects of CACHE_ANON_VMA were never freed/,
  },
]

async function failureOf({ scenario, patches, ...machine }: Planted): Promise<CheckFailure | null> {
  const choice = { design: 'lespinasse-2021', rwsem: 'xadd', ...machine } as const
  return (
    await checkKernelScenario(scenario, choice, {
      patches,
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
