const assert = require('node:assert/strict')
const createThrottle = require('async-throttle')

const throttle = createThrottle(2)
let inside = 0
const work = (n) =>
  throttle(async () => {
    assert.ok(++inside <= 2)
    await new Promise((resolve) => setTimeout(resolve, 1))
    inside--
    return n
  })
Promise.all([work(1), work(2), work(3)]).then((results) => assert.deepEqual(results, [1, 2, 3]))
