// What the tests of the public API share: machines in every configuration that matters, and assertions about typed
// errors.

import assert from 'node:assert/strict'
import type { Worker } from 'node:worker_threads'
import {
  type AddressSpace,
  BusError,
  type DesignName,
  designs,
  Machine,
  type MachineOptions,
  type MachineUsage,
  MemoryError,
  type RwsemKind,
  SegmentationFault,
} from '../../src/memory.ts'

export const PAGE = 4096

/**
 * Waits until `done`, without blocking this thread's events. Throws the error of a worker that fails before, and where
 * all have ended before: nobody would do what is waited for.
 */
export async function until(done: () => boolean, workers: readonly Worker[]): Promise<void> {
  let failure: Error | null = null
  let left = workers.length
  const failed = (error: Error): void => void (failure ??= error)
  const ended = (code: number): void => {
    if (--left === 0) failed(new Error(`the threads have ended before, the last with exit code ${code}`))
  }
  for (const worker of workers) worker.on('error', failed).on('exit', ended)
  try {
    while (!done()) {
      if (failure !== null) throw failure
      await new Promise((resolve) => setImmediate(resolve))
    }
  } finally {
    for (const worker of workers) worker.off('error', failed).off('exit', ended)
  }
}

export interface Configuration {
  design: DesignName
  rwsem: RwsemKind
}

/** The designs whose faults meet a reader-writer semaphore in a way of their own. */
const otherForms: Readonly<Record<DesignName, readonly RwsemKind[]>> = {
  classic: ['generic', 'writer-spinning', 'reader-spinning', 'spinning'],
  'lespinasse-2021': ['spinning'],
  'per-vma-lock-2023': ['spinning'],
}

/** Every design, and those that differ in it with other forms of the mmap lock too. */
export const configurations: readonly Configuration[] = designs.flatMap(({ name }) => {
  const forms: readonly RwsemKind[] = ['xadd', ...(otherForms[name] ?? [])]
  return forms.map((rwsem) => ({ design: name, rwsem }))
})

export const designNames: readonly DesignName[] = designs.map(({ name }) => name)

/** A place for fixed mappings that the kernel would not choose by itself, a little below a boundary of page tables. */
export const ARENA = 0x400_0000_0000 - 4 * PAGE

/**
 * Makes a machine and a space, runs the body, and holds the machine to having nothing left of the space afterwards.
 * Files that the body makes must be closed by it.
 */
export function withSpace(
  body: (space: AddressSpace, machine: Machine) => void,
  options: Partial<MachineOptions> & { maxMapCount?: number; stackLimit?: number } = {},
): void {
  const { maxMapCount, stackLimit, ...machineOptions } = options
  const machine = Machine.create({ memory: '16MiB', cpus: 2, ...machineOptions })
  const before = inUse(machine)
  const space = machine.createAddressSpace({
    ...(maxMapCount === undefined ? {} : { maxMapCount }),
    ...(stackLimit === undefined ? {} : { stackLimit }),
  })
  body(space, machine)
  space.destroy()
  assert.deepEqual(inUse(machine), before)
  machine.detach()
}

/** What must return to where it was. The kernel heap keeps what its slabs have once taken. */
export function inUse(machine: Machine): Omit<MachineUsage, 'heapWordsUsed'> {
  const { heapWordsUsed: _kept, ...rest } = machine.usage()
  return rest
}

export function failsWith(errno: string, call: () => unknown): void {
  assert.throws(call, (error: unknown) => {
    assert.ok(error instanceof MemoryError, `expected MemoryError, got ${String(error)}`)
    assert.equal(error.errno, errno)
    assert.equal(typeof error.call, 'string')
    return true
  })
}

export function faults(
  code: SegmentationFault['code'],
  address: number,
  access: 'r' | 'w' | 'x',
  call: () => unknown,
): void {
  assert.throws(call, (error: unknown) => {
    assert.ok(error instanceof SegmentationFault, `expected SegmentationFault, got ${String(error)}`)
    assert.deepEqual([error.code, error.address, error.access], [code, address, access])
    assert.equal(typeof error.cpu, 'number')
    return true
  })
}

export function busError(address: number, call: () => unknown): void {
  assert.throws(call, (error: unknown) => {
    assert.ok(error instanceof BusError, `expected BusError, got ${String(error)}`)
    assert.deepEqual([error.code, error.address], ['BUS_ADRERR', address])
    return true
  })
}

/** The mappings as "first-end protection", in pages from `base`. */
export function shape(space: AddressSpace, base: number): string[] {
  return space
    .maps()
    .map(({ start, end, protection }) => `${(start - base) / PAGE}-${(end - base) / PAGE} ${protection}`)
}

/** Fixed anonymous memory at a page of the arena. */
export function mapAt(
  space: AddressSpace,
  page: number,
  pages: number,
  options: Parameters<AddressSpace['mmap']>[1] = {},
): number {
  return space.mmap(pages * PAGE, { address: ARENA + page * PAGE, fixed: true, ...options })
}

export function at(page: number, offset = 0): number {
  return ARENA + page * PAGE + offset
}
