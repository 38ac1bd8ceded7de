import assert from 'node:assert/strict'
import { Sema } from 'async-sema'

const sema = new Sema(1)
let inside = 0
const enter = async () => {
  await sema.acquire()
  assert.equal(++inside, 1)
  await new Promise((resolve) => setImmediate(resolve))
  inside--
  sema.release()
}
await Promise.all([enter(), enter(), enter()])
await sema.drain()
