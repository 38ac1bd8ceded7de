// A worker thread that simulates runs of a recording, one after the other.
import { parentPort, workerData } from 'node:worker_threads'
import { type RecordingValues, type TraceJob, simulateJob } from './trace-simulate.ts'
import type { FromTraceWorker } from './trace-workers.ts'

const say = (said: FromTraceWorker): void => parentPort!.postMessage(said)
/** More often, messages take longer than what they tell of. */
const STEP = 0.05

parentPort!.on('message', (job: TraceJob) => {
  let told = 0
  const tell = (done: number): void => {
    if (done < told + STEP) return
    told = done
    say({ done })
  }
  simulateJob(workerData as RecordingValues, job, tell).then(
    (run) => say({ run }),
    (error: Error & { readonly remedy?: unknown }) =>
      say({ problem: { name: error.name, message: error.message, remedy: error.remedy } }),
  )
})
