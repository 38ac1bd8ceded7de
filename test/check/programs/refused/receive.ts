// A thread looks for a message.

import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'

export default {
  setup: () => new MessageChannel(),
  threads: [
    ({ port2 }: MessageChannel): void => {
      if (receiveMessageOnPort(port2) !== undefined) throw new Error('from whom?')
    },
  ],
}
