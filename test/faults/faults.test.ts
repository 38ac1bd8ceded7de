// Every case of the table of injected faults, see faults.ts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { extent } from '../extent.ts'
import { faultCases, runFaultCase } from './faults.ts'

for (const each of faultCases(extent(0.25, 1))) {
  test(each.injected, async () => {
    const { seen, expected } = await runFaultCase(each)
    assert.equal(seen, expected)
  })
}
