// sync-message: the main thread writes a message, a worker reads it, once.

import { inWorkers } from './worker-globals.ts'
import syncMessage from 'sync-message'
import { scenario } from '../../../src/check/scenario.ts'

const { makeAtomicsChannel, readMessage, writeMessageAtomics } = syncMessage

export default inWorkers(
  scenario({
    title: 'sync-message 0.0.12: one message',
    setup: () => ({ channel: makeAtomicsChannel({ bufferSize: 16 }), read: [] as unknown[] }),
    threads: [
      ({ channel }) => writeMessageAtomics(channel, 'a'),
      ({ channel, read }) => void read.push(readMessage(channel, 'unused')),
    ],
    invariant: ({ read }) => read[0] === 'a',
  }),
)
