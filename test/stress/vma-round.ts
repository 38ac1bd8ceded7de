// What the coordinator of rounds of the vma mix and its threads share: words that say what may be in which page.
//
// Each accessor owns one word of every page, in a sector of its own, and what it stores there names the space, the
// page, the accessor and its number. So any thread can tell of any word that it reads whether it may be there.

import type { AddressSpace, Machine, Mapping } from '../../src/backends/threads/index.ts'
import {
  VMA_MIX_BASE as BASE,
  VMA_MIX_PAGES,
  vmaMixAccess,
  vmaMixOthers,
} from '../../src/workloads/vma-mix.ts'
import { PAGE_SIZE } from '../reference/model.ts'

/** Address spaces of a round at most: stress-ng works with two processes. */
export const SPACES = 2

/** The kind of each thread, accessors last. */
export const accessors = vmaMixAccess.threads
export const firstAccessor = vmaMixOthers.length
export const roles = [...vmaMixOthers, ...Array.from({ length: accessors }, () => vmaMixAccess)]

/** Bytes from the word of one accessor to that of the next. */
export const WORD_STRIDE = 128

/** Words by which all are steered; behind them, one for each thread: its step. */
export const STOP = 0
export const ARRIVED = 1
export const BEGUN = 2
export const FAILED = 3
export const STEPS = 16

const SPACE_PAGES = SPACES * VMA_MIX_PAGES

/** Steps that every thread does, however busy the host is; a round ends when its time is over and they are done. */
export const LEAST_STEPS = 20

/** Places in the words of a round, by the number of the space, the page in it and the accessor. */
export const words = {
  /** The last number that an accessor has used, and the last one whose store is over. */
  issued: (accessor: number) => accessor,
  completed: (accessor: number) => accessors + accessor,
  /** Calls that take contents away: how many have begun, and how many are over. */
  clearsBegun: (space: number, page: number) => 2 * accessors + space * VMA_MIX_PAGES + page,
  clearsEnded: (space: number, page: number) => 2 * accessors + SPACE_PAGES + space * VMA_MIX_PAGES + page,
  /** What an accessor stored up to this number is gone. */
  floor: (space: number, page: number, accessor: number) =>
    2 * accessors + 2 * SPACE_PAGES + (space * VMA_MIX_PAGES + page) * accessors + accessor,
}
export const ROUND_WORDS = words.floor(SPACES, 0, 0)

export interface Tag {
  space: number
  page: number
  accessor: number
  sequence: number
}

/** Numbers of one accessor in a round are below this. */
export const SEQUENCES = 2 ** 21
if (SPACES > 2 || VMA_MIX_PAGES > 32 || accessors > 32) throw new Error('a tag has no room')

export function encodeTag({ space, page, accessor, sequence }: Tag): number {
  return (((space * 32 + page) * 32 + accessor) * SEQUENCES + sequence) >>> 0
}

export function decodeTag(word: number): Tag {
  const rest = Math.floor(word / SEQUENCES)
  return {
    sequence: word % SEQUENCES,
    accessor: rest % 32,
    page: Math.floor(rest / 32) % 32,
    space: Math.floor(rest / 1024),
  }
}

/** Why the word cannot be in this place, or null. `floor` was read before the word was, for its accessor. */
export function tagProblem(
  shared: Int32Array,
  place: { space: number; page: number; accessor: number },
  word: number,
  floor: number,
): string | null {
  if (word === 0) return null
  const tag = decodeTag(word)
  const told = `space ${place.space}, page ${place.page}: ${JSON.stringify(tag)}`
  const { space, page, accessor, sequence } = tag
  if (space !== place.space || page !== place.page || accessor !== place.accessor)
    return `${told} was stored elsewhere`
  if (sequence > Atomics.load(shared, words.issued(accessor))) return `${told} was never stored`
  return sequence > floor ? null : `${told} was stored before the page was replaced (${floor})`
}

/** What is wrong with a listing of the mappings, or null: they are in order, apart, and where they were mapped. */
export function layoutProblem(mappings: readonly Mapping[]): string | null {
  let last = BASE
  for (const { start, end } of mappings) {
    const range = `0x${start.toString(16)}-0x${end.toString(16)}`
    if (start % PAGE_SIZE !== 0 || end % PAGE_SIZE !== 0 || start >= end)
      return `${range} is no range of pages`
    if (start < last) return `${range} begins before 0x${last.toString(16)}, where the one before it ends`
    last = end
  }
  if (last > BASE + VMA_MIX_PAGES * PAGE_SIZE) return `something is mapped up to 0x${last.toString(16)}`
  return null
}

export interface RoundMessage {
  machine: Machine['handle']
  spaces: AddressSpace['handle'][]
  control: Int32Array
  shared: Int32Array
  seed: number
}

/** A word that nobody has taken away since it was stored, as far as its accessor knows. */
export interface Held {
  space: number
  page: number
  accessor: number
  value: number
  /** Clears of the page that had begun when it was stored, all of them over. */
  clears: number
}

export type WorkerMessage =
  | { type: 'ready' }
  | { type: 'done'; thread: number; steps: number; refused: number; signals: number; held: Held[] }
  | { type: 'failed'; thread: number; steps: number; stack: string }
