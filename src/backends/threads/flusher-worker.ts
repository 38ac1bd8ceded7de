// The thread that flusher.ts starts.

import { workerData } from 'node:worker_threads'
import { type FlusherTask, runFlusher } from './index.ts'

await runFlusher(workerData as FlusherTask)
