// Four workers count words in one hash table.
//
// With Faultline, the table is memory that all of them map: a worker finds an entry, or adds one, and adds 1 to it by
// Atomics. A SharedArrayBuffer does for that, too. In plain JavaScript each worker has a Map of its own, and the main
// thread puts them together.

import { once } from 'node:events'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import type { AddressSpaceHandle } from 'faultline/memory'
import { sideBySide } from './side-by-side.ts'

const WORKERS = 4
/** The table: chains of entries, which follow each other from ENTRIES on. Numbers are of words of four bytes. */
const USED = 0
const CHAINS = 1
const CHAIN_COUNT = 2 ** 18
const ENTRIES = CHAINS + CHAIN_COUNT
const Entry = { next: 0, hash: 1, count: 2, text: 3, words: 8 } as const
/** More than there are words: two threads may each make an entry for one word, and one of them is left over. */
const ENTRIES_MOST = 120_000
const TABLE_BYTES = 4 * (ENTRIES + Entry.words * ENTRIES_MOST)
/** Bytes of the text of a word, with its length in front. */
const TEXT_BYTES = 4 * (Entry.words - Entry.text)

interface Task {
  readonly words: number
  readonly worker: number
  readonly buffer?: SharedArrayBuffer
  readonly shared?: { readonly space: AddressSpaceHandle; readonly table: number; readonly bytes: number }
}

/** The words that a worker reads: some often, many seldom. */
function* wordsOf({ words, worker }: Task): Generator<string> {
  let state = worker + 1
  for (let n = 0; n < words; n++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield `w${Math.floor(100_000 * (state / 2 ** 32) ** 3)}`
  }
}

/** FNV-1a. */
function hashOf(text: Uint8Array, length: number): number {
  let hash = 0x811c_9dc5
  for (let index = 0; index < length; index++) hash = Math.imul(hash ^ text[index]!, 0x0100_0193)
  return hash
}

class Table {
  readonly #words: Int32Array
  readonly #bytes: Uint8Array
  readonly #text = new Uint8Array(TEXT_BYTES)
  readonly #encoder = new TextEncoder()

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  }

  count(word: string): void {
    const length = this.#encoder.encodeInto(word, this.#text.subarray(1)).written
    this.#text[0] = length
    const hash = hashOf(this.#text, length + 1)
    const chain = CHAINS + (hash >>> 14)
    let added = 0
    for (;;) {
      const first = Atomics.load(this.#words, chain)
      const found = this.#find(first, hash, length + 1)
      if (found !== 0) {
        // An entry that was made meanwhile is left over.
        Atomics.add(this.#words, found + Entry.count, 1)
        return
      }
      added ||= this.#add(hash, length + 1)
      this.#words[added + Entry.next] = first
      if (Atomics.compareExchange(this.#words, chain, first, added) === first) return
    }
  }

  #find(first: number, hash: number, length: number): number {
    for (let entry = first; entry !== 0; entry = this.#words[entry + Entry.next]!) {
      if (this.#words[entry + Entry.hash] !== hash) continue
      const at = 4 * (entry + Entry.text)
      let same = 0
      while (same < length && this.#bytes[at + same] === this.#text[same]) same++
      if (same === length) return entry
    }
    return 0
  }

  /** An entry with the count 1, which nobody else sees yet. */
  #add(hash: number, length: number): number {
    const entry = ENTRIES + Entry.words * Atomics.add(this.#words, USED, 1)
    this.#words[entry + Entry.hash] = hash
    this.#words[entry + Entry.count] = 1
    this.#bytes.set(this.#text.subarray(0, length), 4 * (entry + Entry.text))
    return entry
  }

  *entries(): Generator<[word: string, count: number]> {
    const decoder = new TextDecoder()
    for (let chain = CHAINS; chain < ENTRIES; chain++) {
      for (let entry = this.#words[chain]!; entry !== 0; entry = this.#words[entry + Entry.next]!) {
        const at = 4 * (entry + Entry.text)
        // A TextDecoder takes no shared memory.
        const text = this.#bytes.slice(at + 1, at + 1 + this.#bytes[at]!)
        yield [decoder.decode(text), this.#words[entry + Entry.count]!]
      }
    }
  }
}

/** What is compared: how many there are, in all and of each kind, and the ten words that came most often. */
function summary(entries: Iterable<readonly [string, number]>): unknown {
  const list = [...entries]
  const often = list.toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, 10)
  return { kinds: list.length, words: list.reduce((sum, [, count]) => sum + count, 0), often }
}

function start(task: Task): Worker {
  return new Worker(new URL(import.meta.url), { workerData: task })
}

/** Only who uses Faultline loads it: threads are started anew. */
const faultline = (): Promise<typeof import('faultline/memory')> => import('faultline/memory')

async function shared(words: number): Promise<unknown> {
  const { Machine } = await faultline()
  const machine = Machine.create({ memory: '64MiB', cpus: WORKERS + 1 })
  const space = machine.createAddressSpace()
  const bytes = TABLE_BYTES
  const table = space.mmap(bytes, { contiguous: true })
  const workers = Array.from({ length: WORKERS }, (_, worker) =>
    start({ words: words / WORKERS, worker, shared: { space: space.handle, table, bytes } }),
  )
  await Promise.all(workers.map((worker) => once(worker, 'exit')))
  return space.withRange(table, bytes, 'r', (given) => summary(new Table(given).entries()))
}

async function buffer(words: number): Promise<unknown> {
  const memory = new SharedArrayBuffer(TABLE_BYTES)
  const workers = Array.from({ length: WORKERS }, (_, worker) =>
    start({ words: words / WORKERS, worker, buffer: memory }),
  )
  await Promise.all(workers.map((worker) => once(worker, 'exit')))
  return summary(new Table(new Uint8Array(memory)).entries())
}

async function separate(words: number): Promise<unknown> {
  const all = new Map<string, number>()
  const workers = Array.from({ length: WORKERS }, async (_, worker) => {
    const [counts] = (await once(start({ words: words / WORKERS, worker }), 'message')) as [
      Map<string, number>,
    ]
    for (const [word, count] of counts) all.set(word, (all.get(word) ?? 0) + count)
  })
  await Promise.all(workers)
  return summary(all)
}

async function work(task: Task): Promise<void> {
  const fill = (given: Uint8Array): void => {
    const counts = new Table(given)
    for (const word of wordsOf(task)) counts.count(word)
  }
  if (task.buffer !== undefined) fill(new Uint8Array(task.buffer))
  else if (task.shared !== undefined) {
    const { AddressSpace } = await faultline()
    const { space, table, bytes } = task.shared
    AddressSpace.attach(space).withRange(table, bytes, 'rw', fill)
  } else {
    const counts = new Map<string, number>()
    for (const word of wordsOf(task)) counts.set(word, (counts.get(word) ?? 0) + 1)
    parentPort!.postMessage(counts)
  }
}

if (isMainThread) {
  await sideBySide(import.meta.url, {
    title: 'a hash table that four workers share',
    sides: { faultline: shared, SharedArrayBuffer: buffer, 'a Map each': separate },
    small: 40_000,
    full: 4_000_000,
    unit: 'words',
  })
} else await work(workerData as Task)
