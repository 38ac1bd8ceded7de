import { test } from 'node:test'
import { designs } from '../../src/kernel/index.ts'
import { designsText } from '../../src/report/designs-text.ts'
import { assertFits, assertGolden } from './golden.ts'

test('the list of designs', () => {
  const text = designsText(designs.map(({ description }) => description))
  assertFits(text, 100)
  assertGolden('designs.txt', text)
})

test('the list of designs on a narrow terminal', () => {
  assertFits(designsText([designs[4]!.description], { width: 60 }), 60)
})
