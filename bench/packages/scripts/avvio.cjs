const assert = require('node:assert/strict')
const boot = require('avvio')

const order = []
const app = boot()
app.use(async () => {
  await Promise.resolve()
  order.push('first')
})
app.use((server, options, done) => {
  order.push('second')
  setTimeout(done, 1)
})
app.ready((error) => {
  assert.equal(error, null)
  assert.deepEqual(order, ['first', 'second'])
})
