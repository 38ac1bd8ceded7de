// The state that processes share, in every order of the steps of several who change it: each operation on the folder is
// one step. Who stops for good at a step is one who has died there, so that deaths are covered by what is looked at on
// the way.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type JournalFolder, changeState } from '../../../src/backends/threads/lock-journal.ts'

type Program = readonly ('take' | 'release')[]

class Busy extends Error {}

/** The name of the holder, or '' for none. */
const take = (who: string) => (state: string) => {
  if (state === who) return null
  if (state !== '') throw new Busy()
  return who
}
const release = (who: string) => (state: string) => (state === who ? '' : null)

class Run {
  readonly files = new Map<number, string>()
  readonly holding = new Set<string>()
  readonly refused = new Set<string>()
  readonly #claimants: { readonly steps: Generator<undefined, void>; ended: boolean; log: unknown[] }[]
  readonly #kept: number
  readonly #wrap: (folder: JournalFolder) => JournalFolder

  constructor(programs: readonly Program[], kept: number, wrap: (folder: JournalFolder) => JournalFolder) {
    this.#kept = kept
    this.#wrap = wrap
    this.#claimants = programs.map((program, number) => {
      const log: unknown[] = []
      return { steps: this.#perform(String.fromCharCode(65 + number), program, log), ended: false, log }
    })
  }

  /** Numbers of those that have not ended. */
  runnable(): number[] {
    return [...this.#claimants.keys()].filter((number) => !this.#claimants[number]!.ended)
  }

  step(number: number): void {
    const claimant = this.#claimants[number]!
    claimant.log.push('then')
    claimant.ended = claimant.steps.next().done === true
  }

  /** Runs with the same key go on in the same way: what everybody has seen, and what is there. */
  key(): string {
    const files = [...this.files].sort(([one], [other]) => one - other)
    return JSON.stringify([
      files,
      [...this.holding],
      [...this.refused],
      this.#claimants.map(({ log }) => log),
    ])
  }

  *#perform(who: string, program: Program, log: unknown[]): Generator<undefined, void> {
    for (const [index, call] of program.entries()) {
      log.splice(0, log.length, index)
      const folder = this.#wrap(this.#folder(log))
      if (call === 'release') {
        if (!this.holding.delete(who)) continue
        yield* changeState(folder, release(who), this.#kept)
        continue
      }
      try {
        yield* changeState(folder, take(who), this.#kept)
      } catch (error) {
        if (!(error instanceof Busy)) throw error
        this.refused.add(who)
        continue
      }
      assert.deepEqual([...this.holding], [], `${who} has taken what another holds`)
      this.holding.add(who)
    }
  }

  #folder(log: unknown[]): JournalFolder {
    const { files } = this
    const noted = <T>(result: T): T => {
      log.push(result)
      return result
    }
    return {
      list: () => noted([...files.keys()]),
      read: (number) => noted(files.get(number) ?? null),
      create(number, content) {
        if (files.has(number)) return noted(false)
        files.set(number, content)
        return noted(true)
      },
      remove: (number) => void noted(files.delete(number)),
    }
  }
}

/** Tries every order; returns how many different states of affairs there are. */
function explore(
  programs: readonly Program[],
  kept: number,
  atEnd: (run: Run) => void,
  wrap = (folder: JournalFolder): JournalFolder => folder,
): number {
  const seen = new Set<string>()
  const open: number[][] = [[]]
  for (let schedule = open.pop(); schedule !== undefined; schedule = open.pop()) {
    const run = new Run(programs, kept, wrap)
    for (const number of schedule) run.step(number)
    const key = run.key()
    if (seen.has(key)) continue
    seen.add(key)
    const runnable = run.runnable()
    if (runnable.length === 0) atEnd(run)
    for (const number of runnable) open.push([...schedule, number])
  }
  return seen.size
}

const TAKE: Program = ['take']
const CYCLES: Program = ['take', 'release', 'take', 'release', 'take']

test('of three who take at once, exactly one has it', () => {
  const states = explore([TAKE, TAKE, TAKE], 0, (run) => {
    assert.equal(run.holding.size, 1)
    assert.equal(run.refused.size, 2)
  })
  assert.ok(states > 100, `${states} states`)
})

test('no two have it at once, however long one sleeps between two steps', () => {
  for (const kept of [0, 1]) {
    const states = explore([CYCLES, TAKE], kept, (run) => assert.equal(run.holding.size, 1))
    assert.ok(states > 100, `${states} states`)
  }
})

test('without the second look, two have it: the exploration would find that', () => {
  const blind = (folder: JournalFolder): JournalFolder => {
    let created = 0
    return {
      ...folder,
      list: () => folder.list().filter((number) => created === 0 || number <= created),
      create(number, content) {
        const made = folder.create(number, content)
        if (made) created = number
        return made
      },
    }
  }
  assert.throws(() => explore([CYCLES, TAKE], 0, () => undefined, blind), /has taken what another holds/)
})
