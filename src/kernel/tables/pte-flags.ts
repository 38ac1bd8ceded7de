// From the flags of a VMA to the flags of its entries (mm/mmap.c, protection_map).

import {
  PTE_ACCESSED,
  PTE_EXEC,
  PTE_LOCKED,
  PTE_PKEY,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_WRITE,
} from '../machine/pte.ts'
import { VM_EXEC, VM_LOCKED, VM_PKEY_FLAGS, VM_SHARED, VM_WRITE, vmaIsAccessible } from '../vma/vma.ts'

/**
 * `vm_get_page_prot`: a private mapping gets no write permission here, since a write must first see to it that the
 * page is its own.
 */
export function vmGetPageProt(vmFlags: number): number {
  const locked = (vmFlags & VM_LOCKED) !== 0 ? PTE_LOCKED : 0
  if (!vmaIsAccessible(vmFlags)) return PTE_PROTNONE | locked
  let flags = PTE_PRESENT | locked
  if ((vmFlags & VM_PKEY_FLAGS) !== 0) flags |= PTE_PKEY
  if ((vmFlags & VM_EXEC) !== 0) flags |= PTE_EXEC
  if ((vmFlags & (VM_WRITE | VM_SHARED)) === (VM_WRITE | VM_SHARED)) flags |= PTE_WRITE
  return flags
}

/**
 * `maybe_mkwrite`: the entry of a page that is the program's own. A fault that the VMA does not allow does not come
 * that far, but for designs that do not ask (race R38).
 */
export function maybeMkwrite(entry: number, vmFlags: number): number {
  return (vmFlags & VM_WRITE) === 0 ? entry : entry | PTE_WRITE
}

/** The flags of an entry for a page that was just brought in. */
export function youngPageProt(vmFlags: number): number {
  return vmGetPageProt(vmFlags) | PTE_ACCESSED
}
