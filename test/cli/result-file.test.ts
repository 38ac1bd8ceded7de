// Results that are read again: whatever a file holds, it is refused in words or makes a page, and nothing stumbles.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { UsageError } from '../../src/cli/failure.ts'
import { readResult, RESULT_FORM, resultHead } from '../../src/cli/result-file.ts'
import { htmlPage, replayText, reportText, verdictOfTrace } from '../../src/report/index.ts'
import { extent } from '../extent.ts'
import { harmed } from '../report/replay-objects.ts'
import { runOf, whatIfOf } from '../report/what-if-objects.ts'
import { contentOf } from '../report/html/large-trace.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-result-'))
after(() => rmSync(folder, { recursive: true }))
const file = join(folder, 'result.json')

/** Reads the text as a result, and makes of it all that is made of results. */
function use(text: string): void {
  writeFileSync(file, text)
  const result = readResult(file)
  if (result.kind !== 'replay') {
    const { trace, whatIf } = result
    reportText(trace, verdictOfTrace(trace), {}, whatIf)
    htmlPage({ trace, detail: null, replays: [], minimumFidelity: 0.98, whatIf, before: null })
    return
  }
  const { report } = result
  replayText(report, 0.98)
  htmlPage({
    trace: report.trace,
    detail: null,
    replays: [report],
    minimumFidelity: 0.98,
    before: report.trace,
  })
}

/** Every place in a value, as the keys that lead there. */
function* placesIn(value: unknown, place: readonly string[] = []): Generator<readonly string[]> {
  yield place
  if (typeof value !== 'object' || value === null) return
  for (const [key, each] of Object.entries(value)) yield* placesIn(each, [...place, key])
}

function replaced(value: unknown, place: readonly string[], by: unknown): unknown {
  const [key, ...rest] = place
  if (key === undefined) return by
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }) as Record<
    string,
    unknown
  >
  if (rest.length === 0 && by === undefined) delete copy[key]
  else copy[key] = replaced(copy[key], rest, by)
  return copy
}

test('a result of which any one value is another is refused, or used', async () => {
  const { trace } = await contentOf({ threads: 3, events: 200 })
  replaceEach({ ...resultHead(), ...harmed, trace, designs: harmed.designs.slice(0, 1) }, extent(17, 1))
})

test('so is one with a simulation', () => {
  const runs = [runOf({ elapsedMs: [190, 210] }), runOf({ design: 'classic', cpus: 8, elapsedMs: [80, 80] })]
  replaceEach({ ...resultHead(), trace: harmed.trace, whatIf: whatIfOf(runs) }, extent(3, 1))
})

/** Reads a result with one value replaced, and then another: every so manieth of all. */
function replaceEach(result: object, step: number): void {
  use(JSON.stringify(result))
  const values = [undefined, null, 'text', -1, 1e300, true, [], {}, [null], { a: {} }]
  let [refused, used, turn] = [0, 0, 0]
  for (const place of placesIn(JSON.parse(JSON.stringify(result)))) {
    for (const value of values) {
      if (turn++ % step !== 0) continue
      try {
        use(JSON.stringify(replaced(result, place, value)) ?? '')
        used++
      } catch (error) {
        const what = `${place.join('.')} = ${JSON.stringify(value)}`
        assert.ok(error instanceof UsageError, `${what}: ${(error as Error).stack}`)
        refused++
      }
    }
  }
  assert.ok(refused > 10 && used > 10, `${refused} refused, ${used} used`)
}

test('what is no result is told of by what is wrong with it', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['{', /it is no JSON/],
    ['{}', /trace is no object/],
    [JSON.stringify({ ...resultHead(), trace: 3 }), /trace is no object/],
    [JSON.stringify({ ...resultHead(), ...harmed, designs: [{}] }), /designs\[0\]\.design is no string/],
    [
      JSON.stringify({ ...resultHead(), ...harmed, designs: Array.from({ length: 2000 }, () => ({})) }),
      /designs has more than 1000 entries/,
    ],
    [
      JSON.stringify({ ...resultHead(), ...harmed }).replace('"replayThreads":11', '"replayThreads":1e999'),
      /replayThreads is no number/,
    ],
  ]
  for (const [text, message] of cases) assert.throws(() => use(text), message)
})

test('a result of another version is refused with its version and what to do', () => {
  const older = JSON.stringify(harmed)
  assert.throws(() => use(older), /an older form \(1, of faultline before results had a number\)/)
  const newer = JSON.stringify({ ...harmed, resultForm: RESULT_FORM + 1, faultline: '9.9.9' })
  assert.throws(
    () => use(newer),
    (error: unknown) => {
      assert.ok(error instanceof UsageError)
      assert.ok(error.message.includes(`another form (${RESULT_FORM + 1}, of faultline 9.9.9)`))
      assert.match(error.message, /and this is \d+\.\d+\.\d+, which reads form \d+$/)
      assert.match(error.remedy, /faultline report TRACE --json/)
      return true
    },
  )
})
