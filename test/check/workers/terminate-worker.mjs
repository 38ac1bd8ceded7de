import { workerData as cells } from 'node:worker_threads'
Atomics.store(cells, 0, 1)
Atomics.notify(cells, 0)
Atomics.add(cells, 1, 1)
Atomics.add(cells, 1, 1)
Atomics.wait(cells, 1, 2)
