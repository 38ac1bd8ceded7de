// A span between two times that are whole microseconds, cut off: what it may have been.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomNumbers } from '../../src/simulate/charges.ts'
import { RecordedSpans } from '../../src/simulate/trace-program.ts'

const SPANS = 20_000

function spansOf(ns: number, resolutionNs: number, seed = 1): number[] {
  const spans = new RecordedSpans(resolutionNs, randomNumbers(seed))
  return Array.from({ length: SPANS }, () => spans.one(ns))
}

const mean = (all: readonly number[]): number => all.reduce((sum, one) => sum + one, 0) / all.length

test('a span is within one microsecond of what was recorded, and as long on average', () => {
  const spans = spansOf(5000, 1000)
  assert.ok(spans.every((ns) => ns > 4000 && ns < 6000))
  assert.ok(Math.abs(mean(spans) - 5000) < 20, `${mean(spans)} ns`)
})

test('one that was recorded as nothing took a third of a microsecond on average', () => {
  const spans = spansOf(0, 1000)
  assert.ok(spans.every((ns) => ns >= 0 && ns < 1000))
  assert.ok(Math.abs(mean(spans) - 1000 / 3) < 20, `${mean(spans)} ns`)
  // As those are in truth that two times cut off tell as nothing.
  const random = randomNumbers(2)
  const truth: number[] = []
  while (truth.length < SPANS) {
    const [from, ns] = [random() * 1000, random() * 1000]
    if (from + ns < 1000) truth.push(ns)
  }
  assert.ok(Math.abs(mean(spans) - mean(truth)) < 20, `${mean(truth)} ns`)
})

test('by the same seed it is the same; with nanoseconds it is what was recorded', () => {
  assert.deepEqual(spansOf(5000, 1000, 3), spansOf(5000, 1000, 3))
  assert.notDeepEqual(spansOf(5000, 1000, 3), spansOf(5000, 1000, 4))
  assert.ok(spansOf(5000, 1).every((ns) => Math.abs(ns - 5000) <= 1))
})
