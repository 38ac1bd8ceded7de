// Mutants of leaf slots.

import { type MutantTable, TWO_INTERRUPTS } from './mutant.ts'
import { at } from './patch.ts'

const anonVma = 'vma/anon-vma.ts'
const design = 'leaf-slots'
const file = 'designs/leaf-slots.ts'
const fileFault = 'fault/file-fault.ts'
const slots = 'tables/leaf-slots.ts'

export const leafSlotMutants: MutantTable = {
  'leaf-munmap-closes-nothing': {
    guard: 'munmap closes the slots before it removes pages',
    race: 'R10',
    design,
    scenario: 'fault-munmap',
    patches: at('calls/mmap.ts', 'munmapLocked').drop('cpu.design.rangeChanging(cpu, mm, start, end)'),
  },
  'leaf-munmap-closes-late': {
    guard: 'munmap closes the slots before it downgrades the mmap lock',
    design,
    scenario: 'hole-seen',
    patches: at('calls/mmap.ts', 'munmapLocked').swap(
      'cpu.design.rangeChanging(cpu, mm, start, end)',
      'if (downgrades) mmapWriteDowngrade(cpu, mm)',
    ),
  },
  'leaf-munmap-closes-before-it-marks': {
    guard: 'munmap closes the slots after the VMAs have left the tree: otherwise one is refilled',
    design,
    scenario: 'fault-munmap',
    patches: [
      at('calls/mmap.ts', 'munmapLocked').drop('cpu.design.rangeChanging(cpu, mm, start, end)'),
      at('calls/mmap.ts', 'munmapLocked').before(
        'const detached = detachVmas(cpu, mm, start, end)',
        'cpu.design.rangeChanging(cpu, mm, start, end)',
      ),
    ],
  },
  'leaf-mprotect-closes-nothing': {
    guard: 'mprotect closes the slots before it changes the entries',
    race: 'R10',
    design,
    scenario: 'fault-mprotect',
    patches: at('calls/mprotect.ts', 'mprotectFixup').drop('cpu.design.rangeChanging(cpu, mm, start, end)'),
  },
  'leaf-mprotect-closes-before-it-marks': {
    guard: 'mprotect closes the slots when the VMA is marked: otherwise one is refilled with its old flags',
    design,
    scenario: 'protect-refill',
    patches: at('calls/mprotect.ts', 'mprotectFixup').swap(
      'cpu.design.rangeChanging(cpu, mm, start, end)',
      'cpu.design.vmaWriteBegin(cpu, target, VMA_PROTECT)',
    ),
  },
  'leaf-mlock-closes-nothing': {
    guard: 'mlock closes the slots before it marks the entries',
    race: 'R10',
    design,
    scenario: 'fault-mlock',
    patches: at('calls/mlock.ts', 'mlockFixup').drop('cpu.design.rangeChanging(cpu, mm, start, end)'),
  },
  'leaf-mremap-closes-nothing': {
    guard: 'mremap closes the slots at the old address before entries move',
    race: 'R10',
    design,
    scenario: 'mremap-source',
    patches: at('calls/mremap.ts', 'moveVmaLocked').drop(
      'cpu.design.rangeChanging(cpu, mm, from, from + oldPages)',
    ),
  },
  'leaf-fork-closes-nothing': {
    guard: 'fork closes the slots before it write-protects',
    race: 'R1',
    design,
    scenario: 'two-writes-fork',
    patches: at(file, 'forkBegin').drop('closeRange(...$)'),
  },
  'leaf-fork-marks-nothing': {
    guard: 'fork marks the VMA until the flush: otherwise a slot is refilled',
    race: 'R1',
    design,
    scenario: 'two-writes-fork',
    patches: at(file, 'forkBegin').drop('super.forkBegin(cpu, vma)'),
  },
  'leaf-commit-without-slot': {
    guard: 'a fault checks with the table locked that the slot has not changed',
    design,
    scenario: 'fault-munmap',
    patches: at(file, '#lockTable').force('slotHolds(cpu, fault)', true),
  },
  'leaf-fill-without-mark': {
    guard: 'a slot is filled only if, with the table locked, the VMA is not marked',
    design,
    scenario: 'protect-refill',
    patches: at(file, '#lockTable').force('this.vmaStands(cpu, fault)', true),
  },
  'leaf-link-without-mark': {
    guard: 'a table is linked only if, under the lock of the upper levels, the VMA is not marked',
    race: 'R5',
    design,
    scenario: 'link-unmap',
    patches: at('tables/page-table.ts', 'populate').force('cpu.design.vmaStands(cpu, fault)', true),
  },
  'leaf-tables-freed-beside-linking': {
    guard: 'removing tables first passes through the lock of the upper levels',
    race: 'R14',
    design,
    scenario: 'link-unmap',
    patches: at(file, 'pageTablesFreeing').remove(),
  },
  'leaf-tables-linked-without-rcu': {
    guard: 'if tables are freed after an interrupt, a fault without a lock makes none',
    race: 'R5',
    design,
    scenario: 'link-unmap-interrupts',
    patches: [
      at(file, '#fill').force('cpu.config.MMU_GATHER_RCU_TABLE_FREE', true),
      at('tables/page-table.ts', 'populate').before(
        'const present = Atomics.load(heap, entry)',
        TWO_INTERRUPTS,
      ),
    ],
  },
  'leaf-slot-without-flags': {
    guard: 'a fault compares its flags with those of the slot',
    design,
    scenario: 'protect-refill',
    patches: at(slots, 'slotHolds').drop('heap[slot + LeafSlot.vmFlags] !== fault.vmFlags'),
  },
  'leaf-slot-without-anon-vma': {
    guard: 'a fault compares its anon_vma with that of the slot',
    design,
    scenario: 'dontunmap-store',
    patches: at(slots, 'slotHolds').drop('heap[slot + LeafSlot.anonVma] !== fault.anonVma'),
  },
  'leaf-slot-of-another-run': {
    guard: 'a slot describes the pages for which it was filled, wherever its table is now',
    design,
    scenario: 'moved-slot',
    redundant:
      'mremap waits until the TLBs are flushed, by interrupts that a fault does not answer before it has the lock',
    patches: at(slots, 'slotHolds').drop(
      'if (heap[table + PageTable.run] !== page >> PMD_SHIFT) return false',
    ),
  },
  'leaf-range-not-renewed': {
    guard: 'fault-around maps what the slot says when the table is locked',
    design,
    scenario: 'around-unmap',
    patches: at(slots, 'slotHolds').drop('setRange(fault, heap[slot + LeafSlot.bounds], bias)'),
  },
  'leaf-anon-vma-without-mark': {
    guard: 'an anon_vma is made only for a VMA that is not marked',
    race: 'R23',
    design,
    scenario: 'first-write-munmap',
    patches: [
      at(anonVma, 'anonVmaPrepareUnlocked').drop('cpu.design.vmaStands(cpu, fault)'),
      at(anonVma, 'anonVmaPrepareUnlocked').before('spinLock(cpu, mm + Mm.pageTableLock)', TWO_INTERRUPTS),
    ],
  },
  'leaf-file-not-held': {
    guard: 'a fault that brings a page in has a reference on the file',
    race: 'R20',
    design,
    scenario: 'bring-in-unmap',
    contended: true,
    patches: [
      at(file, 'release').drop('getFile(cpu, file)'),
      at(fileFault, 'afterFileWait').drop('if (left) putFile(cpu, fault.vmFile)'),
    ],
  },
  'leaf-file-looked-up-unlocked': {
    guard: 'a page of a file is looked for with the table locked, which keeps the file',
    race: 'R20',
    design,
    scenario: 'bring-in-unmap',
    patches: [
      at(fileFault, 'tryFaultPage').before('const file = fault.vmFile', TWO_INTERRUPTS),
      at(file, 'lookupBegin').replace('return this.lockTable(cpu, fault)', 'return true'),
      at(file, 'lookupEnd').drop('spinUnlock(cpu, fault.table + PageTable.ptl)'),
      at(file, 'release').drop('spinUnlock(cpu, fault.table + PageTable.ptl)'),
    ],
  },
  'leaf-vma-freed-at-once': {
    guard: 'a VMA is freed after a grace period',
    race: 'R24',
    design,
    scenario: 'first-write-munmap',
    patches: at(file, 'releaseVma').replace('releaseVmaRcu', 'releaseVmaNow'),
  },
  'leaf-failure-believed': {
    guard: 'a fault that relies on a guess does not fail the access',
    design,
    scenario: 'one-mapping-more',
    patches: at(file, 'speculativeFault').replace(
      '(result & (VM_FAULT_RETRY | VM_FAULT_ERROR)) === 0',
      '(result & VM_FAULT_RETRY) === 0',
    ),
  },
  'leaf-slot-without-file': {
    guard: 'a fault compares its file with that of the slot',
    design,
    scenario: 'remap-file',
    patches: at(slots, 'slotHolds').drop('heap[slot + LeafSlot.vmFile] !== fault.vmFile'),
  },
  'leaf-slot-without-place': {
    guard: 'a fault compares its file offset with that of the slot',
    design,
    scenario: 'remap-part',
    patches: at(slots, 'slotHolds').drop('bias !== ((fault.vmPgoff - fault.vmStart) | 0)'),
  },
  'leaf-slot-without-bounds': {
    guard: 'a closed slot is invalid, whatever else it contains',
    design,
    scenario: 'two-slots-munmap',
    patches: at(slots, 'slotOf').force('contains(heap[slot + LeafSlot.bounds], index)', true),
  },
  'leaf-closes-one-slot': {
    guard: 'all slots of a table are checked when its pages change',
    design,
    scenario: 'two-slots-munmap',
    patches: at(slots, 'closeSlots').replace('slot < table + SLOTS_END', 'slot <= table + PageTable.slots'),
  },
  'leaf-closes-what-begins-before': {
    guard: 'a slot that begins in the middle of a changed range is closed',
    design,
    scenario: 'two-slots-munmap',
    patches: at(slots, 'meets').replace('(bounds & BOUNDS_MASK) < high', '(bounds & BOUNDS_MASK) <= low'),
  },
  'leaf-closes-behind-only': {
    guard: 'a slot that extends beyond a changed range describes one side of it afterwards',
    design,
    scenario: 'around-unmap',
    patches: at(slots, 'without').replace('(low << BOUNDS_SHIFT)', '(bounds & ~BOUNDS_MASK)'),
  },
  'leaf-closes-one-table': {
    guard: 'the slots of every table of the range are closed',
    design,
    scenario: 'hole-seen',
    patches: at(slots, 'closeRange').replace(
      'page = nextPteTable(cpu, mm, first + PTRS_PER_TABLE, end)',
      'page = end',
    ),
  },
  'leaf-fill-closes-nothing': {
    guard: 'a new slot replaces an older one of the same mapping',
    design,
    scenario: 'first-write-mprotect',
    redundant: 'the older one is also true, and is closed with the newer; it only takes room',
    patches: at(slots, 'roomFor').force('!meets(bounds, low, high)', true),
  },
  'leaf-fill-of-the-whole-table': {
    guard: 'a slot that a writer fills describes only pages of the mapping',
    design,
    scenario: 'grow-protect',
    patches: at(slots, 'boundsOf').replace('Math.min(end - first, PTRS_PER_TABLE)', 'PTRS_PER_TABLE'),
  },
  'leaf-neighbour-without-mark': {
    guard: 'a slot for an adjacent mapping is filled only if that is not marked either',
    design,
    scenario: 'first-fault-neighbour',
    patches: at(file, '#fillBeside').replace(
      '!this.#lockTable(cpu, fault, false)',
      '(spinLock(cpu, fault.table + PageTable.ptl), false)',
    ),
  },
  'leaf-writer-fills-early': {
    guard: 'a writer fills a slot only when the mapping has its new flags',
    design,
    scenario: 'fault-mprotect',
    patches: at('calls/mprotect.ts', 'mprotectFixup').swap(
      'Atomics.store(heap, target + Vma.vmFlags, newFlags)',
      'cpu.design.rangeChanged(cpu, target, start, end)',
    ),
  },
  'leaf-writer-fills-unlocked': {
    guard: 'a writer fills a slot with the table locked: a fault may be filling it',
    design,
    scenario: 'grow-protect',
    patches: [
      at(file, 'fillIfTable').drop('spinLock(cpu, table + PageTable.ptl)'),
      at(file, 'fillIfTable').drop('spinUnlock(cpu, table + PageTable.ptl)'),
    ],
  },
  'leaf-advice-closes-nothing': {
    guard: 'madvise closes the slots before it changes flags',
    race: 'R10',
    design,
    scenario: 'advise-fault',
    patches: at('calls/madvise.ts', 'updateVmaFlags').drop('cpu.design.rangeChanging(cpu, mm, start, end)'),
  },
  'leaf-unlocking-closes-nothing': {
    guard: 'mremap closes the slots of all of a mapping that it leaves behind unlocked',
    race: 'R10',
    design,
    scenario: 'dontunmap-locked',
    patches: at('calls/mremap.ts', 'unlockSource').drop('cpu.design.rangeChanging(...$)'),
  },
  'leaf-mremap-marks-nothing': {
    guard: 'mremap marks the moving mapping until the end: otherwise a slot is refilled',
    race: 'R2',
    design,
    scenario: 'mremap-source',
    patches: at('designs/vma-writer.ts', 'mremapBegin').drop('this.begin(cpu, findVma(cpu, mm, from))'),
  },
  'leaf-dead-not-asked': {
    guard: 'a VMA that has left the tree is marked: its count does not change before its pages are removed',
    design,
    scenario: 'link-unmap',
    patches: at('designs/vma-sequence.ts', 'hasChanged').drop(
      'Atomics.load(cpu.heap, fault.vma + Vma.detached) !== 0',
    ),
  },
  'leaf-anon-vma-without-lock': {
    guard: 'taking the mmap lock for writing passes through the lock under which the neighbours are read',
    race: 'R23',
    design,
    scenario: 'anon-vma-munmap',
    patches: [
      at(file, 'mmapWriteLocked').drop('spinLock(cpu, mm + Mm.pageTableLock)'),
      at(file, 'mmapWriteLocked').drop('spinUnlock(cpu, mm + Mm.pageTableLock)'),
    ],
  },
  'leaf-anon-vma-beside-a-writer': {
    guard: 'the neighbours are read only while no writer holds the mmap lock',
    race: 'R23',
    design,
    scenario: 'anon-vma-munmap',
    patches: at(anonVma, 'anonVmaPrepareUnlocked').force(
      'Atomics.load(heap, mm + Mm.layoutChanging) === 0',
      true,
    ),
  },
  'leaf-entries-of-another': {
    guard:
      'a call that changes entries without the mmap lock checks with the table locked that the VMA is unchanged',
    race: 'R10',
    design,
    scenario: 'discard-moved-table',
    patches: at('tables/zap.ts', 'lockStanding').force('stillStands(cpu, seen)', true),
  },
  'leaf-missing-table-believed': {
    guard: 'a call that changes entries without the mmap lock also checks this if it finds no table',
    race: 'R10',
    design,
    scenario: 'discard-moved-table',
    patches: at('tables/zap.ts', 'zapRange').drop('if (!stillStands(cpu, seen)) $'),
  },
  'leaf-entries-flushed-late': {
    guard:
      'MADV_DONTNEED without the mmap lock flushes with the table locked: mprotect finds nothing to flush',
    design,
    scenario: 'discard-then-protect',
    patches: at('tables/zap.ts', 'zapPteRange').force('seen !== undefined', false),
  },
  'leaf-entries-beyond-the-vma': {
    guard: 'MADV_DONTNEED of more than one VMA takes the mmap lock',
    design,
    scenario: 'discard-locked-neighbour',
    patches: at(file, 'entriesChangeBegin').drop('end <= fault.vmEnd'),
  },
  'leaf-entries-observed': {
    guard: 'observed entries are changed only with the mmap lock',
    race: 'R17',
    design,
    scenario: 'observed-discard',
    patches: at(file, 'entriesChangeBegin').drop('!mmHasNotifiers(cpu, mm)'),
  },
  'leaf-end-told-alone': {
    guard: 'MADV_FREE without the mmap lock notifies no observers: one that registers meanwhile sees no end',
    race: 'R18',
    design,
    scenario: 'free-registering',
    patches: at('calls/madvise.ts', 'agePages').force('seen === undefined', true),
  },
  'leaf-residence-of-another': {
    guard: 'mincore without the mmap lock checks with the table locked that the VMA is unchanged',
    race: 'R10',
    design,
    scenario: 'resident-moved-table',
    patches: at('calls/mincore.ts', 'mincoreUnlocked').replace(
      '!lockStanding(cpu, table, fault)',
      '!lockStanding(cpu, table)',
    ),
  },
  'leaf-residence-unlocked': {
    guard: 'mincore without the mmap lock reads a file with a table locked, which keeps the file',
    race: 'R20',
    design,
    scenario: 'resident-munmap',
    patches: [
      at('calls/mincore.ts', 'mincoreUnlocked').replace(
        '!lockStanding(cpu, table, fault)',
        '!stillStands(cpu, fault)',
      ),
      at('calls/mincore.ts', 'mincoreUnlocked').drop(
        'if (table !== 0) spinUnlock(cpu, table + PageTable.ptl)',
      ),
      at('calls/mincore.ts', 'isInMemory').before(
        'return file !== 0 && loadPage(cpu, file, index) > 0',
        TWO_INTERRUPTS,
      ),
    ],
  },
  'leaf-residence-without-table': {
    guard: 'without a table to lock, mincore of a file takes the mmap lock',
    race: 'R20',
    design,
    scenario: 'resident-untouched-munmap',
    patches: [
      at('calls/mincore.ts', 'mincoreUnlocked').drop('if (table === 0 && fault.vmFile !== 0) break'),
      at('calls/mincore.ts', 'isInMemory').before(
        'return file !== 0 && loadPage(cpu, file, index) > 0',
        TWO_INTERRUPTS,
      ),
    ],
  },
  'leaf-missing-table-told': {
    guard:
      'mincore without the mmap lock checks that the VMA is unchanged if it finds no table: mremap may have moved it',
    race: 'R10',
    design,
    scenario: 'resident-moved-table',
    patches: at('calls/mincore.ts', 'mincoreUnlocked').force('!stillStands(cpu, fault)', false),
  },
  'leaf-populate-of-another': {
    guard: 'a call that brings pages in checks that the VMA is unchanged after it has read an entry',
    design,
    scenario: 'populate-moved-table',
    redundant: 'an entry that has moved with its table stands for what the call might have brought in before',
    patches: at('fault/populate.ts', 'seeUnlocked').replace('stillStands(cpu, cpu.fault)', 'true'),
  },
  'leaf-anon-vma-not-freed': {
    guard: 'an anon_vma that was not needed is freed',
    design,
    scenario: 'first-anon-vma',
    patches: at(anonVma, 'anonVmaPrepareUnlocked').drop('if (!isUsed) $'),
  },
  'leaf-access-not-asked': {
    guard: 'if a slot does not allow the access, the fault takes the locked path',
    design,
    scenario: 'forbidden-store',
    patches: at(file, '#find').force('accessError(errorCode, fault.vmFlags)', false),
  },
  'leaf-copy-beside-an-observer': {
    guard: 'a copy on write with observers takes the locked path',
    race: 'R17',
    design,
    scenario: 'observed-copy',
    patches: at('fault/design.ts', 'copyBegin').force('!mmHasNotifiers(cpu, fault.mm)', true),
  },
  'leaf-peek-answers': {
    guard: 'if tables are freed after an interrupt, none is answered while a fault finds and reads a table',
    race: 'R16',
    design,
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      at(file, 'peek').drop('if (!usesRcu) disableInterrupts(cpu)'),
      at(file, 'peek').before('if (found) $', TWO_INTERRUPTS),
    ],
  },
  'leaf-lock-answers': {
    guard: 'if tables are freed after an interrupt, none is answered until the table is locked',
    race: 'R15',
    design,
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      at(file, '#lockTableWithoutRcu').drop('disableInterrupts(cpu)'),
      at(file, '#lockTableWithoutRcu').before(
        'const locked = there && spinTryLock(cpu, lock)',
        TWO_INTERRUPTS,
      ),
    ],
  },
  'leaf-table-not-found-again': {
    guard: 'if tables are freed after an interrupt, the fault looks the table up again before it locks it',
    race: 'R6',
    design,
    scenario: 'fault-munmap-table-interrupts',
    patches: at(file, '#lockTableWithoutRcu').force(
      'findPteTable(cpu, fault.mm, fault.page) === fault.table',
      true,
    ),
  },
  'leaf-lock-instead-of-try-lock': {
    guard: 'with interrupts disabled, the lock of the table is only tried',
    race: 'R11',
    design,
    scenario: 'interrupt-deadlock',
    patches: at(file, '#lockTableWithoutRcu').replace(
      'spinTryLock(cpu, lock)',
      '(spinLock(cpu, lock), true)',
    ),
  },
}
