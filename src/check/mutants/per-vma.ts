// Mutants of the per-VMA locks of Linux.

import { type Mutant, patch } from './mutant.ts'

const lock = 'designs/per-vma-lock-2023.ts'
const count = 'designs/per-vma-refcount-2025.ts'

const anonVmaUnlocked = patch(
  'mm/merge.ts',
  '  cpu.design.vmaWriteBegin(cpu, vma, VMA_ADJUST)\n  if (source !== 0 && Atomics.load(heap, vma + Vma.anonVma) === 0) anonVmaClone(cpu, vma, source)\n',
  '  if (source !== 0 && Atomics.load(heap, vma + Vma.anonVma) === 0) anonVmaClone(cpu, vma, source)\n  cpu.design.vmaWriteBegin(cpu, vma, VMA_ADJUST)\n',
)

export const perVmaMutants: readonly Mutant[] = [
  {
    name: 'per-vma-lock-number-not-read-first',
    guard: 'a VMA that is locked for write is not locked for reading',
    race: null,
    design: 'per-vma-lock-2023',
    scenario: 'fault-munmap',
    redundant: 'the number is read again once the semaphore is held; the first look saves the semaphore',
    patches: [
      patch(lock, '  if (isWriteLocked(cpu, mm, vma)) return false\n  if (!downRead', '  if (!downRead'),
    ],
  },
  {
    name: 'per-vma-lock-number-not-read-again',
    guard: 'the number is read again once the semaphore is held',
    race: null,
    design: 'per-vma-lock-2023',
    scenario: 'fault-munmap',
    patches: [
      patch(
        lock,
        '  if (!isWriteLocked(cpu, mm, vma)) return true\n  upRead',
        '  if (cpu.id >= 0) return true\n  upRead',
      ),
    ],
  },
  {
    name: 'per-vma-lock-detached-used',
    guard: 'a VMA that has left the tree is not used: giving up the mmap lock has unlocked it',
    race: null,
    design: 'per-vma-lock-2023',
    scenario: 'merged-away',
    patches: [
      patch(
        lock,
        'if (copyContainsPage(fault) && Atomics.load(heap, vma + Vma.detached) === 0) {',
        'if (copyContainsPage(fault) && heap.length > 0) {',
      ),
    ],
  },
  {
    name: 'per-vma-lock-no-bounds-check',
    guard: 'the borders are read again once the VMA is locked',
    race: null,
    design: 'per-vma-lock-2023',
    scenario: 'border-moves',
    patches: [patch(lock, 'if (copyContainsPage(fault) && Atomics', 'if (Atomics')],
  },
  {
    name: 'per-vma-lock-writer-does-not-wait',
    guard: 'a writer waits until no fault is in the VMA',
    race: null,
    design: 'per-vma-lock-2023',
    scenario: 'fault-munmap',
    patches: [
      patch(lock, '  downWrite(cpu, vma + Vma.vmLock)\n', ''),
      patch(lock, '  upWrite(cpu, vma + Vma.vmLock)\n', ''),
    ],
  },
  {
    name: 'per-vma-lock-writer-leaves-no-number',
    guard: 'a writer leaves its number in the VMA, which turns faults away until the mmap lock is free',
    race: null,
    design: 'per-vma-lock-2023',
    scenario: 'fault-munmap',
    patches: [patch(lock, '  Atomics.store(heap, vma + Vma.vmLockSeq, mmLockSeq)\n', '')],
  },
  {
    name: 'per-vma-lock-never-unlocked',
    guard: 'giving up the mmap lock unlocks every VMA',
    race: null,
    design: 'per-vma-lock-2023',
    scenario: 'fault-munmap',
    redundant: 'a VMA that stays locked turns every fault away, to the classic path: slow, and right',
    patches: [patch(lock, '    Atomics.add(cpu.heap, mm + Mm.mmLockSeq, 1)\n', '')],
  },
  {
    name: 'per-vma-lock-vma-freed-at-once',
    guard: 'a VMA is freed after a grace period',
    race: 'R24',
    design: 'per-vma-lock-2023',
    scenario: 'merged-away',
    patches: [
      patch(lock, '    releaseVmaRcu(cpu, vma)', '    releaseVmaNow(cpu, vma)'),
      patch(lock, 'import { releaseVmaRcu }', 'import { releaseVmaNow }'),
    ],
  },
  {
    name: 'per-vma-lock-makes-an-anon-vma',
    guard: 'an anon_vma is not made under the lock of the VMA alone: its making reads the neighbours',
    race: 'R23',
    design: 'per-vma-lock-2023',
    scenario: 'anon-vma-munmap',
    patches: [
      patch(
        lock,
        'return Atomics.load(cpu.heap, vma + Vma.vmFile) === 0 && Atomics.load(cpu.heap, vma + Vma.anonVma) !== 0',
        'return Atomics.load(cpu.heap, vma + Vma.vmFile) === 0',
      ),
      patch(
        lock,
        'if (fault.anonVma !== 0 || cpu.config.PUBLISHED_FLAWS) return vma',
        'if (vma !== 0) return vma',
      ),
      patch(lock, '    return cpu.config.PUBLISHED_FLAWS\n', '    return true\n'),
    ],
  },
  {
    name: 'per-vma-refcount-number-not-read-first',
    guard: 'a VMA that is locked for write is not locked for reading',
    race: null,
    design: 'per-vma-refcount-2025',
    scenario: 'fault-munmap',
    redundant: 'the number is read again once the fault has its reference; the first look saves that',
    patches: [patch(count, '  if (isWriteLocked(cpu, mm, vma)) return REFUSED\n', '')],
  },
  {
    name: 'per-vma-refcount-number-not-read-again',
    guard: 'the number is read again once the fault has its reference',
    race: null,
    design: 'per-vma-refcount-2025',
    scenario: 'fault-munmap',
    patches: [
      patch(
        count,
        'if (Atomics.load(heap, vma + Vma.vmMm) === mm && !isWriteLocked(cpu, mm, vma)) return LOCKED',
        'if (Atomics.load(heap, vma + Vma.vmMm) === mm) return LOCKED',
      ),
    ],
  },
  {
    name: 'per-vma-refcount-another-mm',
    guard: "a VMA that was recycled may be another address space's",
    race: 'R25',
    design: 'per-vma-refcount-2025',
    scenario: 'recycled-vma',
    patches: [
      patch(
        count,
        'if (Atomics.load(heap, vma + Vma.vmMm) === mm && !isWriteLocked(cpu, mm, vma)) return LOCKED',
        'if (!isWriteLocked(cpu, mm, vma)) return LOCKED',
      ),
    ],
  },
  {
    name: 'per-vma-refcount-no-bounds-check',
    guard: 'the borders are read again once the VMA is locked',
    race: null,
    design: 'per-vma-refcount-2025',
    scenario: 'border-moves',
    patches: [
      patch(count, '    if (copyContainsPage(fault)) return vma\n', '    if (vma !== 0) return vma\n'),
    ],
  },
  {
    name: 'per-vma-refcount-dead-used',
    guard: 'nobody gets a reference on a VMA that is in no tree',
    race: null,
    design: 'per-vma-refcount-2025',
    scenario: 'recycled-vma',
    patches: [patch(count, '    if (count === 0) return DETACHED\n', '')],
  },
  {
    name: 'per-vma-refcount-writer-bit-ignored',
    guard: 'while a writer waits, no fault enters',
    race: null,
    design: 'per-vma-refcount-2025',
    scenario: 'fault-munmap',
    redundant:
      'the writer waits for a fault that enters as for one that was there; only a stream of them could starve it',
    patches: [patch(count, '    if (count > READERS_MAX) return REFUSED\n', '')],
  },
  {
    name: 'per-vma-refcount-writer-does-not-wait',
    guard: 'a writer waits until no fault is in the VMA',
    race: null,
    design: 'per-vma-refcount-2025',
    scenario: 'fault-munmap',
    patches: [
      patch(
        count,
        '  rcuwaitUntil(cpu, heap[vma + Vma.vmMm] + Mm.vmaWriterWait, vma + Vma.refCount, WRITER + 1)\n',
        '',
      ),
    ],
  },
  {
    name: 'per-vma-refcount-last-reader-wakes-nobody',
    guard: 'the last reader wakes the writer that waits',
    race: 'R32',
    design: 'per-vma-refcount-2025',
    scenario: 'fault-munmap',
    patches: [
      patch(
        count,
        '  if ((left & WRITER) !== 0 && left <= WRITER + 1) rcuwaitWake(cpu, mm + Mm.vmaWriterWait)',
        '  if (left < 0) rcuwaitWake(cpu, mm)',
      ),
    ],
  },
  {
    name: 'per-vma-refcount-detaching-does-not-wait',
    guard: 'a VMA leaves only when the last reference is given back, also one that was taken too late',
    race: null,
    design: 'per-vma-refcount-2025',
    scenario: 'recycled-vma',
    patches: [
      patch(
        count,
        '    if (Atomics.sub(cpu.heap, vma + Vma.refCount, 1) === 1) return\n    waitForReaders(cpu, vma, WRITER)',
        '    Atomics.sub(cpu.heap, vma + Vma.refCount, 1)',
      ),
    ],
  },
  {
    name: 'per-vma-refcount-writer-leaves-no-number',
    guard: 'a writer leaves its number in the VMA, which turns faults away until the mmap lock is free',
    race: null,
    design: 'per-vma-refcount-2025',
    scenario: 'fault-munmap',
    patches: [
      patch(count, '  Atomics.store(heap, vma + Vma.vmLockSeq, mmLockSeq)\n  Atomics.sub', '  Atomics.sub'),
    ],
  },
  {
    name: 'lock-number-believed',
    guard: 'a writer waits for the faults in a VMA, whatever its number says, as numbers come round',
    race: null,
    scenario: 'lock-number-wrap-late',
    design: 'per-vma-lock-2023',
    patches: [
      patch(
        lock,
        '  downWrite(cpu, vma + Vma.vmLock)\n',
        '  if (Atomics.load(heap, vma + Vma.vmLockSeq) === mmLockSeq) return\n  downWrite(cpu, vma + Vma.vmLock)\n',
      ),
    ],
  },
  {
    name: 'lock-number-believed-2025',
    guard: 'a writer waits for the faults in a VMA, whatever its number says, as numbers come round',
    race: null,
    scenario: 'lock-number-wrap',
    design: 'per-vma-refcount-2025',
    patches: [
      patch(
        count,
        '  if (change === VMA_LINK) {\n',
        '  if (Atomics.load(heap, vma + Vma.vmLockSeq) === mmLockSeq) return\n  if (change === VMA_LINK) {\n',
      ),
    ],
  },
  {
    name: 'anon-vma-before-the-lock',
    guard: 'a VMA is locked for writing before it takes over an anon_vma',
    race: 'R23',
    scenario: 'merged-anon-vma',
    design: 'per-vma-lock-2023',
    patches: [anonVmaUnlocked],
  },
  {
    name: 'anon-vma-before-the-write',
    guard: 'the same where a sequence count says that a VMA is being written',
    race: 'R23',
    scenario: 'merged-anon-vma',
    design: 'dufour-2019',
    patches: [anonVmaUnlocked],
  },
]
