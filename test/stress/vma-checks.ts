// What must hold of an address space that the vma mix has worked in, when nobody is at work.

import type { AddressSpace } from '../../src/backends/threads/index.ts'
import { checkAddressSpace, presentEntries } from '../../src/check/kernel-invariants.ts'
import {
  Mm,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_SWAP,
  type Task,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_SHARED,
  VM_WRITE,
  Vma,
  findVma,
} from '../../src/kernel/index.ts'
import { PAGE_SIZE } from '../reference/model.ts'
import { layoutProblem } from './vma-round.ts'

/**
 * Holds the VMAs, the page table, the counters and what the API tells of them against each other. Nobody is at work.
 * @throws Error that says what does not fit
 */
export function checkQuietSpace(space: AddressSpace): void {
  const { task } = space.machine
  const { mm } = space.handle
  const problem = layoutProblem(space.maps()) ?? vmaProblem(task, mm) ?? residencyProblem(space, task, mm)
  if (problem !== null) throw new Error(problem)
  checkAddressSpace(task, mm)
}

/** List, tree and counts of the VMAs agree, and none are apart that Linux would have merged. */
export function vmaProblem(task: Task, mm: number): string | null {
  const { heap } = task
  let count = 0
  const pages = { total: 0, data: 0, stack: 0, executable: 0, locked: 0 }
  let previous = 0
  for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
    const start = heap[vma + Vma.vmStart]!
    const end = heap[vma + Vma.vmEnd]!
    const name = `vma[0x${start.toString(16)}-0x${end.toString(16)}]`
    if (heap[vma + Vma.vmPrev] !== previous) return `${name} is not linked back to the one before it`
    if (heap[vma + Vma.vmMm] !== mm) return `${name} belongs to another address space`
    for (let page = start; page < end; page++)
      if (findVma(task, mm, page) !== vma) return `${name} is not found by its page 0x${page.toString(16)}`
    if (previous !== 0 && mergeable(heap, previous, vma))
      return `${name} is not merged with the one before it`
    count++
    for (const kind of kindsOf(heap[vma + Vma.vmFlags]!)) pages[kind] += end - start
    previous = vma
  }
  if (heap[mm + Mm.mapCount] !== count)
    return `${count} VMAs are listed and ${heap[mm + Mm.mapCount]} counted`
  for (const [kind, field] of Object.entries(counts) as [keyof typeof counts, keyof typeof Mm][]) {
    const counted = heap[mm + Mm[field]]!
    if (counted !== pages[kind]) return `${kind}: ${pages[kind]} pages are mapped and ${counted} counted`
  }
  return null
}

/** As what pages are counted, and where: see AddressSpace.mapped. */
const counts = {
  total: 'totalVm',
  data: 'dataVm',
  stack: 'stackVm',
  executable: 'execVm',
  locked: 'lockedVm',
} as const

function kindsOf(flags: number): (keyof typeof counts)[] {
  const stack = (flags & VM_GROWSDOWN) !== 0
  const writable = (flags & VM_WRITE) !== 0
  const kinds: (keyof typeof counts)[] = ['total']
  if (stack) kinds.push('stack')
  else if (writable && (flags & VM_SHARED) === 0) kinds.push('data')
  else if (!writable && (flags & VM_EXEC) !== 0) kinds.push('executable')
  if ((flags & VM_LOCKED) !== 0) kinds.push('locked')
  return kinds
}

/**
 * Whether `is_mergeable_vma` and `is_mergeable_anon_vma` allow two neighbours to be one: then whatever made them
 * equal has made them one. Not a stack that has grown until it met another, which merges nothing in Linux either.
 * Nobody has forked here, so that only two different anon_vmas keep equal neighbours apart.
 */
function mergeable(heap: Int32Array, first: number, second: number): boolean {
  const pages = heap[first + Vma.vmEnd]! - heap[first + Vma.vmStart]!
  const anonVmas = [heap[first + Vma.anonVma]!, heap[second + Vma.anonVma]!]
  return (
    heap[first + Vma.vmEnd] === heap[second + Vma.vmStart] &&
    heap[first + Vma.vmFlags] === heap[second + Vma.vmFlags] &&
    (heap[first + Vma.vmFlags]! & VM_GROWSDOWN) === 0 &&
    heap[first + Vma.vmFile] === heap[second + Vma.vmFile] &&
    heap[first + Vma.vmPgoff]! + pages === heap[second + Vma.vmPgoff] &&
    (anonVmas.includes(0) || anonVmas[0] === anonVmas[1])
  )
}

/**
 * residentPages() tells what the page table has; of shared and swapped memory, also what is in a cache and not mapped.
 */
function residencyProblem(space: AddressSpace, task: Task, mm: number): string | null {
  const entries = new Map(presentEntries(task.heap, mm))
  for (const { start, end, shared } of space.maps()) {
    const resident = space.residentPages(start, end - start)
    for (const [index, told] of resident.entries()) {
      const page = start / PAGE_SIZE + index
      const entry = entries.get(page) ?? 0
      const present = (entry & (PTE_PRESENT | PTE_PROTNONE)) !== 0
      if (told === present || (told && (shared || (entry & PTE_SWAP) !== 0))) continue
      return `page 0x${page.toString(16)} ${present ? 'is' : 'is not'} present, and residentPages says ${told}`
    }
  }
  return null
}
