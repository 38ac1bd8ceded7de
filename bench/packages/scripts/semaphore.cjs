const assert = require('node:assert/strict')
const semaphore = require('semaphore')

const sem = semaphore(1)
let inside = 0
let done = 0
for (let n = 0; n < 3; n++)
  sem.take(() => {
    assert.equal(++inside, 1)
    setImmediate(() => {
      inside--
      done++
      sem.leave()
    })
  })
process.on('exit', () => assert.equal(done, 3))
