// Mutants of hazard-vma.

import type { MutantTable } from './mutant.ts'
import { at } from './patch.ts'

const design = 'hazard-vma'
const file = 'designs/hazard-vma.ts'

export const hazardVmaMutants: MutantTable = {
  'hazard-writer-does-not-wait': {
    guard: 'a writer waits until no CPU uses the VMA',
    design,
    scenario: 'fault-munmap',
    patches: at(file, 'vmaStartWrite').drop('waitForUsers(...$)'),
  },
  'hazard-writer-looks-before-its-number': {
    guard: 'a writer stores its number before it looks at the words of the CPUs',
    design,
    scenario: 'fault-munmap',
    patches: at(file, 'vmaStartWrite').swap('setLockNumber(cpu, vma)', 'waitForUsers(...$)'),
  },
  'hazard-writer-leaves-no-number': {
    guard: 'a writer stores its number in the VMA, which keeps faults out until the mmap lock is released',
    design,
    scenario: 'fault-munmap',
    patches: at(file, 'vmaStartWrite').drop('setLockNumber(cpu, vma)'),
  },
  'hazard-number-read-first': {
    guard: 'a fault reads the number of the VMA after it has stored its word',
    design,
    scenario: 'fault-munmap',
    patches: at(file, 'findAndUse').swap(
      'Atomics.store(heap, cpu.base + PerCpu.vmaInUse, vma)',
      'const locked = isWriteLocked(cpu, mm, vma)',
    ),
  },
  'hazard-number-ignored': {
    guard: 'a fault does not use a VMA that is locked for writing',
    design,
    scenario: 'fault-munmap',
    patches: at(file, 'findAndUse').replace('isWriteLocked(cpu, mm, vma)', 'false'),
  },
  'hazard-detached-used': {
    guard: 'a VMA that has left the tree is not used: releasing the mmap lock has unlocked it',
    design,
    scenario: 'merged-away',
    patches: at(file, 'findAndUse').drop('Atomics.load(heap, vma + Vma.detached) === 0'),
  },
  'hazard-no-bounds-check': {
    guard: 'the fault checks the borders again once it uses the VMA',
    design,
    scenario: 'border-moves',
    patches: at(file, 'lockVma').force('copyContainsPage(fault)', true),
  },
  'hazard-vma-freed-at-once': {
    guard: 'a VMA is freed after a grace period',
    race: 'R24',
    design,
    scenario: 'merged-away',
    patches: at(file, 'releaseVma').replace('releaseVmaRcu', 'releaseVmaNow'),
  },
  'hazard-one-cpu-only': {
    guard: 'a writer looks at the words of all CPUs that use the address space',
    design,
    scenario: 'joining-cpu',
    patches: at(file, 'waitForUsers').replace('bits &= bits - 1', 'bits = 0'),
  },
  'hazard-word-kept': {
    guard: 'a fault that has finished uses its VMA no longer',
    design,
    scenario: 'fault-munmap',
    patches: at(file, 'vmaEndRead').drop('Atomics.store(cpu.heap, cpu.base + PerCpu.vmaInUse, 0)'),
  },
  'hazard-wakes-nobody': {
    guard: 'a fault that has finished wakes the writer that waits',
    race: 'R32',
    design,
    scenario: 'fault-munmap',
    patches: at(file, 'vmaEndRead').drop('rcuwaitWake(...$)'),
  },
  'hazard-wakes-too-early': {
    guard: 'a fault clears its word before it wakes the writer, who looks at the word again',
    race: 'R32',
    design,
    scenario: 'fault-munmap',
    patches: at(file, 'vmaEndRead').swap(
      'Atomics.store(cpu.heap, cpu.base + PerCpu.vmaInUse, 0)',
      'rcuwaitWake(...$)',
    ),
  },
  'hazard-number-believed': {
    guard: 'a writer waits for the CPUs that use a VMA, whatever its number says, since numbers wrap',
    design,
    scenario: 'lock-number-wrap-late',
    patches: at(file, 'vmaStartWrite').before(
      'setLockNumber(cpu, vma)',
      'if (isWriteLocked(cpu, cpu.heap[vma + Vma.vmMm], vma)) return',
    ),
  },
}
