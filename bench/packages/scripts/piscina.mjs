import assert from 'node:assert/strict'
import { Piscina } from 'piscina'

const filename = new URL('task.mjs', import.meta.url).href
const pool = new Piscina({ filename, minThreads: 1, maxThreads: 1 })
assert.equal(await pool.run({ a: 1, b: 2 }), 3)
await pool.destroy()
