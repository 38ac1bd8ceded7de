import assert from 'node:assert/strict'
import { Thread, Worker, spawn } from '@xylabs/threads'

// It gives up after ten seconds, however busy the machine is.
const isLate = ({ message }) => message.startsWith('Timeout: Did not receive an init message')
const add = await spawn(new Worker('./xylabs-threads-worker.mjs')).catch((error) => assert.ok(isLate(error)))
if (add !== undefined) {
  assert.equal(await add(1, 2), 3)
  await Thread.terminate(add)
}
