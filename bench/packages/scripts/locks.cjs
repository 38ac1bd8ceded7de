const assert = require('node:assert/strict')
const locks = require('locks')

const mutex = locks.createMutex()
const condition = locks.createCondVariable(0)
let inside = 0
let done = 0
const enter = () =>
  mutex.lock(() => {
    assert.equal(++inside, 1)
    setTimeout(() => {
      inside--
      done++
      mutex.unlock()
      condition.set(done)
    }, 1)
  })
enter()
enter()
condition.wait(
  (value) => value === 2,
  () => assert.equal(done, 2),
)
