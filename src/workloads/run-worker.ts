// One measured run in a thread of its own, whose end gives the machine's memory back: the garbage collector does not
// feel the weight of shared memory, and a bench of many runs would else hold many machines.
import { parentPort, workerData } from 'node:worker_threads'
import { runOnThreads, type ThreadRunOptions } from './thread-run.ts'

parentPort!.postMessage(await runOnThreads(workerData as ThreadRunOptions))
