import assert from 'node:assert/strict'
import { Semaphore } from '@calebboyd/semaphore'

const semaphore = new Semaphore(1)
let inside = 0
const work = async () => {
  await semaphore.acquire()
  assert.equal(++inside, 1)
  await new Promise((resolve) => setTimeout(resolve, 1))
  inside--
  semaphore.release()
}
await Promise.all([work(), work(), work()])
