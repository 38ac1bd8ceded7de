import assert from 'node:assert/strict'
import semaphores from 'await-semaphore'

const semaphore = new semaphores.Semaphore(2)
let inside = 0
const use = () =>
  semaphore.use(async () => {
    assert.ok(++inside <= 2)
    await new Promise((resolve) => setTimeout(resolve, 1))
    inside--
  })
await Promise.all([use(), use(), use()])
