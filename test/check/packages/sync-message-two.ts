// sync-message: two messages, one after the other, each asked for by the worker.

import { inWorkers } from './worker-globals.ts'
import syncMessage from 'sync-message'
import { scenario } from '../../../src/check/scenario.ts'

const { makeAtomicsChannel, readMessage, writeMessageAtomics } = syncMessage

export default inWorkers(
  scenario({
    title: 'sync-message 0.0.12: two messages that are written when they are asked for',
    setup: () => ({
      channel: makeAtomicsChannel({ bufferSize: 16 }),
      asked: new Int32Array(new SharedArrayBuffer(4)),
      read: [] as unknown[],
    }),
    threads: [
      ({ channel, asked }) => {
        for (const turn of [1, 2]) {
          while (Atomics.load(asked, 0) < turn) Atomics.pause()
          writeMessageAtomics(channel, turn)
        }
      },
      ({ channel, asked, read }) => {
        for (const turn of [1, 2]) {
          Atomics.store(asked, 0, turn)
          read.push(readMessage(channel, String(turn)))
        }
      },
    ],
    invariant: ({ read }) => read[0] === 1 && read[1] === 2,
  }),
)
