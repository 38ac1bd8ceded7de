// Random programs with Workers, ports, timers and signals: what the explorer finds against what is found without its
// reductions, and against what Node does with them.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { loadSteppedTogether, memory, setSites } from '../../src/backends/stepped/index.ts'
import { type Execution, REDUNDANT } from '../../src/check/execution.ts'
import { makeExplorer } from '../../src/check/explore.ts'
import { mayRunAgain, runOnce, withoutStacks } from '../../src/check/run-once.ts'
import { Explorer } from '../../src/check/explorer.ts'
import { RandomWalk } from '../../src/check/random-walk.ts'
import { userSubject } from '../../src/check/user-scenario.ts'
import { extent, isWhole } from '../extent.ts'

type Step = readonly (string | number | null)[]
type Program = readonly (readonly Step[])[]

const url = new URL('workers/any.mjs', import.meta.url)
const everywhere = globalThis as {
  program?: Program
  note?: (id: number, told: string) => void
  flags?: string[]
}
const statuses = ['error', 'complete', 'redundant', 'deadlock', 'race', 'too long']
const maxSteps = 3000

describe('random programs with Workers', async () => {
  memory.clear()
  const scripts = [{ from: '', specifier: url.href, kind: 'worker' as const }]
  const { loops, sites } = await loadSteppedTogether([], { turns: true, scripts })
  setSites(sites)
  memory.takeSnapshot()

  everywhere.flags = []

  /** How each execution ends, and what its threads have noted; null where there are more than `most`. */
  const outcomesOf = (
    program: Program,
    make: (subject: ReturnType<typeof userSubject>) => Execution & { advance(): boolean },
    most: number,
  ): Set<string> | null => {
    let logs: string[][] = []
    everywhere.note = (id, told) => logs[id]!.push(told)
    everywhere.program = program
    const subject = userSubject({ threads: [url] }, loops)
    const { begin } = subject
    subject.begin = () => {
      logs = program.map(() => [])
      return begin()
    }
    for (;;) {
      const outcomes = new Set<string>()
      const execution = make(subject)
      let left = most
      try {
        withoutStacks(() => {
          do {
            const failure = runOnce(subject, execution)
            if (execution.status === REDUNDANT) continue
            const why = failure?.error instanceof Error ? failure.error.message : ''
            outcomes.add(`${statuses[execution.status]} ${why} ${JSON.stringify(logs)}`)
          } while (execution.advance() && --left > 0)
        })
        execution.retire()
        return left > 0 || execution instanceof RandomWalk ? outcomes : null
      } catch (error) {
        if (!mayRunAgain(subject, error)) throw error
      }
    }
  }
  const explored = (program: Program, most: number): Set<string> | null =>
    outcomesOf(
      program,
      (subject) =>
        makeExplorer(subject, { maxSteps, maxExecutions: Infinity, maxMs: Infinity, distinct: true }),
      most,
    )
  /** Without knowing which orders need be tried: everything that comes next, unless it is known to have been tried. */
  const searched = (program: Program, most: number): Set<string> | null =>
    outcomesOf(
      program,
      ({ threads }) => new Explorer(threads, { maxSteps, bound: null, symmetry: null, fullDepth: maxSteps }),
      most,
    )
  const walked = (program: Program, count: number): Set<string> =>
    outcomesOf(
      program,
      ({ threads }) => new RandomWalk(threads, { strategy: 'random', seed: 1, depth: 1, maxSteps }),
      count,
    )!

  let compared = 0
  const holds = (program: Program): void => {
    const found = explored(program, extent(300, 3000))
    if (found === null) return
    compared++
    for (const outcome of walked(program, extent(40, 200)))
      assert.ok(found.has(outcome), `not found: ${outcome}`)
    for (const outcome of searched(program, extent(300, 20_000)) ?? [])
      assert.ok(found.has(outcome), `not found: ${outcome}`)
  }

  const cell = fc.integer({ min: 0, max: 1 })
  const delay = fc.constantFrom(1, 5)
  const step = (...parts: (string | fc.Arbitrary<string | number | null>)[]): fc.Arbitrary<Step> =>
    fc.tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part)))
  const shared = [
    step('load', cell),
    step('store', cell, fc.constant(1)),
    step('add', cell),
    step('count', cell),
    step('cas', cell, cell, cell),
    step('unless', cell, cell),
  ]
  const waits = [
    step('wait', cell, fc.constant(0), fc.option(delay)),
    step('notify', cell, fc.integer({ min: 1, max: 2 })),
    step('waitAsync', cell, fc.constant(0), fc.option(delay)),
    step('awaitAsync', cell, fc.constant(0), fc.option(delay)),
  ]
  const time = [step('tick'), step('sleep', delay), step('timer', delay), step('immediate')]
  const signals = [step('signalled', delay), step('abort'), step('abortLater', delay), step('due', delay)]
  const peer = [step('peer', cell), step('receive'), step('hear'), step('shut')]
  const cast = [step('join'), step('cast', cell), step('leave')]
  const ofMain = (workers: number): fc.Arbitrary<Step>[] => {
    const to = fc.integer({ min: 1, max: workers })
    return [step('send', to, cell), step('terminate', to), step('terminate', to), step('terminated', to)]
  }
  const ofWorker = [
    step('send', cell, cell),
    step('listen'),
    step('once'),
    step('answer'),
    step('deafen'),
    step('close'),
    step('exit', cell),
    step('throw'),
  ]

  /** Programs of so many workers, whose main thread makes `first` and the workers, all of which do some of `steps`. */
  const programs = (
    workers: number,
    most: number,
    steps: readonly fc.Arbitrary<Step>[],
    first: readonly Step[] = [],
  ): fc.Arbitrary<Program> => {
    const start = fc.constantFrom('start', 'start', 'startOnce', 'startOnline', 'startDeaf')
    const starts = fc.tuple(
      ...Array.from({ length: workers }, (_, index) => step(start, fc.constant(index + 1))),
    )
    const rest = fc.array(fc.oneof(...steps, ...ofMain(workers)), { maxLength: most })
    const main = fc.tuple(starts, rest).map(([begin, then]) => [...first, ...begin, ...then])
    const joins = first.filter(([kind]) => kind === 'join')
    const worker = fc
      .array(fc.oneof(...steps, ...ofWorker), { minLength: 1, maxLength: most })
      .map((list) => [...joins, ...list])
    return fc.tuple(main, ...Array.from({ length: workers }, () => worker))
  }
  const kinds: Record<string, fc.Arbitrary<Program>> = {
    'shared memory': programs(1, 3, shared),
    'shared memory of three': programs(2, 2, shared),
    'waiting and notifying': programs(1, 3, [...shared, ...waits]),
    'timers and signals': programs(1, 2, [...shared, ...time, ...signals]),
    channels: programs(1, 3, [...shared, ...peer], [['channel']]),
    'a BroadcastChannel': programs(2, 2, cast, [['join']]),
  }
  for (const [name, some] of Object.entries(kinds)) {
    it(`have the outcomes that are found without reductions: ${name}`, () => {
      compared = 0
      const numRuns = extent(name.endsWith('three') || name.startsWith('a ') ? 5 : 12, 400)
      fc.assert(fc.property(some, holds), { numRuns, seed: 5, endOnFailure: !isWhole })
      assert.ok(compared > numRuns / 3, `${compared}`)
    })
  }

  it('show each step at which a worker may be ended', () => {
    // What it was about to do is to be done first, though its end comes first where that is tried.
    const listening: Program = [
      [
        ['start', 1],
        ['terminate', 1],
      ],
      [['load', 0], ['listen']],
    ]
    assert.deepEqual([...explored(listening, 1000)!].toSorted(), [
      'complete  [["end","exit 1 0"],[]]',
      'complete  [["end","exit 1 1"],["load 0","end"]]',
      'complete  [["end","exit 1 1"],[]]',
    ])
    // The worker's store is put off where it was tried before, until the timer has looked.
    const late: Program = [
      [
        ['startOnline', 1],
        ['timer', 5],
        ['terminate', 1],
      ],
      [['store', 0, 1]],
    ]
    assert.ok(explored(late, 1000)!.has('complete  [["end","online 1","timer 0","exit 1 1"],["end"]]'))
  })

  it('receive from who still sends on a BroadcastChannel when another is ended', () => {
    const outcomes = explored(
      [
        [['join'], ['startDeaf', 1], ['startDeaf', 2], ['terminate', 1]],
        [['join'], ['cast', 0]],
        [['join'], ['cast', 1]],
      ],
      20_000,
    )!
    assert.ok(outcomes.size > 1)
    for (const outcome of outcomes) assert.match(outcome, /^complete .*cast 1/)
  })

  it('refuse to pass where Node would end a script that awaits what keeps no thread', () => {
    const [outcome] = explored([[['startDeaf', 1]], [['forgotten', 0]]], 100)!
    assert.match(
      outcome!,
      /^error the script ends before its top-level await: in Node, Atomics\.waitAsync does not keep/,
    )
  })

  // What Node does differs from run to run, and more where some operations take their time.
  const prelude = `
import { writeSync } from 'node:fs'
globalThis.program = JSON.parse(process.env.PROGRAM)
globalThis.note = (id, told) => writeSync(1, JSON.stringify([id, told]) + '\\n')
const busy = () => {
  const end = performance.now() + (Math.random() < 0.5 ? 0 : Math.random() * 20)
  while (performance.now() < end);
}
for (const name of ['load', 'store', 'add', 'compareExchange', 'notify', 'waitAsync']) {
  const operation = Atomics[name]
  Atomics[name] = (...args) => { busy(); return operation(...args) }
}`

  async function inNode(program: Program): Promise<string> {
    const child = spawn(
      process.execPath,
      ['--import', `data:text/javascript,${encodeURIComponent(prelude)}`, fileURLToPath(url)],
      { env: { ...process.env, NODE_OPTIONS: '', PROGRAM: JSON.stringify(program) } },
    )
    const [out, problems] = await Promise.all([text(child.stdout), text(child.stderr)])
    assert.equal(problems, '')
    const logs: string[][] = program.map(() => [])
    for (const line of out.split('\n').filter(Boolean)) {
      const [id, told] = JSON.parse(line) as [number, string]
      logs[id]!.push(told)
    }
    return `complete  ${JSON.stringify(logs)}`
  }

  it('do in Node what is among the outcomes', async () => {
    let tried = 0
    for (const [index, some] of Object.values(kinds).entries())
      for (const program of fc.sample(some, { numRuns: extent(3, 60), seed: 20 + index })) {
        const found = explored(program, 300)
        // Those that come to an end in Node, too: a port that is listened at keeps a process.
        const ends = found !== null && [...found].every((each) => each.startsWith('complete'))
        if (!ends || program.some((list) => list.some(([kind]) => keeping.has(kind)))) continue
        tried++
        const real = await inNode(program)
        assert.ok(found.has(real), `not found: ${real} of ${JSON.stringify(program)}`)
      }
    assert.ok(tried > 3)
  })
  const keeping = new Set<unknown>(['listen', 'once', 'answer', 'hear', 'join', 'awaitAsync', 'wait'])
})
