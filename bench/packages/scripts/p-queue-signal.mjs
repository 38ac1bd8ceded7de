import assert from 'node:assert/strict'
import PQueue from 'p-queue'

const queue = new PQueue({ concurrency: 1 })
const controller = new AbortController()
const first = queue.add(() => new Promise((resolve) => setTimeout(resolve, 5, 'first')))
const second = queue.add(async () => 'second', { signal: controller.signal })
const failed = assert.rejects(second, { name: 'AbortError' })
controller.abort()
assert.equal(await first, 'first')
await failed
await queue.onIdle()
