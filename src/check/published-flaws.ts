// The errors of the designs as published, and the scenarios that find each. published/ has these designs. If an error
// is no longer found, the test fails: either the design no longer is what was published, or the explorer misses it.

export interface PublishedFlaw {
  readonly design: string
  /** Its number in the list of races, see docs/races.md. */
  readonly race: string
  readonly sentence: string
  readonly scenarios: readonly string[]
}

const accessNotJudged = 'an access that the VMA forbids faults for ever, since nothing checks the permission'
const waitsWithInterruptsOff =
  'a fault waits for the page-table lock with interrupts disabled, while the holder waits for its CPU'
const flagsUnannounced = 'mprotect changes flags without changing the count'
const neighboursRead = 'a fault creates an anon_vma, and for that reads neighbours that it has not locked'
const forkOpen = 'a fault copies a page before fork has flushed the TLBs'
const mremapOpen = 'mremap moves entries while faults may use both ranges'
const oldPlaceOpen =
  'faults may use the old range of mremap after its entries have moved, before it is unmapped'
const twoWriters = 'two calls of madvise(MADV_DONTNEED) write one sequence count at once'
const observersMissed = 'an observer registers during a copy on write, and is told only of the end'
const endLost = 'a copy on write that gives up at its commit does not notify the observers of the end'
const tableMoves = 'mremap moves a whole page table that a fault has locked'
const refusalKills = 'a fault raises SIGSEGV because of flags and borders that were never true together'

export const publishedFlaws: readonly PublishedFlaw[] = [
  {
    design: 'kamezawa-2009-version',
    race: 'R24',
    sentence: 'a VMA is freed at once, though a fault may have read its address and not yet counted itself',
    scenarios: [
      'merged-away',
      'split-merge-fault',
      'fault-munmap-table',
      'stack-growth-munmap',
      'anon-vma-munmap',
      'cached-vma',
      'faults-after-munmap',
      'fault-munmap-table-interrupts',
      'zap-sync-again',
      'swap-in-munmap',
      'vmacache-wrap',
    ],
  },
  {
    design: 'kamezawa-2009-version',
    race: 'R24',
    sentence: 'a table that is not unmapped refers to a freed VMA',
    scenarios: ['split-over-two-tables'],
  },
  {
    design: 'kamezawa-2009-version',
    race: 'R39',
    sentence: 'do_anonymous_page() stores an entry without a check of the version under the lock',
    scenarios: ['protect-whole', 'fault-mlock', 'fault-munlock'],
  },
  {
    design: 'kamezawa-2009-version',
    race: 'R40',
    sentence: 'a fault that fails releases the mmap lock, which it has not taken',
    scenarios: [
      'forbidden-store',
      'protect-discard-access',
      'fault-reap',
      'fault-truncate',
      'truncate-around',
      'truncate-copy',
      'disk-truncate',
      'read-truncate',
    ],
  },
  {
    design: 'kamezawa-2009-refcount',
    race: 'R32',
    sentence: 'the last fault wakes nobody, and munmap sleeps for ever',
    scenarios: [
      'fault-munmap-table',
      'fault-munmap-table-interrupts',
      'split-merge-fault',
      'merged-away',
      'mremap-source',
      'cached-vma',
      'joining-cpu',
      'faults-after-munmap',
      'recycled-vma',
      'rcu-freed-vma',
      'table-flush',
      'stack-growth-munmap',
      'file-fault-munmap',
      'file-cow-munmap',
      'move-table',
    ],
  },
  {
    design: 'kamezawa-2009-refcount',
    race: 'R10',
    sentence: 'a call that moves borders or changes flags of a VMA does not wait for its faults',
    scenarios: [
      'fault-munmap',
      'fault-mmap-fixed',
      'fault-brk',
      'fault-mprotect',
      'protect-whole',
      'border-moves',
      'two-pages-munmap',
      'zero-page-cow-munmap',
      'observed-changes',
      'file-load-protect',
    ],
  },
  {
    design: 'kamezawa-2009-refcount',
    race: 'R2',
    sentence: mremapOpen,
    scenarios: ['mremap-access', 'mremap-fault'],
  },
  {
    design: 'kamezawa-2009-refcount',
    race: 'R23',
    sentence: neighboursRead,
    scenarios: ['anon-vma-munmap'],
  },
  {
    design: 'zijlstra-2010',
    race: 'R4',
    sentence: tableMoves,
    scenarios: ['move-table'],
  },
  { design: 'zijlstra-2010', race: 'R1', sentence: forkOpen, scenarios: ['fork-cow-access'] },
  {
    design: 'zijlstra-2014',
    race: 'R11',
    sentence: waitsWithInterruptsOff,
    scenarios: [
      'interrupt-deadlock',
      'interrupt-deadlock-chain',
      'cow-fault',
      'cow-order',
      'fork-cow-access',
      'observed-reclaim',
      'move-table',
      'mremap-merge',
      'free-reclaim',
      'free-then-fork',
      'freed-page-seen',
      'reclaim-free',
      'reclaim-cow',
      'reclaim-stale-write',
      'reclaim-sync-write',
      'msync-stale-write',
      'fault-truncate',
      'discard-sync',
      'reopen',
      'swap-two-faults',
      'swap-stale-write',
      'swap-dontneed',
      'swap-late-fault',
    ],
  },
  ...['zijlstra-2010', 'zijlstra-2014'].flatMap((design): PublishedFlaw[] => [
    {
      design,
      race: 'R38',
      sentence: accessNotJudged,
      scenarios: [
        'forbidden-store',
        'fault-mprotect',
        'fault-mmap-fixed',
        'protect-whole',
        'protect-discard-access',
        'border-moves',
        'merged-away',
        'execute-only',
        'joining-cpu',
        'cow-reused-page',
        'freed-page-protect',
        'observed-changes',
      ],
    },
    {
      design,
      race: 'R10',
      sentence: flagsUnannounced,
      scenarios: ['file-load-protect', 'fault-mlock', 'fault-munlock'],
    },
    {
      design,
      race: 'R23',
      sentence: neighboursRead,
      scenarios: ['anon-vma-munmap', 'file-cow-munmap', 'merged-anon-vma', 'dontunmap-neighbour'],
    },
    {
      design,
      race: 'R2',
      sentence: mremapOpen,
      scenarios: [
        'mremap-access',
        'mremap-fault',
        'mremap-source',
        'mremap-dontunmap',
        'mremap-reclaim',
        'reclaim-mremap',
      ],
    },
    {
      design,
      race: 'R9',
      sentence: twoWriters,
      scenarios: ['two-discards', 'two-discards-fault', 'two-discards-store'],
    },
  ]),
  {
    design: 'dufour-2017',
    race: 'R2',
    sentence: mremapOpen,
    scenarios: ['mremap-access', 'mremap-fault', 'mremap-source'],
  },
  ...['dufour-2018', 'dufour-2019'].map((design): PublishedFlaw => ({
    design,
    race: 'R2',
    sentence: oldPlaceOpen,
    scenarios: ['mremap-access', 'mremap-source'],
  })),
  ...[
    'kamezawa-2009-version',
    'kamezawa-2009-refcount',
    'zijlstra-2010',
    'zijlstra-2014',
    'dufour-2017',
    'dufour-2018',
    'dufour-2019',
    'lespinasse-2021',
    'lespinasse-2021-file',
  ].map((design): PublishedFlaw => ({
    design,
    race: 'R17',
    sentence: observersMissed,
    scenarios: ['observed-copy'],
  })),
  ...['dufour-2017', 'dufour-2018', 'dufour-2019', 'lespinasse-2021', 'lespinasse-2021-file'].map(
    (design): PublishedFlaw => ({ design, race: 'R18', sentence: endLost, scenarios: ['observed-changes'] }),
  ),
  ...['dufour-2017', 'dufour-2018', 'dufour-2019'].flatMap((design): PublishedFlaw[] => [
    { design, race: 'R9', sentence: twoWriters, scenarios: ['two-discards', 'two-discards-fault'] },
    { design, race: 'R34', sentence: refusalKills, scenarios: ['torn-snapshot'] },
    { design, race: 'R4', sentence: tableMoves, scenarios: ['move-table'] },
  ]),
  {
    design: 'per-vma-refcount-2025',
    race: 'R25',
    sentence: 'a fault wakes the writer of an address space that no longer exists',
    scenarios: ['recycled-vma'],
  },
  { design: 'kamezawa-2009-refcount', race: 'R1', sentence: forkOpen, scenarios: ['fork-cow-access'] },
  { design: 'dufour-2017', race: 'R1', sentence: forkOpen, scenarios: ['fork-cow-access'] },
  { design: 'dufour-2018', race: 'R1', sentence: forkOpen, scenarios: ['fork-cow-access'] },
  {
    design: 'per-vma-lock-2023',
    race: 'R27',
    sentence: 'fork does not lock the VMAs of the parent',
    scenarios: ['fork-cow-access'],
  },
]
