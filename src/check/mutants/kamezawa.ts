// Mutants of Kamezawa's two designs.

import { type MutantTable, TWO_INTERRUPTS } from './mutant.ts'
import { at } from './patch.ts'

const version = 'designs/kamezawa-2009-version.ts'
const refcount = 'designs/kamezawa-2009-refcount.ts'
const writer = 'designs/vma-writer.ts'

export const kamezawaMutants: MutantTable = {
  'kamezawa-version-not-looked-at-first': {
    guard: 'a fault is tried only while nothing has changed since the thread last held the mmap lock',
    design: 'kamezawa-2009-version',
    scenario: 'fault-munmap',
    redundant: 'the version is read again after the VMA was copied; the first look saves the lookup',
    patches: at(version, 'speculativeFault').replace(
      'isCurrent(cpu, fault.mm) ? lookUpCache(cpu, fault) : 0',
      'lookUpCache(cpu, fault)',
    ),
  },
  'kamezawa-version-not-looked-at-after-the-copy': {
    guard: 'nothing that was read from a VMA is used before the version is read once more (I2)',
    race: 'R34',
    design: 'kamezawa-2009-version',
    scenario: 'split-merge-fault',
    redundant:
      'it is read again behind the page-table lock, and the tables stay while the fault is counted in a VMA',
    patches: at(version, 'handleVma').drop('!isCurrent(cpu, fault.mm)'),
  },
  'kamezawa-version-not-looked-at-behind-the-lock': {
    guard: 'the version is read once more when the page-table lock is held (I3)',
    design: 'kamezawa-2009-version',
    scenario: 'protect-whole',
    patches: at(version, 'pteMapLock').force('isCurrent(cpu, fault.mm)', true),
  },
  'kamezawa-version-still': {
    guard: 'the version moves when the mmap lock is taken for write',
    race: 'R10',
    design: 'kamezawa-2009-version',
    scenario: 'protect-whole',
    patches: at(version, 'mmapWriteLocked').remove(),
  },
  'kamezawa-version-still-at-the-end': {
    guard: 'and when it is given up',
    design: 'kamezawa-2009-version',
    scenario: 'protect-whole',
    redundant:
      'a thread remembers the version while it holds the mmap lock for reading, and so while no writer is at work; what a writer has changed, the first step has announced',
    patches: at(version, 'mmapWriteUnlocking').remove(),
  },
  'kamezawa-cache-not-cleared': {
    guard: 'no page table remembers a VMA that is taken away',
    design: 'kamezawa-2009-version',
    scenario: 'faults-after-munmap',
    patches: at(version, 'vmaWriteBegin').drop('this.forgetVma(cpu, vma, change)'),
  },
  'kamezawa-users-not-waited-for': {
    guard: 'who takes a VMA away waits until no fault uses it',
    design: 'kamezawa-2009-version',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      at(version, 'vmaWriteBegin').drop('rcuwaitUntil(...$)'),
      at(version, 'pteMapLock').before('const lock = fault.table + PageTable.ptl', TWO_INTERRUPTS),
    ],
  },
  'kamezawa-last-user-wakes-nobody': {
    guard: 'the last user of a VMA wakes who waits for it',
    race: 'R32',
    design: 'kamezawa-2009-version',
    scenario: 'fault-munmap-table',
    patches: at(version, 'putUser').replace(
      'if (Atomics.sub(cpu.heap, vma + Vma.refCount, 1) === 1) $',
      'Atomics.sub(cpu.heap, vma + Vma.refCount, 1)',
    ),
  },
  'kamezawa-vma-freed-at-once': {
    guard:
      'a VMA is freed after a grace period: a fault may have read where it is, and not yet counted itself',
    race: 'R24',
    design: 'kamezawa-2009-version',
    scenario: 'merged-away',
    patches: at(version, 'releaseVma').replace('releaseVmaRcu', 'releaseVmaNow'),
  },
  'kamezawa-reference-on-the-dead': {
    guard: 'nobody gets a reference on a VMA whose base reference is gone',
    design: 'kamezawa-2009-refcount',
    scenario: 'fault-munmap',
    patches: at(refcount, 'findVmaSpeculative').replace(
      'if (vma !== 0 && !refcountIncNotZero(...$)) $',
      'if (vma !== 0) Atomics.add(cpu.heap, vma + Vma.refCount, 1)',
    ),
  },
  'kamezawa-references-not-waited-for': {
    guard: 'who takes a VMA away sleeps until nobody has a reference',
    design: 'kamezawa-2009-refcount',
    scenario: 'fault-munmap',
    patches: at(refcount, 'begin').drop('rcuwaitUntil(...$)'),
  },
  'kamezawa-base-reference-kept': {
    guard: 'who takes a VMA away gives up the reference of the tree first',
    race: 'R32',
    design: 'kamezawa-2009-refcount',
    scenario: 'fault-munmap',
    patches: at(refcount, 'begin').drop('if (Atomics.load(cpu.heap, vma + Vma.refCount) !== 0) $'),
  },
  'kamezawa-wakes-one-too-early': {
    guard: 'the reference that leaves none wakes the unmapper',
    race: 'R32',
    design: 'kamezawa-2009-refcount',
    scenario: 'fault-munmap-table',
    patches: at(refcount, 'putVma').replace(
      'Atomics.sub(cpu.heap, vma + Vma.refCount, 1) === 1',
      'Atomics.sub(cpu.heap, vma + Vma.refCount, 1) === 2',
    ),
  },
  'kamezawa-change-unannounced': {
    guard: 'who moves borders or changes flags waits for the faults, too',
    race: 'R34',
    design: 'kamezawa-2009-refcount',
    scenario: 'protect-whole',
    patches: [
      at(writer, 'isWrite').force('change === VMA_PROTECT', false),
      at(writer, 'isWrite').force('change === VMA_ADJUST', false),
    ],
  },
  'kamezawa-no-bounds-check': {
    guard: 'the VMA has to contain the page: the lookup may end at the one behind it',
    design: 'kamezawa-2009-refcount',
    scenario: 'fault-munmap',
    patches: at(refcount, 'handleVma').drop('!copyContainsPage(fault)'),
  },
  'kamezawa-refcount-vma-freed-at-once': {
    guard: 'a VMA is freed after a grace period: a fault may be about to ask for a reference',
    race: 'R24',
    design: 'kamezawa-2009-refcount',
    scenario: 'rcu-freed-vma',
    patches: at(refcount, 'releaseVma').replace('releaseVmaRcu', 'releaseVmaNow'),
  },
}
