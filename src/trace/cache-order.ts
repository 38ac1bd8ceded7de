/**
 * The order of faults on files, over all address spaces. It decides which pages a read fault maps around its own:
 *
 * - none that is not in memory yet: the fault that first asks for a page comes after all faults that were near it and
 *   did not find it;
 * - none that another fault has locked just then (`next_uptodate_folio` of mm/filemap.c passes over it). The recorded
 *   faults were far apart, those of a replay meet. Where a program later writes to a page that was mapped around, the
 *   record shows that it was not passed over: faults on such a page or near it keep their order.
 */
import { type WordStreamHandle, readChunks } from './op-store.ts'
import type { OrderAnalysis } from './order.ts'
import { FAULT_ERROR_SHIFT, FAULT_MORE, RECORD_FILE_FAULT, RECORD_WORDS } from './records.ts'
import { FAULT_PROTECTION } from './recorded-space.ts'

/** What is known of a page. */
interface CachedPage {
  /**
   * Workers and operation numbers in turn: until a fault asks for the page, the last operation of each worker that may
   * have mapped it around a neighbour; then that first fault. Of a page that is written to, the last operation.
   */
  readonly operations: number[]
  isAsked: boolean
}

/** By file, the pages on which a recorded fault found a translation that did not allow it: a private page, written. */
function writtenPages(records: WordStreamHandle): ReadonlyMap<number, ReadonlySet<number>> {
  const written = new Map<number, Set<number>>()
  for (const { words, length } of readChunks(records)) {
    for (let at = 0; at < length; at += RECORD_WORDS[words[at]! & 0xff]!) {
      const isProtection = ((words[at]! >>> FAULT_ERROR_SHIFT) & FAULT_PROTECTION) !== 0
      if ((words[at]! & 0xff) !== RECORD_FILE_FAULT || !isProtection) continue
      const file = words[at + FAULT_MORE]!
      let pages = written.get(file)
      if (pages === undefined) written.set(file, (pages = new Set()))
      pages.add(words[at + FAULT_MORE + 1]!)
    }
  }
  return written
}

export class CacheOrder {
  readonly #order: OrderAnalysis
  readonly #written: ReadonlyMap<number, ReadonlySet<number>>
  readonly #files = new Map<number, Map<number, CachedPage>>()

  constructor(order: OrderAnalysis, records: WordStreamHandle) {
    this.#order = order
    this.#written = writtenPages(records)
  }

  /** Whether a fault has asked for a page, so that it is in memory. */
  isAsked(file: number, page: number): boolean {
    return this.#files.get(file)?.get(page)?.isAsked === true
  }

  /** The operation under way faults on a page. */
  fault(file: number, page: number): void {
    const known = this.#page(file, page)
    const { operations } = known
    for (let i = 0; i < operations.length; i += 2) this.#order.after(operations[i]!, operations[i + 1]!)
    // Where nobody before was near it, it may always have been in memory.
    const isMissing = !known.isAsked && operations.length > 0
    known.isAsked = true
    if (!isMissing && !this.#isWritten(file, page)) return
    operations.length = 0
    operations.push(this.#order.worker, this.#order.number)
  }

  /** The operation under way maps a page around a neighbour, if it is in memory. */
  near(file: number, page: number): void {
    if (this.#isWritten(file, page)) {
      this.fault(file, page)
      return
    }
    const { operations, isAsked } = this.#page(file, page)
    if (isAsked) return
    const { worker, number } = this.#order
    let at = 0
    while (at < operations.length && operations[at] !== worker) at += 2
    operations[at] = worker
    operations[at + 1] = number
  }

  #isWritten(file: number, page: number): boolean {
    return this.#written.get(file)?.has(page) === true
  }

  #page(file: number, page: number): CachedPage {
    let pages = this.#files.get(file)
    if (pages === undefined) this.#files.set(file, (pages = new Map()))
    let known = pages.get(page)
    if (known === undefined) pages.set(page, (known = { operations: [], isAsked: false }))
    return known
  }
}
