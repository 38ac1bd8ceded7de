import assert from 'node:assert/strict'
import { Mutex } from '@hazae41/mutex'

const mutex = new Mutex({ count: 0 })
const add = () =>
  mutex.runOrWait(async (state) => {
    const { count } = state
    await new Promise((resolve) => setTimeout(resolve, 1))
    state.count = count + 1
    return state.count
  })
assert.deepEqual(await Promise.all([add(), add(), add()]), [1, 2, 3])
