import assert from 'node:assert/strict'
import { BroadcastChannel } from 'broadcast-channel'

const one = new BroadcastChannel('talk', { type: 'simulate' })
const two = new BroadcastChannel('talk', { type: 'simulate' })
const heard = new Promise((resolve) => two.addEventListener('message', resolve))
await one.postMessage({ n: 1 })
assert.deepEqual(await heard, { n: 1 })
await one.close()
await two.close()
