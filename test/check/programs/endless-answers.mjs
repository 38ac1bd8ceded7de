// Two threads that answer each other for ever.

import { MessageChannel } from 'node:worker_threads'

const answer = (port) => port.on('message', (number) => port.postMessage(number + 1))

export default {
  setup: () => new MessageChannel(),
  threads: [
    ({ port1 }) => {
      answer(port1)
      port1.postMessage(0)
    },
    ({ port2 }) => answer(port2),
  ],
}
