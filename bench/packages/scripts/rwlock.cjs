const assert = require('node:assert/strict')
const ReadWriteLock = require('rwlock')

const lock = new ReadWriteLock()
let readers = 0
let writers = 0
let done = 0
for (let n = 0; n < 2; n++)
  lock.readLock((release) => {
    readers++
    setTimeout(() => {
      assert.equal(writers, 0)
      readers--
      done++
      release()
    }, 2)
  })
lock.writeLock((release) => {
  writers++
  assert.equal(readers, 0)
  setTimeout(() => {
    writers--
    done++
    release()
  }, 1)
})
process.on('exit', () => assert.equal(done, 3))
