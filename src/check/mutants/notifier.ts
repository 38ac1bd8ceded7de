// Mutants of the MMU notifiers: what each call, each design and each observer has to do.

import { type Mutant, patch } from './mutant.ts'

const notifier = 'mm/mmu-notifier.ts'
const v2 = 'designs/lespinasse-2022.ts'

/** A call that does not tell the observers. */
function silent(file: string, start: string, end = '  invalidateRangeEnd(cpu, mm)\n'): Mutant['patches'] {
  return [
    patch(file, start, ''),
    patch(file, end, ''),
    patch(file, "import { invalidateRangeEnd, invalidateRangeStart } from './mmu-notifier.ts'\n", ''),
  ]
}

export const notifierMutants: readonly Mutant[] = [
  {
    name: 'munmap-not-announced',
    guard: 'munmap tells the observers before it withdraws translations',
    race: null,
    scenario: 'observed-unmap',
    design: 'classic',
    patches: silent('mm/mmap.ts', '  invalidateRangeStart(cpu, mm, start, end)\n'),
  },
  {
    name: 'discard-not-announced',
    guard: 'so does MADV_DONTNEED',
    race: null,
    scenario: 'observed-discard',
    design: 'classic',
    patches: silent('mm/madvise.ts', '  invalidateRangeStart(cpu, mm, start, end)\n'),
  },
  {
    name: 'protection-not-announced',
    guard: 'so does mprotect',
    race: null,
    scenario: 'observed-protect',
    design: 'classic',
    patches: silent('mm/mprotect.ts', '  invalidateRangeStart(cpu, mm, start, end)\n'),
  },
  {
    name: 'move-not-announced',
    guard: 'so does mremap',
    race: null,
    scenario: 'observed-move',
    design: 'classic',
    patches: silent('mm/mremap.ts', '  invalidateRangeStart(cpu, mm, from, from + pages)\n'),
  },
  {
    name: 'fork-not-announced',
    guard: 'so does fork, where it takes write permission away',
    race: null,
    scenario: 'observed-fork',
    design: 'classic',
    patches: silent(
      'mm/fork.ts',
      '  if (!shared) invalidateRangeStart(cpu, parent, heap[vma + Vma.vmStart], end)\n',
      '  if (!shared) invalidateRangeEnd(cpu, parent)\n',
    ),
  },
  {
    name: 'copy-not-announced',
    guard: 'so does a copy on write with the mmap lock',
    race: null,
    scenario: 'observed-copy',
    design: 'classic',
    patches: [
      patch(
        'mm/wp.ts',
        '  if (!unlocked) invalidateRangeStart(cpu, fault.mm, fault.page, fault.page + 1)\n  else if (!cpu',
        '  if (unlocked && !cpu',
      ),
      patch('mm/wp.ts', '  else invalidateRangeEnd(cpu, fault.mm)\n', ''),
      patch('mm/wp.ts', "import { invalidateRangeEnd, invalidateRangeStart } from './mmu-notifier.ts'\n", ''),
    ],
  },
  {
    name: 'translation-kept',
    guard: 'an observer drops its translations when it hears that they are withdrawn',
    race: null,
    scenario: 'observed-unmap',
    patches: [patch(notifier, '  dropShadow(cpu, notifier, start, end)\n', '')],
  },
  {
    name: 'count-not-compared',
    guard: 'an observer enters nothing that was looked up before an invalidation which has ended',
    race: null,
    scenario: 'observed-unmap',
    patches: [patch(notifier, ' || lockedSequence(cpu, notifier) !== sequence', '')],
  },
  {
    name: 'invalidation-not-noticed',
    guard: 'an observer enters nothing that is being invalidated',
    race: null,
    scenario: 'observed-unmap',
    patches: [patch(notifier, 'return isInvalidating(cpu, notifier, page) || ', 'return ')],
  },
  {
    name: 'observer-freed-at-once',
    guard: 'the memory of an observer stays for those who are just telling it',
    race: null,
    scenario: 'observer-leaves',
    patches: [
      patch(
        notifier,
        '  callRcu(cpu, notifier + MmuNotifier.rcuHead, RCU_FREE_MMU_NOTIFIER)\n',
        '  slabFree(cpu, CACHE_MMU_NOTIFIER, notifier)\n',
      ),
      patch(notifier, 'RCU_FREE_MMU_NOTIFIER, callRcu, ', 'RCU_FREE_MMU_NOTIFIER, '),
    ],
  },
  {
    name: 'registered-without-grace-period',
    guard: 'whoever registers an observer waits for copies that began without one',
    race: 'R17',
    scenario: 'observed-copy',
    patches: [
      patch(
        'mm/design.ts',
        'if (this.speculates && !cpu.config.PUBLISHED_FLAWS) synchronizeRcu(cpu)',
        'if (!this.speculates) synchronizeRcu(cpu)',
      ),
    ],
  },
  {
    name: 'copied-beside-observers',
    guard: 'a copy that cannot tell the observers is left to the locked path',
    race: 'R17',
    scenario: 'observed-copy',
    patches: [
      patch(
        'mm/design.ts',
        'if (!cpu.config.PUBLISHED_FLAWS) return !mmHasNotifiers(cpu, fault.mm)',
        'if (!cpu.config.PUBLISHED_FLAWS) return mmHasNotifiers(cpu, fault.mm) || true',
      ),
    ],
  },
  {
    name: 'notifier-lock-not-tried',
    guard: 'a copy without the mmap lock keeps observers from being registered',
    race: 'R17',
    scenario: 'observed-copy',
    design: 'lespinasse-2022',
    redundant:
      'whoever registers holds the mmap lock for write while it waits for its grace period: a fault from before is over then, as none sleeps here, and one that comes meanwhile gives up at the odd count',
    patches: [
      patch(
        v2,
        '    if (!percpuDownReadTryLock(cpu, cpu.heap[fault.mm + Mm.mmuNotifierLock])) return false\n',
        '    if (cpu.heap[fault.mm + Mm.mmuNotifierLock] === 0) return percpuDownReadTryLock(cpu, 0)\n',
      ),
      patch(
        v2,
        '    percpuUpRead(cpu, cpu.heap[fault.mm + Mm.mmuNotifierLock])\n',
        '    if (cpu.heap[fault.mm + Mm.mmuNotifierLock] === 0) percpuUpRead(cpu, 0)\n',
      ),
    ],
  },
  {
    name: 'registered-beside-a-copy',
    guard: 'whoever registers an observer waits for the copies that hold the notifier lock',
    race: 'R17',
    scenario: 'observed-copy',
    design: 'lespinasse-2022',
    patches: [
      patch(
        v2,
        '    percpuDownWrite(cpu, cpu.heap[mm + Mm.mmuNotifierLock])\n',
        '    if (cpu.heap[mm + Mm.mmuNotifierLock] === 0) percpuDownWrite(cpu, 0)\n',
      ),
      patch(
        v2,
        '    percpuUpWrite(cpu, cpu.heap[mm + Mm.mmuNotifierLock])\n',
        '    if (cpu.heap[mm + Mm.mmuNotifierLock] === 0) percpuUpWrite(cpu, 0)\n',
      ),
    ],
  },
  {
    name: 'no-end-after-a-failed-commit',
    guard: 'who was told of a beginning is told of the end, also where the commit failed',
    race: 'R18',
    scenario: 'observed-changes',
    design: 'lespinasse-2022',
    patches: [
      patch(v2, 'fault: FaultContext, _committed: boolean', 'fault: FaultContext, committed: boolean'),
      patch(
        v2,
        '    invalidateRangeEnd(cpu, fault.mm)\n    percpuUpRead',
        '    if (committed) invalidateRangeEnd(cpu, fault.mm)\n    percpuUpRead',
      ),
    ],
  },
  {
    name: 'registered-beside-faults',
    guard: 'whoever registers an observer locks every VMA',
    race: 'R17',
    scenario: 'observed-copy',
    design: 'per-vma-lock-2023',
    patches: [
      patch(
        'designs/per-vma-lock-2023.ts',
        'for (let vma = heap[mm + Mm.mmap]; vma !== 0; vma = heap[vma + Vma.vmNext]) vmaStartWrite(cpu, vma)',
        'void heap\n    void mm',
      ),
    ],
  },
  {
    name: 'registered-beside-counted-faults',
    guard: 'whoever registers an observer locks every VMA',
    race: 'R17',
    scenario: 'observed-copy',
    design: 'per-vma-refcount-2025',
    patches: [
      patch(
        'designs/per-vma-refcount-2025.ts',
        'for (let vma = heap[mm + Mm.mmap]; vma !== 0; vma = heap[vma + Vma.vmNext]) vmaStartWrite(cpu, vma, -1)',
        'void heap\n    void mm',
      ),
    ],
  },
]
