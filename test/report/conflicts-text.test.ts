import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findConflicts } from '../../src/check/index.ts'
import { conflictsText } from '../../src/report/conflicts-text.ts'
import { assertFits, assertGolden } from './golden.ts'

const find = (design: string, rwsem: 'xadd' | 'generic' = 'xadd', rss: 'batched' | 'shared' = 'batched') =>
  findConflicts({ design, rwsem, rss })

test('the conflict matrix of three designs', async () => {
  const found = [
    ...(await find('classic')),
    ...(await find('lespinasse-2021')),
    ...(await find('per-vma-refcount-2025')),
  ]
  const text = conflictsText(found)
  assertFits(text, 100)
  assertGolden('conflicts.txt', text)
})

test('one design, and a machine that is not the usual one', async () => {
  const found = (await find('dufour-2019', 'generic', 'shared')).slice(0, 7)
  const text = conflictsText(found)
  assertFits(text, 100)
  assertGolden('conflicts-one.txt', text)
  assert.doesNotMatch(text, /every design/)
})
