// Mutants of Kamezawa's two designs.

import { type MutantTable, TWO_INTERRUPTS } from './mutant.ts'
import { at } from './patch.ts'

const version = 'designs/kamezawa-2009-version.ts'
const refcount = 'designs/kamezawa-2009-refcount.ts'
const writer = 'designs/vma-writer.ts'

export const kamezawaMutants: MutantTable = {
  'kamezawa-version-not-looked-at-first': {
    guard: 'a thread speculates only if nothing has changed since it last held the mmap lock',
    design: 'kamezawa-2009-version',
    scenario: 'fault-munmap',
    redundant:
      'the fault checks the version again after it has copied the VMA; the first check saves the lookup',
    patches: at(version, 'speculativeFault').replace(
      'isCurrent(cpu, fault.mm) ? lookUpCache(cpu, fault) : 0',
      'lookUpCache(cpu, fault)',
    ),
  },
  'kamezawa-version-not-looked-at-after-the-copy': {
    guard: 'a fault uses nothing that it has read from a VMA before it has checked the version again (I2)',
    race: 'R34',
    design: 'kamezawa-2009-version',
    scenario: 'split-merge-fault',
    redundant:
      'the fault checks it again after it has taken the page-table lock, and the tables stay while the fault is counted in a VMA',
    patches: at(version, 'handleVma').drop('!isCurrent(cpu, fault.mm)'),
  },
  'kamezawa-version-not-looked-at-behind-the-lock': {
    guard: 'the fault checks the version again when it holds the page-table lock (I3)',
    design: 'kamezawa-2009-version',
    scenario: 'protect-whole',
    patches: at(version, 'pteMapLock').force('isCurrent(cpu, fault.mm)', true),
  },
  'kamezawa-version-still': {
    guard: 'the version changes when the mmap lock is taken for writing',
    race: 'R10',
    design: 'kamezawa-2009-version',
    scenario: 'protect-whole',
    patches: at(version, 'mmapWriteLocked').remove(),
  },
  'kamezawa-version-still-at-the-end': {
    guard: 'and when it is released',
    design: 'kamezawa-2009-version',
    scenario: 'protect-whole',
    redundant:
      'a thread remembers the version while it holds the mmap lock for reading, and so while no writer is active; the first change announces the writer',
    patches: at(version, 'mmapWriteUnlocking').remove(),
  },
  'kamezawa-cache-not-cleared': {
    guard: 'no page table refers to a removed VMA',
    design: 'kamezawa-2009-version',
    scenario: 'faults-after-munmap',
    patches: at(version, 'vmaWriteBegin').drop('this.forgetVma(cpu, vma, change)'),
  },
  'kamezawa-users-not-waited-for': {
    guard: 'removing a VMA waits until no fault uses it',
    design: 'kamezawa-2009-version',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      at(version, 'vmaWriteBegin').drop('rcuwaitUntil(...$)'),
      at(version, 'pteMapLock').before('const lock = fault.table + PageTable.ptl', TWO_INTERRUPTS),
    ],
  },
  'kamezawa-last-user-wakes-nobody': {
    guard: 'the last user of a VMA wakes the waiter',
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
      'a VMA is freed after a grace period: a fault may have read its address, and not yet counted itself',
    race: 'R24',
    design: 'kamezawa-2009-version',
    scenario: 'merged-away',
    patches: at(version, 'releaseVma').replace('releaseVmaRcu', 'releaseVmaNow'),
  },
  'kamezawa-reference-on-the-dead': {
    guard: 'no fault gets a reference on a VMA whose base reference is gone',
    design: 'kamezawa-2009-refcount',
    scenario: 'fault-munmap',
    patches: at(refcount, 'findVmaSpeculative').replace(
      'if (vma !== 0 && !refcountIncNotZero(...$)) $',
      'if (vma !== 0) Atomics.add(cpu.heap, vma + Vma.refCount, 1)',
    ),
  },
  'kamezawa-references-not-waited-for': {
    guard: 'removing a VMA sleeps until nobody has a reference',
    design: 'kamezawa-2009-refcount',
    scenario: 'fault-munmap',
    patches: at(refcount, 'begin').drop('rcuwaitUntil(...$)'),
  },
  'kamezawa-base-reference-kept': {
    guard: 'removing a VMA first drops the reference of the tree',
    race: 'R32',
    design: 'kamezawa-2009-refcount',
    scenario: 'fault-munmap',
    patches: at(refcount, 'begin').drop('if (Atomics.load(cpu.heap, vma + Vma.refCount) !== 0) $'),
  },
  'kamezawa-wakes-one-too-early': {
    guard: 'dropping the last reference wakes the unmapper',
    race: 'R32',
    design: 'kamezawa-2009-refcount',
    scenario: 'fault-munmap-table',
    patches: at(refcount, 'putVma').replace(
      'Atomics.sub(cpu.heap, vma + Vma.refCount, 1) === 1',
      'Atomics.sub(cpu.heap, vma + Vma.refCount, 1) === 2',
    ),
  },
  'kamezawa-change-unannounced': {
    guard: 'a call that moves borders or changes flags also waits for the faults',
    race: 'R34',
    design: 'kamezawa-2009-refcount',
    scenario: 'protect-whole',
    patches: [
      at(writer, 'isWrite').force('change === VMA_PROTECT', false),
      at(writer, 'isWrite').force('change === VMA_ADJUST', false),
    ],
  },
  'kamezawa-no-bounds-check': {
    guard: 'the VMA must contain the page: the lookup may end at the next VMA',
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
