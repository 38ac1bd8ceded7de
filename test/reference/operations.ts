// Operations on an address space, performed on the system under test and on the reference model side by side.
//
// Principles: an operation is plain data, so that it can be printed, shrunk and replayed; it names pages by their
// number within an arena, never by address; performing it either returns (both sides agree) or throws a Divergence
// that says what was expected and what was met. The same operations serve the single-threaded model tests and the
// stress test, where each thread has its own model for the pages that it owns.

import {
  type AddressSpace,
  BusError,
  MemoryError,
  type MemoryFile,
  OutOfMemory,
  type Protection,
  SegmentationFault,
} from '../../src/memory.ts'
import type { Random } from './random.ts'
import {
  type Access,
  IllegalOutcome,
  PAGE_SIZE,
  ReferenceCallError,
  ReferenceFault,
  type ReferenceFile,
  type ReferenceSpace,
} from './model.ts'

export type Placement = 'anywhere' | 'hint' | 'fixed' | 'noreplace'
export type Backing = 'anonymous' | 'shared-anonymous' | 'private-file' | 'shared-file'

export type Operation =
  | {
      kind: 'mmap'
      page: number
      pages: number
      protection: Protection
      placement: Placement
      backing: Backing
      file: number
      filePage: number
      growsDown: boolean
      noReserve: boolean
      populate: boolean
      /** bytes taken off the length, so that lengths need not be whole pages */
      short: number
    }
  | { kind: 'munmap'; page: number; pages: number; short: number }
  | { kind: 'mprotect'; page: number; pages: number; short: number; protection: Protection }
  | { kind: 'madvise'; page: number; pages: number; short: number; advice: Advice }
  | {
      kind: 'mremap'
      page: number
      oldPages: number
      newPages: number
      to: number
      mode: 'in-place' | 'may-move' | 'fixed' | 'dont-unmap'
    }
  | { kind: 'brk'; bytes: number }
  | { kind: 'load'; page: number; at: number; width: 1 | 2 | 4 | 8 }
  | { kind: 'store'; page: number; at: number; width: 1 | 2 | 4 | 8; value: number }
  | { kind: 'read'; page: number; at: number; length: number }
  | { kind: 'write'; page: number; at: number; length: number; value: number }
  | { kind: 'fill'; page: number; at: number; length: number; value: number }
  | { kind: 'add'; page: number; word: number; value: number }
  | { kind: 'compare-exchange'; page: number; word: number; hit: boolean; value: number }
  | { kind: 'touch'; page: number; at: number; access: Access }
  | { kind: 'resident'; page: number; pages: number }
  | { kind: 'file-write'; file: number; at: number; length: number; value: number }
  | { kind: 'file-read'; file: number; at: number; length: number }
  | {
      kind: 'misuse'
      call: 'mmap' | 'munmap' | 'mprotect' | 'madvise' | 'mremap'
      page: number
      wrong: Misuse
    }

export type Misuse = 'address' | 'no-length' | 'offset' | 'beyond'
export type Advice = Parameters<AddressSpace['madvise']>[2]

export const modelledAdvice: readonly Advice[] = [
  'normal',
  'random',
  'sequential',
  'willneed',
  'dontneed',
  'free',
  'dontfork',
  'dofork',
  'dontdump',
  'dodump',
  'cold',
  'pageout',
  'wipeonfork',
  'keeponfork',
  'populate-read',
  'populate-write',
]

/** Protections for which populating is not a matter of architecture. */
export const modelledProtections: readonly Protection[] = ['none', 'r', 'rw', 'x', 'rx', 'rwx']

export class Divergence extends Error {
  readonly operation: Operation | string
  readonly address: number
  readonly expected: string
  readonly got: string
  constructor(operation: Operation | string, address: number, expected: string, got: string) {
    super(
      `${typeof operation === 'string' ? operation : JSON.stringify(operation)} at 0x${address.toString(16)}: ` +
        `expected ${expected}, got ${got}`,
    )
    this.operation = operation
    this.address = address
    this.expected = expected
    this.got = got
  }
}

/** Where operations happen: the two sides, and what page and file numbers stand for. */
export interface World {
  space: AddressSpace
  model: ReferenceSpace
  files: { tested: MemoryFile; model: ReferenceFile }[]
  /** The address of a page number of the arena. */
  address(page: number): number
  /** Called with what mmap or mremap chose where the choice was the kernel's. */
  placed?(address: number, length: number): void
  /** Whether other threads change the space at the same time: then only this thread's own pages are looked at. */
  concurrent: boolean
}

interface Outcome<T> {
  value?: T
  /** how it failed, in a form that both sides share */
  failure?: string
  /** how it may fail just as well */
  elsewhere?: string | undefined
}

function observe<T>(call: () => T): Outcome<T> {
  try {
    return { value: call() }
  } catch (error) {
    if (error instanceof OutOfMemory) throw error
    if (error instanceof MemoryError) return { failure: error.errno }
    if (error instanceof SegmentationFault || error instanceof BusError) {
      return { failure: `${error.code} at 0x${error.address.toString(16)}` }
    }
    throw error
  }
}

function expectation<T>(call: () => T): Outcome<T> {
  try {
    return { value: call() }
  } catch (error) {
    if (error instanceof ReferenceCallError) return { failure: error.errno, elsewhere: error.elsewhere }
    if (error instanceof ReferenceFault)
      return { failure: `${error.code} at 0x${error.address.toString(16)}` }
    throw error
  }
}

/**
 * Performs one operation on both sides.
 * @returns whether it succeeded (on both)
 * @throws Divergence where the sides differ; OutOfMemory where the system under test had no memory left (the model is
 * then unchanged, and what the system did in part is unknown)
 */
export function perform(world: World, operation: Operation): boolean {
  const { space, model } = world
  const at = operationAddress(world, operation)
  const both = <T>(
    tested: () => T,
    expected: (outcome: Outcome<T>) => unknown,
    compareValues = false,
  ): boolean => {
    const got = observe(tested)
    let want: Outcome<unknown>
    try {
      want = expectation(() => expected(got))
    } catch (error) {
      if (error instanceof IllegalOutcome)
        throw new Divergence(operation, at, 'a legal outcome', error.message)
      throw error
    }
    const sameFailure =
      want.failure === got.failure || (want.elsewhere !== undefined && want.elsewhere === got.failure)
    if (!sameFailure || (compareValues && want.value !== got.value)) {
      throw new Divergence(operation, at, describe(want, compareValues), describe(got, compareValues))
    }
    return got.failure === undefined
  }

  switch (operation.kind) {
    case 'mmap': {
      const length = operation.pages * PAGE_SIZE - operation.short
      const file = operation.backing.endsWith('file') ? world.files[operation.file]! : null
      const options = {
        protection: operation.protection,
        shared: operation.backing.startsWith('shared'),
        growsDown: operation.growsDown,
        noReserve: operation.noReserve,
        populate: operation.populate,
        offset: operation.filePage * PAGE_SIZE,
        ...(operation.placement === 'anywhere' ? {} : { address: at }),
        ...(operation.placement === 'fixed' ? { fixed: true } : {}),
        ...(operation.placement === 'noreplace' ? { fixed: 'noreplace' as const } : {}),
      }
      const succeeded = both(
        () => space.mmap(length, file === null ? options : { ...options, file: file.tested }),
        ({ value }) => {
          const address = model.mmap(length, { ...options, file: file?.model ?? null }, value)
          if (operation.placement !== 'fixed') world.placed?.(address, operation.pages)
        },
      )
      return succeeded
    }
    case 'munmap':
      return both(
        () => space.munmap(at, operation.pages * PAGE_SIZE - operation.short),
        () => model.munmap(at, operation.pages * PAGE_SIZE - operation.short),
      )
    case 'mprotect':
      return both(
        () => space.mprotect(at, operation.pages * PAGE_SIZE - operation.short, operation.protection),
        () => model.mprotect(at, operation.pages * PAGE_SIZE - operation.short, operation.protection),
      )
    case 'madvise':
      return both(
        () => space.madvise(at, operation.pages * PAGE_SIZE - operation.short, operation.advice),
        () => model.madvise(at, operation.pages * PAGE_SIZE - operation.short, operation.advice),
      )
    case 'mremap':
      return performMremap(world, operation, at, both)
    case 'brk':
      return both(
        () => space.brk(model.startBrk + operation.bytes),
        () => model.brk(model.startBrk + operation.bytes),
        true,
      )
    case 'load':
      return both(
        () => load(space, at, operation.width),
        ({ value }) => model.read(at, operation.width, value),
      )
    case 'store': {
      const bytes = scalarBytes(operation.value, operation.width)
      return both(
        () => store(space, at, operation.width, bytes),
        () => model.writeScalar(at, bytes),
      )
    }
    case 'read':
      return both(
        () => space.read(at, operation.length),
        ({ value }) => model.read(at, operation.length, value),
      )
    case 'write': {
      const bytes = pattern(operation.value, operation.length)
      return both(
        () => space.write(at, bytes),
        () => model.write(at, bytes),
      )
    }
    case 'fill': {
      const bytes = new Uint8Array(operation.length).fill(operation.value)
      return both(
        () => space.fill(at, operation.length, operation.value & 0xff),
        () => model.write(at, bytes),
      )
    }
    case 'add':
      return both(
        () => space.addUint32(at, operation.value),
        ({ value }) => {
          const possible = model.words(at)
          if (value === undefined) return
          if (!possible.includes(value))
            throw new IllegalOutcome(`fetched ${value}, memory held ${possible.join(' or ')}`)
          model.write(at, scalarBytes((value + operation.value) >>> 0, 4))
        },
      )
    case 'compare-exchange': {
      // What the word holds is known to the model, so that both outcomes can be asked for. The model is looked at
      // through a copy of the page, since the access itself may yet fault.
      const known = model.pages.get(Math.floor(at / PAGE_SIZE))
      const held = known === undefined || known.protection === 0 ? 0 : peekWord(model, at)
      const expected = operation.hit ? held : (held ^ 0x5a5a5a5a) >>> 0
      return both(
        () => space.compareExchangeUint32(at, expected, operation.value),
        ({ value }) => {
          const possible = model.words(at)
          if (value === undefined) return
          if (!possible.includes(value))
            throw new IllegalOutcome(`found ${value}, memory held ${possible.join(' or ')}`)
          model.write(at, scalarBytes(value === expected ? operation.value : value, 4))
        },
      )
    }
    case 'touch':
      return both(
        () => void space.touch(at, operation.access),
        () => void model.access(at, operation.access),
      )
    case 'resident':
      return both(
        () => space.residentPages(at, operation.pages * PAGE_SIZE),
        ({ value }) => {
          const expected = model.resident(at, operation.pages * PAGE_SIZE)
          if (value === undefined) return
          if (value.length !== expected.length)
            throw new IllegalOutcome(`${value.length} answers for ${expected.length} pages`)
          expected.forEach((resident, index) => {
            if (resident !== undefined && resident !== value[index]) {
              throw new IllegalOutcome(`page ${index} of the range: resident should be ${resident}`)
            }
          })
        },
      )
    case 'file-write': {
      const bytes = pattern(operation.value, operation.length)
      const file = world.files[operation.file]!
      return both(
        () => file.tested.write(operation.at, bytes),
        () => file.model.write(operation.at, bytes),
      )
    }
    case 'file-read': {
      const file = world.files[operation.file]!
      return both(
        () => Buffer.from(file.tested.read(operation.at, operation.length)).toString('hex'),
        () => Buffer.from(file.model.read(operation.at, operation.length)).toString('hex'),
        true,
      )
    }
    case 'misuse':
      return performMisuse(world, operation, at, both)
  }
}

type Both = <T>(
  tested: () => T,
  expected: (outcome: Outcome<T>) => unknown,
  compareValues?: boolean,
) => boolean

function performMremap(
  world: World,
  operation: Extract<Operation, { kind: 'mremap' }>,
  at: number,
  both: Both,
): boolean {
  const { space, model } = world
  let room = operation.oldPages * PAGE_SIZE
  if (!world.concurrent) {
    const mapping = space.maps().find(({ start, end }) => start <= at && at < end)
    room = mapping === undefined ? 0 : mapping.end - at
  }
  const source = model.pages.get(at / PAGE_SIZE)
  // A stack moved or resized, and a range that reaches across mappings where Linux changed its mind between versions,
  // are left to tests of their own.
  for (let page = 0; page < Math.max(1, operation.oldPages); page++) {
    if (model.pages.get(at / PAGE_SIZE + page)?.growsDown === true) return false
  }
  let oldLength = operation.oldPages * PAGE_SIZE
  const movesOnly = operation.mode === 'fixed' && operation.newPages === operation.oldPages
  if (
    source !== undefined &&
    (world.concurrent || !movesOnly) &&
    oldLength > room &&
    (operation.mode !== 'in-place' || operation.newPages <= operation.oldPages)
  ) {
    oldLength = room
  }
  let newLength = operation.newPages * PAGE_SIZE
  if (operation.mode === 'fixed' && oldLength === 0 && source !== undefined) {
    // A duplicate of private memory, or one over its own source, is refused: by older versions of Linux only after the
    // destination is gone.
    const target = world.address(operation.to)
    if (!source.shared || (target <= at && at < target + newLength)) return false
  }
  if (operation.mode === 'dont-unmap') {
    if (source !== undefined && source.file !== null) return false
    newLength = oldLength
  }
  const options =
    operation.mode === 'in-place'
      ? {}
      : operation.mode === 'may-move'
        ? { mayMove: true }
        : operation.mode === 'fixed'
          ? { mayMove: true, fixed: world.address(operation.to) }
          : { mayMove: true, dontUnmap: true }
  return both(
    () => space.mremap(at, oldLength, newLength, options),
    ({ value }) => {
      const address = model.mremap(at, oldLength, newLength, options, at + room, value)
      if (address !== at && operation.mode !== 'fixed') world.placed?.(address, newLength / PAGE_SIZE)
    },
  )
}

function performMisuse(
  world: World,
  operation: Extract<Operation, { kind: 'misuse' }>,
  at: number,
  both: Both,
): boolean {
  const { space, model } = world
  const wrongAddress = operation.wrong === 'address' ? at + 1 + (operation.page % (PAGE_SIZE - 1)) : at
  const beyond = operation.wrong === 'beyond'
  const address = beyond ? model.addressLimit - PAGE_SIZE : wrongAddress
  const length = operation.wrong === 'no-length' ? 0 : beyond ? 4 * PAGE_SIZE : PAGE_SIZE
  switch (operation.call) {
    case 'mmap': {
      const options = {
        address,
        fixed: true,
        protection: 'rw' as const,
        offset: operation.wrong === 'offset' ? 100 : 0,
      }
      return both(
        () => space.mmap(length, options),
        ({ value }) => model.mmap(length, options, value),
      )
    }
    case 'munmap':
      return both(
        () => space.munmap(address, length),
        () => model.munmap(address, length),
      )
    case 'mprotect':
      return both(
        () => space.mprotect(address, length, 'r'),
        () => model.mprotect(address, length, 'r'),
      )
    case 'madvise':
      return both(
        () => space.madvise(address, length, 'dontneed'),
        () => model.madvise(address, length, 'dontneed'),
      )
    case 'mremap': {
      const options = operation.wrong === 'offset' ? { mayMove: true, fixed: at + 100 * PAGE_SIZE + 8 } : {}
      const newLength = operation.wrong === 'no-length' ? 0 : PAGE_SIZE
      return both(
        () => space.mremap(address, PAGE_SIZE, newLength, options),
        () => model.mremap(address, PAGE_SIZE, newLength, options, address + PAGE_SIZE),
      )
    }
  }
}

function operationAddress(world: World, operation: Operation): number {
  switch (operation.kind) {
    case 'brk':
      return world.model.currentBrk
    case 'file-write':
    case 'file-read':
      return operation.at
    case 'add':
    case 'compare-exchange':
      return world.address(operation.page) + operation.word * 4
    case 'load':
    case 'store':
    case 'read':
    case 'write':
    case 'fill':
    case 'touch':
      return world.address(operation.page) + operation.at
    default:
      return world.address(operation.page)
  }
}

function describe(outcome: Outcome<unknown>, withValue: boolean): string {
  if (outcome.failure !== undefined) return outcome.failure
  return withValue ? `success (${String(outcome.value)})` : 'success'
}

function peekWord(model: ReferenceSpace, address: number): number {
  const page = model.pages.get(Math.floor(address / PAGE_SIZE))!
  const bytes = page.contents?.[0] ?? page.file?.page(page.fileIndex)
  return bytes === undefined ? 0 : new DataView(bytes.buffer).getUint32(address % PAGE_SIZE, true)
}

function load(space: AddressSpace, address: number, width: 1 | 2 | 4 | 8): Uint8Array {
  const bytes = new Uint8Array(width)
  const view = new DataView(bytes.buffer)
  if (width === 1) view.setUint8(0, space.readUint8(address))
  else if (width === 2) view.setUint16(0, space.readUint16(address), true)
  else if (width === 4) view.setUint32(0, space.readUint32(address), true)
  else view.setBigUint64(0, space.readBigUint64(address), true)
  return bytes
}

function store(space: AddressSpace, address: number, width: 1 | 2 | 4 | 8, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer)
  if (width === 1) space.writeUint8(address, view.getUint8(0))
  else if (width === 2) space.writeUint16(address, view.getUint16(0, true))
  else if (width === 4) space.writeUint32(address, view.getUint32(0, true))
  else space.writeBigUint64(address, view.getBigUint64(0, true))
}

function scalarBytes(value: number, width: 1 | 2 | 4 | 8): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, value >>> 0, true)
  view.setUint32(4, ~value >>> 0, true)
  return bytes.slice(0, width)
}

function pattern(value: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) bytes[at] = (value + at * 7) & 0xff
  return bytes
}

/** Holds everything that can be observed without an access against the model: mappings and the anonymous RSS. */
export function checkLayout(world: World, step: string): void {
  try {
    world.model.checkMaps(world.space.maps())
  } catch (error) {
    if (error instanceof IllegalOutcome)
      throw new Divergence(step, 0, 'the mappings of the model', error.message)
    throw error
  }
  const { least, most } = world.model.anonymousPages()
  const { anonymous } = world.space.rss
  if (anonymous < least || anonymous > most) {
    throw new Divergence(
      step,
      0,
      least === most ? `${least} anonymous pages` : `${least} to ${most} anonymous pages`,
      `${anonymous}`,
    )
  }
}

/** Reads every page, opening those that refuse reads first, and holds it against the model. */
export function checkContents(world: World): void {
  const { space, model } = world
  for (const number of [...model.pages.keys()].sort((a, b) => a - b)) {
    const address = number * PAGE_SIZE
    if (!model.isReadable(number)) {
      space.mprotect(address, PAGE_SIZE, 'r')
      model.mprotect(address, PAGE_SIZE, 'r')
    }
    const got = observe(() => space.read(address, PAGE_SIZE))
    let want: Outcome<unknown>
    try {
      want = expectation(() => model.read(address, PAGE_SIZE, got.value))
    } catch (error) {
      if (error instanceof IllegalOutcome)
        throw new Divergence('contents', address, 'the contents of the model', error.message)
      throw error
    }
    if (want.failure !== got.failure)
      throw new Divergence('contents', address, describe(want, false), describe(got, false))
  }
}

/** What random operations may do. */
export interface Shape {
  /** page numbers that operations may start at */
  pages: number
  /** the most pages that one call covers; 1 where single pages are owned */
  longest: number
  /** how a page number and a length are fitted into what the thread owns */
  fit(page: number, pages: number): { page: number; pages: number }
  files: number
  /** which pages of a file may be mapped at a page of the arena, and how many */
  fitFile(random: Random, page: number, pages: number): { filePage: number; pages: number }
  /** bytes of each file that file-read and file-write may reach */
  fileBytes: number
  placements: readonly Placement[]
  weights: Partial<Record<Operation['kind'], number>>
  growsDown: boolean
  /** whether mappings may be resized and moved freely, or only page by page to a fixed place */
  freeMremap: boolean
  advice: readonly Advice[]
}

/** Draws the next operation. */
export function generate(random: Random, shape: Shape): Operation {
  const kind = random.weighted(shape.weights)
  const { page, pages } = shape.fit(random.below(shape.pages), 1 + random.below(shape.longest))
  const short = random.oneIn(4) ? 1 + random.below(PAGE_SIZE - 1) : 0
  const at = random.oneIn(2) ? 4 * random.below(PAGE_SIZE / 4) : random.below(PAGE_SIZE)
  const room = pages * PAGE_SIZE
  const length = 1 + random.below(Math.min(room, random.oneIn(4) ? 3 * PAGE_SIZE : 64))
  const rangeAt = random.below(room - length + 1)
  const width = random.pick([1, 2, 4, 8] as const)
  const scalarAt = pages > 1 ? at : Math.min(at, PAGE_SIZE - width)
  const value = random.next()
  switch (kind) {
    case 'mmap': {
      const backing = random.weighted<Backing>({
        anonymous: 6,
        'shared-anonymous': 1,
        'private-file': shape.files > 0 ? 2 : 0,
        'shared-file': shape.files > 0 ? 2 : 0,
      })
      const fromFile = backing.endsWith('file') ? shape.fitFile(random, page, pages) : { filePage: 0, pages }
      return {
        kind,
        page,
        pages: fromFile.pages,
        protection: random.pick(['rw', 'rw', 'rw', 'r', 'none', 'rwx', 'rx', 'x'] as const),
        placement: random.pick(shape.placements),
        backing,
        file: shape.files > 0 ? random.below(shape.files) : 0,
        filePage: fromFile.filePage,
        growsDown: shape.growsDown && random.oneIn(6),
        noReserve: random.oneIn(8),
        populate: random.oneIn(6),
        short,
      }
    }
    case 'munmap':
      return { kind, page, pages, short }
    case 'mprotect':
      return {
        kind,
        page,
        pages,
        short,
        protection: random.pick(['rw', 'rw', 'r', 'none', 'rx', 'x', 'rwx'] as const),
      }
    case 'madvise':
      return { kind, page, pages, short, advice: random.pick(shape.advice) }
    case 'mremap': {
      if (!shape.freeMremap) {
        const to = shape.fit(random.below(shape.pages), 1).page
        return { kind, page, oldPages: 1, newPages: 1, to, mode: 'fixed' }
      }
      const oldPages = random.oneIn(10) ? 0 : pages
      const newPages = 1 + random.below(shape.longest)
      const to = shape.fit(random.below(shape.pages), newPages).page
      return {
        kind,
        page,
        oldPages,
        newPages,
        to,
        mode: random.pick(['in-place', 'may-move', 'may-move', 'fixed', 'dont-unmap'] as const),
      }
    }
    case 'brk':
      return { kind, bytes: random.below(12 * PAGE_SIZE) - PAGE_SIZE }
    case 'load':
      return { kind, page, at: scalarAt, width }
    case 'store':
      return { kind, page, at: scalarAt, width, value }
    case 'read':
      return { kind, page, at: rangeAt, length }
    case 'write':
      return { kind, page, at: rangeAt, length, value }
    case 'fill':
      return { kind, page, at: rangeAt, length, value: value & 0xff }
    case 'add':
      return { kind, page, word: random.below(PAGE_SIZE / 4), value }
    case 'compare-exchange':
      return { kind, page, word: random.below(PAGE_SIZE / 4), hit: random.oneIn(2), value }
    case 'touch':
      return { kind, page, at, access: random.pick(['r', 'r', 'w', 'w', 'x'] as const) }
    case 'resident':
      return { kind, page, pages }
    case 'file-write':
    case 'file-read': {
      const { filePage } = shape.fitFile(random, page, 1)
      const within = random.below(PAGE_SIZE)
      const bytes = 1 + random.below(Math.min(64, PAGE_SIZE - within))
      const start = Math.min(filePage * PAGE_SIZE + within, shape.fileBytes - bytes)
      return { kind, file: random.below(shape.files), at: start, length: bytes, value }
    }
    case 'misuse':
      return {
        kind,
        call: random.pick(['mmap', 'munmap', 'mprotect', 'madvise', 'mremap'] as const),
        page,
        wrong: random.pick(['address', 'no-length', 'offset', 'beyond'] as const),
      }
  }
}
