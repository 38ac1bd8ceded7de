import assert from 'node:assert/strict'
import { Mutex } from '@livekit/mutex'

const mutex = new Mutex()
const seen = []
const enter = async (name) => {
  const unlock = await mutex.lock()
  seen.push(name)
  await new Promise((resolve) => setTimeout(resolve, 1))
  seen.push(name)
  unlock()
}
await Promise.all([enter('a'), enter('b')])
assert.deepEqual(seen, ['a', 'a', 'b', 'b'])
