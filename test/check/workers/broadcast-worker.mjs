import { BroadcastChannel } from 'node:worker_threads'
const channel = new BroadcastChannel('x')
channel.addEventListener('message', ({ data }) => {
  channel.postMessage(`got ${data}`)
  channel.close()
})
channel.postMessage('ready')
