// The thread that flusher.ts starts.

import { workerData } from 'node:worker_threads'
import { type FlusherTask, runFlusher } from './index.ts'

const task = workerData as FlusherTask
runFlusher(task, task.storage === null ? null : await defaultExport(task.storage))

async function defaultExport(url: string): Promise<unknown> {
  // Not in the backend: a bundler warns each program of an import that it cannot follow.
  const module = (await import(url)) as { default: unknown }
  return module.default
}
