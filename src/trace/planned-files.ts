/**
 * The files of a replay: how much of each is mapped, and which of its pages Linux had in its page cache, as far as the
 * recorded faults tell.
 */
import { RangeSet } from './layout.ts'
import type { PlannedFile } from './plan-types.ts'

export class PlannedFiles {
  readonly #files = new Map<number, PlannedFile>()
  readonly #cached = new Map<number, Set<number>>()
  /** Pages of files that faulted though a neighbour's fault would have mapped them: not in the page cache then. */
  readonly #missing = new Map<number, Set<number>>()
  /** Pages of files that calls bring into memory. */
  readonly #populated = new Map<number, RangeSet>()

  /** Pages of a file are mapped. */
  use(number: number, page: number, pages: number): void {
    if (number === 0) return
    const file = this.#files.get(number)
    if (file === undefined) {
      this.#files.set(number, { number, firstPage: page, behindPage: page + pages, cached: [] })
      return
    }
    file.firstPage = Math.min(file.firstPage, page)
    file.behindPage = Math.max(file.behindPage, page + pages)
  }

  /** A call brings pages of a file into memory, where they stay. */
  populate(file: number, first: number, pages: number): void {
    if (file === 0) return
    let populated = this.#populated.get(file)
    if (populated === undefined) this.#populated.set(file, (populated = new RangeSet()))
    populated.add(first, first + pages)
  }

  /** A page is in the page cache, unless a fault shows that it is not. */
  setCached(file: number, page: number): void {
    setOf(this.#cached, file).add(page)
  }

  setMissing(file: number, page: number): void {
    setOf(this.#missing, file).add(page)
  }

  /** All files, with what is in memory from the beginning; and how many of their pages there are at most. */
  planned(): { readonly files: readonly PlannedFile[]; readonly cachedPages: number } {
    const files = [...this.#files.values()]
    let cachedPages = 0
    for (const file of files) {
      const missing = this.#missing.get(file.number)
      const pages = [...(this.#cached.get(file.number) ?? [])].filter((page) => missing?.has(page) !== true)
      cachedPages += pages.length
      file.cached = runsOfPages(pages.toSorted((a, b) => a - b))
    }
    for (const ranges of this.#populated.values())
      for (const [first, behind] of ranges.ranges()) cachedPages += behind - first
    return { files, cachedPages }
  }
}

function setOf(map: Map<number, Set<number>>, key: number): Set<number> {
  let set = map.get(key)
  if (set === undefined) {
    set = new Set()
    map.set(key, set)
  }
  return set
}

function runsOfPages(pages: readonly number[]): [number, number][] {
  const runs: [number, number][] = []
  for (const page of pages) {
    const last = runs.at(-1)
    if (last !== undefined && last[0] + last[1] === page) last[1]++
    else runs.push([page, 1])
  }
  return runs
}
