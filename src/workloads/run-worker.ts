// One measured run in a separate thread, whose end frees the machine's memory: the garbage collector does not count
// shared memory, and a bench of many runs would otherwise keep many machines.
import { parentPort, workerData } from 'node:worker_threads'
import { runOnThreads, type ThreadRunOptions } from './thread-run.ts'

parentPort!.postMessage(await runOnThreads(workerData as ThreadRunOptions))
