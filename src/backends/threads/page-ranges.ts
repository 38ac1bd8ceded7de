// Addresses and lengths of calls as pages, or the error that Linux has for them.

import { PAGE_SIZE, TASK_SIZE, addressText } from '../../kernel/index.ts'
import { checkAddress } from './arguments.ts'
import { MemoryError } from './errors.ts'
import { type Size, bytesOf } from './size.ts'

export function misaligned(address: number, call: string, name = 'address'): MemoryError {
  return new MemoryError('EINVAL', call, `${name}: ${addressText(address)} is not a multiple of 4096`)
}

export function beyond(value: number, name = 'address'): string {
  return `${name}: ${addressText(value)} is beyond the address space`
}

/** The page of an address that must be a multiple of 4096. */
export function pageOf(address: number, call: string, name = 'address'): number {
  checkAddress(address, name)
  if (address < 0 || address % PAGE_SIZE !== 0) throw misaligned(address, call, name)
  if (address >= 2 ** 43)
    throw new MemoryError(call === 'munmap' ? 'EINVAL' : 'ENOMEM', call, beyond(address, name))
  return address / PAGE_SIZE
}

/** The pages that [address, address + length) touches: the calls that lock do not ask for whole ones. */
export function pagesTouched(address: number, length: Size, call: string): { start: number; end: number } {
  checkAddress(address)
  const bytes = bytesOf(length, 'length')
  if (address < 0) throw new MemoryError('EINVAL', call, beyond(address))
  const start = Math.floor(address / PAGE_SIZE)
  if (start > TASK_SIZE) throw new MemoryError('ENOMEM', call, beyond(address))
  // The last page that there can be is not the program's, so that no more need be looked at.
  return { start, end: Math.min(Math.ceil((address + bytes) / PAGE_SIZE), TASK_SIZE + 1) }
}

/** Whole pages that cover a length, which may be 0. */
export function pagesOrNone(length: Size, call: string, name = 'length'): number {
  const bytes = bytesOf(length, name)
  return bytes === 0 ? 0 : pagesOf(bytes, call, name)
}

/** Whole pages that cover a length of at least one byte. */
export function pagesOf(length: Size, call: string, name = 'length'): number {
  const bytes = bytesOf(length, name)
  if (bytes === 0) throw new MemoryError('EINVAL', call, `${name}: 0 bytes`)
  const pages = Math.ceil(bytes / PAGE_SIZE)
  if (pages > TASK_SIZE)
    throw new MemoryError(call === 'munmap' ? 'EINVAL' : 'ENOMEM', call, beyond(bytes, name))
  return pages
}
