const assert = require('node:assert/strict')
const Bluebird = require('bluebird')

const run = async () => {
  const doubled = await Bluebird.map([1, 2, 3], (n) => Bluebird.delay(1).return(n * 2), { concurrency: 2 })
  assert.deepEqual(doubled, [2, 4, 6])
  const read = Bluebird.promisify((n, done) => setImmediate(done, null, n + 1))
  assert.equal(await read(1), 2)
}

run()
