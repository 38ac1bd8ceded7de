// The errors that the designs had as they were published, and the scenarios that find each. published/ has the designs
// with them. One that stops being found is a failure: then either the design is not what was
// published any more, or the explorer has gone blind.

export interface PublishedFlaw {
  readonly design: string
  /** Its number in the list of races, see docs/races.md. */
  readonly race: string
  readonly sentence: string
  readonly scenarios: readonly string[]
}

const accessNotJudged =
  'an access that the VMA does not allow faults for ever, as nobody asks whether it does'
const waitsWithInterruptsOff =
  'waits for the page-table lock with interrupts disabled, while its holder waits for it'
const flagsUnannounced = 'mprotect changes flags without moving the count'
const neighboursRead = 'a fault makes an anon_vma, for which it reads neighbours that nobody keeps'
const forkOpen = 'a page is copied on write while fork has not flushed the TLBs'
const mremapOpen = 'mremap moves entries while both places may be used'
const oldPlaceOpen =
  'the old place of mremap may be used after its entries have moved, and before it is unmapped'
const twoWriters = 'two calls of madvise(MADV_DONTNEED) are in one sequence count at once'
const observersMissed = 'an observer is registered during a copy on write, and hears of the end only'
const endLost = 'a copy on write that gives up at its commit does not tell the observers of the end'
const tableMoves = 'mremap moves a whole page table beside a fault that has locked it'
const refusalKills = 'what is refused by flags and borders that were never true together is a SIGSEGV'

export const publishedFlaws: readonly PublishedFlaw[] = [
  {
    design: 'kamezawa-2009-version',
    race: 'R24',
    sentence: 'a VMA is freed at once, though a fault may have read where it is and not yet counted itself',
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
    sentence: 'a table that is not unmapped remembers a VMA that is gone',
    scenarios: ['split-over-two-tables'],
  },
  {
    design: 'kamezawa-2009-version',
    race: 'R39',
    sentence: 'do_anonymous_page() stores an entry without a look at the version behind the lock',
    scenarios: ['protect-whole', 'fault-mlock', 'fault-munlock'],
  },
  {
    design: 'kamezawa-2009-version',
    race: 'R40',
    sentence: 'a fault that fails gives up the mmap lock, which it has not taken',
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
    sentence: 'the last fault wakes nobody, and whoever takes the VMA away sleeps for ever',
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
    sentence: 'nobody waits for the faults of a VMA whose borders move or whose flags change',
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
    sentence: 'a fault wakes the writer of an address space that is gone',
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
