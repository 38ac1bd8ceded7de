import assert from 'node:assert/strict'
import { GroupSemaphore, Semaphore } from '@chriscdn/promise-semaphore'

const semaphore = new Semaphore(1)
let inside = 0
const work = () =>
  semaphore.request(async () => {
    assert.equal(++inside, 1)
    await new Promise((resolve) => setTimeout(resolve, 1))
    inside--
  })
await Promise.all([work(), work()])

const groups = new GroupSemaphore()
const seen = []
const enter = async (group) => {
  await groups.acquire(group)
  seen.push(group)
  await Promise.resolve()
  groups.release(group)
}
await Promise.all([enter('a'), enter('b'), enter('a')])
assert.deepEqual(seen.toSorted(), ['a', 'a', 'b'])
