import assert from 'node:assert/strict'
import { Tinypool } from 'tinypool'

const filename = new URL('task.mjs', import.meta.url).href
const pool = new Tinypool({ filename, minThreads: 1, maxThreads: 1 })
assert.equal(await pool.run({ a: 1, b: 2 }), 3)
await pool.destroy()
