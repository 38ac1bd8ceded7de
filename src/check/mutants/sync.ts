// Mutants of what the designs stand on: spinlock, semaphore, sequence count, RCU, reference counts.

import type { MutantTable } from './mutant.ts'
import { at } from './patch.ts'

const spinlock = 'sync/spinlock.ts'
const rwsem = 'sync/rwsem.ts'
const rcu = 'sync/rcu.ts'
const percpu = 'sync/percpu-rwsem.ts'
const sleep = 'machine/sleep.ts'

export const syncMutants: MutantTable = {
  'futex-wakes-the-first': {
    guard: 'only the waiters of that word are woken',
    scenario: 'futex-two',
    patches: at('sync/futex.ts', 'futexWake').drop('if (heap[base + PerCpu.futexKey] !== key) $'),
  },
  'futex-woken-silently': {
    guard: 'waking a thread notifies the host',
    scenario: 'futex-wake',
    patches: at('sync/futex.ts', 'futexWake').drop('Atomics.notify(heap, base + PerCpu.futexState)'),
  },
  'spinlock-not-atomic': {
    guard: 'a spinlock is tested and taken in one operation',
    scenario: 'spinlock',
    patches: at(spinlock, 'spinTryLock').replace(
      'return Atomics.compareExchange(...$) === 0',
      'if (Atomics.load(cpu.heap, lock) !== 0) return false; Atomics.store(cpu.heap, lock, (cpu.id + 1) << 1); return true',
    ),
  },
  'spinlock-taken-from-its-holder': {
    guard: 'a waiter takes a spinlock only when it is free',
    scenario: 'spinlock',
    patches: at(spinlock, 'spinLockSlow').replace(
      'if (Atomics.compareExchange(...$) === 0) return; continue',
      'Atomics.store(heap, lock, tag | mark); return',
    ),
  },
  'spinlock-without-kick': {
    guard: 'releasing a spinlock wakes a CPU that halts on it',
    scenario: 'spinlock-halting',
    patches: at(spinlock, 'spinUnlockSlow').drop('Atomics.notify(cpu.heap, lock, 1)'),
  },
  'spinlock-forgets-who-halts': {
    guard: 'a CPU that has halted keeps the mark for others that may be halted too',
    scenario: 'spinlock-halting',
    patches: at(spinlock, 'spinLockSlow').replace('spins < SPINS_BEFORE_HALT ? 0 : HALTED', '0'),
  },
  'halts-without-a-mark': {
    guard: 'a CPU marks the lock before it halts on it',
    scenario: 'spinlock-halting',
    patches: at(spinlock, 'spinLockSlow').force('spins < SPINS_BEFORE_HALT || (value & HALTED) !== 0', true),
  },
  'semaphore-not-looked-at-again': {
    guard: 'a thread that queues on the semaphore checks whether its holder has left meanwhile',
    scenario: 'rwsem-writers',
    patches: at(rwsem, 'xaddDownFailed').drop('if ((count & ACTIVE_MASK) === 0) $'),
  },
  'reader-wakes-nobody': {
    guard: 'the last reader to leave the semaphore wakes the queue',
    scenario: 'rwsem-readers',
    patches: at(rwsem, 'upRead').drop('if (count < 0 && (count & ACTIVE_MASK) === 0) $'),
  },
  'writer-wakes-nobody': {
    guard: 'a writer that leaves the semaphore wakes the queue',
    scenario: 'rwsem-writers',
    patches: at(rwsem, 'upWrite').replace(
      'if (Atomics.sub(...$) - ACTIVE_WRITE_BIAS < 0) $',
      'Atomics.sub(cpu.heap, sem, ACTIVE_WRITE_BIAS)',
    ),
  },
  'downgrade-wakes-nobody': {
    guard: 'a writer that becomes a reader lets waiting readers in',
    scenario: 'rwsem-downgrade',
    redundant: 'they enter when it leaves; until then they wait needlessly',
    patches: at(rwsem, 'downgradeWrite').replace(
      'if (Atomics.sub(...$) - WAITING_BIAS < 0) $',
      'Atomics.sub(cpu.heap, sem, WAITING_BIAS)',
    ),
  },
  'downgrade-wakes-a-writer': {
    guard: 'a writer that becomes a reader lets no writer in',
    scenario: 'rwsem-downgrade-write',
    patches: at(rwsem, 'xaddDoWake').replace('if (!downgrading) $', 'grantFirstWaiter(cpu, sem)'),
  },
  'claim-not-tried-again': {
    guard:
      'a thread that fails to claim the semaphore for the queue tries again if nobody is active any more',
    scenario: 'rwsem-queue',
    patches: at(rwsem, 'xaddClaimActive').force('(after & ACTIVE_MASK) !== 0', true),
  },
  'claimed-while-active': {
    guard: 'the queue is served only when nobody is active',
    scenario: 'rwsem-writers',
    patches: at(rwsem, 'xaddClaimActive').force('(before & ACTIVE_MASK) === 0', true),
  },
  'writer-counted-as-reader': {
    guard: 'readers are let in up to the first writer in the queue',
    scenario: 'rwsem-queue',
    patches: at(rwsem, 'xaddDoWake').drop('if (heap[waiter + PerCpu.waiterKind] !== WAITING_FOR_READ) $'),
  },
  'reader-beside-a-writer': {
    guard: 'a try to read fails while a writer holds the semaphore',
    scenario: 'rwsem-writers',
    patches: at(rwsem, 'downReadTryLock').drop('if (count + ACTIVE_READ_BIAS <= 0) $'),
  },
  'queue-without-lock': {
    guard: 'the queue is changed under the wait lock',
    scenario: 'rwsem-readers',
    patches: [
      at(rwsem, 'xaddDownFailed').drop('spinLockIrq(cpu, sem + Rwsem.waitLock)'),
      at(rwsem, 'xaddDownFailed').drop('spinUnlockIrq(cpu, sem + Rwsem.waitLock)'),
    ],
  },
  'generic-reader-beside-a-writer': {
    guard: 'a reader waits while a writer holds the semaphore',
    rwsem: 'generic',
    scenario: 'rwsem-readers',
    patches: at(rwsem, 'genericDownRead').drop('heap[sem] >= 0'),
  },
  'generic-writer-beside-readers': {
    guard: 'a writer waits until the semaphore is free',
    rwsem: 'generic',
    scenario: 'rwsem-readers',
    patches: at(rwsem, 'genericDownWrite').drop('heap[sem] === 0'),
  },
  'generic-reader-wakes-nobody': {
    guard: 'the last reader to leave hands the semaphore to a waiting writer',
    rwsem: 'generic',
    scenario: 'rwsem-readers',
    patches: [
      at(rwsem, 'genericUpRead').drop('heap[sem] = -1'),
      at(rwsem, 'genericUpRead').drop('grantFirstWaiter(cpu, sem)'),
    ],
  },
  'generic-writer-wakes-nobody': {
    guard: 'a writer that leaves wakes the queue',
    rwsem: 'generic',
    scenario: 'rwsem-readers',
    patches: at(rwsem, 'genericUpWrite').drop('if (cpu.heap[sem + Rwsem.waitFirst] !== 0) $'),
  },
  'generic-downgrade-wakes-a-writer': {
    guard: 'a writer that becomes a reader lets no writer in',
    rwsem: 'generic',
    scenario: 'rwsem-downgrade-write',
    patches: at(rwsem, 'genericDoWake').drop('if (!wakeWrite) $'),
  },
  'wake-up-before-sleep-is-lost': {
    guard: 'a CPU sleeps only if nobody has woken it since it announced this',
    scenario: 'rwsem-sleeping',
    patches: at(sleep, 'sleepUntilWoken').replace(
      'if (Atomics.compareExchange(...$) === TASK_POLLING) waitForHost(cpu, word)',
      'Atomics.store(heap, word, TASK_SLEEPING); waitForHost(cpu, word)',
    ),
  },
  'sleeper-not-notified': {
    guard: 'waking a sleeping CPU calls the host',
    scenario: 'rwsem-sleeping',
    patches: at(sleep, 'wakeUp').replace(
      'if (Atomics.exchange(...$) === TASK_SLEEPING) $',
      'Atomics.exchange(cpu.heap, word, TASK_RUNNING)',
    ),
  },
  'percpu-writer-without-grace-period': {
    guard: 'a writer waits for readers that saw no writer and have not counted themselves yet',
    race: 'R17',
    scenario: 'percpu-rwsem',
    patches: at(percpu, 'percpuDownWrite').drop('synchronizeRcu(cpu)'),
  },
  'percpu-reader-beside-a-writer': {
    guard: 'a reader that has seen a writer checks the block',
    race: 'R17',
    scenario: 'percpu-rwsem',
    patches: at(percpu, 'percpuDownReadTryLock').force(
      'Atomics.load(heap, sem + PercpuRwsem.block) === 0',
      true,
    ),
  },
  'percpu-block-before-count': {
    guard: 'a reader counts itself before it checks the block',
    race: 'R17',
    scenario: 'percpu-rwsem',
    patches: [
      at(percpu, 'percpuDownReadTryLock').after(
        'if (Atomics.load(heap, sem + PercpuRwsem.writerComes) === 0) $',
        'const blocked = Atomics.load(heap, sem + PercpuRwsem.block)',
      ),
      at(percpu, 'percpuDownReadTryLock').replace('Atomics.load(heap, sem + PercpuRwsem.block)', 'blocked'),
    ],
  },
  'percpu-writer-beside-readers': {
    guard: 'a writer waits until nobody reads',
    race: 'R17',
    scenario: 'percpu-rwsem-sleeping',
    patches: at(percpu, 'percpuDownWrite').force('!hasReaders(cpu, sem)', true),
  },
  'percpu-reader-wakes-nobody': {
    guard: 'a reader that leaves wakes the waiting writer',
    scenario: 'percpu-rwsem-sleeping',
    patches: at(percpu, 'percpuUpRead').drop('if (Atomics.load(...$) !== 0) $'),
  },
  'percpu-refused-reader-wakes-nobody': {
    guard: 'a reader that is refused wakes the writer that may have seen it',
    scenario: 'percpu-rwsem',
    patches: at(percpu, 'percpuDownReadTryLock').drop('rcuwaitWake(cpu, sem + PercpuRwsem.writer)'),
  },
  'sequence-count-never-odd': {
    guard: 'the count is odd while the writer is active',
    race: 'R34',
    scenario: 'seqcount',
    patches: [
      at('sync/seqcount.ts', 'writeSeqcountBegin').replace(
        'Atomics.add(cpu.heap, seqcount, 1)',
        'Atomics.add(cpu.heap, seqcount, 2)',
      ),
      at('sync/seqcount.ts', 'writeSeqcountEnd').replace('Atomics.add(cpu.heap, seqcount, 1)', '1'),
    ],
  },
  'sequence-count-not-compared': {
    guard: 'the reader compares the count afterwards',
    race: 'R34',
    scenario: 'seqcount',
    patches: at('sync/seqcount.ts', 'readSeqcountRetry').replace(
      'Atomics.load(cpu.heap, seqcount) !== start',
      'Atomics.load(cpu.heap, seqcount) < start',
    ),
  },
  'no-grace-period': {
    guard: 'callbacks run when every CPU was outside',
    race: 'R24',
    scenario: 'rcu-freed-vma',
    patches: at(rcu, 'gracePeriodPassed').drop('if (!isQuiescent(...$)) $'),
  },
  'no-wait-for-the-grace-period': {
    guard: 'synchronize_rcu waits until every CPU was outside',
    race: 'R24',
    scenario: 'rcu',
    patches: at(rcu, 'synchronizeRcu').force('isQuiescent(snapshot[id], now)', true),
  },
  'waits-inside-for-a-grace-period': {
    guard: 'a CPU that waits for a grace period is outside meanwhile',
    scenario: 'rcu',
    patches: [
      at(rcu, 'synchronizeRcu').drop('kernelExit(cpu)'),
      at(rcu, 'synchronizeRcu').drop('kernelEnter(cpu)'),
      at(rcu, 'synchronizeRcu').drop('Atomics.store(cpu.heap, cpu.base + PerCpu.asleep, 0)'),
    ],
  },
  'stays-not-told-apart': {
    guard: 'a CPU that has left and come back has passed a quiescent state',
    scenario: 'rcu',
    redundant: 'the waiting CPU continues when the other leaves for good; it waits longer',
    patches: at(rcu, 'isQuiescent').drop('((then ^ now) & -CPU_ENTRY) !== 0'),
  },
  'reference-count-not-atomic': {
    guard: 'a reference is dropped in one operation, so that exactly one CPU drops the last',
    scenario: 'refcount',
    patches: at('sync/refcount.ts', 'refcountDecAndTest').replace(
      'const before = Atomics.sub(cpu.heap, refcount, 1)',
      'const before = Atomics.load(cpu.heap, refcount); Atomics.store(cpu.heap, refcount, before - 1)',
    ),
  },
  'barrier-misses-what-is-run': {
    guard: 'rcu_barrier waits for callbacks that another CPU has taken off its list',
    scenario: 'rcu-barrier',
    patches: at(rcu, 'rcuPoll').drop('if (ready !== 0) Atomics.store(...$)'),
  },
  'barrier-misses-what-is-taken-over': {
    guard: 'rcu_barrier waits for callbacks that another call of it has taken over',
    scenario: 'two-rcu-barriers',
    patches: at(rcu, 'rcuBarrier').drop('waitForOthersCallbacks(cpu)'),
  },
  'barrier-waits-inside': {
    guard: 'a CPU that waits for callbacks of others is outside, since these may wait for a grace period',
    scenario: 'two-rcu-barriers',
    patches: [
      at(rcu, 'waitForOthersCallbacks').drop('leaveForHost(cpu)'),
      at(rcu, 'waitForOthersCallbacks').drop('returnFromHost(cpu)'),
    ],
  },
  'srcu-barrier-misses-what-is-run': {
    guard: 'srcu_barrier waits for callbacks that another CPU has taken off the list',
    scenario: 'srcu-barrier',
    patches: at('sync/srcu.ts', 'srcuBarrier').drop(
      'Atomics.load(cpu.heap, Header.srcu + Srcu.running) === 0',
    ),
  },
  'turns-not-compared': {
    guard: 'a sequence count that has wrapped differs from its earlier value',
    race: 'R3',
    scenario: 'sequence-wrap',
    patches: at('sync/seqcount.ts', 'readSeqcountRetry').drop(
      'Atomics.load(cpu.heap, seqcount + 1) !== turns',
    ),
  },
}
