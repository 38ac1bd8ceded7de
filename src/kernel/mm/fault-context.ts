// `struct vm_fault`: what the handlers of one fault know.
//
// The fields of the VMA are copies. A locked fault copies them under the mmap lock and a speculative one as its
// design says; the handlers cannot tell, which is what lets all designs share them.

/** `FAULT_FLAG_*`. */
export const FAULT_FLAG_WRITE = 1
export const FAULT_FLAG_INSTRUCTION = 2
/** The mmap lock is not held; commits go through the design. */
export const FAULT_FLAG_SPECULATIVE = 4
/** The lock of the VMA is held instead of the mmap lock. */
export const FAULT_FLAG_VMA_LOCK = 8
/** The mmap lock may be given up while the fault waits for a page; then it begins anew. */
export const FAULT_FLAG_ALLOW_RETRY = 16
/** The mmap lock is not held. */
export const FAULT_FLAGS_UNLOCKED = FAULT_FLAG_SPECULATIVE | FAULT_FLAG_VMA_LOCK

/** `vm_fault_t`. */
export const VM_FAULT_OOM = 1
export const VM_FAULT_SIGBUS = 2
export const VM_FAULT_SIGSEGV = 4
export const VM_FAULT_MAJOR = 8
export const VM_FAULT_RETRY = 16
export const VM_FAULT_NOPAGE = 32
/** The mmap lock was given up meanwhile; with VM_FAULT_RETRY, the fault has to begin anew. */
export const VM_FAULT_DROPPED = 128
/** With VM_FAULT_SIGSEGV: there is a mapping, but it does not allow the access. */
export const VM_FAULT_ACCERR = 64
/** With VM_FAULT_ACCERR: it is the protection key of the mapping that does not allow it. */
export const VM_FAULT_PKUERR = 256
export const VM_FAULT_ERROR = VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV

export class FaultContext {
  mm = 0
  /** The page that was touched. */
  page = 0
  flags = 0

  // The VMA, and its fields as they were when the fault began.
  vma = 0
  vmStart = 0
  vmEnd = 0
  vmFlags = 0
  vmPgoff = 0
  vmFile = 0
  anonVma = 0

  /** The page that the file has for this fault, locked, with a reference. */
  frame = 0
  /** The pte table that covers the page. */
  table = 0
  /** The entry as the walk saw it. */
  originalPte = 0

  /** The design's own: the sequence count at the start and its turns, and the pmd table that the walk went through. */
  sequence = 0
  turns = 0
  pmd = 0
}
