// Event counters under the names that /proc/vmstat gave them.

/**
 * Indices of the counters. The upper-case names are those of SPECULATIVE_PAGE_FAULT_STATS. Some stay 0, as what they
 * count does not exist here: userfaultfd, NUMA hints, entries that are neither pages nor slots of the swap area
 * (SPF_ABORT_NON_SWAP_ENTRY), huge pages (SPF_ABORT_PTE_MAP_LOCK_PMD), and spf_vma_noanon, which no version counted.
 */
export const VmEvent = {
  pgfault: 0,
  pgmajfault: 1,
  pgalloc: 2,
  pgfree: 3,
  spf_attempt: 4,
  spf_abort: 5,
  SPF_ABORT_ODD: 6,
  SPF_ABORT_UNMAPPED: 7,
  SPF_ABORT_NO_SPECULATE: 8,
  SPF_ABORT_VMA_COPY: 9,
  SPF_ABORT_ACCESS_ERROR: 10,
  SPF_ABORT_PUD: 11,
  SPF_ABORT_PMD: 12,
  SPF_ABORT_ANON_VMA: 13,
  SPF_ABORT_PTE_MAP_LOCK_SEQ1: 14,
  SPF_ABORT_PTE_MAP_LOCK_PMD: 15,
  SPF_ABORT_PTE_MAP_LOCK_PTL: 16,
  SPF_ABORT_PTE_MAP_LOCK_SEQ2: 17,
  SPF_ABORT_USERFAULTFD: 18,
  SPF_ABORT_FAULT: 19,
  SPF_ABORT_NON_SWAP_ENTRY: 20,
  SPF_ABORT_SWAP_NOPAGE: 21,
  SPF_ATTEMPT_ANON: 22,
  SPF_ATTEMPT_FILE: 23,
  SPF_ATTEMPT_SWAP: 24,
  SPF_ATTEMPT_NUMA: 25,
  SPF_ATTEMPT_PTE: 26,
  SPF_ATTEMPT_WP: 27,
  /** Faults that were handled under the mmap lock. Ours: Linux counts only the speculative ones apart. */
  classic_fault: 28,
  nr_tlb_remote_flush: 29,
  nr_tlb_local_flush_all: 30,
  mmap_lock_read: 31,
  mmap_lock_write: 32,
  mmap_lock_contended: 33,
  nr_tlb_local_flush_one: 34,
  /** Dufour: faults that were handled without the mmap lock, and why others were not (tracepoints `pagefault:*`). */
  speculative_pgfault: 35,
  spf_vma_changed: 36,
  spf_vma_noanon: 37,
  spf_vma_notsup: 38,
  spf_vma_access: 39,
  spf_pmd_changed: 40,
  spf_pte_lock: 41,
  /** PER_VMA_LOCK_STATS. */
  vma_lock_success: 42,
  vma_lock_abort: 43,
  vma_lock_retry: 44,
  vma_lock_miss: 45,
  /**
   * Ours: how often a CPU was called while it waited for a lock with interrupts disabled, in designs that were
   * published so: there it would have kept the caller waiting, for ever if that is who has the lock (race R11).
   */
  hard_lockup: 46,
  SPF_ABORT_SWAP: 47,
  /** Pages written back to files, and pages that left memory for the swap area or came back. */
  pgpgout: 48,
  pswpin: 49,
  pswpout: 50,
  /** Frames that reclaim has freed. */
  pgsteal: 51,
  /** Ours, after the tracepoint of that name: faults that the kernel took in a call. */
  page_fault_kernel: 52,
  /** Leaf slots: faults that found what is mapped in the page table, and slots that were filled from a VMA. */
  leaf_slot_hit: 53,
  leaf_slot_fill: 54,
  /** Leaf slots, why a fault went to the mmap lock: no VMA there, or one that is being changed; */
  leaf_abort_unmapped: 55,
  /** the VMA does not allow the access; */
  leaf_abort_access: 56,
  /** what was mapped changed each time that the fault was about to commit; */
  leaf_abort_changed: 57,
  /** the mapping has no anon_vma, and the mmap lock, which making one takes for reading, was not free; */
  leaf_abort_anon_vma: 58,
  /** the handler gave up, as there was no memory or the access is to fail, or a page table was missing. */
  leaf_abort_handler: 59,
  /** Pages of files that became dirty. */
  nr_dirtied: 60,
} as const

export type VmEventName = keyof typeof VmEvent

/** The counter tells why a fault was not handled without the mmap lock. */
export function isAbortReason(name: string): boolean {
  return /^(SPF_ABORT|leaf_abort|spf_vma|spf_pmd|spf_pte|vma_lock_(abort|retry|miss)|hard_lockup)/.test(name)
}
