import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printable, shortened } from '../../src/report/printable.ts'
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatFactor,
  formatEstimate,
  formatQuantity,
  formatQuantityRange,
  formatRange,
  formatRate,
  formatShare,
  plural,
} from '../../src/report/numbers.ts'

test('counts have thousands separators', () => {
  assert.deepEqual([0, 999, 1000, 44_472, 1_234_567].map(formatCount), [
    '0',
    '999',
    '1,000',
    '44,472',
    '1,234,567',
  ])
})

test('durations have three significant digits and never a number of four digits', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0 ns'],
    [1, '1 ns'],
    [450.4, '450 ns'],
    [999.4, '999 ns'],
    [999.6, '1.00 µs'],
    [1234, '1.23 µs'],
    [12_345, '12.3 µs'],
    [99_949, '99.9 µs'],
    [99_960, '100 µs'],
    [999_600, '1.00 ms'],
    [1.2e6, '1.20 ms'],
    [1.2e9, '1.20 s'],
    [90e9, '90.0 s'],
    [600e9, '10.0 min'],
    [36e12, '10.0 h'],
    [864e12, '10.0 days'],
    [3.15576e17, '10.0 years'],
    [2.9e25, 'more than 1,000 years'],
    [Infinity, 'more than 1,000 years'],
  ]
  for (const [nanoseconds, text] of cases) assert.equal(formatDuration(nanoseconds), text)
})

test('quantities and rates have decimal prefixes', () => {
  assert.deepEqual([7, 4.56e9, 1.5e17, Infinity].map(formatEstimate), [
    'about 7',
    'about 4.56 G',
    'more than 10¹²',
    'more than 10¹²',
  ])
  assert.deepEqual([0, 7, 950, 999.7, 12_345, 1_234_567, 4.56e9].map(formatQuantity), [
    '0',
    '7',
    '950',
    '1.00 k',
    '12.3 k',
    '1.23 M',
    '4.56 G',
  ])
  assert.equal(formatRate(1_234_567), '1.23 M/s')
  assert.equal(formatRate(950), '950 /s')
})

test('shares: what is not zero never prints as zero, what is not all never prints as all', () => {
  assert.deepEqual([0, 0.000_01, 0.004, 0.0123, 0.5, 0.9996, 0.999_96, 1].map(formatShare), [
    '0 %',
    '<0.01 %',
    '0.40 %',
    '1.2 %',
    '50.0 %',
    '99.96 %',
    '>99.99 %',
    '100 %',
  ])
})

test('bytes, factors, plurals and ranges', () => {
  assert.equal(formatBytes(128 * 2 ** 20), '128 MiB')
  assert.equal(formatBytes(1.5 * 2 ** 30), '1.5 GiB')
  assert.equal(formatBytes(512), '512 B')
  assert.equal(formatFactor(3.614), '3.61×')
  assert.equal(plural(1, 'thread'), '1 thread')
  assert.equal(plural(2000, 'thread'), '2,000 threads')
  assert.equal(formatRange(2.38e6, 2.44e6, formatQuantity), '2.38–2.44 M')
  assert.equal(formatRange(950e3, 1.2e6, formatQuantity), '950 k – 1.20 M')
  assert.equal(formatQuantityRange(950e3, 1.2e6), '0.95–1.20 M')
  assert.equal(formatQuantityRange(100, 900), '100–900')
})

test('a long name keeps its beginning and its end, and no half of a character', () => {
  const path = `/tmp/${'y'.repeat(4000)}/end.so`
  const short = shortened(path)
  assert.equal(short.length, 100)
  assert.ok(short.startsWith('/tmp/yyy') && short.endsWith('yyy/end.so') && short.includes('…'))
  assert.equal(shortened('/lib/libc.so.6'), '/lib/libc.so.6')
  for (let before = 0; before < 2; before++) {
    const cut = shortened('a'.repeat(before) + '😀'.repeat(100))
    assert.ok(cut.isWellFormed())
  }
  assert.equal(printable('\u202Ea\x1b[31m\u200b'), '?a?[31m?')
})
