// Which imports of a program lead to what is stepped.

import assert from 'node:assert/strict'
import test from 'node:test'
import { followImport } from '../../../src/backends/stepped/resolve.ts'

test('what a file imports of Faultline is no part of its program, whichever copy the project has', () => {
  const program = 'file:///project/queue.check.mjs'
  const follow = (specifier: string): string | null =>
    followImport(program, specifier, 'import', (name) => `file:///project/node_modules/${name}/index.js`)
  assert.deepEqual(['faultline', 'faultline/check'].map(follow), [null, null])
  assert.equal(follow('faultlines'), 'file:///project/node_modules/faultlines/index.js')
})
