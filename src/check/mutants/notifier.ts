// Mutants of the MMU notifiers: what each call, each design and each observer has to do.

import type { MutantTable } from './mutant.ts'
import { at } from './patch.ts'

const notifier = 'tables/mmu-notifier.ts'
const v2 = 'designs/lespinasse-2022.ts'

export const notifierMutants: MutantTable = {
  'munmap-not-announced': {
    guard: 'munmap notifies the observers before it removes translations',
    design: 'classic',
    scenario: 'observed-unmap',
    patches: [
      at('calls/mmap.ts', 'unmapRegion').drop('invalidateRangeStart(cpu, mm, start, end)'),
      at('calls/mmap.ts', 'unmapRegion').drop('invalidateRangeEnd(cpu, mm)'),
    ],
  },
  'discard-not-announced': {
    guard: 'so does MADV_DONTNEED',
    design: 'classic',
    scenario: 'observed-discard',
    patches: [
      at('tables/zap.ts', 'zapVmaRange').drop('invalidateRangeStart(cpu, mm, start, end)'),
      at('tables/zap.ts', 'zapVmaRange').drop('invalidateRangeEnd(cpu, mm)'),
    ],
  },
  'protection-not-announced': {
    guard: 'so does mprotect',
    design: 'classic',
    scenario: 'observed-protect',
    patches: [
      at('calls/mprotect.ts', 'changeProtection').drop('invalidateRangeStart(cpu, mm, start, end)'),
      at('calls/mprotect.ts', 'changeProtection').drop('invalidateRangeEnd(cpu, mm)'),
    ],
  },
  'move-not-announced': {
    guard: 'so does mremap',
    design: 'classic',
    scenario: 'observed-move',
    patches: [
      at('calls/mremap.ts', 'movePageTables').drop('invalidateRangeStart(cpu, mm, from, from + pages)'),
      at('calls/mremap.ts', 'movePageTables').drop('invalidateRangeEnd(cpu, mm)'),
    ],
  },
  'fork-not-announced': {
    guard: 'so does fork, when it removes write permission',
    design: 'classic',
    scenario: 'observed-fork',
    patches: [
      at('calls/fork.ts', 'copyPageRange').drop('invalidateRangeStart(...$)'),
      at('calls/fork.ts', 'copyPageRange').drop('invalidateRangeEnd(cpu, parent)'),
    ],
  },
  'copy-not-announced': {
    guard: 'so does a copy on write with the mmap lock',
    design: 'classic',
    scenario: 'observed-copy',
    patches: [
      at('fault/hold.ts', 'copyBegin').drop('invalidateRangeStart(...$)'),
      at('fault/hold.ts', 'copyEnd').drop('invalidateRangeEnd(cpu, fault.mm)'),
    ],
  },
  'translation-kept': {
    guard: 'an observer drops its translations when it is notified',
    scenario: 'observed-unmap',
    patches: at(notifier, 'beginInvalidation').drop('dropShadow(cpu, notifier, start, end)'),
  },
  'count-not-compared': {
    guard: 'an observer enters nothing that was looked up before an invalidation which has ended',
    scenario: 'observed-unmap',
    patches: at(notifier, 'invalidateRetry').drop('lockedSequence(cpu, notifier) !== sequence'),
  },
  'invalidation-not-noticed': {
    guard: 'an observer enters nothing that is being invalidated',
    scenario: 'observed-unmap',
    patches: at(notifier, 'invalidateRetry').drop('isInvalidating(cpu, notifier, page)'),
  },
  'observer-freed-at-once': {
    guard: 'the memory of an observer stays while a thread is notifying it',
    scenario: 'observer-leaves',
    patches: at(notifier, 'unregisterMmuNotifier').replace(
      'callRcu(...$)',
      'slabFree(cpu, CACHE_MMU_NOTIFIER, notifier)',
    ),
  },
  'registered-without-grace-period': {
    guard: 'registering an observer waits for copies that began without one',
    race: 'R17',
    scenario: 'observed-copy',
    patches: at('fault/design.ts', 'notifierRegistered').force('this.speculates', false),
  },
  'copied-beside-observers': {
    guard: 'a copy that cannot notify the observers is left to the locked path',
    race: 'R17',
    scenario: 'observed-copy',
    patches: at('fault/design.ts', 'copyBegin').replace(
      '!mmHasNotifiers(cpu, fault.mm)',
      'mmHasNotifiers(cpu, fault.mm) || true',
    ),
  },
  'notifier-lock-not-tried': {
    guard: 'a copy without the mmap lock excludes registrations of observers',
    race: 'R17',
    design: 'lespinasse-2022',
    scenario: 'observed-copy',
    redundant:
      'registering holds the mmap lock for writing while it waits for its grace period: earlier faults have then ended, since none sleeps here, and later ones give up at the odd count',
    patches: [
      at(v2, 'copyBegin').drop('if (!percpuDownReadTryLock(...$)) $'),
      at(v2, 'copyEnd').drop('percpuUpRead(...$)'),
    ],
  },
  'registered-beside-a-copy': {
    guard: 'registering an observer waits for the copies that hold the notifier lock',
    race: 'R17',
    design: 'lespinasse-2022',
    scenario: 'observed-copy',
    patches: [
      at(v2, 'notifierRegistering').drop('percpuDownWrite(...$)'),
      at(v2, 'notifierRegistered').drop('percpuUpWrite(...$)'),
    ],
  },
  'no-end-after-a-failed-commit': {
    guard: 'an observer that was told of a beginning is told of the end, even if the commit failed',
    race: 'R18',
    design: 'lespinasse-2022',
    scenario: 'observed-changes',
    patches: at(v2, 'copyEnd').replace(
      'invalidateRangeEnd(cpu, fault.mm)',
      'if (_committed) invalidateRangeEnd(cpu, fault.mm)',
    ),
  },
  'registered-beside-faults': {
    guard: 'registering an observer locks every VMA',
    race: 'R17',
    design: 'per-vma-lock-2023',
    scenario: 'observed-copy',
    patches: at('designs/per-vma.ts', 'notifierRegistering').drop('for (let vma = $; $; $) $'),
  },
  'registered-beside-counted-faults': {
    guard: 'registering an observer locks every VMA',
    race: 'R17',
    design: 'per-vma-refcount-2025',
    scenario: 'observed-copy',
    patches: at('designs/per-vma.ts', 'notifierRegistering').drop('for (let vma = $; $; $) $'),
  },
}
