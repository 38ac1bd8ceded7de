// Where functions may not be made of text, the fields of objects are remembered all the same.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asCode, asData } from '../../../src/backends/stepped/private-state.ts'

test('fields are set back and copied alike, with and without code', () => {
  const make = (): Record<string, unknown> =>
    Object.defineProperties(
      { count: 3, share: 0.5, isAt: false, name: 'cpu', inner: null as unknown, call: () => 1 },
      { fixed: { value: 7, enumerable: true } },
    )
  const copies = [asCode, asData].map((compile) => {
    const object = make()
    const before = { ...object }
    // Another of the same fields, so that a place in the lists is not always the first.
    const { copy, numbers, save, goBack, references } = compile([object, make()])
    const initial: unknown[] = []
    save(initial)
    Object.assign(object, { count: -1, share: Number.NaN, isAt: true, name: 'other', inner: {} })
    copy()
    const changed = [...numbers]
    const saved: unknown[] = []
    save(saved)
    const after = { ...object }
    goBack(initial)
    assert.deepEqual(object, before)
    copy()
    const first = [...numbers]
    goBack(saved)
    assert.deepEqual(object, after)
    assert.deepEqual(
      references.map((index) => saved[index]),
      ['other', {}, 'cpu', null],
    )
    return [changed, first]
  })
  assert.deepEqual(copies[0], copies[1])
  assert.deepEqual(copies[0], [
    [-1, Number.NaN, 1, 3, 0.5, 0],
    [3, 0.5, 0, 3, 0.5, 0],
  ])
})
