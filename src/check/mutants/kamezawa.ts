// Mutants of Kamezawa's two designs.

import { type Mutant, patch } from './mutant.ts'

const version = 'designs/kamezawa-2009-version.ts'
const refcount = 'designs/kamezawa-2009-refcount.ts'

/** Interrupts arrive before the commit, as they may on hardware: for the flush, and before tables are freed. */
const interrupted: Mutant['patches'] = [
  patch(
    version,
    'import { disableInterrupts, enableInterrupts }',
    'import { disableInterrupts, enableInterrupts, pollInterrupts }',
  ),
  patch(
    version,
    'pteMapLock(cpu: Task, fault: FaultContext): boolean {\n',
    'pteMapLock(cpu: Task, fault: FaultContext): boolean {\n    pollInterrupts(cpu)\n    pollInterrupts(cpu)\n',
  ),
]

export const kamezawaMutants: readonly Mutant[] = [
  {
    name: 'kamezawa-version-not-looked-at-first',
    guard: 'a fault is tried only while nothing has changed since the thread last held the mmap lock',
    race: null,
    design: 'kamezawa-2009-version',
    scenario: 'fault-munmap',
    redundant: 'the version is read again after the VMA was copied; the first look saves the lookup',
    patches: [
      patch(version, 'isCurrent(cpu, fault.mm) ? lookUpCache(cpu, fault) : 0', 'lookUpCache(cpu, fault)'),
    ],
  },
  {
    name: 'kamezawa-version-not-looked-at-after-the-copy',
    guard: 'nothing that was read from a VMA is used before the version is read once more (I2)',
    race: 'R34',
    design: 'kamezawa-2009-version',
    scenario: 'split-merge-fault',
    redundant:
      'it is read again behind the page-table lock, and the tables stay while the fault is counted in a VMA',
    patches: [patch(version, '  if (!isCurrent(cpu, fault.mm)) return VM_FAULT_RETRY\n', '')],
  },
  {
    name: 'kamezawa-version-not-looked-at-behind-the-lock',
    guard: 'the version is read once more when the page-table lock is held (I3)',
    race: null,
    design: 'kamezawa-2009-version',
    scenario: 'protect-whole',
    patches: [
      patch(version, '    if (isCurrent(cpu, fault.mm)) return true\n', '    if (cpu.id >= 0) return true\n'),
    ],
  },
  {
    name: 'kamezawa-version-still',
    guard: 'the version moves when the mmap lock is taken for write',
    race: 'R10',
    design: 'kamezawa-2009-version',
    scenario: 'protect-whole',
    patches: [
      patch(
        version,
        '  override mmapWriteLocked(cpu: Task, mm: number): void {\n    moveVersion(cpu, mm)\n  }',
        '',
      ),
    ],
  },
  {
    name: 'kamezawa-version-still-at-the-end',
    guard: 'and when it is given up',
    race: null,
    design: 'kamezawa-2009-version',
    scenario: 'protect-whole',
    redundant:
      'a thread remembers the version while it holds the mmap lock for reading, and so while no writer is at work; what a writer has changed, the first step has announced',
    patches: [
      patch(
        version,
        '  override mmapWriteUnlocking(cpu: Task, mm: number): void {\n    moveVersion(cpu, mm)\n  }',
        '',
      ),
    ],
  },
  {
    name: 'kamezawa-cache-not-cleared',
    guard: 'no page table remembers a VMA that is taken away',
    race: null,
    design: 'kamezawa-2009-version',
    scenario: 'faults-after-munmap',
    patches: [patch(version, '    forgetVma(cpu, vma)\n', '')],
  },
  {
    name: 'kamezawa-users-not-waited-for',
    guard: 'who takes a VMA away waits until no fault uses it',
    race: null,
    design: 'kamezawa-2009-version',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      ...interrupted,
      patch(version, '    rcuwaitUntil(cpu, vma + Vma.waiter, vma + Vma.refCount, 0)\n', ''),
    ],
  },
  {
    name: 'kamezawa-last-user-wakes-nobody',
    guard: 'the last user of a VMA wakes who waits for it',
    race: 'R32',
    design: 'kamezawa-2009-version',
    scenario: 'fault-munmap-table',
    patches: [
      patch(
        version,
        '  if (Atomics.sub(cpu.heap, vma + Vma.refCount, 1) === 1) rcuwaitWake(cpu, vma + Vma.waiter)',
        '  Atomics.sub(cpu.heap, vma + Vma.refCount, 1)',
      ),
    ],
  },
  {
    name: 'kamezawa-vma-freed-at-once',
    guard:
      'a VMA is freed after a grace period: a fault may have read where it is, and not yet counted itself',
    race: 'R24',
    design: 'kamezawa-2009-version',
    scenario: 'merged-away',
    patches: [
      patch(
        version,
        '    if (cpu.config.PUBLISHED_FLAWS) releaseVmaNow(cpu, vma)',
        '    if (cpu.id >= 0) releaseVmaNow(cpu, vma)',
      ),
    ],
  },
  {
    name: 'kamezawa-reference-on-the-dead',
    guard: 'nobody gets a reference on a VMA whose base reference is gone',
    race: null,
    design: 'kamezawa-2009-refcount',
    scenario: 'fault-munmap',
    patches: [
      patch(
        refcount,
        'if (vma !== 0 && !refcountIncNotZero(cpu, vma + Vma.refCount)) vma = 0',
        'if (vma !== 0) Atomics.add(cpu.heap, vma + Vma.refCount, 1)',
      ),
    ],
  },
  {
    name: 'kamezawa-references-not-waited-for',
    guard: 'who takes a VMA away sleeps until nobody has a reference',
    race: null,
    design: 'kamezawa-2009-refcount',
    scenario: 'fault-munmap',
    patches: [patch(refcount, '    rcuwaitUntil(cpu, vma + Vma.waiter, vma + Vma.refCount, 0)\n', '')],
  },
  {
    name: 'kamezawa-base-reference-kept',
    guard: 'who takes a VMA away gives up the reference of the tree first',
    race: 'R32',
    design: 'kamezawa-2009-refcount',
    scenario: 'fault-munmap',
    patches: [
      patch(
        refcount,
        'if (Atomics.load(cpu.heap, vma + Vma.refCount) !== 0) Atomics.sub(cpu.heap, vma + Vma.refCount, 1)\n',
        '',
      ),
    ],
  },
  {
    name: 'kamezawa-wakes-one-too-early',
    guard: 'the reference that leaves none wakes the unmapper',
    race: 'R32',
    design: 'kamezawa-2009-refcount',
    scenario: 'fault-munmap-table',
    patches: [
      patch(
        refcount,
        'if (left === (cpu.config.PUBLISHED_FLAWS ? 1 : 0)) rcuwaitWake',
        'if (left === 1) rcuwaitWake',
      ),
    ],
  },
  {
    name: 'kamezawa-change-unannounced',
    guard: 'who moves borders or changes flags waits for the faults, too',
    race: 'R34',
    design: 'kamezawa-2009-refcount',
    scenario: 'protect-whole',
    patches: [
      patch(
        refcount,
        'return !cpu.config.PUBLISHED_FLAWS && super.isWrite(cpu, change)',
        'return cpu.config.PUBLISHED_FLAWS && super.isWrite(cpu, change)',
      ),
    ],
  },
  {
    name: 'kamezawa-no-bounds-check',
    guard: 'the VMA has to contain the page: the lookup may end at the one behind it',
    race: null,
    design: 'kamezawa-2009-refcount',
    scenario: 'fault-munmap',
    patches: [patch(refcount, 'if (!copyContainsPage(fault) || accessError', 'if (accessError')],
  },
  {
    name: 'kamezawa-refcount-vma-freed-at-once',
    guard: 'a VMA is freed after a grace period: a fault may be about to ask for a reference',
    race: 'R24',
    design: 'kamezawa-2009-refcount',
    scenario: 'rcu-freed-vma',
    patches: [
      patch(refcount, '    releaseVmaRcu(cpu, vma)', '    releaseVmaNow(cpu, vma)'),
      patch(refcount, 'import { releaseVmaRcu }', 'import { releaseVmaNow }'),
    ],
  },
]
