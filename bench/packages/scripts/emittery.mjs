import assert from 'node:assert/strict'
import Emittery from 'emittery'

const emitter = new Emittery()
const seen = []
emitter.on('a', async ({ data } = {}) => {
  await Promise.resolve()
  seen.push(data)
})
const once = emitter.once('a')
await emitter.emit('a', 1)
await once
const events = emitter.events('b')
emitter.emit('b', 2)
await events.next()
await events.return()
await emitter.emitSerial('a', 3)
assert.equal(seen.length, 2)
