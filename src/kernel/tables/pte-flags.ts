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
 * `vm_get_page_prot`: an entry of a private mapping has no write permission, so that the first write faults and copies
 * the page if it is shared.
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
 * `maybe_mkwrite`: adds write permission to the entry of a page that no other mapping shares, if the VMA allows
 * writing. A forbidden write gets here only in designs that do not check the access (race R38).
 */
export function maybeMkwrite(entry: number, vmFlags: number): number {
  return (vmFlags & VM_WRITE) === 0 ? entry : entry | PTE_WRITE
}

/** The flags of an entry for a page that was just brought in. */
export function youngPageProt(vmFlags: number): number {
  return vmGetPageProt(vmFlags) | PTE_ACCESSED
}
