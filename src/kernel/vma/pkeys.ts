// Memory protection keys: memory that may only be executed cannot be read (arch/x86/mm/pkeys.c and
// arch/x86/include/asm/pkeys.h of Linux 6.17).
//
// Every page has the number of a key, and the register PKRU of each thread says which accesses to the data of pages
// with that key are forbidden. mmap() and mprotect() give memory with PROT_EXEC alone the execute-only key of the
// address space, taken from the 16 keys at its first use; if none is left, as on a processor without keys, such memory
// can be read. All of it counts only on a machine with X86_INTEL_MEMORY_PROTECTION_KEYS.
//
// PKRU is a constant here. A program starts with INIT_PKRU, and its threads and children inherit it. Nothing here can
// change it: WRPKRU and pkey_alloc() with rights do not exist, and execute_only_pkey() sets what is set already. Nor is
// there a pkey_mprotect(), which could give a mapping another key.

import { FAULT_INSTRUCTION, FAULT_REMOTE } from '../machine/pte.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { VM_ACCESS_FLAGS, VM_EXEC, VM_PKEY_FLAGS, VM_PKEY_SHIFT } from './vma.ts'

/** The key of mappings that were given none. */
const ARCH_DEFAULT_PKEY = 0
/** `arch_max_pkey`. */
const PKEYS = 16
/** `init_pkru_value`: for each key two bits, of which the lower forbids every access. All but key 0 are forbidden. */
const INIT_PKRU = 0x5555_5554

/** `init_new_context`. */
export function initPkeys(cpu: Task, mm: number): void {
  cpu.heap[mm + Mm.pkeyAllocationMap] = 1 << ARCH_DEFAULT_PKEY
  cpu.heap[mm + Mm.executeOnlyPkey] = -1
}

/** `arch_dup_pkeys`. */
export function dupPkeys(cpu: Task, parent: number, child: number): void {
  const { heap } = cpu
  heap[child + Mm.pkeyAllocationMap] = heap[parent + Mm.pkeyAllocationMap]
  heap[child + Mm.executeOnlyPkey] = heap[parent + Mm.executeOnlyPkey]
}

/** `mm_pkey_alloc`: takes the lowest key that is free, or returns -1. The mmap lock is held for write. */
export function mmPkeyAlloc(cpu: Task, mm: number): number {
  const map = cpu.heap[mm + Mm.pkeyAllocationMap]
  for (let pkey = 0; pkey < PKEYS; pkey++) {
    if ((map & (1 << pkey)) !== 0) continue
    cpu.heap[mm + Mm.pkeyAllocationMap] = map | (1 << pkey)
    return pkey
  }
  return -1
}

/**
 * `execute_only_pkey`: the key of what may only be executed, 0 on a processor without keys, -1 when none is left. The
 * mmap lock is held for write.
 */
export function executeOnlyPkey(cpu: Task, mm: number): number {
  const { heap } = cpu
  if (!cpu.config.X86_INTEL_MEMORY_PROTECTION_KEYS) return ARCH_DEFAULT_PKEY
  if (heap[mm + Mm.executeOnlyPkey] === -1) heap[mm + Mm.executeOnlyPkey] = mmPkeyAlloc(cpu, mm)
  return heap[mm + Mm.executeOnlyPkey]
}

/**
 * `arch_override_mprotect_pkey`: the key that a mapping with the flags `vmFlags` has when mprotect() has given it
 * `access`. The mmap lock is held for write.
 */
export function overrideMprotectPkey(cpu: Task, mm: number, vmFlags: number, access: number): number {
  if (access === VM_EXEC) {
    const pkey = executeOnlyPkey(cpu, mm)
    if (pkey > 0) return pkey
  } else if (
    (vmFlags & VM_ACCESS_FLAGS) === VM_EXEC &&
    vmaPkey(vmFlags) === cpu.heap[mm + Mm.executeOnlyPkey]
  ) {
    // The mapping loses the execute-only key, which is for nothing else.
    return ARCH_DEFAULT_PKEY
  }
  return vmaPkey(vmFlags)
}

/** `arch_vma_access_permitted`: the key of a mapping forbids neither instruction fetches nor what others do. */
export function pkeyPermitsAccess(vmFlags: number, errorCode: number): boolean {
  if ((errorCode & (FAULT_INSTRUCTION | FAULT_REMOTE)) !== 0) return true
  return (INIT_PKRU & (1 << (2 * vmaPkey(vmFlags)))) === 0
}

/** `vma_pkey`. */
function vmaPkey(vmFlags: number): number {
  return (vmFlags & VM_PKEY_FLAGS) >> VM_PKEY_SHIFT
}
