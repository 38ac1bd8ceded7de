// Mutants of what the designs stand on: spinlock, semaphore, sequence count, RCU, reference counts.

import { type Mutant, patch } from './mutant.ts'

const spinlock = 'sync/spinlock.ts'
const rwsem = 'sync/rwsem.ts'
const rcu = 'sync/rcu.ts'
const percpu = 'sync/percpu-rwsem.ts'
const sleep = 'machine/sleep.ts'

export const syncMutants: readonly Mutant[] = [
  {
    name: 'spinlock-not-atomic',
    guard: 'a spinlock is looked at and taken in one operation',
    race: null,
    scenario: 'spinlock',
    patches: [
      patch(
        spinlock,
        'return Atomics.compareExchange(cpu.heap, lock, 0, (cpu.id + 1) << 1) === 0',
        'if (Atomics.load(cpu.heap, lock) !== 0) return false\n  Atomics.store(cpu.heap, lock, (cpu.id + 1) << 1)\n  return true',
      ),
    ],
  },
  {
    name: 'spinlock-taken-from-its-holder',
    guard: 'who waits for a spinlock takes it only when it is free',
    race: null,
    scenario: 'spinlock',
    patches: [
      patch(
        spinlock,
        'if (Atomics.compareExchange(heap, lock, 0, tag | mark) === 0) return\n      continue',
        'Atomics.store(heap, lock, tag | mark)\n      return',
      ),
    ],
  },
  {
    name: 'spinlock-without-kick',
    guard: 'who releases a spinlock wakes a CPU that halts on it',
    race: null,
    scenario: 'spinlock-halting',
    patches: [patch(spinlock, '  Atomics.notify(cpu.heap, lock, 1)\n', '')],
  },
  {
    name: 'spinlock-forgets-who-halts',
    guard: 'a CPU that has halted keeps the mark for others that may be halted too',
    race: null,
    scenario: 'spinlock-halting',
    patches: [patch(spinlock, 'const mark = spins < SPINS_BEFORE_HALT ? 0 : HALTED', 'const mark = 0')],
  },
  {
    name: 'halts-without-a-mark',
    guard: 'a CPU marks the lock before it halts on it',
    race: null,
    scenario: 'spinlock-halting',
    patches: [
      patch(
        spinlock,
        'const marked = spins < SPINS_BEFORE_HALT || (value & HALTED) !== 0',
        'const marked = true',
      ),
    ],
  },
  {
    name: 'semaphore-not-looked-at-again',
    guard: 'who queues on the semaphore looks whether its holder has left meanwhile',
    race: null,
    scenario: 'rwsem-writers',
    patches: [patch(rwsem, '  if ((count & ACTIVE_MASK) === 0) xaddDoWake(cpu, sem, false)\n', '')],
  },
  {
    name: 'reader-wakes-nobody',
    guard: 'the last reader to leave the semaphore wakes the queue',
    race: null,
    scenario: 'rwsem-readers',
    patches: [patch(rwsem, '  if (count < 0 && (count & ACTIVE_MASK) === 0) xaddWake(cpu, sem)\n', '')],
  },
  {
    name: 'writer-wakes-nobody',
    guard: 'a writer that leaves the semaphore wakes the queue',
    race: null,
    scenario: 'rwsem-writers',
    patches: [
      patch(
        rwsem,
        'else if (Atomics.sub(cpu.heap, sem, ACTIVE_WRITE_BIAS) - ACTIVE_WRITE_BIAS < 0) xaddWake(cpu, sem)',
        'else Atomics.sub(cpu.heap, sem, ACTIVE_WRITE_BIAS)',
      ),
    ],
  },
  {
    name: 'downgrade-wakes-nobody',
    guard: 'a writer that becomes a reader lets the readers in that wait',
    race: null,
    scenario: 'rwsem-downgrade',
    redundant: 'they come in when it leaves; until then they wait for nothing',
    patches: [
      patch(
        rwsem,
        'else if (Atomics.sub(cpu.heap, sem, WAITING_BIAS) - WAITING_BIAS < 0) xaddDowngradeWake(cpu, sem)',
        'else Atomics.sub(cpu.heap, sem, WAITING_BIAS)',
      ),
    ],
  },
  {
    name: 'downgrade-wakes-a-writer',
    guard: 'a writer that becomes a reader lets no writer in',
    race: null,
    scenario: 'rwsem-downgrade-write',
    patches: [patch(rwsem, 'if (!downgrading) grantFirstWaiter(cpu, sem)', 'grantFirstWaiter(cpu, sem)')],
  },
  {
    name: 'claim-not-tried-again',
    guard: 'who fails to claim the semaphore for the queue tries again if nobody is active any more',
    race: null,
    scenario: 'rwsem-queue',
    patches: [patch(rwsem, 'if ((after & ACTIVE_MASK) !== 0) return false', 'return false')],
  },
  {
    name: 'claimed-while-active',
    guard: 'the queue is served only when nobody is active',
    race: null,
    scenario: 'rwsem-writers',
    patches: [patch(rwsem, 'if ((before & ACTIVE_MASK) === 0) return true', 'return true')],
  },
  {
    name: 'writer-counted-as-reader',
    guard: 'readers are let in up to the first writer in the queue',
    race: null,
    scenario: 'rwsem-queue',
    patches: [patch(rwsem, 'if (heap[waiter + PerCpu.waiterKind] !== WAITING_FOR_READ) break', '')],
  },
  {
    name: 'reader-beside-a-writer',
    guard: 'who tries to read is refused while a writer holds the semaphore',
    race: null,
    scenario: 'rwsem-writers',
    patches: [patch(rwsem, 'if (count + ACTIVE_READ_BIAS <= 0) return false', '')],
  },
  {
    name: 'queue-without-lock',
    guard: 'the queue is changed under the wait lock',
    race: null,
    scenario: 'rwsem-readers',
    patches: [
      patch(
        rwsem,
        '  spinLockIrq(cpu, sem + Rwsem.waitLock)\n  enqueueWaiter(cpu, sem, kind)',
        '  enqueueWaiter(cpu, sem, kind)',
      ),
      patch(
        rwsem,
        '  spinUnlockIrq(cpu, sem + Rwsem.waitLock)\n  sleepUntilGranted(cpu, sem, kind)',
        '  sleepUntilGranted(cpu, sem, kind)',
      ),
    ],
  },
  {
    name: 'generic-reader-beside-a-writer',
    guard: 'a reader waits while a writer holds the semaphore',
    race: null,
    scenario: 'rwsem-readers',
    rwsem: 'generic',
    patches: [
      patch(
        rwsem,
        '  if (heap[sem] >= 0 && heap[sem + Rwsem.waitFirst] === 0) {\n    heap[sem]++',
        '  if (heap[sem + Rwsem.waitFirst] === 0) {\n    heap[sem]++',
      ),
    ],
  },
  {
    name: 'generic-writer-beside-readers',
    guard: 'a writer waits until the semaphore is free',
    race: null,
    scenario: 'rwsem-readers',
    rwsem: 'generic',
    patches: [
      patch(
        rwsem,
        'if (heap[sem] === 0 && heap[sem + Rwsem.waitFirst] === 0) {',
        'if (heap[sem + Rwsem.waitFirst] === 0) {',
      ),
    ],
  },
  {
    name: 'generic-reader-wakes-nobody',
    guard: 'the last reader to leave hands the semaphore to the writer that waits',
    race: null,
    scenario: 'rwsem-readers',
    rwsem: 'generic',
    patches: [
      patch(
        rwsem,
        '    heap[sem] = -1\n    grantFirstWaiter(cpu, sem)\n  }\n  spinUnlockIrq',
        '  }\n  spinUnlockIrq',
      ),
    ],
  },
  {
    name: 'generic-writer-wakes-nobody',
    guard: 'a writer that leaves wakes the queue',
    race: null,
    scenario: 'rwsem-readers',
    rwsem: 'generic',
    patches: [patch(rwsem, 'if (cpu.heap[sem + Rwsem.waitFirst] !== 0) genericDoWake(cpu, sem, true)', '')],
  },
  {
    name: 'generic-downgrade-wakes-a-writer',
    guard: 'a writer that becomes a reader lets no writer in',
    race: null,
    scenario: 'rwsem-downgrade-write',
    rwsem: 'generic',
    patches: [patch(rwsem, '    if (!wakeWrite) return\n', '')],
  },
  {
    name: 'wake-up-before-sleep-is-lost',
    guard: 'a CPU goes to sleep only if nobody has woken it since it said that it would',
    race: null,
    scenario: 'rwsem-sleeping',
    patches: [
      patch(
        sleep,
        'if (Atomics.compareExchange(heap, word, TASK_POLLING, TASK_SLEEPING) === TASK_POLLING)\n    waitForHost(cpu, word)',
        'Atomics.store(heap, word, TASK_SLEEPING)\n  waitForHost(cpu, word)',
      ),
    ],
  },
  {
    name: 'sleeper-not-notified',
    guard: 'who wakes a CPU that sleeps calls the host',
    race: null,
    scenario: 'rwsem-sleeping',
    patches: [
      patch(
        sleep,
        'if (Atomics.exchange(cpu.heap, word, TASK_RUNNING) === TASK_SLEEPING) Atomics.notify(cpu.heap, word, 1)',
        'Atomics.exchange(cpu.heap, word, TASK_RUNNING)',
      ),
    ],
  },
  {
    name: 'percpu-writer-without-grace-period',
    guard: 'a writer waits for those who saw no writer and have not counted themselves yet',
    race: 'R17',
    scenario: 'percpu-rwsem',
    patches: [patch(percpu, '  synchronizeRcu(cpu)\n', '')],
  },
  {
    name: 'percpu-reader-beside-a-writer',
    guard: 'a reader that knows of a writer looks at the block',
    race: 'R17',
    scenario: 'percpu-rwsem',
    patches: [
      patch(percpu, 'if (Atomics.load(heap, sem + PercpuRwsem.block) === 0) return true', 'return true'),
    ],
  },
  {
    name: 'percpu-block-before-count',
    guard: 'a reader counts itself before it looks at the block',
    race: 'R17',
    scenario: 'percpu-rwsem',
    patches: [
      patch(
        percpu,
        '  Atomics.add(heap, count, 1)\n  // Counted before',
        '  const blocked = Atomics.load(heap, sem + PercpuRwsem.block)\n  Atomics.add(heap, count, 1)\n  // Counted before',
      ),
      patch(
        percpu,
        'if (Atomics.load(heap, sem + PercpuRwsem.block) === 0) return true',
        'if (blocked === 0) return true',
      ),
    ],
  },
  {
    name: 'percpu-writer-beside-readers',
    guard: 'a writer waits until nobody reads',
    race: 'R17',
    scenario: 'percpu-rwsem-sleeping',
    patches: [patch(percpu, 'if (!hasReaders(cpu, sem)) break', 'break')],
  },
  {
    name: 'percpu-reader-wakes-nobody',
    guard: 'a reader that leaves wakes the writer that waits',
    race: null,
    scenario: 'percpu-rwsem-sleeping',
    patches: [
      patch(
        percpu,
        '  if (Atomics.load(heap, sem + PercpuRwsem.writerComes) !== 0) rcuwaitWake(cpu, sem + PercpuRwsem.writer)\n',
        '',
      ),
    ],
  },
  {
    name: 'percpu-refused-reader-wakes-nobody',
    guard: 'a reader that is refused wakes the writer that may have seen it',
    race: null,
    scenario: 'percpu-rwsem',
    patches: [
      patch(
        percpu,
        '  Atomics.sub(heap, count, 1)\n  rcuwaitWake(cpu, sem + PercpuRwsem.writer)\n',
        '  Atomics.sub(heap, count, 1)\n',
      ),
    ],
  },
  {
    name: 'sequence-count-never-odd',
    guard: 'the count is odd while the writer is at work',
    race: 'R34',
    scenario: 'seqcount',
    patches: [
      patch(
        'sync/seqcount.ts',
        'const before = Atomics.add(cpu.heap, seqcount, 1)\n  bugOn((before & 1) !== 0',
        'const before = Atomics.add(cpu.heap, seqcount, 2)\n  bugOn((before & 1) !== 0',
      ),
      patch(
        'sync/seqcount.ts',
        'const before = Atomics.add(cpu.heap, seqcount, 1)\n  bugOn((before & 1) === 0',
        'const before = 1\n  bugOn((before & 1) === 0',
      ),
    ],
  },
  {
    name: 'sequence-count-not-compared',
    guard: 'the reader compares the count afterwards',
    race: 'R34',
    scenario: 'seqcount',
    patches: [
      patch(
        'sync/seqcount.ts',
        'return Atomics.load(cpu.heap, seqcount) !== start',
        'return Atomics.load(cpu.heap, seqcount) < start',
      ),
    ],
  },
  {
    name: 'no-grace-period',
    guard: 'callbacks run when every CPU was outside',
    race: 'R24',
    scenario: 'rcu-freed-vma',
    patches: [
      patch(
        rcu,
        'if (!isQuiescent(then, Atomics.load(cpu.heap, perCpuBase(cpu.heap, id)))) return false',
        '',
      ),
    ],
  },
  {
    name: 'no-wait-for-the-grace-period',
    guard: 'synchronize_rcu waits until every CPU was outside',
    race: 'R24',
    scenario: 'rcu',
    patches: [patch(rcu, 'if (isQuiescent(snapshot[id], now)) break', 'break')],
  },
  {
    name: 'waits-inside-for-a-grace-period',
    guard: 'who waits for a grace period is outside meanwhile',
    race: null,
    scenario: 'rcu',
    patches: [
      patch(rcu, '  kernelExit(cpu)\n  for', '  for'),
      patch(rcu, '  kernelEnter(cpu)\n  Atomics.store(cpu.heap, cpu.base + PerCpu.asleep, 0)\n}', '}'),
      patch(rcu, '  kernelEnter,\n  kernelExit,\n', ''),
    ],
  },
  {
    name: 'stays-not-told-apart',
    guard: 'a CPU that has left and come back has passed a quiescent state',
    race: null,
    scenario: 'rcu',
    redundant: 'the CPU that waits goes on when the other leaves for good; it waits longer',
    patches: [patch(rcu, ' || ((then ^ now) & -CPU_ENTRY) !== 0', '')],
  },
  {
    name: 'reference-count-not-atomic',
    guard: 'a reference is dropped in one operation, so that one CPU has dropped the last',
    race: null,
    scenario: 'refcount',
    patches: [
      patch(
        'sync/refcount.ts',
        'const before = Atomics.sub(cpu.heap, refcount, 1)',
        'const before = Atomics.load(cpu.heap, refcount)\n  Atomics.store(cpu.heap, refcount, before - 1)',
      ),
    ],
  },
  {
    name: 'barrier-misses-what-is-run',
    guard: 'rcu_barrier waits for callbacks that another CPU has taken off its list',
    race: null,
    scenario: 'rcu-barrier',
    patches: [patch('sync/rcu.ts', 'if (ready !== 0) Atomics.store(heap, base + PerCpu.rcuRunning, 1)', '')],
  },
  {
    name: 'barrier-misses-what-is-taken-over',
    guard: 'rcu_barrier waits for callbacks that another call of it has taken over',
    race: null,
    scenario: 'two-rcu-barriers',
    patches: [
      patch(
        'sync/rcu.ts',
        'const waited = waitForOthersCallbacks(cpu)',
        'const waited = false; if (!took) return',
      ),
    ],
  },
  {
    name: 'barrier-waits-inside',
    guard: 'who waits for callbacks of others is outside, as those may wait for a grace period',
    race: null,
    scenario: 'two-rcu-barriers',
    patches: [
      patch('sync/rcu.ts', '  let waited = false\n  leaveForHost(cpu)\n', '  let waited = false\n'),
      patch('sync/rcu.ts', '  returnFromHost(cpu)\n  return waited', '  return waited'),
    ],
  },
  {
    name: 'srcu-barrier-misses-what-is-run',
    guard: 'srcu_barrier waits for callbacks that another CPU has taken off the list',
    race: null,
    scenario: 'srcu-barrier',
    patches: [
      patch(
        'sync/srcu.ts',
        'if (!waiting && Atomics.load(cpu.heap, Header.srcu + Srcu.running) === 0) return',
        'if (!waiting) return',
      ),
    ],
  },
  {
    name: 'turns-not-compared',
    guard: 'a sequence count that has come round is not the one that it was',
    race: 'R3',
    scenario: 'sequence-wrap',
    patches: [patch('sync/seqcount.ts', ' || Atomics.load(cpu.heap, seqcount + 1) !== turns', '')],
  },
]
