// A worker thread of a campaign.

import { parentPort, workerData } from 'node:worker_threads'
import { type Outcome, type Work, doWork } from '../task.ts'

export interface ThreadData {
  /** The folder of the files that may be checked. */
  readonly files: string | null
}

export type ThreadReply = { readonly outcome: Outcome } | { readonly outcome: null; readonly problem: string }

const { files } = workerData as ThreadData

parentPort!.on('message', (work: Work) => {
  doWork(work, files).then(
    (outcome) => parentPort!.postMessage({ outcome } satisfies ThreadReply),
    (error: unknown) => {
      const problem = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
      parentPort!.postMessage({ outcome: null, problem } satisfies ThreadReply)
    },
  )
})
