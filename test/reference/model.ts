// The reference memory manager: what mmap, munmap, mprotect, madvise, mremap, brk and plain accesses mean, written as
// simply as it can be said, for one thread at a time; and fork, for which there is a space of it each.
//
// Principles:
// - No mapping tree, no page table, no translation cache: a space is a map from page number to what that page is.
//   Calls over ranges are loops over pages in ascending order. What costs time here buys certainty.
// - It shares no code with the kernel under test and knows nothing of its internals. The rules are those of Linux;
//   each error is thrown where Linux's own order of checks meets it, since callers can tell the order apart.
// - Where Linux leaves a choice to the implementation (which free address mmap picks, whether two equal neighbours
//   that have been faulted are one mapping or two, when a page given up by MADV_FREE is taken), the model is told what
//   happened and decides whether that was legal.

export const PAGE_SIZE = 4096
/** Pages that must stay free between a stack that grows and an accessible mapping below it (Linux: stack_guard_gap). */
export const STACK_GUARD_GAP_PAGES = 256

export const READ = 1
export const WRITE = 2
export const EXECUTE = 4

export type Access = 'r' | 'w' | 'x'

export function protectionBits(protection: string): number {
  if (protection === 'none') return 0
  let bits = 0
  for (const letter of protection) {
    if (letter === 'r') bits |= READ
    else if (letter === 'w') bits |= WRITE
    else if (letter === 'x') bits |= EXECUTE
    else throw new TypeError(`protection ${protection}`)
  }
  return bits
}

export function protectionName(bits: number): string {
  const name = (bits & READ ? 'r' : '') + (bits & WRITE ? 'w' : '') + (bits & EXECUTE ? 'x' : '')
  return name === '' ? 'none' : name
}

/** A call that Linux refuses, with the name of the errno that it returns. */
export class ReferenceCallError extends Error {
  readonly errno: string
  /** what other versions of Linux return, which ask in another order */
  readonly elsewhere: string | undefined
  constructor(errno: string, why: string, elsewhere?: string) {
    super(`${errno}: ${why}`)
    this.errno = errno
    this.elsewhere = elsewhere
  }
}

/** A signal that an access raises. */
export class ReferenceFault extends Error {
  readonly code: 'SEGV_MAPERR' | 'SEGV_ACCERR' | 'SEGV_PKUERR' | 'BUS_ADRERR'
  readonly address: number
  constructor(code: ReferenceFault['code'], address: number) {
    super(`${code} at 0x${address.toString(16)}`)
    this.code = code
    this.address = address
  }
}

/** The system under test did something that no Linux could do. */
export class IllegalOutcome extends Error {}

/**
 * Contents that may be mapped: a file, or the object behind a shared anonymous mapping. Pages not yet written are
 * zero.
 */
export class ReferenceFile {
  readonly id: number
  /** bytes */
  readonly size: number
  readonly anonymous: boolean
  readonly pages = new Map<number, Uint8Array>()

  constructor(id: number, size: number, anonymous = false, contents?: Uint8Array) {
    this.id = id
    this.size = size
    this.anonymous = anonymous
    if (contents !== undefined) this.write(0, contents)
  }

  get pageCount(): number {
    return Math.ceil(this.size / PAGE_SIZE)
  }

  page(index: number): Uint8Array {
    let page = this.pages.get(index)
    if (page === undefined) this.pages.set(index, (page = new Uint8Array(PAGE_SIZE)))
    return page
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at++) {
      bytes[at] = this.page(Math.floor((offset + at) / PAGE_SIZE))[(offset + at) % PAGE_SIZE]!
    }
    return bytes
  }

  write(offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at++) {
      this.page(Math.floor((offset + at) / PAGE_SIZE))[(offset + at) % PAGE_SIZE] = bytes[at]!
    }
  }
}

/** Advice that /proc/PID/maps does not show, but that keeps mappings apart. */
export const ADVICE_RANDOM = 1
export const ADVICE_SEQUENTIAL = 2
export const ADVICE_DONTFORK = 4
export const ADVICE_DONTDUMP = 8
export const ADVICE_WIPEONFORK = 16

export interface ReferencePage {
  protection: number
  shared: boolean
  /** null: private anonymous memory */
  file: ReferenceFile | null
  /** page index within the file; of no meaning for private anonymous memory */
  fileIndex: number
  growsDown: boolean
  advice: number
  noReserve: boolean
  /**
   * Whether the mapping could ever be written: Linux charges it then, and a charged mapping does not merge with an
   * uncharged one.
   */
  everWritable: boolean
  /**
   * What the page privately holds, null before its first write or, where the zero page is forbidden, access. More than
   * one candidate only after MADV_FREE.
   */
  contents: Uint8Array[] | null
  /** Under MADV_FREE and not written since: the kernel may turn it into zeros at any moment. */
  lazyFree: boolean
  /** Whether a page-table entry is present; undefined where that is the implementation's business. */
  resident: boolean | undefined
  /**
   * Whether the mapping that holds the page may have been faulted: only then may it stay apart from an equal
   * neighbour.
   */
  touched: boolean
}

export interface ReferenceMapping {
  start: number
  end: number
  protection: string
  shared: boolean
  offset: number
  file: number
  growsDown: boolean
}

export interface ReferenceMmapOptions {
  protection?: string
  address?: number
  fixed?: boolean | 'noreplace'
  shared?: boolean
  file?: ReferenceFile | null
  offset?: number
  growsDown?: boolean
  noReserve?: boolean
  populate?: boolean
}

export interface ReferenceSpaceOptions {
  /** bytes; the first address that no mapping may reach beyond */
  addressLimit?: number
  /** bytes; the lowest address that the kernel chooses by itself */
  minimumAddress?: number
  /** bytes; how large a mapping that grows down may become */
  stackLimit?: number
  /** whether what may only be executed cannot be read, as where the processor has protection keys; default false */
  executeOnly?: boolean
  /** whether a read of private anonymous memory takes a page of its own, not the zero page; default false */
  forbidsZeroPage?: boolean
}

const ZERO_PAGE = new Uint8Array(PAGE_SIZE)

function pageUp(length: number): number {
  return Math.ceil(length / PAGE_SIZE) * PAGE_SIZE
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

export class ReferenceSpace {
  readonly pages = new Map<number, ReferencePage>()
  readonly addressLimit: number
  readonly minimumAddress: number
  readonly stackLimit: number
  readonly executeOnly: boolean
  readonly forbidsZeroPage: boolean
  startBrk = 0
  currentBrk = 0
  #nextAnonymousFile = -1
  /** Which number the system under test gives to which file: found out from its maps(), then held against it. */
  readonly #fileNumbers = new Map<ReferenceFile, number>()

  constructor(options: ReferenceSpaceOptions = {}) {
    this.addressLimit = options.addressLimit ?? 2 ** 43 - PAGE_SIZE
    this.minimumAddress = options.minimumAddress ?? 0x10000
    this.stackLimit = options.stackLimit ?? 8 * 1024 * 1024
    this.executeOnly = options.executeOnly ?? false
    this.forbidsZeroPage = options.forbidsZeroPage ?? false
  }

  // ── calls
  // ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * @param chosen the address that the system under test returned, undefined when it failed
   * @returns the address; where the kernel had the choice and made none, the lowest legal one
   */
  mmap(length: number, options: ReferenceMmapOptions = {}, chosen?: number): number {
    const fixed = options.fixed === true || options.fixed === 'noreplace'
    const file = options.file ?? null
    const offset = options.offset ?? 0
    const shared = options.shared ?? false
    if (offset % PAGE_SIZE !== 0) throw new ReferenceCallError('EINVAL', 'offset not page aligned')
    if (length === 0) throw new ReferenceCallError('EINVAL', 'no length')
    const size = pageUp(length)
    if (size > this.addressLimit) throw new ReferenceCallError('ENOMEM', 'longer than the address space')
    let address = options.address ?? 0
    if (fixed) {
      if (address > this.addressLimit - size)
        throw new ReferenceCallError('ENOMEM', 'ends beyond the address space')
      if (address % PAGE_SIZE !== 0) throw new ReferenceCallError('EINVAL', 'address not page aligned')
      if (options.fixed === 'noreplace' && !this.#isFree(address, size)) {
        throw new ReferenceCallError('EEXIST', 'something is mapped there')
      }
    }
    if (options.growsDown === true && (file !== null || shared)) {
      throw new ReferenceCallError('EINVAL', 'only private anonymous memory grows down')
    }
    if (fixed) {
      if (chosen !== undefined && chosen !== address) {
        throw new IllegalOutcome(`MAP_FIXED at 0x${address.toString(16)} returned 0x${chosen.toString(16)}`)
      }
    } else {
      let hint = address - (address % PAGE_SIZE)
      if (hint !== 0 && hint < this.minimumAddress) hint = this.minimumAddress
      address = this.#chooseAddress(size, hint, chosen)
    }
    this.#remove(address, size)
    const protection = protectionBits(options.protection ?? 'rw')
    const object = file ?? (shared ? new ReferenceFile(this.#nextAnonymousFile--, size, true) : null)
    for (let at = 0; at < size; at += PAGE_SIZE) {
      this.pages.set((address + at) / PAGE_SIZE, {
        protection,
        shared,
        file: object,
        // Anonymous memory has no offset, whatever the caller says.
        fileIndex: file === null ? at / PAGE_SIZE : (offset + at) / PAGE_SIZE,
        growsDown: options.growsDown ?? false,
        advice: 0,
        noReserve: options.noReserve ?? false,
        everWritable: (protection & WRITE) !== 0,
        contents: null,
        lazyFree: false,
        resident: false,
        touched: false,
      })
    }
    this.#spreadTouched()
    // MAP_POPULATE brings in what can be had and ignores what cannot.
    if (options.populate === true) this.#populateIgnoringErrors(address, size)
    return address
  }

  munmap(address: number, length: number): void {
    if (address % PAGE_SIZE !== 0) throw new ReferenceCallError('EINVAL', 'address not page aligned')
    if (address > this.addressLimit || length > this.addressLimit - address) {
      throw new ReferenceCallError('EINVAL', 'ends beyond the address space')
    }
    if (length === 0) throw new ReferenceCallError('EINVAL', 'no length')
    this.#remove(address, pageUp(length))
  }

  mprotect(address: number, length: number, protection: string): void {
    if (address % PAGE_SIZE !== 0) throw new ReferenceCallError('EINVAL', 'address not page aligned')
    if (length === 0) return
    const bits = protectionBits(protection)
    const end = (address + pageUp(length)) / PAGE_SIZE
    for (let number = address / PAGE_SIZE; number < end; number++) {
      const page = this.pages.get(number)
      // Linux changes what comes before the hole and then reports it.
      if (page === undefined) {
        this.#spreadTouched()
        throw new ReferenceCallError('ENOMEM', `nothing mapped at page 0x${number.toString(16)}`)
      }
      page.protection = bits
      if (bits & WRITE) page.everWritable = true
    }
    this.#spreadTouched()
  }

  madvise(address: number, length: number, advice: string): void {
    if (address % PAGE_SIZE !== 0) throw new ReferenceCallError('EINVAL', 'address not page aligned')
    if (length === 0) return
    const end = (address + pageUp(length)) / PAGE_SIZE
    if (advice === 'populate-read' || advice === 'populate-write') {
      this.#populate(address / PAGE_SIZE, end, advice === 'populate-write')
      return
    }
    let hole = false
    for (let number = address / PAGE_SIZE; number < end; number++) {
      const page = this.pages.get(number)
      if (page === undefined) hole = true
      else this.#advise(page, advice)
    }
    this.#spreadTouched()
    if (hole) throw new ReferenceCallError('ENOMEM', 'part of the range is not mapped')
  }

  /**
   * @param vmaEnd where the mapping that holds `address` ends, in the system under test (its maps() have been held
   * against this model); needed since a range may not reach across mappings
   * @param chosen the address that the system under test returned, undefined when it failed
   */
  mremap(
    address: number,
    oldLength: number,
    newLength: number,
    options: { mayMove?: boolean; fixed?: number; dontUnmap?: boolean },
    vmaEnd: number,
    chosen?: number,
  ): number {
    const mayMove = options.mayMove ?? false
    const dontUnmap = options.dontUnmap ?? false
    if (options.fixed !== undefined && !mayMove)
      throw new ReferenceCallError('EINVAL', 'FIXED without MAYMOVE')
    if (dontUnmap && (!mayMove || oldLength !== newLength))
      throw new ReferenceCallError('EINVAL', 'DONTUNMAP resizes')
    if (address % PAGE_SIZE !== 0) throw new ReferenceCallError('EINVAL', 'address not page aligned')
    let oldSize = pageUp(oldLength)
    const newSize = pageUp(newLength)
    if (newSize === 0) throw new ReferenceCallError('EINVAL', 'no new length')
    const target = options.fixed
    let wrong: string | undefined
    if (target !== undefined) {
      if (target % PAGE_SIZE !== 0) wrong = 'new address not page aligned'
      else if (newSize > this.addressLimit || target > this.addressLimit - newSize)
        wrong = 'ends beyond the address space'
      else if (address + oldSize > target && target + newSize > address) wrong = 'overlap'
    }
    const first = this.pages.get(address / PAGE_SIZE)
    if (first === undefined) {
      // Since 6.17 Linux looks at the new range first.
      throw new ReferenceCallError(
        'EFAULT',
        'nothing mapped at the old address',
        wrong === undefined ? undefined : 'EINVAL',
      )
    }
    if (wrong !== undefined) throw new ReferenceCallError('EINVAL', wrong)
    const room = vmaEnd - address

    let destination: number
    if (target !== undefined || dontUnmap) {
      if (oldSize === 0 && !first.shared)
        throw new ReferenceCallError('EINVAL', 'only shared memory can be duplicated')
      // Since 6.17, what keeps its size and goes to a given place may be several mappings, with holes between them.
      if (target !== undefined && oldSize === newSize) {
        this.#moveAll(address, target, newSize, dontUnmap)
        return target
      }
      if (Math.min(oldSize, newSize) > room) throw new ReferenceCallError('EFAULT', 'reaches across mappings')
      if (target !== undefined) this.#remove(target, newSize)
      if (oldSize > newSize) {
        this.#remove(address + newSize, oldSize - newSize)
        oldSize = newSize
      }
      destination = target ?? this.#chooseAddress(newSize, 0, chosen)
    } else if (oldSize >= newSize) {
      if (oldSize > newSize) this.#remove(address + newSize, oldSize - newSize)
      destination = address
    } else {
      if (oldSize === 0 && !first.shared)
        throw new ReferenceCallError('EINVAL', 'only shared memory can be duplicated')
      if (oldSize > room) throw new ReferenceCallError('EFAULT', 'reaches across mappings')
      const grow = newSize - oldSize
      if (oldSize === room && vmaEnd + grow <= this.addressLimit && this.#isFree(vmaEnd, grow)) {
        const last = this.pages.get(vmaEnd / PAGE_SIZE - 1)!
        for (let at = 0; at < grow; at += PAGE_SIZE) {
          this.pages.set((vmaEnd + at) / PAGE_SIZE, this.#fresh(last, 1 + at / PAGE_SIZE))
        }
        this.#spreadTouched()
        destination = address
      } else if (mayMove) {
        destination = this.#chooseAddress(newSize, 0, chosen)
      } else {
        throw new ReferenceCallError('ENOMEM', 'no room to grow in place')
      }
    }
    if (destination === address) {
      if (chosen !== undefined && chosen !== address) {
        throw new IllegalOutcome(
          `mremap in place returned 0x${chosen.toString(16)} for 0x${address.toString(16)}`,
        )
      }
      return address
    }
    if (chosen !== undefined && chosen !== destination) {
      throw new IllegalOutcome(
        `mremap FIXED returned 0x${chosen.toString(16)} for 0x${destination.toString(16)}`,
      )
    }
    this.#moveAll(address, destination, oldSize, dontUnmap)
    for (let at = oldSize; at < newSize; at += PAGE_SIZE) {
      this.pages.set((destination + at) / PAGE_SIZE, this.#fresh(first, at / PAGE_SIZE))
    }
    this.#spreadTouched()
    return destination
  }

  /** Moves what is mapped in the range; where there is a hole, the other place keeps what it has. */
  #moveAll(address: number, destination: number, size: number, dontUnmap: boolean): void {
    for (let at = 0; at < size; at += PAGE_SIZE) {
      const from = (address + at) / PAGE_SIZE
      const source = this.pages.get(from)
      if (source === undefined) continue
      this.pages.set((destination + at) / PAGE_SIZE, { ...source })
      if (dontUnmap) this.pages.set(from, { ...source, contents: null, lazyFree: false, resident: false })
      else this.pages.delete(from)
    }
    this.#spreadTouched()
  }

  setBrk(start: number): void {
    this.startBrk = start
    this.currentBrk = start
  }

  /** Like the raw system call: the break, unchanged where it could not be moved. */
  brk(address?: number): number {
    if (address === undefined || address < this.startBrk) return this.currentBrk
    const oldEnd = pageUp(this.currentBrk)
    const newEnd = pageUp(address)
    if (newEnd > this.addressLimit) return this.currentBrk
    if (newEnd < oldEnd) {
      // Since 6.1, Linux keeps the break where nothing is left between the new one and the old.
      if (this.#isFree(newEnd, oldEnd - newEnd)) return this.currentBrk
      this.#remove(newEnd, oldEnd - newEnd)
    }
    if (newEnd > oldEnd) {
      // One page must stay free above the heap, and below a stack its guard gap.
      const next = this.#nextMapped(oldEnd / PAGE_SIZE)
      if (next !== undefined) {
        const gap = this.pages.get(next)!.growsDown ? STACK_GUARD_GAP_PAGES : 0
        if (newEnd / PAGE_SIZE + 1 > next - gap) return this.currentBrk
      }
      this.currentBrk = address
      this.mmap(newEnd - oldEnd, { address: oldEnd, fixed: true })
    }
    this.currentBrk = address
    return address
  }

  // ── accesses
  // ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What an access to one page does; throws ReferenceFault. `address` is what the signal would report. */
  access(address: number, access: Access): ReferencePage {
    const number = Math.floor(address / PAGE_SIZE)
    let page = this.pages.get(number)
    if (page === undefined) page = this.#growStack(number, address)
    // For an access to data that the key forbids, nothing is brought in.
    if (access !== 'x' && this.#isExecuteOnly(page)) throw new ReferenceFault('SEGV_PKUERR', address)
    const allowed =
      access === 'w'
        ? (page.protection & WRITE) !== 0
        : access === 'x'
          ? (page.protection & EXECUTE) !== 0
          : page.protection !== 0 // x86 cannot refuse reads to a page that may be written or executed
    if (!allowed) {
      // An instruction fetch from a readable page first brings the page in and is refused only then.
      if (access === 'x' && page.protection !== 0) {
        page.touched = true
        this.#spreadTouched()
        this.#mustExist(page, address)
        if (page.file === null) this.#bringIn(page)
      }
      throw new ReferenceFault('SEGV_ACCERR', address)
    }
    if (!page.touched) {
      page.touched = true
      this.#spreadTouched()
    }
    this.#mustExist(page, address)
    if (access === 'w' && !page.shared) {
      page.contents ??= [Uint8Array.from(this.#candidates(page)[0]!)]
      page.lazyFree = false
    }
    if (page.file === null) this.#bringIn(page)
    return page
  }

  /** A store that the processor does as one: nothing is written unless all of it can be. */
  writeScalar(address: number, bytes: Uint8Array): void {
    this.#eachPage(address, bytes.length, (at) => void this.access(at, 'w'))
    this.write(address, bytes)
  }

  /** A copy into memory, page by page: what precedes the fault is written. */
  write(address: number, bytes: Uint8Array): void {
    this.#eachPage(address, bytes.length, (at, length) => {
      const page = this.access(at, 'w')
      const within = at % PAGE_SIZE
      for (const contents of this.#candidates(page))
        contents.set(bytes.subarray(at - address, at - address + length), within)
    })
  }

  /**
   * Holds bytes that were read against what the pages hold; throws ReferenceFault where the read must fail.
   * @param observed undefined when the system under test failed
   */
  read(address: number, length: number, observed?: Uint8Array): void {
    this.#eachPage(address, length, (at) => void this.access(at, 'r'))
    if (observed === undefined) return
    if (observed.length !== length)
      throw new IllegalOutcome(`read ${observed.length} bytes instead of ${length}`)
    this.#eachPage(address, length, (at, part) => {
      const page = this.pages.get(Math.floor(at / PAGE_SIZE))!
      const seen = observed.subarray(at - address, at - address + part)
      const within = at % PAGE_SIZE
      const candidates = this.#candidates(page)
      const possible = candidates.filter((bytes) => sameBytes(bytes.subarray(within, within + part), seen))
      if (possible.length === 0) throw new IllegalOutcome(describeBytes(at, seen, candidates, within))
      // What has become zero stays so; what was kept may still go while the page is under MADV_FREE.
      if (
        page.contents !== null &&
        (!page.lazyFree || possible.every((bytes) => sameBytes(bytes, ZERO_PAGE)))
      ) {
        page.contents = possible
      }
    })
  }

  /** A read-modify-write of an aligned word: returns the values that it may have found. */
  words(address: number): number[] {
    const page = this.access(address, 'w')
    return this.#candidates(page).map((bytes) =>
      new DataView(bytes.buffer).getUint32(address % PAGE_SIZE, true),
    )
  }

  /**
   * What a child gets: the same mappings, but for those that are not to be inherited; of private memory a copy, of
   * shared memory and files the very same.
   */
  fork(): ReferenceSpace {
    const child = new ReferenceSpace(this)
    child.startBrk = this.startBrk
    child.currentBrk = this.currentBrk
    for (const [file, number] of this.#fileNumbers) child.#fileNumbers.set(file, number)
    for (const [number, page] of this.pages) {
      if ((page.advice & ADVICE_DONTFORK) !== 0) continue
      if ((page.advice & ADVICE_WIPEONFORK) !== 0) {
        child.pages.set(number, { ...page, contents: null, lazyFree: false, resident: false })
        continue
      }
      const contents = page.contents?.map((bytes) => Uint8Array.from(bytes)) ?? null
      // What was only read can as well be brought in anew.
      const resident = contents === null && page.resident === true ? undefined : page.resident
      child.pages.set(number, { ...page, contents, resident })
    }
    return child
  }

  // ── observation
  // ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The mappings, with equal neighbours merged as far as Linux's rules allow. */
  maps(): ReferenceMapping[] {
    const numbers = [...this.pages.keys()].sort((a, b) => a - b)
    const result: ReferenceMapping[] = []
    let previous: ReferencePage | undefined
    for (const number of numbers) {
      const page = this.pages.get(number)!
      const last = result.at(-1)
      if (last !== undefined && last.end === number * PAGE_SIZE && mayMerge(previous!, page, true)) {
        last.end += PAGE_SIZE
      } else {
        result.push({
          start: number * PAGE_SIZE,
          end: (number + 1) * PAGE_SIZE,
          protection: protectionName(page.protection),
          shared: page.shared,
          offset: page.file === null ? 0 : page.fileIndex * PAGE_SIZE,
          file: page.file === null ? 0 : page.file.id,
          growsDown: page.growsDown,
        })
      }
      previous = page
    }
    return result
  }

  /** Holds maps() of the system under test against the model; throws IllegalOutcome. */
  checkMaps(mappings: readonly ReferenceMapping[]): void {
    let seen = 0
    let lastEnd = 0
    let last: ReferenceMapping | undefined
    const show = (mapping: ReferenceMapping) =>
      `0x${mapping.start.toString(16)}-0x${mapping.end.toString(16)} ${mapping.protection} ${mapping.shared ? 'shared' : 'private'}`
    for (const mapping of mappings) {
      if (mapping.start % PAGE_SIZE !== 0 || mapping.end % PAGE_SIZE !== 0 || mapping.end <= mapping.start) {
        throw new IllegalOutcome(`mapping ${show(mapping)} is not a range of pages`)
      }
      if (mapping.start < lastEnd)
        throw new IllegalOutcome(`mapping ${show(mapping)} overlaps the one before or is out of order`)
      let previous: ReferencePage | undefined
      for (let number = mapping.start / PAGE_SIZE; number < mapping.end / PAGE_SIZE; number++) {
        const page = this.pages.get(number)
        if (page === undefined)
          throw new IllegalOutcome(
            `${show(mapping)} covers page 0x${number.toString(16)}, which is not mapped`,
          )
        seen++
        this.#checkPageOfMapping(page, number, mapping, show)
        if (previous !== undefined && !mayMerge(previous, page, false)) {
          throw new IllegalOutcome(
            `${show(mapping)} joins pages that differ at 0x${(number * PAGE_SIZE).toString(16)}`,
          )
        }
        previous = page
      }
      if (last !== undefined && last.end === mapping.start) {
        const before = this.pages.get(mapping.start / PAGE_SIZE - 1)!
        const after = this.pages.get(mapping.start / PAGE_SIZE)!
        if (mayMerge(before, after, true) && !before.touched && !after.touched) {
          throw new IllegalOutcome(
            `equal neighbours never touched stay apart: ${show(last)} | ${show(mapping)}`,
          )
        }
      }
      lastEnd = mapping.end
      last = mapping
    }
    if (seen !== this.pages.size) {
      const covered = new Set<number>()
      for (const mapping of mappings) {
        for (let number = mapping.start / PAGE_SIZE; number < mapping.end / PAGE_SIZE; number++)
          covered.add(number)
      }
      const missing = [...this.pages.keys()].find((number) => !covered.has(number))!
      throw new IllegalOutcome(`page 0x${missing.toString(16)} should be mapped`)
    }
  }

  /** What mincore would say of each page; undefined where that is not determined. */
  resident(address: number, length: number): (boolean | undefined)[] {
    const result: (boolean | undefined)[] = []
    for (let number = address / PAGE_SIZE; number < (address + pageUp(length)) / PAGE_SIZE; number++) {
      const page = this.pages.get(number)
      if (page === undefined) throw new ReferenceCallError('ENOMEM', 'part of the range is not mapped')
      result.push(page.file !== null || page.lazyFree ? undefined : page.resident)
    }
    return result
  }

  /** Pages of private memory that are the space's own: the least and the most that the anonymous RSS may be. */
  anonymousPages(): { least: number; most: number } {
    let least = 0
    let most = 0
    for (const page of this.pages.values()) {
      if (page.contents === null) continue
      most++
      if (!page.lazyFree) least++
    }
    return { least, most }
  }

  /** Whether the mapping of a page, which there is, lets it be read. */
  isReadable(number: number): boolean {
    const page = this.pages.get(number)!
    return page.protection !== 0 && !this.#isExecuteOnly(page)
  }

  /** Whether the whole range is free. */
  isFree(address: number, length: number): boolean {
    return this.#isFree(address, length)
  }

  /** Takes over the pages and file contents of a model that another thread kept for its own part of the same space. */
  adopt(
    pages: ReadonlyMap<number, ReferencePage>,
    files: ReadonlyMap<number, ReferenceFile>,
    anonymousBase: number,
  ): void {
    const anonymous = new Map<number, ReferenceFile>()
    for (const [number, page] of pages) {
      if (this.pages.has(number)) throw new Error(`two owners for page 0x${number.toString(16)}`)
      let file: ReferenceFile | null = null
      if (page.file !== null) {
        if (page.file.anonymous) {
          const known = anonymous.get(page.file.id)
          file = known ?? new ReferenceFile(page.file.id - anonymousBase, page.file.size, true)
          if (known === undefined) {
            anonymous.set(page.file.id, file)
            for (const [index, bytes] of page.file.pages) file.pages.set(index, bytes)
          }
        } else file = files.get(page.file.id)!
      }
      this.pages.set(number, { ...page, file })
    }
  }

  // ── inside
  // ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #isExecuteOnly(page: ReferencePage): boolean {
    return this.executeOnly && page.protection === EXECUTE
  }

  /** Throws where a file has no page to bring in. */
  #mustExist(page: ReferencePage, address: number): void {
    if (page.file !== null && page.contents === null && page.fileIndex >= page.file.pageCount) {
      throw new ReferenceFault('BUS_ADRERR', address)
    }
  }

  /** A page of private anonymous memory is there from now on. */
  #bringIn(page: ReferencePage): void {
    page.resident = true
    if (this.forbidsZeroPage) page.contents ??= [new Uint8Array(PAGE_SIZE)]
  }

  #candidates(page: ReferencePage): Uint8Array[] {
    return page.contents ?? [page.file === null ? ZERO_PAGE : page.file.page(page.fileIndex)]
  }

  #eachPage(address: number, length: number, visit: (at: number, length: number) => void): void {
    let at = address
    const end = address + length
    while (at < end) {
      const next = Math.min(end, (Math.floor(at / PAGE_SIZE) + 1) * PAGE_SIZE)
      visit(at, next - at)
      at = next
    }
  }

  #fresh(like: ReferencePage, distance: number): ReferencePage {
    return {
      ...like,
      fileIndex: like.file === null ? 0 : like.fileIndex + distance,
      contents: null,
      lazyFree: false,
      resident: false,
    }
  }

  #remove(address: number, length: number): void {
    const first = address / PAGE_SIZE
    const end = (address + length) / PAGE_SIZE
    if (end - first > this.pages.size) {
      for (const number of this.pages.keys()) if (number >= first && number < end) this.pages.delete(number)
    } else {
      for (let number = first; number < end; number++) this.pages.delete(number)
    }
  }

  #isFree(address: number, length: number): boolean {
    const first = address / PAGE_SIZE
    const end = (address + length) / PAGE_SIZE
    if (end - first > this.pages.size) {
      for (const number of this.pages.keys()) if (number >= first && number < end) return false
      return true
    }
    for (let number = first; number < end; number++) if (this.pages.has(number)) return false
    return true
  }

  #nextMapped(from: number): number | undefined {
    let best: number | undefined
    for (const number of this.pages.keys())
      if (number >= from && (best === undefined || number < best)) best = number
    return best
  }

  #previousMapped(before: number): number | undefined {
    let best: number | undefined
    for (const number of this.pages.keys())
      if (number < before && (best === undefined || number > best)) best = number
    return best
  }

  /** Free, within bounds, and not within the guard gap of a stack above. */
  #isLegal(address: number, size: number): boolean {
    if (address < this.minimumAddress || address + size > this.addressLimit || !this.#isFree(address, size))
      return false
    const next = this.#nextMapped((address + size) / PAGE_SIZE)
    if (next === undefined || !this.pages.get(next)!.growsDown) return true
    return (address + size) / PAGE_SIZE <= next - STACK_GUARD_GAP_PAGES
  }

  #chooseAddress(size: number, hint: number, chosen: number | undefined): number {
    if (hint !== 0 && this.#isLegal(hint, size)) {
      if (chosen !== undefined && chosen !== hint) {
        throw new IllegalOutcome(
          `the hint 0x${hint.toString(16)} was free, but 0x${chosen.toString(16)} was chosen`,
        )
      }
      return hint
    }
    if (chosen !== undefined) {
      if (chosen % PAGE_SIZE !== 0 || !this.#isLegal(chosen, size)) {
        throw new IllegalOutcome(
          `chose 0x${chosen.toString(16)} for ${size} bytes, which is not free or not allowed`,
        )
      }
      return chosen
    }
    const candidates = [
      this.minimumAddress,
      ...[...this.pages.keys()].map((number) => (number + 1) * PAGE_SIZE),
    ]
    for (const candidate of candidates) if (this.#isLegal(candidate, size)) return candidate
    throw new ReferenceCallError('ENOMEM', 'no free range')
  }

  #growStack(number: number, address: number): ReferencePage {
    const above = this.#nextMapped(number)
    const stack = above === undefined ? undefined : this.pages.get(above)!
    if (above === undefined || stack === undefined || !stack.growsDown)
      throw new ReferenceFault('SEGV_MAPERR', address)
    if (number * PAGE_SIZE < this.minimumAddress) throw new ReferenceFault('SEGV_MAPERR', address)
    const below = this.#previousMapped(number)
    if (below !== undefined) {
      const neighbour = this.pages.get(below)!
      if (
        !neighbour.growsDown &&
        neighbour.protection !== 0 &&
        number - (below + 1) < STACK_GUARD_GAP_PAGES
      ) {
        throw new ReferenceFault('SEGV_MAPERR', address)
      }
    }
    let end = above + 1
    while (this.pages.has(end) && mayMerge(this.pages.get(end - 1)!, this.pages.get(end)!, true)) end++
    // Whether it may grow is asked after it was made ready for pages, as expand_downwards() does.
    stack.touched = true
    this.#spreadTouched()
    if ((end - number) * PAGE_SIZE > this.stackLimit) throw new ReferenceFault('SEGV_MAPERR', address)
    for (let grown = number; grown < above; grown++)
      this.pages.set(grown, { ...this.#fresh(stack, 0), touched: true })
    this.#spreadTouched()
    return this.pages.get(number)!
  }

  #advise(page: ReferencePage, advice: string): void {
    switch (advice) {
      case 'normal':
        page.advice &= ~(ADVICE_RANDOM | ADVICE_SEQUENTIAL)
        return
      case 'random':
        page.advice = (page.advice & ~ADVICE_SEQUENTIAL) | ADVICE_RANDOM
        return
      case 'sequential':
        page.advice = (page.advice & ~ADVICE_RANDOM) | ADVICE_SEQUENTIAL
        return
      case 'dontfork':
        page.advice |= ADVICE_DONTFORK
        return
      case 'dofork':
        page.advice &= ~ADVICE_DONTFORK
        return
      case 'dontdump':
        page.advice |= ADVICE_DONTDUMP
        return
      case 'dodump':
        page.advice &= ~ADVICE_DONTDUMP
        return
      case 'wipeonfork':
        if (page.file !== null)
          throw new ReferenceCallError('EINVAL', 'only private anonymous memory is wiped')
        page.advice |= ADVICE_WIPEONFORK
        return
      case 'keeponfork':
        page.advice &= ~ADVICE_WIPEONFORK
        return
      case 'willneed':
      case 'cold':
      case 'pageout':
        return
      case 'dontneed':
        if (page.shared) return
        page.contents = null
        page.lazyFree = false
        page.resident = false
        return
      case 'free':
        if (page.file !== null)
          throw new ReferenceCallError('EINVAL', 'only private anonymous memory can be given up lazily')
        if (page.contents === null) {
          // The zero page may go as well; it reads the same either way.
          if (page.resident === true) page.resident = undefined
          return
        }
        page.lazyFree = true
        if (!page.contents.some((bytes) => sameBytes(bytes, ZERO_PAGE)))
          page.contents.push(new Uint8Array(PAGE_SIZE))
        return
      default:
        throw new ReferenceCallError('EINVAL', `no such advice: ${advice}`)
    }
  }

  #populate(first: number, end: number, write: boolean): void {
    for (let number = first; number < end; number++) {
      const page = this.pages.get(number)
      if (page === undefined) throw new ReferenceCallError('ENOMEM', 'part of the range is not mapped')
      if ((page.protection & (write ? WRITE : READ)) === 0)
        throw new ReferenceCallError('EINVAL', 'not permitted there')
      try {
        this.access(number * PAGE_SIZE, write ? 'w' : 'r')
      } catch (error) {
        if (error instanceof ReferenceFault) throw new ReferenceCallError('EFAULT', error.message)
        throw error
      }
    }
  }

  #populateIgnoringErrors(address: number, size: number): void {
    for (let at = address; at < address + size; at += PAGE_SIZE) {
      const page = this.pages.get(at / PAGE_SIZE)!
      if (page.protection === 0) return
      try {
        this.access(at, page.protection & WRITE && !page.shared ? 'w' : 'r')
      } catch (error) {
        if (error instanceof ReferenceFault) return
        throw error
      }
    }
  }

  /** Mappings are faulted as a whole: what may be one mapping with a touched page counts as touched. */
  #spreadTouched(): void {
    const numbers = [...this.pages.keys()].sort((a, b) => a - b)
    const pages = numbers.map((number) => this.pages.get(number)!)
    const join = (from: number, to: number) => {
      if (Math.abs(numbers[from]! - numbers[to]!) !== 1 || !pages[from]!.touched) return
      if (mayMerge(pages[Math.min(from, to)]!, pages[Math.max(from, to)]!, false)) pages[to]!.touched = true
    }
    for (let at = 1; at < pages.length; at++) join(at - 1, at)
    for (let at = pages.length - 2; at >= 0; at--) join(at + 1, at)
  }

  #checkPageOfMapping(
    page: ReferencePage,
    number: number,
    mapping: ReferenceMapping,
    show: (mapping: ReferenceMapping) => string,
  ): void {
    const fail = (what: string, expected: unknown, got: unknown) => {
      throw new IllegalOutcome(
        `page 0x${number.toString(16)} in ${show(mapping)}: ${what} should be ${String(expected)}, is ${String(got)}`,
      )
    }
    if (mapping.protection !== protectionName(page.protection)) {
      fail('protection', protectionName(page.protection), mapping.protection)
    }
    if (mapping.shared !== page.shared) fail('shared', page.shared, mapping.shared)
    if (mapping.growsDown !== page.growsDown) fail('growsDown', page.growsDown, mapping.growsDown)
    if (page.file === null) {
      if (mapping.file !== 0) fail('file', 0, mapping.file)
      return
    }
    // Whether the object behind shared anonymous memory is shown as a file is the implementation's business.
    if (page.file.anonymous && mapping.file === 0) return
    if (mapping.file === 0) fail('file', 'a file', 0)
    const known = this.#fileNumbers.get(page.file)
    if (known === undefined) {
      for (const [other, itsNumber] of this.#fileNumbers) {
        const stillMapped =
          itsNumber === mapping.file && [...this.pages.values()].some((some) => some.file === other)
        if (stillMapped) fail('file', 'a file of its own', mapping.file)
      }
      this.#fileNumbers.set(page.file, mapping.file)
    } else if (known !== mapping.file) fail('file', known, mapping.file)
    const offset = mapping.offset + (number * PAGE_SIZE - mapping.start)
    if (offset !== page.fileIndex * PAGE_SIZE) fail('offset', page.fileIndex * PAGE_SIZE, offset)
  }
}

/**
 * Whether two pages side by side may belong to one mapping.
 * @param strictly also hold apart what Linux holds apart by flags that an implementation need not have (charging of
 * memory)
 */
function mayMerge(before: ReferencePage, after: ReferencePage, strictly: boolean): boolean {
  return (
    before.protection === after.protection &&
    before.shared === after.shared &&
    before.file === after.file &&
    before.growsDown === after.growsDown &&
    before.advice === after.advice &&
    (before.file === null || before.fileIndex + 1 === after.fileIndex) &&
    (!strictly || (before.noReserve === after.noReserve && before.everWritable === after.everWritable))
  )
}

function describeBytes(at: number, seen: Uint8Array, candidates: Uint8Array[], within: number): string {
  const expected = candidates[0]!.subarray(within, within + seen.length)
  let first = 0
  while (first < seen.length && seen[first] === expected[first]) first++
  const hex = (bytes: Uint8Array) => Buffer.from(bytes.subarray(first, first + 8)).toString('hex')
  const others = candidates.length > 1 ? ` (or ${candidates.length - 1} other)` : ''
  return `read at 0x${(at + first).toString(16)}: expected ${hex(expected)}${others}, got ${hex(seen)}`
}
