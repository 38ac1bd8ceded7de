// Which lines came to the same memory, and in which order: of known programs, and of random ones against every
// interleaving of them, enumerated without the checker.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import {
  type CheckOptions,
  type CheckResult,
  NoScenario,
  check,
  checkFile,
  linearizable,
} from '../../src/check.ts'
import { extent } from '../extent.ts'

class Cell {
  #value = 0

  set(): void {
    this.#value = 1
  }

  get(): number {
    return this.#value
  }
}

const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
after(() => rmSync(folder, { recursive: true }))

const flagged = fileURLToPath(new URL('programs/flagged.ts', import.meta.url))

type Coverage = NonNullable<CheckResult['coverage']>

const told = async (file: string, options: CheckOptions = {}): Promise<Coverage> =>
  (await checkFile(file, { ...options, coverage: true })).coverage!

const words = ({ file, line, source }: Coverage['unreached'][number]): string =>
  `${basename(file)}:${line} ${source}`

it('what a lock keeps apart is in both orders, what a flag tells of is in one, and what nobody reaches is told', async () => {
  const { pairs, oneOrder, unreached } = await told(flagged)
  // The lock: taken and waited for in line 8, released in 12, told of in 13. Behind it 21 and 28; and the flag's.
  assert.equal(pairs, 6)
  assert.deepEqual(
    oneOrder.map(({ first, second }) => [words(first), words(second)]),
    [
      [
        'flagged.ts:8 Atomics.compareExchange(cells, LOCK, 0, 1)',
        'flagged.ts:8 Atomics.wait(cells, LOCK, 1)',
      ],
      ['flagged.ts:23 cells[TOLD] = 1', 'flagged.ts:31 cells[TOLD]'],
    ],
  )
  assert.deepEqual(unreached.map(words), ['flagged.ts:30 Atomics.store(cells, NEVER, 1)'])
})

it('places within one line are told apart', async () => {
  const file = join(folder, 'one-line.mjs')
  const threads =
    '[(c) => { Atomics.store(c, 1, 1); Atomics.store(c, 0, 1) }, (c) => Atomics.load(c, 0) && Atomics.load(c, 1)]'
  writeFileSync(
    file,
    `export default { setup: () => new Int32Array(new SharedArrayBuffer(8)), threads: ${threads} }`,
  )
  const { pairs, oneOrder } = await told(file)
  assert.equal(pairs, 2)
  assert.deepEqual(
    oneOrder.map(({ first, second }) => [first.source, second.source]),
    [['Atomics.store(c, 1, 1)', 'Atomics.load(c, 1)']],
  )
})

it('workers tell the same together, and with few preemptions less is seen', async () => {
  const alone = await told(flagged)
  assert.deepEqual(await told(flagged, { workers: 3 }), alone)
  const bounded = await told(flagged, { bound: 0 })
  assert.deepEqual(bounded.unreached.map(words), [
    'flagged.ts:8 Atomics.wait(cells, LOCK, 1)',
    'flagged.ts:30 Atomics.store(cells, NEVER, 1)',
  ])
  assert.ok(bounded.pairs < alone.pairs)
})

it('it is told only where it is asked for, and not of a part', async () => {
  assert.equal((await checkFile(flagged)).coverage, undefined)
  for (const part of [{ shard: { index: 1, count: 2 } }, { ledger: join(folder, 'ledger') }])
    await assert.rejects(checkFile(flagged, { ...part, coverage: true }), NoScenario)
})

it('an inline check, and all programs of linearizable() together', async () => {
  const { coverage } = await check({
    setup: () => new Int32Array(new SharedArrayBuffer(8)),
    threads: [
      (cells: Int32Array) => {
        Atomics.store(cells, 0, 1)
      },
      (cells: Int32Array) => {
        Atomics.load(cells, 0)
      },
    ],
    coverage: true,
  })
  assert.deepEqual(coverage, { pairs: 1, oneOrder: [], unreached: [] })

  const linear = await linearizable({
    create: () => new Int32Array(new SharedArrayBuffer(8)),
    operations: {
      set: {
        call: (cells: Int32Array) => {
          Atomics.store(cells, 0, 1)
        },
      },
      get: { call: (cells: Int32Array) => Atomics.load(cells, 0) },
    },
    specification: Cell,
    coverage: true,
  })
  assert.deepEqual(linear.coverage, { pairs: 1, oneOrder: [], unreached: [] })
})

// ---------------------------------------------------------------------------------------------------------------------
// Random programs

/** One line: what it does to which cell, and which value of the cell before it needs, if any; else it is left out. */
interface Line {
  readonly does: 'load' | 'store' | 'add' | 'add, and look' | 'exchange' | 'cas'
  readonly cell: number
  readonly value: number
  readonly onlyIf: { readonly cell: number; readonly value: number } | null
}
type Program = readonly (readonly Line[])[]

const line = fc.record({
  does: fc.constantFrom('load', 'store', 'add', 'add, and look', 'exchange', 'cas'),
  cell: fc.nat(1),
  value: fc.nat(2),
  onlyIf: fc.option(fc.record({ cell: fc.nat(1), value: fc.nat(2) })),
}) satisfies fc.Arbitrary<Line>
const program = fc.array(fc.array(line, { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 3 })

function textOf({ does, cell, value, onlyIf }: Line): string {
  const call = {
    load: `Atomics.load(cells, ${cell})`,
    store: `Atomics.store(cells, ${cell}, ${value})`,
    add: `Atomics.add(cells, ${cell}, ${value})`,
    'add, and look': `seen.push(Atomics.add(cells, ${cell}, ${value}))`,
    exchange: `seen.push(Atomics.exchange(cells, ${cell}, ${value}))`,
    cas: `Atomics.compareExchange(cells, ${cell}, ${value}, 1)`,
  }[does]
  return onlyIf === null ? call : `if (Atomics.load(cells, ${onlyIf.cell}) === ${onlyIf.value})\n${call}`
}

/** As text, and for each thread the numbers of the lines on which its steps are. */
function moduleOf(threads: Program): { text: string; numbers: number[][] } {
  const setup = 'setup: () => new Int32Array(new SharedArrayBuffer(8)),'
  const lines = ['const seen = []', 'export default {', setup]
  lines.push('threads: [')
  const numbers = threads.map((thread) => {
    lines.push('(cells) => {')
    const own = thread.map((each) => {
      const number = lines.length + 1
      lines.push(...textOf(each).split('\n'))
      return number
    })
    lines.push('},')
    return own
  })
  lines.push(']', '}')
  return { text: lines.join('\n'), numbers }
}

interface Access {
  readonly thread: number
  readonly line: number
  readonly cell: number
  readonly does: 'reads' | 'writes' | 'adds'
}

/** The orders of lines in every interleaving, as 'first second'. */
function enumerated(threads: Program, numbers: readonly (readonly number[])[]): Set<string> {
  const orders = new Set<string>()
  const cells = [0, 0]
  const trace: Access[] = []
  const come = (access: Access): void => {
    for (const earlier of trace) {
      if (earlier.thread === access.thread || earlier.cell !== access.cell) continue
      const both = [earlier.does, access.does]
      if (both.every((does) => does === 'reads') || both.every((does) => does === 'adds')) continue
      if (earlier.line !== access.line) orders.add(`${earlier.line} ${access.line}`)
    }
    trace.push(access)
  }
  const step = (at: readonly number[], decided: readonly boolean[]): void => {
    for (const [thread, lines] of threads.entries()) {
      const next = lines[at[thread]!]
      if (next === undefined) continue
      const number = numbers[thread]![at[thread]!]!
      const [kept, depth] = [[...cells], trace.length]
      const isFirst = next.onlyIf !== null && !decided[thread]
      let isOver = true
      if (isFirst) {
        come({ thread, line: number, cell: next.onlyIf.cell, does: 'reads' })
        isOver = cells[next.onlyIf.cell] !== next.onlyIf.value
      } else perform(next, thread, next.onlyIf === null ? number : number + 1)
      step(
        at.map((each, index) => (index === thread && isOver ? each + 1 : each)),
        decided.map((each, index) => (index === thread ? !isOver : each)),
      )
      trace.length = depth
      cells.splice(0, 2, ...kept)
    }
  }
  const perform = ({ does, cell, value }: Line, thread: number, number: number): void => {
    const before = cells[cell]!
    const isCasInVain = does === 'cas' && before !== value
    const reads = does === 'load' || isCasInVain
    come({ thread, line: number, cell, does: reads ? 'reads' : does === 'add' ? 'adds' : 'writes' })
    if (does === 'store' || does === 'exchange') cells[cell] = value
    if (does === 'add' || does === 'add, and look') cells[cell] = before + value
    if (does === 'cas' && !isCasInVain) cells[cell] = 1
  }
  step(
    threads.map(() => 0),
    threads.map(() => false),
  )
  return orders
}

it('random programs: the orders are those of every interleaving', async () => {
  let number = 0
  await fc.assert(
    fc.asyncProperty(program, async (threads) => {
      const { text, numbers } = moduleOf(threads)
      const file = join(folder, `random-${number++}.mjs`)
      writeFileSync(file, text)
      const orders = enumerated(threads, numbers)
      const isBoth = (order: string): boolean => orders.has(order.split(' ').toReversed().join(' '))
      const oneOrder = [...orders].filter((order) => !isBoth(order))
      const result = await checkFile(file, { coverage: true })
      assert.equal(result.verdict, 'pass')
      const { coverage } = result
      assert.deepEqual(
        coverage!.oneOrder.map(({ first, second }) => `${first.line} ${second.line}`).toSorted(),
        oneOrder.toSorted(),
        text,
      )
      assert.equal(coverage!.pairs, (orders.size + oneOrder.length) / 2, text)
    }),
    { numRuns: extent(60, 1500), seed: 20261201 },
  )
})
