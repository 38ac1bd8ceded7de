// What tests wait for other threads by: an error of a thread ends the wait, and so does its end.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { until } from './support.ts'

test('who waits for threads is told where they fail or end, and not where one of them has ended', async () => {
  const start = (code: string, data?: unknown): Worker => new Worker(code, { eval: true, workerData: data })
  await assert.rejects(
    until(() => false, [start(`import('none:this').then(() => {})`)]),
    /none:/,
  )
  await assert.rejects(
    until(() => false, [start(''), start('process.exit(3)')]),
    /the threads have ended before/,
  )
  const cells = new Int32Array(new SharedArrayBuffer(4))
  const worker = start(
    `const { workerData: cells } = require('node:worker_threads')
    Atomics.wait(cells, 0, 0)
    Atomics.store(cells, 0, 2)`,
    cells,
  )
  const short = start('')
  short.on('exit', () => {
    Atomics.store(cells, 0, 1)
    Atomics.notify(cells, 0)
  })
  await until(() => cells[0] === 2, [short, worker])
})
