// Older values that racy() may read: known programs, and random ones against every interleaving of them with every
// value that happens-before allows, enumerated without the checker.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  type CheckResult,
  ScenarioFailed,
  check,
  checkFile,
  counterexampleText,
  racy,
} from '../../src/check.ts'
import { extent } from '../extent.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
after(() => rmSync(folder, { recursive: true }))

const setup = (): Int32Array => new Int32Array(new SharedArrayBuffer(16))

async function failureOf(checking: Promise<CheckResult>): Promise<ScenarioFailed> {
  try {
    await checking
  } catch (error) {
    assert.ok(error instanceof ScenarioFailed, String(error))
    return error
  }
  assert.fail('it holds')
}

describe('older values', () => {
  it('a message behind a flag, both racy: the flag is seen, and the message is not', async () => {
    const { result } = await failureOf(
      check({
        setup,
        threads: [
          (cells) =>
            racy(() => {
              cells[1] = 42
              cells[0] = 1
            }),
          (cells) => {
            const [flag, message] = racy(() => [cells[0], cells[1]])
            if (flag === 1 && message !== 42) throw new Error('stale')
          },
        ],
      }),
    )
    const text = counterexampleText(result.failure!.counterexample)
    assert.match(
      text,
      /racy load cells\[0\] = 1 \(from step 2\)\n.*racy load cells\[1\] = 0, an older value\n/,
    )
    assert.equal(result.failure!.preemptions, 0)
  })

  it('the same behind a flag of Atomics: who has seen it sees the message, and no older one', async () => {
    const result = await check({
      setup,
      threads: [
        (cells) => {
          racy(() => (cells[1] = 41))
          racy(() => (cells[1] = 42))
          Atomics.store(cells, 0, 1)
        },
        (cells) => {
          const flag = Atomics.load(cells, 0)
          const message = racy(() => cells[1])
          if (flag === 1 && message !== 42) throw new Error('stale')
        },
      ],
    })
    assert.deepEqual([result.verdict, result.complete], ['pass', true])
  })

  it('what a thread has written itself, it does not read older', async () => {
    const result = await check({
      setup,
      threads: [
        (cells) => {
          racy(() => (cells[1] = 1))
          if (racy(() => cells[1]) !== 1) throw new Error('older')
        },
        (cells) => racy(() => cells[1]),
      ],
    })
    assert.equal(result.verdict, 'pass')
  })

  it('behind a plain write, which is ordered with all others, nobody reads what was there before', async () => {
    const result = await check({
      setup,
      threads: [
        (cells) => {
          racy(() => (cells[0] = 1))
          Atomics.store(cells, 1, 1)
        },
        (cells) => {
          racy(() => (cells[0] = 2))
          Atomics.store(cells, 2, 1)
        },
        (cells) => {
          if (Atomics.load(cells, 1) !== 1 || Atomics.load(cells, 2) !== 1) return
          cells[0] = 5
          const read = racy(() => cells[0])
          if (read !== 5) throw new Error(`older: ${read}`)
        },
      ],
    })
    assert.deepEqual([result.verdict, result.complete], ['pass', true])
  })

  it('a loop that waits for a racy flag ends, though it may miss it for a while', async () => {
    const result = await check({
      setup,
      threads: [
        (cells) => racy(() => (cells[0] = 1)),
        (cells) => {
          while (racy(() => cells[0]) !== 1);
        },
      ],
    })
    assert.deepEqual([result.verdict, result.complete], ['pass', true])
  })

  it('the token of a counterexample repeats it', async () => {
    const file = join(folder, 'dekker.mjs')
    const lines = [
      'import { racy } from "faultline/check"',
      'export default {',
      'setup: () => ({ cells: new Int32Array(new SharedArrayBuffer(8)), seen: [] }),',
      'threads: [0, 1].map((own) => ({ cells, seen }) => {',
      '  racy(() => (cells[own] = 1))',
      '  seen[own] = racy(() => cells[1 - own])',
      '}),',
      'invariant: ({ seen }) => seen[0] === 1 || seen[1] === 1,',
      '}',
    ]
    const door = new URL('../../src/check.ts', import.meta.url).href
    writeFileSync(file, lines.join('\n').replace('faultline/check', door))
    const { replayFile } = await import('../../src/check.ts')
    const found = await checkFile(file)
    assert.equal(found.failure?.kind, 'error')
    const again = await replayFile(file, found.failure.token!)
    assert.deepEqual(again.failure?.counterexample, found.failure.counterexample)
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Random programs

interface Line {
  readonly does: 'racy load' | 'racy store' | 'load' | 'store' | 'exchange' | 'add'
  readonly cell: number
}
type Program = readonly (readonly Line[])[]

const line = fc.record({
  does: fc.constantFrom(
    'racy load',
    'racy load',
    'racy store',
    'racy store',
    'load',
    'store',
    'exchange',
    'add',
  ),
  cell: fc.nat(1),
}) satisfies fc.Arbitrary<Line>
const program = fc.array(fc.array(line, { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 3 })

/** What a line writes: each something else. */
const valueOf = (thread: number, at: number): number => 100 * (thread + 1) + at

function textOf(threads: Program): string {
  const door = new URL('../../src/check.ts', import.meta.url).href
  const bodies = threads.map((lines, thread) => {
    const steps = lines.map(({ does, cell }, at) => {
      const value = valueOf(thread, at)
      return {
        'racy load': `seen[${thread}].push(racy(() => cells[${cell}]))`,
        'racy store': `racy(() => (cells[${cell}] = ${value}))`,
        load: `seen[${thread}].push(Atomics.load(cells, ${cell}))`,
        store: `Atomics.store(cells, ${cell}, ${value})`,
        exchange: `seen[${thread}].push(Atomics.exchange(cells, ${cell}, ${value}))`,
        add: `Atomics.add(cells, ${cell}, 1000)`,
      }[does]
    })
    return `({ cells, seen }) => {\n${steps.join('\n')}\n}`
  })
  return [
    `import { racy } from ${JSON.stringify(door)}`,
    'export default {',
    `setup: () => ({ cells: new Int32Array(new SharedArrayBuffer(8)), seen: [${threads.map(() => '[]').join()}] }),`,
    `threads: [${bodies.join(',\n')}],`,
    'invariant: ({ seen }) => void globalThis.noteSeen(JSON.stringify(seen)),',
    '}',
  ].join('\n')
}

interface Event {
  readonly thread: number
  readonly cell: number
  readonly isAtomic: boolean
  /** What it leaves in the cell; null if it writes nothing. */
  readonly left: number | null
  /** The numbers of the events that happen before it. */
  readonly before: ReadonlySet<number>
}

/** What the threads read, in every interleaving. */
function enumerated(threads: Program): Set<string> {
  const outcomes = new Set<string>()
  const events: Event[] = []
  const seen: number[][] = threads.map(() => [])
  const lastWrite = (cell: number): number =>
    events.findLastIndex((one) => one.cell === cell && one.left !== null)
  /** Of a thread, what happens before its next event. */
  const knownBy = (thread: number): Set<number> => {
    const last = events.findLastIndex((event) => event.thread === thread)
    return last < 0 ? new Set() : new Set([...events[last]!.before, last])
  }
  const readable = (cell: number, known: ReadonlySet<number>): Set<number> => {
    const writes = [...events.keys()].filter((at) => events[at]!.cell === cell && events[at]!.left !== null)
    const isHidden = (write: number): boolean =>
      writes.some((other) => known.has(other) && (write < 0 || events[other]!.before.has(write)))
    return new Set(
      [-1, ...writes].filter((at) => !isHidden(at)).map((at) => (at < 0 ? 0 : events[at]!.left!)),
    )
  }
  const go = (at: readonly number[]): void => {
    if (at.every((next, thread) => next === threads[thread]!.length)) outcomes.add(JSON.stringify(seen))
    for (const [thread, lines] of threads.entries()) {
      const next = lines[at[thread]!]
      if (next === undefined) continue
      const { does, cell } = next
      const known = knownBy(thread)
      const then = at.map((each, index) => (index === thread ? each + 1 : each))
      const perform = (read: number | null, left: number | null, isAtomic: boolean): void => {
        events.push({ thread, cell, isAtomic, left, before: known })
        if (read !== null) seen[thread]!.push(read)
        go(then)
        if (read !== null) seen[thread]!.pop()
        events.pop()
      }
      const value = valueOf(thread, at[thread]!)
      if (does === 'racy store') perform(null, value, false)
      else if (does === 'store') perform(null, value, true)
      else if (does === 'racy load') for (const read of readable(cell, known)) perform(read, null, false)
      else {
        const last = lastWrite(cell)
        if (last >= 0 && events[last]!.isAtomic)
          for (const one of [...events[last]!.before, last]) known.add(one)
        const read = last < 0 ? 0 : events[last]!.left!
        if (does === 'load') perform(read, null, true)
        else if (does === 'exchange') perform(read, value, true)
        else perform(null, read + 1000, true)
      }
    }
  }
  go(threads.map(() => 0))
  return outcomes
}

it('random programs: what is read is what every interleaving allows', async () => {
  let number = 0
  let more = 0
  const everywhere = globalThis as { noteSeen?: (seen: string) => void }
  await fc.assert(
    fc.asyncProperty(program, async (threads) => {
      const file = join(folder, `random-${number++}.mjs`)
      const text = textOf(threads)
      writeFileSync(file, text)
      const found = new Set<string>()
      everywhere.noteSeen = (seen) => found.add(seen)
      const { verdict, complete } = await checkFile(file)
      assert.deepEqual([verdict, complete], ['pass', true], text)
      const all = enumerated(threads)
      assert.deepEqual([...found].toSorted(), [...all].toSorted(), text)
      more += all.size
    }),
    { numRuns: extent(80, 2000), seed: 20261201 },
  )
  delete everywhere.noteSeen
  assert.ok(more > 2 * number)
})
