import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatTable, wrap, type Column } from '../../src/report/table.ts'

const labels: Column = { heading: ['what'], align: 'left', cells: ['a', 'longer'] }
const column = (name: string): Column => ({ heading: ['two', name], align: 'right', cells: ['1', '1,000'] })

test('columns are aligned, headings stand on the bottom line', () => {
  assert.deepEqual(formatTable([labels, column('x')]), [
    '            two',
    '  what        x',
    '  a           1',
    '  longer  1,000',
  ])
})

test('columns that do not fit go to a further table with the labels repeated', () => {
  const lines = formatTable([labels, column('x'), column('y')], { width: 20 })
  assert.deepEqual(lines, [
    '            two',
    '  what        x',
    '  a           1',
    '  longer  1,000',
    '',
    '            two',
    '  what        y',
    '  a           1',
    '  longer  1,000',
  ])
})

test('a column wider than the width is shown all the same', () => {
  assert.equal(formatTable([labels, column('x')], { width: 3 }).length, 4)
})

test('emphasis does not count as width', () => {
  const plain = formatTable([labels, column('x')])
  const styled = formatTable([labels, column('x')], { styleLabel: (text) => `<${text}>` })
  assert.deepEqual(
    styled.map((line) => line.replaceAll(/[<>]/g, '')),
    plain,
  )
})

test('wrap keeps a number and its unit together', () => {
  assert.deepEqual(wrap('it took 12 ms, 3 % of 4 sips', 10), ['it took', '12 ms, 3 %', 'of 4 sips'])
})

test('wrap breaks at words only', () => {
  assert.deepEqual(wrap('one two three', 9, 2), ['  one two', '  three'])
  assert.deepEqual(wrap('unbreakable', 4), ['unbreakable'])
})
