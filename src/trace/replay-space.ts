/**
 * Address spaces of a replay: how one is set up as exec sets it up, and the table that tells all workers where each is.
 */
import { AddressSpace, type Machine, type MachineHandle, type MemoryFile } from '../backends/threads/index.ts'
import { PAGE_SIZE } from './layout.ts'
import type { ImagePlan, PlannedMapping } from './plan-types.ts'
import { PROTECTIONS } from './replay-protocol.ts'

/** The most that Linux's own default allows a stack to grow, and how much more when the trace shows more. */
const DEFAULT_STACK_LIMIT = 8 * 1024 * 1024
/** Linux's limit may have been raised where the program ran. */
const MAX_MAP_COUNT = 2 ** 24
const TABLE_WORDS = 3

/** A file of the replay, which begins with the first page that is mapped of the recorded one. */
export interface OpenFile {
  readonly file: MemoryFile
  readonly firstPage: number
}

/** Where each address space is. Who puts one there and who looks are in order by the waits of the plan. */
export class SpaceTable {
  readonly shared: SharedArrayBuffer
  readonly #machine: MachineHandle
  readonly #words: Int32Array

  constructor(machine: MachineHandle, shared: SharedArrayBuffer) {
    this.shared = shared
    this.#machine = machine
    this.#words = new Int32Array(shared)
  }

  static create(machine: MachineHandle, images: number): SpaceTable {
    const bytes = images * TABLE_WORDS * Int32Array.BYTES_PER_ELEMENT
    return new SpaceTable(machine, new SharedArrayBuffer(bytes))
  }

  get size(): number {
    return this.#words.length / TABLE_WORDS
  }

  put(image: number, space: AddressSpace): void {
    const { mm, generation } = space.handle
    this.#words[image * TABLE_WORDS] = mm
    this.#words[image * TABLE_WORDS + 1] = generation | 0
    this.#words[image * TABLE_WORDS + 2] = Math.floor(generation / 2 ** 32)
  }

  /** The address space was destroyed. */
  remove(image: number): void {
    this.#words[image * TABLE_WORDS] = 0
  }

  /** The address space for this thread, or null if there is none. */
  get(image: number): AddressSpace | null {
    const mm = this.#words[image * TABLE_WORDS]!
    const low = this.#words[image * TABLE_WORDS + 1]! >>> 0
    const generation = this.#words[image * TABLE_WORDS + 2]! * 2 ** 32 + low
    if (mm === 0) return null
    return AddressSpace.attach({ kind: 'faultline-space', machine: this.#machine, mm, generation })
  }
}

/** Makes an address space with what exec maps. @throws MemoryError if that cannot be mapped */
export function createSpace(
  machine: Machine,
  plan: ImagePlan,
  files: ReadonlyMap<number, OpenFile>,
): AddressSpace {
  const stack = plan.prelude.reduce(
    (most, { growsDown, pages }) => (growsDown ? Math.max(most, pages * PAGE_SIZE) : most),
    0,
  )
  const space = machine.createAddressSpace({
    maxMapCount: MAX_MAP_COUNT,
    stackLimit: Math.max(DEFAULT_STACK_LIMIT, stack + plan.stackGrowth),
  })
  // The heap is there before what a forked process had mapped over it.
  setHeap(space, plan)
  for (const mapping of plan.prelude) mapPrelude(space, mapping, files, plan)
  for (const page of plan.written) space.madvise(page * PAGE_SIZE, PAGE_SIZE, 'populate-write')
  return space
}

/** Sets the heap up as it was before the first operation, if that is known. */
export function setHeap(space: AddressSpace, { heapStart, heapEnd }: ImagePlan): void {
  if (heapStart < 0) return
  space.setBrk(heapStart)
  if (heapEnd > heapStart) space.brk(heapEnd)
}

function mapPrelude(
  space: AddressSpace,
  mapping: PlannedMapping,
  files: ReadonlyMap<number, OpenFile>,
  plan: ImagePlan,
): void {
  const address = mapping.page * PAGE_SIZE
  const length = mapping.pages * PAGE_SIZE
  if (length === 0) return
  const plainHeap = mapping.protection === 3 && mapping.file === 0 && !mapping.shared
  if (plainHeap && address >= plan.heapStart && address + length <= pageUp(plan.heapEnd)) return
  const source = files.get(mapping.file)
  space.mmap(length, {
    protection: PROTECTIONS[mapping.protection]!,
    address,
    fixed: true,
    shared: mapping.shared,
    growsDown: mapping.growsDown,
    ...(source !== undefined && {
      file: source.file,
      offset: (mapping.filePage - source.firstPage) * PAGE_SIZE,
    }),
  })
}

function pageUp(value: number): number {
  return Math.ceil(value / PAGE_SIZE) * PAGE_SIZE
}
