import { parentPort, workerData } from 'node:worker_threads'
parentPort.once('message', (value) => parentPort.postMessage(value + workerData))
