// Protections as strings, and as the flags of VMAs.

import { checkChoice } from './arguments.ts'
import { VM_EXEC, VM_READ, VM_WRITE } from '../../kernel/index.ts'

/**
 * Which accesses a mapping allows. What may be written can be read, and what may only be executed too, unless the
 * machine has X86_INTEL_MEMORY_PROTECTION_KEYS.
 */
export type Protection = 'none' | 'r' | 'w' | 'x' | 'rw' | 'rx' | 'wx' | 'rwx'

const flags: Readonly<Record<Protection, number>> = {
  none: 0,
  r: VM_READ,
  w: VM_WRITE,
  x: VM_EXEC,
  rw: VM_READ | VM_WRITE,
  rx: VM_READ | VM_EXEC,
  wx: VM_WRITE | VM_EXEC,
  rwx: VM_READ | VM_WRITE | VM_EXEC,
}

const names = Object.fromEntries(Object.entries(flags).map(([name, bits]) => [bits, name])) as Record<
  number,
  Protection
>

export function checkProtection(value: unknown, name: string): asserts value is Protection {
  checkChoice(value, name, flags)
}

/** The VM_READ, VM_WRITE and VM_EXEC of a protection. */
export function protectionFlags(protection: Protection): number {
  return flags[protection]
}

/** The name of the protection in the flags of a VMA. */
export function protectionName(vmFlags: number): Protection {
  return names[vmFlags & (VM_READ | VM_WRITE | VM_EXEC)]!
}
