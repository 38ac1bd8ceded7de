// A thread sends a message: when it arrives is not explored.

import { MessageChannel } from 'node:worker_threads'

export default {
  setup: () => ({ cells: new Int32Array(new SharedArrayBuffer(16)), ...new MessageChannel() }),
  threads: [
    ({ cells, port1 }: { cells: Int32Array; port1: MessageChannel['port1'] }): void => {
      Atomics.store(cells, 0, 1)
      port1.postMessage(1)
    },
  ],
}
