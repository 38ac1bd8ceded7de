// `faultline report`: the analysis of a recording, without a replay.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { faultline, refusals } from './command.ts'

const trace = fileURLToPath(
  new URL('../fixtures/traces/small/holder-is-another-process.perf.txt', import.meta.url),
)

test('report prints what a recording tells, as JSON with the keys that are relied upon', async () => {
  const { code, stdout } = await faultline(['report', trace, '--json'])
  assert.equal(code, 0)
  const { trace: record, verdict } = JSON.parse(stdout) as Record<string, Record<string, unknown>>
  assert.equal(record!['lines'], 15)
  assert.equal(verdict!['hurts'], true)
  assert.equal(typeof verdict!['summary'], 'string')
  const keys = {
    holders: ['process', 'pid', 'comm', 'call', 'waits', 'waitedNs'],
    waiters: ['comm', 'tid', 'call', 'waits', 'waitedNs'],
    advice: ['change', 'savesMs', 'how'],
  }
  for (const [key, names] of Object.entries(keys)) {
    const [first] = verdict![key] as Record<string, unknown>[]
    assert.deepEqual(Object.keys(first!), names)
  }
})

test('report refuses what it cannot do', async () => {
  const [page, missing] = await refusals([
    ['report', trace, '--output', 'report.html'],
    ['report', 'no-such-file.txt'],
  ])
  assert.deepEqual([page!.code, page!.stdout], [2, ''])
  assert.match(page!.stderr, /--output is not there yet/)
  assert.deepEqual([missing!.code, missing!.stdout], [2, ''])
})
