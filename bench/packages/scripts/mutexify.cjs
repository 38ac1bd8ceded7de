const assert = require('node:assert/strict')
const mutexify = require('mutexify')
const mutexifyPromise = require('mutexify/promise')

const order = []
const lock = mutexify()
lock((release) => setTimeout(() => (order.push(1), release()), 2))
lock((release) => setTimeout(() => (order.push(2), release()), 1))

const lockPromise = mutexifyPromise()
const enter = async (name) => {
  const release = await lockPromise()
  order.push(name)
  release()
}
Promise.all([enter('a'), enter('b')]).then(() => assert.ok(order.indexOf('a') < order.indexOf('b')))
process.on('exit', () => assert.ok(order.indexOf(1) < order.indexOf(2)))
