// One memory by two objects: each thread gets its own from a port, while it runs. An update is lost.

import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { scenario } from '../../../src/check/scenario.ts'

function increment({ memory }: { memory: SharedArrayBuffer }): void {
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(memory)
  const { message } = receiveMessageOnPort(port2)! as { message: SharedArrayBuffer }
  port1.close()
  const view = new Int32Array(message)
  Atomics.store(view, 0, Atomics.load(view, 0) + 1)
}

export default scenario({
  title: 'a buffer from a port',
  setup: () => ({ memory: new SharedArrayBuffer(4) }),
  threads: [increment, increment],
  invariant: ({ memory }) => {
    if (new Int32Array(memory)[0] !== 2) throw new Error('an update was lost')
  },
})
