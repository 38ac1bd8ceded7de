// The trace of a counterexample, held to what the Trace Event Format asks for and to the counterexample.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type Counterexample,
  checkFile,
  checkKernelScenario,
  mutants,
  perfettoTrace,
} from '../../src/check/index.ts'

interface TraceEvent {
  readonly ph: string
  readonly name: string
  readonly cat?: string
  readonly pid: number
  readonly tid: number
  readonly ts: number
  readonly dur: number
  readonly id?: number
  readonly args: Readonly<Record<string, unknown>>
}

async function counterexampleOf(name: string): Promise<Counterexample> {
  if (name === 'ring') {
    const { failure } = await checkFile(new URL('programs/ring.ts', import.meta.url))
    return failure!.counterexample
  }
  const { scenario, patches } = mutants.find((mutant) => mutant.name === name)!
  const choice = { design: 'lespinasse-2021', rwsem: 'xadd' } as const
  const { failure } = await checkKernelScenario(scenario, choice, { patches })
  return failure!.counterexample
}

function read(counterexample: Counterexample): TraceEvent[] {
  return (JSON.parse(perfettoTrace(counterexample, 'a title')) as { traceEvents: TraceEvent[] }).traceEvents
}

describe('the trace of a counterexample', () => {
  for (const name of ['ring', 'entry-overwritten', 'lock-instead-of-try-lock']) {
    it(`of ${name}: a track for each thread, and slices that nest`, async () => {
      const counterexample = await counterexampleOf(name)
      const trace = read(counterexample)
      const names = trace.filter((event) => event.name === 'thread_name').map(({ args }) => args['name'])
      const { noun } = counterexample
      assert.deepEqual(names, [`${noun} 0`, `${noun} 1`])
      for (const tid of [0, 1]) {
        const open: TraceEvent[] = []
        const slices = trace.filter((event) => event.ph === 'X' && event.tid === tid)
        assert.ok(slices.length > 0)
        for (const slice of slices.toSorted((a, b) => a.ts - b.ts || b.dur - a.dur)) {
          while (open.length > 0 && open.at(-1)!.ts + open.at(-1)!.dur <= slice.ts) open.pop()
          const around = open.at(-1)
          if (around !== undefined) assert.ok(slice.ts + slice.dur <= around.ts + around.dur)
          open.push(slice)
        }
      }
    })

    it(`of ${name}: an arrow for each read of what another thread wrote`, async () => {
      const counterexample = await counterexampleOf(name)
      const { events } = counterexample
      const trace = read(counterexample)
      const operations = trace.filter(({ ph, cat }) => ph === 'X' && cat !== 'call')
      assert.equal(operations.length, events.length)
      const around = ({ ts, tid }: TraceEvent): TraceEvent =>
        operations.find((each) => each.tid === tid && each.ts < ts && ts < each.ts + each.dur)!
      const reads = events.filter(({ from }) => from !== null)
      assert.ok(reads.length > 0)
      const arrows = trace.filter(({ ph }) => ph === 's')
      assert.equal(arrows.length, reads.length)
      for (const arrow of arrows) {
        const end = trace.find(({ ph, id }) => ph === 'f' && id === arrow.id)!
        assert.equal(around(arrow).args['name'], around(end).args['name'])
        assert.equal(around(arrow).args['after'], around(end).args['before'])
        assert.notEqual(arrow.tid, end.tid)
        assert.ok(arrow.ts < end.ts)
      }
    })
  }

  it('counts what is common, and says why another goes on and what broke', async () => {
    const counterexample = await counterexampleOf('ring')
    const trace = read(counterexample)
    const values = trace.filter(({ ph, name }) => ph === 'C' && name === 'ring[TAIL]')
    assert.deepEqual(
      values.map(({ args }) => args['value']),
      [0, 1],
    )
    const instants = trace.filter(({ ph }) => ph === 'i').map(({ name }) => name)
    assert.match(instants[0]!, /thread 0 is stopped before Atomics\.store/)
    assert.equal(instants.at(-1), 'error: Error: the first value is 1, and 0 came out')
  })
})
