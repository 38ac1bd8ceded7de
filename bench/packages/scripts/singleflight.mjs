import assert from 'node:assert/strict'
import { Singleflight } from '@zcong/singleflight'

const flight = new Singleflight()
let called = 0
const fetchIt = () =>
  flight.do('key', async () => {
    called++
    await new Promise((resolve) => setTimeout(resolve, 1))
    return called
  })
assert.deepEqual(await Promise.all([fetchIt(), fetchIt(), fetchIt()]), [1, 1, 1])
assert.equal(await fetchIt(), 2)
