const assert = require('node:assert/strict')
const PromisePool = require('es6-promise-pool')

let begun = 0
let inside = 0
const next = () => {
  if (begun === 3) return null
  begun++
  assert.ok(++inside <= 2)
  return new Promise((resolve) => setTimeout(resolve, 1)).then(() => void inside--)
}
new PromisePool(next, 2).start().then(() => assert.deepEqual([begun, inside], [3, 0]))
