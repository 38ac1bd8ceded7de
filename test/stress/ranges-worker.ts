// A thread that counts in memory by ranges, by pages and by single accesses, as chance has it, while pages leave
// memory, are copied and moved. It tells how often it has counted, and which errors it met.

import { parentPort, workerData } from 'node:worker_threads'
import { AddressSpace, type AddressSpaceHandle } from '../../src/memory.ts'
import { Random } from '../reference/random.ts'

export interface RangesTask {
  readonly space: AddressSpaceHandle
  readonly base: number
  readonly pages: number
  readonly steps: number
  readonly seed: number
  /** Whether it takes snapshots: one thread does, as memory is small. */
  readonly snapshots: boolean
}

export interface RangesReport {
  readonly counted: number
  readonly refused: readonly string[]
}

const PAGE = 4096
/** What a range may meet where others are at work on the same pages. */
const expected = new Set(['EBUSY', 'EAGAIN', 'ENOMEM'])

const { space: handle, base, pages, steps, seed, snapshots } = workerData as RangesTask
const space = AddressSpace.attach(handle)
const random = new Random(seed)
const refused: string[] = []
let counted = 0

/** Adds to the first word of each page of what was handed out. */
function count(bytes: Uint8Array): void {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  for (let word = 0; word < words.length; word += PAGE / 4) {
    Atomics.add(words, word, 1)
    counted++
  }
}

function countOne(address: number): void {
  space.addUint32(address, 1)
  counted++
}

/** What the program reads is in the range, and the other way round. */
function look(bytes: Uint8Array, address: number): void {
  const before = space.loadUint32(address)
  const seen = Atomics.load(new Uint32Array(bytes.buffer, bytes.byteOffset, 1), 0)
  if (seen < before || space.loadUint32(address) < seen)
    throw new Error(`${seen} in a range, after ${before}`)
}

function compareSnapshot(address: number, length: number): void {
  using snapshot = space.snapshot()
  const first = snapshot.read(address, length)
  countOne(address)
  if (Buffer.compare(first, snapshot.read(address, length)) !== 0) throw new Error('a snapshot has changed')
}

function step(): void {
  const page = random.below(pages)
  const address = base + page * PAGE
  const length = PAGE * (1 + random.below(Math.min(4, pages - page)))
  switch (random.below(8)) {
    case 0:
    case 1:
      return space.withRange(address, length, 'rw', count)
    case 2:
      return space.withRange(address, 8, 'rw', (bytes) => {
        count(bytes)
        countOne(address)
      })
    case 3:
      return space.withRange(address, length, 'r', (bytes) => look(bytes, address))
    case 4:
      return space.withPages(address, length, 'rw', count)
    case 5:
      return space.madvise(address, length, 'pageout')
    case 6:
      return snapshots ? compareSnapshot(address, length) : countOne(address)
    default:
      return countOne(address)
  }
}

for (let n = 0; n < steps; n++) {
  try {
    step()
  } catch (error) {
    const { code } = error as { code?: string }
    if (!expected.has(code ?? '')) throw error
    refused.push(code!)
  }
}
parentPort!.postMessage({ counted, refused } satisfies RangesReport)
