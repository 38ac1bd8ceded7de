// The histogram tells what that of Node tells.

import assert from 'node:assert/strict'
import { createHistogram } from 'node:perf_hooks'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Histogram } from '../../src/trace/histogram.ts'

const values = fc.oneof(
  fc.integer({ min: 1, max: 5000 }),
  fc.integer({ min: 1, max: 2 ** 31 }),
  fc.integer({ min: 1, max: 2 ** 50 }),
)

test('percentiles are those of createHistogram', () => {
  fc.assert(
    fc.property(fc.array(values, { minLength: 1, maxLength: 300 }), (all) => {
      const [own, known] = [new Histogram(), createHistogram()]
      for (const value of all) {
        own.record(value)
        known.record(value)
      }
      for (const percentile of [0.1, 1, 25, 50, 90, 99, 99.9, 100])
        assert.equal(
          own.percentile(percentile),
          known.percentile(percentile),
          `${percentile} of ${all.join()}`,
        )
    }),
  )
})

test('nothing recorded is 0', () => {
  assert.equal(new Histogram().percentile(50), 0)
})
