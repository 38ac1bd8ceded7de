import { Worker } from 'node:worker_threads'
import { callers } from './callers-lib.cjs'
const log = []
// By its path from the file that names it.
const byCaller = (path) => new Worker(new URL(path, callers()[0][0]))
const worker = byCaller('./callers-worker.cjs')
worker.on('message', (told) => log.push(told))
worker.on('exit', () => report([...log, callers().map(([file, line]) => [file.split('/').at(-1), line])[0]]))
