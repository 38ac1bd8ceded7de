import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import PQueue from 'p-queue'

const queue = new PQueue({ concurrency: 1 })
const worker = new Worker(new URL('answers.mjs', import.meta.url))
const ask = async (n) => {
  worker.postMessage(n)
  const [answer] = await once(worker, 'message')
  return answer
}
assert.deepEqual(await Promise.all([queue.add(() => ask(1)), queue.add(() => ask(2))]), [2, 3])
await worker.terminate()
