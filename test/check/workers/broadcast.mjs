import { Worker, BroadcastChannel } from 'node:worker_threads'
const channel = new BroadcastChannel('x')
const log = []
channel.addEventListener('message', ({ data }) => {
  log.push(data)
  if (data === 'ready') channel.postMessage('go')
  else {
    channel.close()
    report(log)
  }
})
const worker = new Worker(new URL('./broadcast-worker.mjs', import.meta.url))
worker.on('error', (error) => report(error))
