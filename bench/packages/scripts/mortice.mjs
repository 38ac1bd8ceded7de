import assert from 'node:assert/strict'
import mortice from 'mortice'

const mutex = mortice()
let readers = 0
let writers = 0
const read = async () => {
  const release = await mutex.readLock()
  readers++
  assert.equal(writers, 0)
  await Promise.resolve()
  readers--
  release()
}
const write = async () => {
  const release = await mutex.writeLock()
  writers++
  assert.deepEqual([readers, writers], [0, 1])
  await Promise.resolve()
  writers--
  release()
}
await Promise.all([read(), read(), write(), read()])
