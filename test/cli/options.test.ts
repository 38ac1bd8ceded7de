import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from '../../src/cli/failure.ts'
import {
  parseCount,
  parseCounts,
  parseDesigns,
  parseNumber,
  parseConfig,
  parseRss,
  parseRwsems,
  parseSize,
} from '../../src/cli/options.ts'
import { nearest } from '../../src/check/index.ts'

/** Asserts that a call is refused, with a message and a remedy that match. */
function refuses(call: () => unknown, message: RegExp, remedy: RegExp): void {
  assert.throws(call, (error: unknown) => {
    assert.ok(error instanceof UsageError)
    assert.match(error.message, message)
    assert.match(error.remedy, remedy)
    return true
  })
}

test('designs: all, lists without repetition, and the nearest name for a misspelt one', () => {
  assert.ok(parseDesigns('all').includes('classic'))
  assert.deepEqual(parseDesigns('lespinasse-2021, classic,classic'), ['lespinasse-2021', 'classic'])
  refuses(() => parseDesigns('clasic'), /unknown design 'clasic'/, /did you mean 'classic'\?/)
  refuses(() => parseDesigns('lespinasse'), /unknown design/, /did you mean 'lespinasse-2021'\?/)
  refuses(() => parseDesigns('zebra'), /unknown design 'zebra'/, /^Known: classic, /)
  refuses(() => parseDesigns('classic,'), /--design has an empty design/, /classic/)
})

test('rwsems', () => {
  assert.deepEqual(parseConfig('SMP=on, SLUB_DEBUG=off'), { SMP: true, SLUB_DEBUG: false })
  refuses(() => parseConfig('SLUB_DEBUGS=on'), /unknown kernel option/, /did you mean 'SLUB_DEBUG'/)
  refuses(() => parseConfig('SMP=1'), /SMP=1 is not usable/, /SMP=on or SMP=off/)
  assert.deepEqual(parseRwsems('all'), ['generic', 'xadd', 'writer-spinning', 'reader-spinning', 'spinning'])
  assert.equal(parseRss('shared'), 'shared')
  refuses(() => parseRss('all'), /unknown way of counting 'all'/, /batched, shared/)
  refuses(() => parseRwsems('xad'), /unknown rwsem 'xad'/, /did you mean 'xadd'/)
})

test('counts and numbers are held to their range', () => {
  assert.equal(parseCount('4', '--threads', 1, 8), 4)
  assert.deepEqual(parseCounts('1, 2,4,2', '--threads', 1, 8), [1, 2, 4])
  assert.equal(parseNumber('0.5', '--seconds', 0, 9), 0.5)
  for (const text of ['0', '9', '-1', '1.5', 'two', '', '1e1', '0x2']) {
    refuses(() => parseCount(text, '--threads', 1, 8), /--threads .*not usable/, /whole number of 1 to 8/)
  }
  for (const text of ['NaN', '', 'x', '10']) {
    refuses(() => parseNumber(text, '--seconds', 0, 9), /--seconds .*not usable/, /number of 0 to 9/)
  }
})

test('sizes have binary units and whole pages', () => {
  assert.equal(parseSize('256MiB', '--memory'), 256 * 2 ** 20)
  assert.equal(parseSize('1G', '--memory'), 2 ** 30)
  assert.equal(parseSize('1.5 mb', '--memory'), 1.5 * 2 ** 20)
  assert.equal(parseSize('5000', '--memory'), 8192)
  for (const text of ['0', '4GiB', '1TiB', '-4K', 'lots']) {
    refuses(() => parseSize(text, '--memory'), /--memory .*not usable/, /256MiB/)
  }
})

test('the nearest name is near', () => {
  const names = ['page_fault1', 'page_fault3', 'mmap1']
  assert.equal(nearest('pagefault1', names), 'page_fault1')
  assert.equal(nearest('mmpa1', names), 'mmap1')
  assert.equal(nearest('Fault3', names), 'page_fault3')
  assert.equal(nearest('fork', names), undefined)
  assert.equal(nearest('z', ['a', 'by']), undefined)
})
