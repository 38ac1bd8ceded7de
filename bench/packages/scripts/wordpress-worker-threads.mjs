import assert from 'node:assert/strict'
import Worker from 'web-worker'
import { terminate, wrap } from '@wordpress/worker-threads'

const worker = new Worker(new URL('wordpress-worker-threads-worker.mjs', import.meta.url), { type: 'module' })
const api = wrap(worker)
assert.equal(await api.sum(1, 2), 3)
terminate(api)
