const assert = require('node:assert/strict')
const { default: Mutex } = require('await-mutex')

const mutex = new Mutex()
let inside = 0
const work = async () => {
  const unlock = await mutex.lock()
  assert.equal(++inside, 1)
  setTimeout(() => {
    inside--
    unlock()
  }, 1)
}
Promise.all([work(), work(), work()]).then(() => assert.ok(mutex.isLocked()))
