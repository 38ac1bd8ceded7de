// Simulations of a recording side by side, each worker thread with a kernel of its own. Which worker has which run
// makes no difference to what comes of it.
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { RecordingValues, SimulatedTraceRun, TraceJob } from './trace-simulate.ts'

/** Each has the plan and a simulated machine, some 200 MB for 100,000 events. */
const MOST_WORKERS = 8

/** What a worker says: how far it is, what it found, or what went wrong. */
export type FromTraceWorker =
  | { readonly done: number }
  | { readonly run: SimulatedTraceRun }
  | { readonly problem: { readonly name: string; readonly message: string; readonly remedy: unknown } }

/**
 * Simulates runs on as many worker threads as there are processors, at most eight.
 * @param onProgress is told which run is how far, from 0 to 1
 * @throws what a run threw, by its name; the other runs are given up
 */
export async function simulateOnWorkers(
  values: RecordingValues,
  jobs: readonly TraceJob[],
  onProgress: (job: number, done: number) => void,
): Promise<SimulatedTraceRun[]> {
  const count = Math.min(availableParallelism(), MOST_WORKERS, jobs.length)
  const runs: SimulatedTraceRun[] = []
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const workers = Array.from(
    { length: count },
    () => new Worker(new URL(`./trace-worker${extension}`, import.meta.url), { workerData: values }),
  )
  const left = jobs.entries()
  try {
    await Promise.all(
      workers.map(async (worker) => {
        for (const [number, job] of left) {
          onProgress(number, 0)
          runs[number] = await runOn(worker, job, (done) => onProgress(number, done))
        }
      }),
    )
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
  return runs
}

function runOn(
  worker: Worker,
  job: TraceJob,
  onProgress: (done: number) => void,
): Promise<SimulatedTraceRun> {
  const { promise, resolve, reject } = Promise.withResolvers<SimulatedTraceRun>()
  const hear = (said: FromTraceWorker): void => {
    if ('run' in said) resolve(said.run)
    else if ('done' in said) onProgress(said.done)
    else {
      const { name, message, remedy } = said.problem
      reject(Object.assign(new Error(message), { name }, remedy === undefined ? {} : { remedy }))
    }
  }
  const end = (code: number): void => reject(new Error(`a worker thread ended with code ${code}`))
  worker.on('message', hear).on('error', reject).on('exit', end)
  worker.postMessage(job)
  return promise.finally(() => worker.off('message', hear).off('error', reject).off('exit', end))
}
