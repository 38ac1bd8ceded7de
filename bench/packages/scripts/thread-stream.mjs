import { fileURLToPath } from 'node:url'
import ThreadStream from 'thread-stream'

const filename = fileURLToPath(new URL('thread-stream-worker.mjs', import.meta.url))
const stream = new ThreadStream({ filename, workerData: { expected: 'hello' }, sync: true })
stream.write('hello')
stream.end()
