// A worker thread of a campaign.

import { parentPort } from 'node:worker_threads'
import { type Outcome, type Work, doWork } from '../task.ts'

export type ThreadReply = { readonly outcome: Outcome } | { readonly outcome: null; readonly problem: string }

parentPort!.on('message', (work: Work) => {
  doWork(work).then(
    (outcome) => parentPort!.postMessage({ outcome } satisfies ThreadReply),
    (error: unknown) => {
      const problem = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
      parentPort!.postMessage({ outcome: null, problem } satisfies ThreadReply)
    },
  )
})
