// The shipped kernel scenarios by name.

export const scenarioNames = [
  'fault-fault',
  'first-faults',
  'fault-munmap',
  'fault-munmap-table',
  'fault-munmap-table-interrupts',
  'fault-mprotect',
  'fault-dontneed',
  'fault-mmap-fixed',
  'fault-brk',
  'two-faults-munmap',
  'fault-stack-growth',
  'zero-page-cow-munmap',
  'split-merge-fault',
  'munmap-mmap',
  'stale-access',
  'interrupt-deadlock',
] as const
