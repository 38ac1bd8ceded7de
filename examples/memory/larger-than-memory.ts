// Counters on disk, four times as many as fit into the memory that they may have.
//
// With Faultline, they are a mapped file, whose pages come and go as those of the kernel of an operating system do; or
// memory whose pages go to a swap file. In plain JavaScript the program keeps the pages itself, those that were used
// last; or it reads and writes each counter where it is in the file, and leaves it to the operating system what stays
// in memory: then nothing limits that. A database has them as rows, and a cache of that size. None makes anything safe
// before the end.

import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Machine } from 'faultline/memory'
import { sideBySide } from './side-by-side.ts'

const PAGE = 4096
const COUNTERS_IN_PAGE = PAGE / 4
const PAGES_IN_MEMORY = 1024
const PAGES = 4 * PAGES_IN_MEMORY

interface Counters {
  add(counter: number): void
  /** All counters, a page at a time. */
  page(number: number): Uint32Array
}

/** Counts; nine of ten are in a tenth of the pages. Returns a sum over all that depends on the order of counters. */
function count(counters: Counters, additions: number): unknown {
  let state = 1
  for (let n = 0; n < additions; n++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const pages = state % 10 === 0 ? PAGES : PAGES / 10
    counters.add(Math.floor((state / 2 ** 32) * pages * COUNTERS_IN_PAGE))
  }
  let [sum, mixed] = [0, 0]
  for (let number = 0; number < PAGES; number++) {
    for (const counter of counters.page(number)) {
      sum += counter
      mixed = (Math.imul(mixed, 31) + counter) | 0
    }
  }
  return { sum, mixed }
}

const BYTES = PAGES * PAGE
const MEMORY = PAGES_IN_MEMORY * PAGE

async function mapped(additions: number, folder: string): Promise<unknown> {
  const machine = Machine.create({ memory: MEMORY, cpus: 1 })
  const space = machine.createAddressSpace()
  const file = machine.openFile(join(folder, 'counters'), { mode: 'w+', size: BYTES })
  const base = space.mmap(BYTES, { file, shared: true })
  // Otherwise each miss reads 32 pages, most of which leave memory again before they are used.
  space.madvise(base, BYTES, 'random')
  const result = count(
    {
      add: (counter) => void space.addUint32(base + 4 * counter, 1),
      page: (number) => new Uint32Array(space.read(base + number * PAGE, PAGE).buffer),
    },
    additions,
  )
  space.destroy()
  file.close()
  machine.detach()
  return result
}

async function swapped(additions: number, folder: string): Promise<unknown> {
  const machine = Machine.create({
    memory: MEMORY,
    cpus: 1,
    swap: { path: join(folder, 'swap'), size: 2 * BYTES },
  })
  const space = machine.createAddressSpace()
  const base = space.mmap(BYTES)
  const result = count(
    {
      add: (counter) => void space.addUint32(base + 4 * counter, 1),
      page: (number) => new Uint32Array(space.read(base + number * PAGE, PAGE).buffer),
    },
    additions,
  )
  space.destroy()
  machine.detach()
  return result
}

function opened(folder: string): number {
  const file = openSync(join(folder, 'counters'), 'w+')
  ftruncateSync(file, BYTES)
  return file
}

async function kept(additions: number, folder: string): Promise<unknown> {
  const file = opened(folder)
  /** In the order of their last use: a Map has the order of insertion. */
  const pages = new Map<number, Uint32Array<ArrayBuffer>>()
  const page = (number: number): Uint32Array<ArrayBuffer> => {
    let found = pages.get(number)
    if (found !== undefined) pages.delete(number)
    else {
      if (pages.size < PAGES_IN_MEMORY) found = new Uint32Array(COUNTERS_IN_PAGE)
      else {
        const [oldest, reused] = pages.entries().next().value!
        writeSync(file, reused, 0, PAGE, oldest * PAGE)
        pages.delete(oldest)
        found = reused
      }
      readSync(file, found, 0, PAGE, number * PAGE)
    }
    pages.set(number, found)
    return found
  }
  const result = count(
    {
      add: (counter) => void page(Math.floor(counter / COUNTERS_IN_PAGE))[counter % COUNTERS_IN_PAGE]!++,
      page,
    },
    additions,
  )
  closeSync(file)
  return result
}

async function direct(additions: number, folder: string): Promise<unknown> {
  const file = opened(folder)
  const one = new Uint32Array(1)
  const result = count(
    {
      add(counter) {
        readSync(file, one, 0, 4, 4 * counter)
        one[0]!++
        writeSync(file, one, 0, 4, 4 * counter)
      },
      page(number) {
        const page = new Uint32Array(COUNTERS_IN_PAGE)
        readSync(file, page, 0, PAGE, number * PAGE)
        return page
      },
    },
    additions,
  )
  closeSync(file)
  return result
}

/** A row is a counter: those that were never counted are none. */
async function rows(additions: number, folder: string): Promise<unknown> {
  const database = new DatabaseSync(join(folder, 'counters'))
  database.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -${MEMORY / 1024}`)
  database.exec('CREATE TABLE counters (id INTEGER PRIMARY KEY, count INTEGER)')
  const add = database.prepare(
    'INSERT INTO counters VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET count = count + 1',
  )
  const some = database.prepare('SELECT id, count FROM counters WHERE id >= ? AND id < ?')
  database.exec('BEGIN')
  const result = count(
    {
      add: (counter) => void add.run(counter),
      page(number) {
        const page = new Uint32Array(COUNTERS_IN_PAGE)
        const first = number * COUNTERS_IN_PAGE
        for (const row of some.iterate(first, first + COUNTERS_IN_PAGE)) {
          const { id, count: counted } = row as { id: number; count: number }
          page[id - first] = counted
        }
        return page
      },
    },
    additions,
  )
  database.exec('COMMIT')
  database.close()
  return result
}

await sideBySide(import.meta.url, {
  title: 'counters in 16 MiB of a file, with 4 MiB of memory',
  sides: {
    faultline: mapped,
    'faultline, swap': swapped,
    'a cache in a Map': kept,
    'fs, each counter': direct,
    'node:sqlite': rows,
  },
  small: 10_000,
  full: 500_000,
  unit: 'additions',
})
