// A thread that measures: it does what it is sent, one task after the other.

import { readlinkSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { type TaskRequest, runTask } from './tasks.ts'

/** The thread's number for the operating system, or 0 where that is not known: only Linux tells. */
function threadNumber(): number {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').at(-1)) || 0
  } catch {
    return 0
  }
}

parentPort!.postMessage(threadNumber())
parentPort!.on('message', (request: TaskRequest) => {
  parentPort!.postMessage(runTask(request))
})
