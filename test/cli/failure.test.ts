import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeFailure, UsageError } from '../../src/cli/failure.ts'

test('a wrong call is told in one line with its remedy', () => {
  assert.equal(
    describeFailure(new UsageError('no such thing', 'try another')),
    'faultline: no such thing — try another',
  )
})

test('file and line are told once, whether or not the message has them', () => {
  class PlacedError extends Error {
    readonly file = 'a.perf.txt'
    readonly line = 12
    readonly remedy = 'Record it again.'
  }
  const told = 'faultline: time goes backwards (a.perf.txt, line 12) — Record it again.'
  assert.equal(describeFailure(new PlacedError('a.perf.txt:12: time goes backwards. Record it again.')), told)
  assert.equal(describeFailure(new PlacedError('time goes backwards')), told)
})

test('errors of the system name what helps', () => {
  const error = Object.assign(new Error("ENOENT: no such file or directory, open 'x'"), {
    code: 'ENOENT',
    syscall: 'open',
  })
  assert.match(describeFailure(error), /no such file.* — check the path$/)
})

test('what is not the caller’s fault is shown with its stack', () => {
  assert.match(
    describeFailure(new TypeError('x is undefined')),
    /a bug in faultline: TypeError: x is undefined\n\s+at /,
  )
  const endless = (): number => endless() + 1
  assert.throws(endless, (error) => {
    assert.match(describeFailure(error), /a bug in faultline: RangeError: Maximum call stack/)
    return true
  })
})
