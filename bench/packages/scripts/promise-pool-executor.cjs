const assert = require('node:assert/strict')
const { PromisePoolExecutor } = require('promise-pool-executor')

const pool = new PromisePoolExecutor({ concurrencyLimit: 2 })
let inside = 0
pool
  .addEachTask({
    data: [1, 2, 3],
    generator: async (element) => {
      assert.ok(++inside <= 2)
      await new Promise((resolve) => setTimeout(resolve, 1))
      inside--
      return element + 1
    },
  })
  .promise()
  .then((results) => assert.deepEqual(results, [2, 3, 4]))
