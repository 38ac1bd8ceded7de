import assert from 'node:assert/strict'
import pRetry from 'p-retry'
import pTimeout from 'p-timeout'
import { pEvent } from 'p-event'
import { EventEmitter } from 'node:events'

let tries = 0
const result = await pRetry(
  async () => {
    if (++tries < 3) throw new Error('not yet')
    return 'done'
  },
  { retries: 3, minTimeout: 1 },
)
assert.deepEqual([result, tries], ['done', 3])
await assert.rejects(pTimeout(new Promise(() => {}), { milliseconds: 5 }), { name: 'TimeoutError' })
const emitter = new EventEmitter()
setTimeout(() => emitter.emit('ready', 1), 1)
assert.equal(await pEvent(emitter, 'ready'), 1)
