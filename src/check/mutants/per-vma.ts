// Mutants of the per-VMA locks of Linux.

import type { MutantTable } from './mutant.ts'
import { at } from './patch.ts'

const lock = 'designs/per-vma-lock-2023.ts'
const count = 'designs/per-vma-refcount-2025.ts'

const anonVmaUnlocked = at('vma/merge.ts', 'setBorders').swap(
  'cpu.design.vmaWriteBegin(cpu, vma, VMA_ADJUST)',
  'if (source !== 0 && Atomics.load(...$) === 0) $',
)

export const perVmaMutants: MutantTable = {
  'per-vma-lock-number-not-read-first': {
    guard: 'a fault does not lock a write-locked VMA',
    design: 'per-vma-lock-2023',
    scenario: 'fault-munmap',
    redundant:
      'the fault checks the number again once it holds the semaphore; the first check saves taking it',
    patches: at(lock, 'vmaStartRead').drop('if (isWriteLocked(cpu, mm, vma)) $'),
  },
  'per-vma-lock-number-not-read-again': {
    guard: 'the fault checks the number again once it holds the semaphore',
    design: 'per-vma-lock-2023',
    scenario: 'fault-munmap',
    patches: at(lock, 'vmaStartRead').force('!isWriteLocked(cpu, mm, vma)', true),
  },
  'per-vma-lock-detached-used': {
    guard: 'a VMA that has left the tree is not used: releasing the mmap lock has unlocked it',
    design: 'per-vma-lock-2023',
    scenario: 'merged-away',
    patches: at(lock, 'lockVmaUnderRcu').drop('Atomics.load(heap, vma + Vma.detached) === 0'),
  },
  'per-vma-lock-no-bounds-check': {
    guard: 'the fault checks the borders again once the VMA is locked',
    design: 'per-vma-lock-2023',
    scenario: 'border-moves',
    patches: at(lock, 'lockVmaUnderRcu').replace(
      'copyContainsPage(fault) && $',
      'Atomics.load(heap, vma + Vma.detached) === 0',
    ),
  },
  'per-vma-lock-writer-does-not-wait': {
    guard: 'a writer waits until no fault is in the VMA',
    design: 'per-vma-lock-2023',
    scenario: 'fault-munmap',
    patches: [
      at(lock, 'vmaStartWrite').drop('downWrite(cpu, vma + Vma.vmLock)'),
      at(lock, 'vmaStartWrite').drop('upWrite(cpu, vma + Vma.vmLock)'),
    ],
  },
  'per-vma-lock-writer-leaves-no-number': {
    guard: 'a writer stores its number in the VMA, which keeps faults out until the mmap lock is released',
    design: 'per-vma-lock-2023',
    scenario: 'fault-munmap',
    patches: at(lock, 'vmaStartWrite').drop('Atomics.store(heap, vma + Vma.vmLockSeq, mmLockSeq)'),
  },
  'per-vma-lock-never-unlocked': {
    guard: 'releasing the mmap lock unlocks every VMA',
    design: 'per-vma-lock-2023',
    scenario: 'fault-munmap',
    redundant: 'a VMA that stays locked sends every fault to the classic path: slow, but correct',
    patches: at('designs/per-vma.ts', 'mmapWriteUnlocking').drop(
      'Atomics.add(cpu.heap, mm + Mm.mmLockSeq, 1)',
    ),
  },
  'per-vma-lock-vma-freed-at-once': {
    guard: 'a VMA is freed after a grace period',
    race: 'R24',
    design: 'per-vma-lock-2023',
    scenario: 'merged-away',
    patches: at(lock, 'releaseVma').replace('releaseVmaRcu', 'releaseVmaNow'),
  },
  'per-vma-lock-makes-an-anon-vma': {
    guard: 'an anon_vma is not created under the lock of the VMA alone: this reads the neighbours',
    race: 'R23',
    design: 'per-vma-lock-2023',
    scenario: 'anon-vma-munmap',
    patches: [
      at(lock, 'keeps').force('fault.anonVma !== 0', true),
      at('fault/design.ts', 'preparesAnonVma').force('false', true),
      at(lock, 'isEligible').drop('Atomics.load(cpu.heap, vma + Vma.anonVma) !== 0'),
    ],
  },
  'per-vma-refcount-number-not-read-first': {
    guard: 'a fault does not lock a write-locked VMA',
    design: 'per-vma-refcount-2025',
    scenario: 'fault-munmap',
    patches: at(count, 'vmaStartRead').drop('if (isWriteLocked(cpu, mm, vma)) $'),
  },
  'per-vma-refcount-number-not-read-again': {
    guard: 'the fault checks the number again once it has its reference',
    design: 'per-vma-refcount-2025',
    scenario: 'fault-munmap',
    patches: at(count, 'vmaStartRead').drop('!isWriteLocked(cpu, mm, vma)'),
  },
  'per-vma-refcount-another-mm': {
    guard: 'a recycled VMA may belong to another address space',
    race: 'R25',
    design: 'per-vma-refcount-2025',
    scenario: 'recycled-vma',
    patches: at(count, 'vmaStartRead').drop('Atomics.load(heap, vma + Vma.vmMm) === mm'),
  },
  'per-vma-refcount-no-bounds-check': {
    guard: 'the fault checks the borders again once the VMA is locked',
    design: 'per-vma-refcount-2025',
    scenario: 'border-moves',
    patches: at(count, 'lockVmaUnderRcu').force(
      'heap[vma + Vma.vmStart] <= page && page < heap[vma + Vma.vmEnd]',
      true,
    ),
  },
  'per-vma-refcount-dead-used': {
    guard: 'no fault gets a reference on a VMA that is in no tree',
    design: 'per-vma-refcount-2025',
    scenario: 'recycled-vma',
    patches: at(count, 'vmaStartRead').drop('if (count === 0) $'),
  },
  'per-vma-refcount-writer-bit-ignored': {
    guard: 'while a writer waits, no fault enters',
    design: 'per-vma-refcount-2025',
    scenario: 'fault-munmap',
    patches: at(count, 'vmaStartRead').drop('if (count > READERS_MAX) $'),
  },
  'per-vma-refcount-writer-does-not-wait': {
    guard: 'a writer waits until no fault is in the VMA',
    design: 'per-vma-refcount-2025',
    scenario: 'fault-munmap',
    patches: at(count, 'vmaStartWrite').drop('rcuwaitUntil(...$)'),
  },
  'per-vma-refcount-last-reader-wakes-nobody': {
    guard: 'the last reader wakes the waiting writer',
    race: 'R32',
    design: 'per-vma-refcount-2025',
    scenario: 'fault-munmap',
    patches: at(count, 'vmaEndRead').drop('if ((left & WRITER) !== 0 && $) $'),
  },
  'per-vma-refcount-detaching-does-not-wait': {
    guard: 'a VMA leaves only when the last reference is dropped, even one that was taken too late',
    design: 'per-vma-refcount-2025',
    scenario: 'recycled-vma',
    patches: at(count, 'vmaUnlinked').replace(
      'if (Atomics.sub(...$) === 1) return; waitForReaders(...$)',
      'Atomics.sub(cpu.heap, vma + Vma.refCount, 1)',
    ),
  },
  'per-vma-refcount-writer-leaves-no-number': {
    guard: 'a writer stores its number in the VMA, which keeps faults out until the mmap lock is released',
    design: 'per-vma-refcount-2025',
    scenario: 'fault-munmap',
    patches: at(count, 'vmaStartWrite').drop('setLockNumber(cpu, vma)'),
  },
  'anon-vma-waits-for-the-mmap-lock': {
    guard:
      'a fault that holds the lock of a VMA only tries the mmap lock: a writer may hold it and wait for the fault',
    design: 'per-vma-refcount-2025',
    scenario: 'first-write-mprotect',
    patches: at('fault/hold.ts', 'prepareWithVmaLock').replace(
      'if (!mmapReadTryLock(cpu, fault.mm)) return VM_FAULT_RETRY',
      'mmapReadLock(cpu, fault.mm)',
    ),
  },
  'anon-vma-without-the-mmap-lock': {
    guard: 'an anon_vma is created with the mmap lock, even if the fault holds the lock of the VMA',
    race: 'R23',
    design: 'per-vma-refcount-2025',
    scenario: 'anon-vma-munmap',
    patches: [
      at('fault/hold.ts', 'prepareWithVmaLock').drop(
        'if (!mmapReadTryLock(cpu, fault.mm)) return VM_FAULT_RETRY',
      ),
      at('fault/hold.ts', 'prepareWithVmaLock').drop('mmapReadUnlock(cpu, fault.mm)'),
    ],
  },
  'tried-fault-lets-go-again': {
    guard:
      'a fault that has released the lock of its VMA and brought its page in keeps the mmap lock (FAULT_FLAG_TRIED)',
    design: 'per-vma-refcount-2025',
    scenario: 'swap-in-munmap',
    redundant: 'starting again is correct but slow; test/kernel/tried-fault.test.ts counts how often',
    patches: at('fault/fault.ts', 'handleUserFault').force('(result & VM_FAULT_MAJOR) !== 0', false),
  },
  'vma-lock-given-up-twice': {
    guard: 'a fault that has waited for a page no longer holds its VMA',
    design: 'per-vma-refcount-2025',
    scenario: 'swap-in-munmap',
    patches: at('designs/per-vma.ts', 'speculativeFault').force('(result & VM_FAULT_DROPPED) === 0', true),
  },
  'vma-unlocked-before-the-advice': {
    guard: 'MADV_DONTNEED holds the lock of the VMA until the pages are gone',
    design: 'per-vma-refcount-2025',
    scenario: 'discard-munmap-table',
    patches: at('calls/madvise.ts', 'madviseLocked').replace(
      'const result = advisePages(...$); cpu.design.vmaEndRead(cpu, vma)',
      'cpu.design.vmaEndRead(cpu, vma); const result = advisePages(cpu, mm, vma, start, end, advice)',
    ),
  },
  'vma-not-unlocked-after-the-advice': {
    guard: 'MADV_DONTNEED releases the lock of the VMA',
    design: 'per-vma-refcount-2025',
    scenario: 'dontneed-munmap',
    patches: at('calls/madvise.ts', 'madviseLocked').drop('cpu.design.vmaEndRead(cpu, vma)'),
  },
  'advice-beyond-the-locked-vma': {
    guard: 'MADV_DONTNEED of more than one VMA takes the mmap lock',
    design: 'per-vma-refcount-2025',
    scenario: 'discard-two-vmas',
    patches: at('calls/madvise.ts', 'tryVmaReadLock').force('end <= cpu.heap[vma + Vma.vmEnd]', true),
  },
  'mapping-before-a-gap-locked': {
    guard: 'a lookup in a gap locks nothing: the mapping in front of it is not the right one',
    design: 'per-vma-refcount-2025',
    scenario: 'discard-gap',
    redundant:
      'the borders are checked again once the VMA is locked: this would only keep a writer waiting needlessly',
    patches: at('vma/range-tree.ts', 'findInLeafRcu').force(
      'Atomics.load(heap, vma + Vma.vmEnd) > page',
      true,
    ),
  },
  'lock-number-believed': {
    guard: 'a writer waits for the faults in a VMA, whatever its number says, since numbers wrap',
    design: 'per-vma-lock-2023',
    scenario: 'lock-number-wrap-late',
    patches: at(lock, 'vmaStartWrite').before(
      'downWrite(cpu, vma + Vma.vmLock)',
      'if (Atomics.load(heap, vma + Vma.vmLockSeq) === mmLockSeq) return',
    ),
  },
  'lock-number-believed-2025': {
    guard: 'a writer waits for the faults in a VMA, whatever its number says, since numbers wrap',
    design: 'per-vma-refcount-2025',
    scenario: 'lock-number-wrap',
    patches: at(count, 'vmaStartWrite').before(
      'Atomics.add(heap, vma + Vma.refCount, WRITER)',
      'if (isWriteLocked(cpu, heap[vma + Vma.vmMm], vma)) return',
    ),
  },
  'anon-vma-before-the-lock': {
    guard: 'a VMA is locked for writing before it takes over an anon_vma',
    race: 'R23',
    design: 'per-vma-lock-2023',
    scenario: 'merged-anon-vma',
    patches: anonVmaUnlocked,
  },
  'anon-vma-before-the-write': {
    guard: 'the same with a sequence count that marks a VMA as being written',
    race: 'R23',
    design: 'dufour-2019',
    scenario: 'merged-anon-vma',
    patches: anonVmaUnlocked,
  },
}
