// Preloaded, it says on standard error when a worker thread of the process has begun to run.

import { writeSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

if (!isMainThread) writeSync(2, 'a thread runs\n')
