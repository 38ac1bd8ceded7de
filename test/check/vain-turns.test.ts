// Turns in which time passed for nothing, against a plain enumeration of interleavings in which no turn is: what is
// called explored has every end of those.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  ALL_COUNT,
  TURNS_MAX,
  loadSteppedTogether,
  memory,
  setCounting,
  setSites,
  setTurns,
} from '../../src/backends/stepped/index.ts'
import { REDUNDANT } from '../../src/check/execution.ts'
import { explore } from '../../src/check/explore.ts'
import { Explorer } from '../../src/check/explorer.ts'
import { TIMEOUTS_MAX, setTimeouts } from '../../src/check/passing-time.ts'
import { type RawFailure, runAgain, runOnce } from '../../src/check/run-once.ts'
import type { Scenario } from '../../src/check/scenario.ts'
import { userSubject } from '../../src/check/user-scenario.ts'
import type { Poll, PollState, Work, make as makePolling } from './programs/polling.ts'

const polls: Poll[] = ['wait', 'sleep', 'waitAsync', 'race', 'timers', 'interval', 'recursion']
const works: Work[] = ['nothing', 'counts', 'counts in a field', 'pushes', 'adds', 'piles up', 'looks']
/** Turns that are enumerated: more than are let pass without need. */
const TURNS = TIMEOUTS_MAX + 2
const STEPS_MAX = 300

describe('turns in vain', () => {
  let make: typeof makePolling
  let loops: Awaited<ReturnType<typeof loadSteppedTogether>>['loops']
  before(async () => {
    memory.clear()
    const url = new URL('programs/polling.ts', import.meta.url)
    const program = await loadSteppedTogether([url], { turns: true })
    loops = program.loops
    setSites(program.sites)
    make = (await program.open(url)).exports['make'] as typeof makePolling
    memory.takeSnapshot()
  })
  after(() => {
    setTimeouts(TIMEOUTS_MAX)
    setTurns(TURNS_MAX)
    setCounting(ALL_COUNT)
  })

  /** The scenario, and the ends of the executions that it is told of. */
  function withEnds(poll: Poll, work: Work, most: number): [scenario: Scenario, ends: Set<string>] {
    const ends = new Set<string>()
    const invariant = ({ cells, told }: PollState): void => void ends.add([...cells, told].join())
    return [{ ...make(poll, work, most), invariant } as unknown as Scenario, ends]
  }

  function enumerated(poll: Poll, work: Work): Set<string> {
    setTimeouts(TURNS * 2)
    setCounting(ALL_COUNT)
    const [scenario, ends] = withEnds(poll, work, TURNS)
    const subject = userSubject(scenario, loops)
    runAgain(subject, () => {
      ends.clear()
      const all = { maxSteps: STEPS_MAX, bound: null, symmetry: null, fullDepth: STEPS_MAX, sleepSets: false }
      const explorer = new Explorer(subject.threads, all)
      do {
        const failure: RawFailure | null = runOnce(subject, explorer)
        assert.notEqual(explorer.status, REDUNDANT)
        if (failure !== null) assert.match(String(failure.error), /too many turns/)
      } while (explorer.advance())
      explorer.retire()
    })
    return ends
  }

  let explored = 0
  for (const poll of polls)
    it(`of ${poll} leave out nothing`, () => {
      for (const work of works) {
        setTimeouts(TIMEOUTS_MAX)
        setTurns(TURNS_MAX)
        setCounting([])
        const [scenario, ends] = withEnds(poll, work, 0)
        const limits = { maxSteps: STEPS_MAX, maxExecutions: 100_000, maxMs: 60_000 }
        const { failure, complete, hasLeftLoops, hasLeftTimeouts } = explore(
          userSubject(scenario, loops),
          limits,
        )
        assert.deepEqual([failure, complete], [null, true], work)
        if (hasLeftLoops || hasLeftTimeouts) continue
        explored++
        const missed = [...enumerated(poll, work)].filter((end) => !ends.has(end))
        assert.deepEqual(missed, [], work)
      }
    })

  it('are found, and others told apart', () => {
    assert.ok(explored > polls.length && explored < (polls.length * works.length) / 2)
  })
})
