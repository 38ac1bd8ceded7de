import assert from 'node:assert/strict'
import EventEmitter3 from 'eventemitter3'
import mitt from 'mitt'
import { createNanoEvents } from 'nanoevents'

const seen = []
const one = new EventEmitter3()
one.on('a', async (n) => {
  await Promise.resolve()
  seen.push(n)
})
one.emit('a', 1)
const two = mitt()
two.on('*', (name, n) => seen.push(n))
two.emit('b', 2)
const three = createNanoEvents()
const stop = three.on('c', (n) => setTimeout(() => seen.push(n), 1))
three.emit('c', 3)
stop()
three.emit('c', 4)
process.on('exit', () => assert.deepEqual(seen, [2, 1, 3]))
