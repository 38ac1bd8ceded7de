import { workerData } from 'node:worker_threads'

const { cells, id } = workerData
if (globalThis.kindOfEnd === 'broken' && id === 1) throw new Error('broken')
if (globalThis.kindOfEnd === 'broken' && id === 2) Atomics.wait(cells, 1, 0)
if (id === 3) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
while (Atomics.compareExchange(cells, 0, 0, 1) !== 0) Atomics.wait(cells, 0, 1)
cells[1]++
Atomics.store(cells, 0, 0)
Atomics.notify(cells, 0, 1)
