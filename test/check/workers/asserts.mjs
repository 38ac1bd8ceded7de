// Assertions about promises of a thread, and about functions that can stop; promises that are made of callbacks.
import assert, { doesNotReject, rejects } from 'node:assert/strict'
import loose from 'node:assert'
import { promisify } from 'node:util'

const cells = new Int32Array(new SharedArrayBuffer(4))
const failing = async (error) => {
  await Promise.resolve()
  throw error
}
const told = []
const tell = async (name, promise) => {
  try {
    await promise
    told.push([name, 'passes'])
  } catch ({ name: kind, code, operator, message }) {
    told.push([name, kind, code, operator, message.split('\n')[0]])
  }
}
await tell(
  'a class',
  assert.rejects(() => failing(new TypeError('a')), TypeError),
)
await tell('a pattern', rejects(failing(new Error('b')), /c/))
await tell('nothing', loose.rejects(Promise.resolve(1)))
await tell('no promise', rejects(1))
await tell(
  'a function without one',
  rejects(() => 1),
)
await tell('none', doesNotReject(Promise.resolve(1)))
await tell('one', loose.doesNotReject(failing(new Error('d'))))
await tell('a value', assert.rejects(failing(new Error('e')), { message: 'e' }))
const thrower = () => {
  if (Atomics.add(cells, 0, 1) === 0) throw new RangeError('f')
}
assert.throws(thrower, RangeError)
assert.doesNotThrow(thrower)
const later = promisify((value, done) => setImmediate(done, value === 0 ? new Error('g') : null, value))
await tell('made', rejects(later(0), { message: 'g' }))
told.push(await later(3), Atomics.load(cells, 0), typeof assert, typeof assert.strict.rejects)
report(told)
