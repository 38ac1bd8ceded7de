// The mix of calls of stress-ng's `vma`: threads that each do one thing, as fast as they can, to the same 32 pages.
//
// Principles:
// - What stress-ng does is data here: a table with a line for each kind of thread, and how many there are.
// - All threads use the same pages, so that calls are refused and accesses fail all the time: a line says which errors
//   its calls may get. Any other error is thrown.
// - There is a method to override wherever a thread reads data or discards contents: the stress test checks there, the
//   benchmark does nothing.

import {
  type Advice,
  type AddressSpace,
  type Mapping,
  MemoryError,
  OutOfMemory,
  type Protection,
  SegmentationFault,
} from '../backends/threads/index.ts'
import { PAGE_SIZE } from '../kernel/index.ts'

/** The pages that all threads use. */
export const VMA_MIX_PAGES = 32
/**
 * The address of the first: a little below a boundary between page tables, so that they lie in two of them. Nothing
 * else is mapped near, in a process of Linux neither.
 */
export const VMA_MIX_BASE = 0x400_0000_0000 - 13 * PAGE_SIZE

const MAP_PROTECTIONS = ['none', 'r', 'w', 'rw', 'rx'] as const satisfies readonly Protection[]
const PROTECTIONS = ['none', 'r', 'w', 'rw'] as const satisfies readonly Protection[]
const MSYNC_MODES = ['async', 'sync', 'invalidate'] as const
const ADVICE = [
  'normal',
  'random',
  'sequential',
  'willneed',
  'dontneed',
  'mergeable',
  'unmergeable',
  'dontdump',
  'dodump',
  'pageout',
  'populate-read',
  'populate-write',
] as const satisfies readonly Advice[]

/** One thread of the mix in an address space. */
export class VmaMixThread {
  readonly space: AddressSpace
  /** A random number from 0 to `bound` - 1. */
  readonly below: (bound: number) => number

  constructor(space: AddressSpace, below: (bound: number) => number) {
    this.space = space
    this.below = below
  }

  /** A page from 0 to VMA_MIX_PAGES - 1. */
  page(): number {
    return this.below(VMA_MIX_PAGES)
  }

  address(page: number): number {
    return VMA_MIX_BASE + page * PAGE_SIZE
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }

  /** Looks at the first byte, as stress-ng does. */
  load(page: number): void {
    this.space.readUint8(this.address(page))
  }

  store(page: number): void {
    this.space.writeUint8(this.address(page), this.below(256))
  }

  /** Performs a call that discards the contents of the page. */
  replace(_page: number, call: () => void): void {
    call()
  }

  /** Performs a call that discards the contents of private pages. */
  discard(_page: number, _pages: number, call: () => void): void {
    call()
  }

  /** What maps() has given. */
  listed(_mappings: readonly Mapping[]): void {}

  /** What residentPages() has given for the pages from `page` on. */
  looked(_page: number, _resident: readonly boolean[]): void {}
}

/** The threads of one kind. */
export interface VmaMixRole {
  readonly name: string
  /** How many of them stress-ng has in one process. */
  readonly threads: number
  /** Which errors the call may get because of the other threads. */
  readonly refusals: readonly string[]
  readonly step: (thread: VmaMixThread) => void
}

/** Every kind of thread. Calls over ranges may run beyond the last page, as they do in stress-ng. */
export const vmaMix: readonly VmaMixRole[] = [
  // EINVAL: a shared mapping cannot grow down. EAGAIN: more than may be locked.
  { name: 'mmap', threads: 2, refusals: ['EINVAL', 'EAGAIN'], step: map },
  { name: 'munmap', threads: 1, refusals: [], step: unmap },
  // EAGAIN: no memory for the pages.
  { name: 'mlock', threads: 1, refusals: ['ENOMEM', 'EAGAIN'], step: lock },
  { name: 'munlock', threads: 1, refusals: ['ENOMEM'], step: unlock },
  { name: 'madvise', threads: 1, refusals: ['ENOMEM', 'EINVAL'], step: advise },
  { name: 'mincore', threads: 1, refusals: ['ENOMEM'], step: lookAtRange },
  { name: 'mprotect', threads: 1, refusals: ['ENOMEM'], step: protect },
  // EBUSY: to invalidate locked memory.
  { name: 'msync', threads: 1, refusals: ['ENOMEM', 'EBUSY'], step: synchronise },
  { name: 'maps', threads: 1, refusals: [], step: list },
  { name: 'pagemap', threads: 1, refusals: ['ENOMEM'], step: lookAtPages },
  { name: 'access', threads: 20, refusals: [], step: access },
]

/** The kind of each thread that changes or queries mappings, and does not access memory. */
export const vmaMixOthers: readonly VmaMixRole[] = vmaMix
  .filter(({ name }) => name !== 'access')
  .flatMap((role) => Array.from({ length: role.threads }, () => role))
export const vmaMixAccess = vmaMix.find(({ name }) => name === 'access')!

/** How a step ended: as asked, with an errno that its line allows, or with a signal. */
export type VmaMixEnd = 'done' | 'refused' | 'signal'

/** Performs one step. Throws what neither the line of the role allows nor an access may meet. */
export function performVmaMixStep(role: VmaMixRole, thread: VmaMixThread): VmaMixEnd {
  try {
    role.step(thread)
    return 'done'
  } catch (error) {
    // A BusError is none of these: every page of a shared mapping here lies within what it maps.
    if (error instanceof SegmentationFault && role === vmaMixAccess) return 'signal'
    const expected = error instanceof MemoryError && !(error instanceof OutOfMemory)
    if (expected && role.refusals.includes(error.errno)) return 'refused'
    throw error
  }
}

/** Maps one page anew. */
function map(thread: VmaMixThread): void {
  const page = thread.page()
  const options = {
    address: thread.address(page),
    fixed: true,
    protection: thread.pick(MAP_PROTECTIONS),
    shared: thread.below(2) === 0,
    growsDown: thread.below(2) === 0,
    locked: thread.below(2) === 0,
    populate: thread.below(2) === 0,
  }
  thread.replace(page, () => thread.space.mmap(PAGE_SIZE, options))
}

function unmap(thread: VmaMixThread): void {
  const page = thread.page()
  thread.replace(page, () => thread.space.munmap(thread.address(page), PAGE_SIZE))
}

function lock(thread: VmaMixThread): void {
  const address = thread.address(thread.page())
  thread.space.mlock(address, thread.page() * PAGE_SIZE, { onFault: thread.below(2) === 0 })
}

function unlock(thread: VmaMixThread): void {
  const address = thread.address(thread.page())
  thread.space.munlock(address, thread.page() * PAGE_SIZE)
}

function advise(thread: VmaMixThread): void {
  const page = thread.page()
  const pages = thread.page()
  const advice = thread.pick(ADVICE)
  const call = (): void => thread.space.madvise(thread.address(page), pages * PAGE_SIZE, advice)
  if (advice === 'dontneed') thread.discard(page, pages, call)
  else call()
}

function protect(thread: VmaMixThread): void {
  const page = thread.page()
  thread.space.mprotect(thread.address(page), thread.page() * PAGE_SIZE, thread.pick(PROTECTIONS))
}

function synchronise(thread: VmaMixThread): void {
  const page = thread.page()
  thread.space.msync(thread.address(page), thread.page() * PAGE_SIZE, thread.pick(MSYNC_MODES))
}

function list(thread: VmaMixThread): void {
  thread.listed(thread.space.maps())
}

function lookAtRange(thread: VmaMixThread): void {
  const page = thread.page()
  thread.looked(page, thread.space.residentPages(thread.address(page), thread.page() * PAGE_SIZE))
}

/** Where pagemap says of a page that it is not mapped, ours refuses: so one page at a time. */
function lookAtPages(thread: VmaMixThread): void {
  const page = thread.page()
  thread.looked(page, thread.space.residentPages(thread.address(page), PAGE_SIZE))
}

/** Reads, where stress-ng only reads, or writes. */
function access(thread: VmaMixThread): void {
  if (thread.below(2) === 0) thread.load(thread.page())
  else thread.store(thread.page())
}
